/* --chown and --chmod of COPY and ADD (spec: build.md 28, 29, 45, 46). */
#pragma once

#include "image/layers.h"

typedef struct Owner {
	bool given;
	bool has_uid, has_gid;
	uint32_t uid, gid;
} Owner;
/* "user[:group]", ":group"; names are looked up in the stage's /etc/passwd and /etc/group; a number without a
 * group means the same group number, a name its primary group. Unknown name: ERR_NOT_FOUND. NULL = not given.
 * what: "--chown", or who else asks, for messages. */
int owner_parse(const char *what, const char *text, const LayerStack *stage, Store *s, Owner *ret,
	Err **err) _warn_unused_;

typedef struct ModeChange ModeChange; /* opaque: octal, or a list of symbolic clauses */
/* Octal up to 07777 or symbolic ("u=rwX,go=rX"); NULL gives NULL. */
int mode_parse(const char *text, ModeChange **ret, Err **err) _warn_unused_;
uint32_t mode_apply(const ModeChange *m, uint32_t mode, bool is_dir); /* m may be NULL */
/* The octal value, which also holds for directories created on the way (28); false for symbolic or NULL. */
bool mode_octal(const ModeChange *m, uint32_t *ret);
ModeChange *mode_free(ModeChange *m);
DEFINE_FREEP(ModeChange, mode_free)
