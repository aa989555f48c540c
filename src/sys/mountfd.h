/*
 * Mounts through descriptors: a mount is made detached, configured, and attached to a directory or file that
 * is known by its own descriptor, so that no path is resolved twice. (Linux 5.12 or later.)
 */
#pragma once

#include <stdbool.h>

#include "base/str.h"

/* Attributes of a mount (the kernel's MOUNT_ATTR_… values). */
#define MOUNT_READ_ONLY 0x01u
#define MOUNT_NO_SUID   0x02u
#define MOUNT_NO_DEV    0x04u
#define MOUNT_NO_EXEC   0x08u

typedef struct MountOption {
	const char *key, *value; /* borrowed; value NULL: a flag */
	bool optional;           /* goes on without it where the kernel does not know it */
} MountOption;

/* A new file system, detached. */
int mount_new(const char *type, const MountOption *options, size_t n_options, unsigned attributes,
	int *ret_fd, Err **err) _warn_unused_;
/* A detached copy of what is seen at path, with everything mounted below. An empty path: dirfd itself. */
int mount_clone(int dirfd, const char *path, int *ret_fd, Err **err) _warn_unused_;
int mount_set(int mount_fd, unsigned attributes, bool recursive, Err **err) _warn_unused_;
/* Onto the directory or file of target_fd; name is for messages. */
int mount_attach(int mount_fd, int target_fd, const char *name, Err **err) _warn_unused_;
/* Makes the (attached) mount of root_fd the root, lets go of the old one and goes to "/". */
int mount_pivot(int root_fd, Err **err) _warn_unused_;
/* Changes here stay here; those made outside later still arrive. */
int mount_isolate(Err **err) _warn_unused_;

typedef struct OverlayOptions {
	const StrVec *lowers;     /* absolute, top first; at least one */
	const char *upper, *work; /* both NULL: read-only, then at least two lowers */
	bool user_xattr;          /* in a user namespace */
	bool one_string;          /* for tests: the way of kernels before 6.5 */
} OverlayOptions;
/* Detached. Writes reach the disk when the kernel likes: nobody waits for them ("volatile"). May change the working
 * directory. ERR_LIMIT if an old kernel cannot take so many directories. */
int mount_overlay(const OverlayOptions *options, int *ret_fd, Err **err) _warn_unused_;
