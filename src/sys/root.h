/*
 * Paths inside an untrusted tree: resolved as if the tree were "/", so that neither "..", absolute
 * links nor races lead out (openat2 RESOLVE_IN_ROOT; a component-wise walk where the kernel or a
 * seccomp filter refuses it). Paths may start with '/'.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"

int root_open(int root_fd, const char *path, int flags, unsigned mode, int *ret_fd, Err **err)
	_warn_unused_;
/* O_PATH on the last component itself when nofollow. */
int root_open_path(int root_fd, const char *path, bool nofollow, int *ret_fd, Err **err)
	_warn_unused_;
/* The parent directory (links in it followed inside the root) and the last name (owned). */
int root_open_parent(int root_fd, const char *path, int *ret_fd, char **ret_name, Err **err)
	_warn_unused_;
/* For tests: makes every later call use the fallback. */
void root_disable_openat2(void);
