/*
 * Locks between processes (and threads): open file description locks (flock) on files. Released by close, so a killed
 * process leaves none held. A file is removed only by who holds it exclusively, and whoever gets a lock looks whether the
 * file is still the one of that name: so two never hold different files under one name.
 */
#pragma once

#include "base/error.h"

typedef enum LockMode {
	LOCK_SHARED,
	LOCK_EXCLUSIVE,
} LockMode;
/* Waits for it, but not beyond an interruption (ERR_CANCELLED); *ret_fd owned: close it to unlock. Creates the file. */
int lock_take(int dirfd, const char *path, LockMode mode, int *ret_fd, Err **err) _warn_unused_;
/* One step of waiting in a loop around lock_try: a little longer each time (*turn starts at 0). */
int lock_wait(unsigned *turn, Err **err) _warn_unused_;
/* 1 taken, 0 held by somebody else. */
int lock_try(int dirfd, const char *path, LockMode mode, int *ret_fd, Err **err) _warn_unused_;
/* Removes the file of a lock that nobody holds: 1 removed, 0 held. Who waits for it gets a new file of that name. */
int lock_remove(int dirfd, const char *path, Err **err) _warn_unused_;
