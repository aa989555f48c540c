/*
 * Hash map from byte strings to pointers. Keys are copied; values are borrowed unless a free function
 * was given, in which case the map owns them. Iteration is in order of insertion, so that results do
 * not depend on the hash.
 */
#pragma once

#include <stdbool.h>

#include "base/str.h"

typedef struct MapItem {
	char *key; /* owned, NUL-terminated (may hold NULs before key_len) */
	size_t key_len;
	void *value;
	uint64_t hash;
	bool gone; /* deleted; map_foreach skips it */
} MapItem;

typedef struct Map {
	MapItem *items;
	size_t len; /* slots used in items, deleted ones included */
	size_t cap;
	size_t live;     /* entries present */
	uint32_t *table; /* open addressing: index + 1 into items */
	size_t table_size;
	void (*free_value)(void *);
} Map;

#define MAP_INIT(free_fn) ((Map){.free_value = (free_fn)})
void *map_get(const Map *m, Str key); /* NULL if absent */
bool map_has(const Map *m, Str key);
/* Sets key to value; an old value is released. Returns true if the key is new. */
bool map_put(Map *m, Str key, void *value);
bool map_del(Map *m, Str key); /* releases the value; false if absent */
void map_done(Map *m);
#define _cleanup_map_ _cleanup_(map_done)

#define map_foreach(m, it)                                                                         \
	for (MapItem *it = (m)->items; it && it < (m)->items + (m)->len; it++)                     \
		if (!it->gone)
