/* Shared by the files of the unpacker: apply.c (entries), apply_dirs.c (directories), apply_meta.c (owner, mode,
 * attributes, times), apply_whiteout.c. */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "base/vec.h"
#include "layer/apply.h"
#include "layer/pathtable.h"

#define APPLY_DIR_FDS  48 /* directories kept open */
#define APPLY_CHUNK    (1u << 20)
#define APPLY_SEEN_MAX (512u << 20) /* bytes of paths remembered */

typedef enum ApplyWarning {
	APPLY_WARN_XATTR = 1 << 0,
	APPLY_WARN_OWNER = 1 << 1,
	APPLY_WARN_DEVICE = 1 << 2,
	APPLY_WARN_LINK = 1 << 3,
} ApplyWarning;

/* A directory held open. The stack's paths are prefixes of one another. */
typedef struct OpenDir {
	int fd;
	size_t path_len; /* of Apply.at */
	bool fresh;      /* made here: mode 0700 until the end, no setgid bit, no foreign owner */
} OpenDir;

/* What a directory gets when everything below it is done. */
typedef struct DirFinish {
	uint32_t number; /* of the path in Apply.seen */
	uint32_t mode;
	bool set_mode;
	struct timespec mtime;
} DirFinish;

typedef struct Apply {
	const ApplyOptions *options;
	int root_fd; /* borrowed */
	TarReader *tar;
	PathTable seen; /* directories touched; in merged form every path that this layer made */
	VEC(uint32_t) finish_of; /* by number in seen: position in dirs + 1 */
	VEC(DirFinish) dirs;     /* parents before children */
	PathTable opaque;        /* overlay form: directories marked so */
	OpenDir open[APPLY_DIR_FDS];
	size_t n_open;
	Buf at;     /* path of the last of open */
	Buf target; /* of a whiteout */
	char *chunk;
	unsigned warned; /* ApplyWarning */
	uid_t euid;
	gid_t egid;
} Apply;

static inline bool apply_overlay(const Apply *a)
{
	return a->options->flags & APPLY_OVERLAY;
}
void apply_warn(Apply *a, ApplyWarning kind, const char *fmt, ...) _printf_(3, 4);
/* The path belongs to this layer from now on. */
size_t apply_mark(Apply *a, Str path);
bool apply_marked(const Apply *a, Str path);

/* apply_dirs.c. The directory that holds path, made (and what stands in its way removed) when it is
 * missing. *ret_dir and *ret_name (NUL-terminated, part of path) are borrowed. */
int apply_parent(Apply *a, const char *path, const OpenDir **ret_dir, const char **ret_name,
	Err **err) _warn_unused_;
/* A new directory; opened, and on top of the stack. e: NULL for an implied one. */
int apply_make_dir(Apply *a, const char *path, const TarEntry *e, Err **err) _warn_unused_;
/* Removes whatever stands at path, whose parent is dirfd. *ret_existed: there was something. */
int apply_clear(Apply *a, int dirfd, const char *name, Str path, bool *ret_existed, Err **err)
	_warn_unused_;
/* Registers what to set at the end; set_mode false: the time only. */
void apply_finish_later(Apply *a, Str path, bool set_mode, uint32_t mode, struct timespec mtime);
int apply_start_root(Apply *a, Err **err) _warn_unused_;
/* Modes and times of directories, deepest first. */
int apply_finish_dirs(Apply *a, Err **err) _warn_unused_;
void apply_close_dirs(Apply *a);
/* Whether what fstatat found is an overlay whiteout. */
bool apply_is_whiteout(const Apply *a, const struct stat *st);
int apply_set_opaque(Apply *a, int fd, const char *path, Err **err) _warn_unused_;

/* apply_meta.c. In the order owner, mode, attributes, times (spec 38). */
int apply_meta_file(Apply *a, int fd, bool fresh_dir, const TarEntry *e, Err **err) _warn_unused_;
/* Owner and attributes of a directory; the rest comes later. replace: drops attributes it has. */
int apply_meta_dir(Apply *a, int fd, bool replace, const TarEntry *e, Err **err) _warn_unused_;
/* Symlinks, fifos, devices: by name. */
int apply_meta_node(Apply *a, int dirfd, const char *name, const TarEntry *e, Err **err)
	_warn_unused_;

/* apply_whiteout.c. a->target is concerned. */
int apply_whiteout(Apply *a, Err **err) _warn_unused_;
int apply_opaque(Apply *a, Err **err) _warn_unused_;

/* A node of the lower tree as an entry to make again. Owned: apply_entry_done. */
void apply_entry_of_node(const Apply *a, const TreeNode *node, const char *path, TarEntry *ret);
void apply_entry_done(TarEntry *e);
