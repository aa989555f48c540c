/*
 * Files that appear whole or not at all: written under a temporary name in the same directory, renamed
 * at commit, removed when abandoned. Temporary names start with ".tmp-" + pid so that gc knows leftovers.
 */
#pragma once

#include "base/stream.h"

typedef struct AtomicFile AtomicFile;
/* dirfd is borrowed until commit/free. mode as open(2). */
int atomic_file_open(int dirfd, const char *path, unsigned mode, AtomicFile **ret, Err **err)
	_warn_unused_;
int atomic_file_fd(AtomicFile *f); /* borrowed */
Writer *atomic_file_writer(
	AtomicFile *f); /* owned by the caller; writes to the fd, does not close */
/* Renames into place (over an existing file). durable: fsync file and directory first. Another path
 * may be given when the final name became known only now (a digest); NULL = the one of open. */
int atomic_file_commit(AtomicFile *f, const char *final_path, bool durable, Err **err)
	_warn_unused_;
AtomicFile *atomic_file_free(AtomicFile *f); /* removes the temporary file if not committed */
DEFINE_FREEP(AtomicFile, atomic_file_free)
/* Whether a rename over an existing file is noted after the content that replaces it. Where it is not, a power failure may
 * leave an empty file under the name, unless the commit is durable. */
bool replaces_whole(int dirfd);
/* Whole small files. */
int atomic_write(int dirfd, const char *path, Str content, unsigned mode, bool durable, Err **err)
	_warn_unused_;
/* ERR_NOT_FOUND if it is not there; ERR_LIMIT past max. */
int file_read(int dirfd, const char *path, size_t max, Buf *ret, Err **err) _warn_unused_;
int mkdir_p(int dirfd, const char *path, unsigned mode, Err **err) _warn_unused_;
/* Removes a file or a whole tree without following links; absent is fine. Makes directories writable
 * when it must. */
int remove_tree(int dirfd, const char *path, Err **err) _warn_unused_;
/* A fresh directory "<prefix>XXXXXX" below dirfd; *ret_name owned. */
int temp_dir(int dirfd, const char *prefix, unsigned mode, char **ret_name, Err **err)
	_warn_unused_;
