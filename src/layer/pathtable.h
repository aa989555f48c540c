/*
 * A set of paths numbered in order of arrival, with all bytes in one growing block: what the index
 * builder and the unpacker need for tens of thousands of short strings. Internal to layer/.
 */
#pragma once

#include "base/str.h"

typedef struct PathKey {
	uint64_t offset; /* in strings */
	uint32_t len;
	uint32_t hash;
} PathKey;

typedef struct PathTable {
	char *strings; /* owned */
	size_t strings_len, strings_cap;
	PathKey *keys; /* owned */
	size_t n_keys, cap_keys;
	uint32_t *slots; /* owned: open addressing, number + 1 */
	size_t n_slots;
} PathTable;

/* Number of the path, or -1. */
ssize_t path_table_find(const PathTable *t, Str path);
/* Number of the path, added when it is not there. path must not point into the table. */
size_t path_table_add(PathTable *t, Str path, bool *ret_new);
/* The first len bytes of a path that is there already; shares them. */
size_t path_table_add_prefix(PathTable *t, size_t number, size_t len, bool *ret_new);
/* Any other bytes into the same block: their offset. */
uint64_t path_table_store(PathTable *t, const void *data, size_t len);
static inline Str path_table_get(const PathTable *t, size_t n)
{
	return (Str){t->strings + t->keys[n].offset, t->keys[n].len};
}
void path_table_done(PathTable *t);

/* The parent of a path: "" of "usr". False for the root itself. */
static inline bool path_parent(Str path, Str *ret)
{
	if (path.len == 0)
		return false;
	ssize_t slash = str_rfind(path, '/');
	*ret = (Str){path.ptr, slash < 0 ? 0 : (size_t)slash};
	return true;
}
/* Last component. */
static inline Str path_base(Str path)
{
	ssize_t slash = str_rfind(path, '/');
	return slash < 0 ? path : str_slice(path, (size_t)slash + 1, path.len);
}
/* Whether path lies below dir (not dir itself). */
static inline bool path_below(Str path, Str dir)
{
	if (dir.len == 0)
		return path.len > 0;
	return path.len > dir.len && path.ptr[dir.len] == '/' &&
		memcmp(path.ptr, dir.ptr, dir.len) == 0;
}
