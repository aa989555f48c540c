/* The bytes of an index file (index.c explains them); shared by its reader and its builder. */
#pragma once

#include "layer/index.h"

#define INDEX_MAGIC      "cruetIx1"
#define INDEX_BYTE_ORDER 0x01020304u

/* What a small but hostile tar could blow up: names of thousands of components, each of them an implied
 * directory, and megabytes of attributes in every entry. */
#define INDEX_IMPLIED_MAX (1u << 20)
#define INDEX_STRINGS_MAX (512u << 20)
#define INDEX_CLEARED_MAX 256u /* directories replaced by something else in the same layer */

typedef struct IndexHeader {
	char magic[8];
	uint32_t byte_order;
	uint32_t record_size;
	uint64_t n_records;
	uint64_t n_xattrs;
	uint64_t strings_len;
	uint64_t tar_size;
	uint64_t unpacked_size;
	uint8_t diff_id[DIGEST_SIZE];
	uint64_t reserved;
} IndexHeader;

typedef struct IndexRecord {
	uint64_t path_offset, link_offset; /* in the strings */
	uint32_t path_len, link_len;
	uint64_t size;
	uint64_t body_offset;
	int64_t mtime;
	uint32_t mode, uid, gid;
	uint32_t dev_major, dev_minor;
	uint32_t xattr_pos, n_xattrs;
	uint32_t subtree_end;
	uint8_t type, flags;
	uint8_t reserved[6];
	uint8_t digest[DIGEST_SIZE];
} IndexRecord;

typedef struct IndexXattr {
	uint64_t name_offset, value_offset; /* in the strings */
	uint32_t name_len, value_len;
} IndexXattr;

_Static_assert(sizeof(IndexHeader) == 96, "the header has no padding");
_Static_assert(sizeof(IndexRecord) == 120, "records have no padding");
_Static_assert(sizeof(IndexXattr) == 24, "extended attributes have no padding");

/* Takes ownership of a malloc'ed image of an index file on success. */
int index_from_memory(void *image, size_t len, const char *name, Index **ret, Err **err)
	_warn_unused_;
/* Whether an entry (no whiteout, no implied directory) of this path was added. */
bool index_builder_has(const IndexBuilder *b, Str path);
/* The nearest parent that was added as something else than a directory. */
bool index_builder_parent_blocked(const IndexBuilder *b, Str path, Str *ret_by);
/* ERR_LIMIT once more was added than an index may hold. */
int index_builder_check(const IndexBuilder *b, Err **err) _warn_unused_;
