/*
 * Layer index: everything about a layer's entries but their bodies, in one file that is mapped, never
 * parsed: opening costs the same for ten entries and a hundred thousand. Entries are sorted so that a
 * directory is followed by all that is below it ('/' sorts before every other byte). The file format
 * is described at the top of index.c; a damaged file gives ERR_CORRUPT, never a wild read.
 */
#pragma once

#include "archive/tar.h"
#include "base/digest.h"

typedef enum IndexFlags {
	INDEX_WHITEOUT = 1 << 0, /* path (without .wh.) is removed from the layers below */
	INDEX_OPAQUE = 1 << 1,   /* directory hides everything below it in the layers below */
	INDEX_IMPLIED = 1 << 2,  /* parent directory the tar did not contain */
} IndexFlags;

/* View of one entry; every pointer is borrowed until index_free. */
typedef struct IndexEntry {
	Str path; /* "usr/bin/env"; "" = root */
	Str link; /* symlink or hardlink target */
	TarType type;
	unsigned flags;
	uint32_t mode;
	uint32_t uid, gid;
	uint64_t size;
	int64_t mtime;
	uint32_t dev_major, dev_minor;
	Digest digest;        /* of the body; zero unless TAR_FILE */
	uint64_t body_offset; /* in the uncompressed tar */
	uint32_t n_xattrs;
	uint32_t xattr_pos; /* for index_xattr */
} IndexEntry;

typedef struct Index Index;
/* Maps dirfd/path. */
int index_open(int dirfd, const char *path, Index **ret, Err **err) _warn_unused_;
Index *index_free(Index *i);
DEFINE_FREEP(Index, index_free)
size_t index_count(const Index *i);
void index_get(const Index *i, size_t n, IndexEntry *ret);
/* Number of the entry, or -1. */
ssize_t index_find(const Index *i, Str path);
/* First entry behind the subtree of entry n. */
size_t index_subtree_end(const Index *i, size_t n);
void index_xattr(const Index *i, const IndexEntry *e, uint32_t n, Str *ret_name, Str *ret_value);
uint64_t index_tar_size(const Index *i); /* bytes of the uncompressed layer */
void index_diff_id(const Index *i, Digest *ret);
uint64_t index_unpacked_size(const Index *i); /* sum of file bodies */
/* The order: <0, 0, >0. */
int index_path_cmp(Str a, Str b);

/* Collects entries in any order (a later one of the same path replaces, as tar extraction does) and
 * writes the file. */
typedef struct IndexBuilder IndexBuilder;
IndexBuilder *index_builder_new(void);
/* path/flags as in IndexEntry; xattrs from the TarEntry. digest may be NULL. */
void index_builder_add(IndexBuilder *b, const TarEntry *e, unsigned flags, const Digest *digest);
int index_builder_write(IndexBuilder *b, int dirfd, const char *path, const Digest *diff_id,
	uint64_t tar_size, Err **err) _warn_unused_;
/* The same as an Index in memory. */
int index_builder_index(IndexBuilder *b, const Digest *diff_id, uint64_t tar_size, Index **ret,
	Err **err) _warn_unused_;
IndexBuilder *index_builder_free(IndexBuilder *b);
DEFINE_FREEP(IndexBuilder, index_builder_free)
