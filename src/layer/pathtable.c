#include "layer/pathtable.h"

static uint32_t hash_path(Str path)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ path.len;
	size_t i = 0;
	for (; i + 8 <= path.len; i += 8) {
		uint64_t word;
		memcpy(&word, path.ptr + i, 8);
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	for (; i < path.len; i++)
		h = (h ^ (uint8_t)path.ptr[i]) * 0x100000001b3u;
	h = (h ^ (h >> 29)) * 0xc4ceb9fe1a85ec53u;
	return (uint32_t)(h >> 32);
}

/* The slot that holds the path, or the empty one where it belongs. */
static size_t probe(const PathTable *t, Str path, uint32_t hash)
{
	size_t mask = t->n_slots - 1;
	for (size_t at = hash & mask;; at = (at + 1) & mask) {
		uint32_t number = t->slots[at];
		if (number == 0)
			return at;
		const PathKey *key = &t->keys[number - 1];
		if (key->hash == hash && key->len == path.len &&
			(path.len == 0 ||
				memcmp(t->strings + key->offset, path.ptr, path.len) == 0))
			return at;
	}
}

static void grow_slots(PathTable *t)
{
	size_t n = t->n_slots ? t->n_slots * 2 : 256;
	free(t->slots);
	t->slots = xnew_n(uint32_t, n);
	t->n_slots = n;
	for (size_t i = 0; i < t->n_keys; i++) {
		size_t at = t->keys[i].hash & (n - 1);
		while (t->slots[at])
			at = (at + 1) & (n - 1);
		t->slots[at] = (uint32_t)i + 1;
	}
}

ssize_t path_table_find(const PathTable *t, Str path)
{
	if (t->n_keys == 0)
		return -1;
	return (ssize_t)t->slots[probe(t, path, hash_path(path))] - 1;
}

uint64_t path_table_store(PathTable *t, const void *data, size_t len)
{
	if (len > t->strings_cap - t->strings_len || !t->strings) {
		t->strings_cap = MAX(t->strings_cap + t->strings_cap / 2, t->strings_len + len);
		t->strings_cap = MAX(t->strings_cap, (size_t)4096);
		t->strings = xrealloc(t->strings, t->strings_cap);
	}
	uint64_t offset = t->strings_len;
	if (len)
		memcpy(t->strings + offset, data, len);
	t->strings_len += len;
	return offset;
}

/* The number of the path, or a new key without an offset. */
static size_t add_key(PathTable *t, Str path, bool *ret_new)
{
	if ((t->n_keys + 1) * 4 > t->n_slots * 3)
		grow_slots(t);
	uint32_t hash = hash_path(path);
	size_t at = probe(t, path, hash);
	*ret_new = t->slots[at] == 0;
	if (!*ret_new)
		return t->slots[at] - 1;
	if (t->n_keys == t->cap_keys) {
		t->cap_keys = t->cap_keys ? t->cap_keys * 2 : 64;
		t->keys = xreallocarray(t->keys, t->cap_keys, sizeof(*t->keys));
	}
	t->keys[t->n_keys] = (PathKey){.len = (uint32_t)path.len, .hash = hash};
	t->slots[at] = (uint32_t)++t->n_keys;
	return t->n_keys - 1;
}

size_t path_table_add(PathTable *t, Str path, bool *ret_new)
{
	size_t n = add_key(t, path, ret_new);
	if (*ret_new)
		t->keys[n].offset = path_table_store(t, path.ptr, path.len);
	return n;
}

size_t path_table_add_prefix(PathTable *t, size_t number, size_t len, bool *ret_new)
{
	uint64_t offset = t->keys[number].offset;
	size_t n = add_key(t, (Str){t->strings + offset, len}, ret_new);
	if (*ret_new)
		t->keys[n].offset = offset;
	return n;
}

void path_table_done(PathTable *t)
{
	free(t->strings);
	free(t->keys);
	free(t->slots);
	*t = (PathTable){0};
}
