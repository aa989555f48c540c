/*
 * Becoming "root" without being root: an ordinary user enters a user namespace at program start, while
 * the process has one thread, with the ranges of /etc/subuid and /etc/subgid (newuidmap, newgidmap)
 * where they are, else with his one id.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

typedef enum UsernsKind {
	USERNS_REAL_ROOT,  /* euid 0 in the initial namespace or with the capabilities needed */
	USERNS_FULL_RANGE, /* entered, ids 0…65535 at least are mapped */
	USERNS_SINGLE_ID,  /* entered, only id 0 is mapped: other owners cannot be represented */
} UsernsKind;

/* Enters when needed (no-op for root). Must be called before any thread exists. *ret_note: owned
 * sentence for the user when SINGLE_ID (why, and what to set), else NULL. ERR_DENIED with a hint when
 * user namespaces are forbidden. */
int userns_enter(UsernsKind *ret_kind, char **ret_note, Err **err) _warn_unused_;
UsernsKind userns_kind(void); /* after userns_enter, or a guess before it */
uid_t userns_caller(void);    /* the user who started the program, whoever it has become since */
bool userns_inside(void);     /* not in the initial user namespace: overlay needs userxattr */
