/*
 * Locks between processes (and threads): open file description locks (flock) on files that are never
 * deleted while held. Released by close, so a killed process leaves none.
 */
#pragma once

#include "base/error.h"

typedef enum LockMode {
	LOCK_SHARED,
	LOCK_EXCLUSIVE,
} LockMode;
/* Blocks (restarting on EINTR); *ret_fd owned: close it to unlock. Creates the file. */
int lock_take(int dirfd, const char *path, LockMode mode, int *ret_fd, Err **err) _warn_unused_;
/* 1 taken, 0 held by somebody else. */
int lock_try(int dirfd, const char *path, LockMode mode, int *ret_fd, Err **err) _warn_unused_;
