#include "base/arena.h"

#include <stdalign.h>

#include "base/mem.h"

#define FIRST_BLOCK 1024u
#define LARGE_BLOCK (64u << 10)

struct ArenaBlock {
	ArenaBlock *older;
	size_t used, size;
	alignas(max_align_t) char bytes[];
};

static char *take(Arena *a, size_t size, size_t alignment)
{
	ArenaBlock *b = a->newest;
	size_t at = b ? (b->used + alignment - 1) / alignment * alignment : 0;
	if (!b || at > b->size || size > b->size - at) {
		size_t room = b ? MIN(b->size * 2, (size_t)LARGE_BLOCK) : FIRST_BLOCK;
		room = MAX(room, size);
		ArenaBlock *fresh = xmalloc(sizeof(*fresh) + room);
		fresh->older = b;
		fresh->size = room;
		a->newest = b = fresh;
		at = 0;
	}
	b->used = at + size;
	return b->bytes + at;
}

void *arena_alloc(Arena *a, size_t size)
{
	return take(a, size, alignof(max_align_t));
}

char *arena_str(Arena *a, Str s)
{
	char *ret = take(a, s.len + 1, 1);
	if (s.len)
		memcpy(ret, s.ptr, s.len);
	ret[s.len] = '\0';
	return ret;
}

char *arena_path(Arena *a, Str dir, Str name)
{
	if (!dir.len || !name.len)
		return arena_str(a, dir.len ? dir : name);
	char *ret = take(a, dir.len + 1 + name.len + 1, 1);
	memcpy(ret, dir.ptr, dir.len);
	ret[dir.len] = '/';
	memcpy(ret + dir.len + 1, name.ptr, name.len);
	ret[dir.len + 1 + name.len] = '\0';
	return ret;
}

void arena_merge(Arena *to, Arena *from)
{
	ArenaBlock *oldest = from->newest;
	if (!oldest)
		return;
	while (oldest->older)
		oldest = oldest->older;
	/* the block that is being filled stays on top */
	if (to->newest) {
		oldest->older = to->newest->older;
		to->newest->older = from->newest;
	} else {
		to->newest = from->newest;
	}
	from->newest = NULL;
}

void arena_done(Arena *a)
{
	while (a->newest) {
		ArenaBlock *b = a->newest;
		a->newest = b->older;
		free(b);
	}
}
