/* RUN --mount: the text of the flag as data (spec: build.md 1.3, 59). */
#pragma once

#include "dockerfile/expand.h"

typedef enum MountType {
	MOUNT_BIND,
	MOUNT_CACHE,
	MOUNT_TMPFS,
	MOUNT_SECRET,
	MOUNT_SSH,
} MountType;

typedef enum MountSharing {
	MOUNT_SHARED,
	MOUNT_PRIVATE,
	MOUNT_LOCKED,
} MountSharing;

typedef struct RunMount {
	MountType type;
	char *from; /* stage, image or named context; NULL = the build context (bind), nothing (cache) */
	char *source; /* inside from; NULL = its root */
	char *target; /* absolute and clean; NULL: a secret that is only an environment variable */
	char *id;     /* cache, secret, ssh */
	char *env;    /* secret: name of the variable */
	bool read_only, required;
	MountSharing sharing;
	uint32_t mode, uid, gid;
	uint64_t size; /* tmpfs; 0 = default */
} RunMount;

/* Fields are expanded one by one; cwd is what a relative target is joined to. ERR_PARSE names the field. */
int run_mount_parse(const char *text, const Expander *x, const char *cwd, RunMount *ret, Err **err)
	_warn_unused_;
void run_mount_done(RunMount *m);
/* The from field alone, which is never expanded: known before the build starts. NULL if there is none. */
int run_mount_from(const char *text, char **ret, Err **err) _warn_unused_;
