#include "base/map.h"

static uint64_t hash_bytes(Str s)
{
	/* FNV-1a with a final mix: keys are paths and names, tables are small. */
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < s.len; i++) {
		h ^= (unsigned char)s.ptr[i];
		h *= 0x100000001b3u;
	}
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ (h >> 32);
}

/* Slot of the key in the table, or of the first free slot on its probe path. */
static size_t probe(const Map *m, Str key, uint64_t hash)
{
	size_t mask = m->table_size - 1;
	size_t at = (size_t)hash & mask;
	for (;; at = (at + 1) & mask) {
		uint32_t i = m->table[at];
		if (i == 0)
			return at;
		const MapItem *it = &m->items[i - 1];
		if (!it->gone && it->hash == hash && str_eq((Str){it->key, it->key_len}, key))
			return at;
	}
}

static void rebuild(Map *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->len; i++)
		if (!m->items[i].gone)
			m->items[n++] = m->items[i];
	m->len = n;
	if (m->len + 1 > m->cap) {
		m->cap = MAX(m->cap * 2, (size_t)16);
		m->items = xreallocarray(m->items, m->cap, sizeof(MapItem));
	}
	m->table_size = 32;
	while (m->table_size < m->cap * 2)
		m->table_size *= 2;
	free(m->table);
	m->table = xcalloc(m->table_size, sizeof(uint32_t));
	for (size_t i = 0; i < m->len; i++) {
		const MapItem *it = &m->items[i];
		m->table[probe(m, (Str){it->key, it->key_len}, it->hash)] = (uint32_t)i + 1;
	}
}

static MapItem *find(const Map *m, Str key)
{
	if (m->live == 0)
		return NULL;
	uint32_t i = m->table[probe(m, key, hash_bytes(key))];
	return i ? &m->items[i - 1] : NULL;
}

void *map_get(const Map *m, Str key)
{
	MapItem *it = find(m, key);
	return it ? it->value : NULL;
}

bool map_has(const Map *m, Str key)
{
	return find(m, key) != NULL;
}

bool map_put(Map *m, Str key, void *value)
{
	MapItem *it = find(m, key);
	if (it) {
		if (m->free_value && it->value != value)
			m->free_value(it->value);
		it->value = value;
		return false;
	}
	if (m->len == m->cap)
		rebuild(m);
	uint64_t hash = hash_bytes(key);
	m->items[m->len] =
		(MapItem){.key = str_dup(key), .key_len = key.len, .value = value, .hash = hash};
	m->table[probe(m, key, hash)] = (uint32_t)++m->len;
	m->live++;
	return true;
}

bool map_del(Map *m, Str key)
{
	MapItem *it = find(m, key);
	if (!it)
		return false;
	if (m->free_value)
		m->free_value(it->value);
	free(it->key);
	it->key = NULL;
	it->gone = true;
	m->live--;
	return true;
}

void map_done(Map *m)
{
	map_foreach (m, it) {
		if (m->free_value)
			m->free_value(it->value);
		free(it->key);
	}
	free(m->items);
	free(m->table);
	*m = MAP_INIT(m->free_value);
}
