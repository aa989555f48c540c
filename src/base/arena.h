/* Many small texts that live and die together: one allocation for hundreds, one call to free all. Not for several
 * threads at once; start with {0}. */
#pragma once

#include "base/str.h"

typedef struct ArenaBlock ArenaBlock;
typedef struct Arena {
	ArenaBlock *newest;
} Arena;

/* size bytes, aligned for any type, not initialised. */
void *arena_alloc(Arena *a, size_t size);
char *arena_str(Arena *a, Str s);
/* dir, '/', name; without the '/' when one of them is empty. */
char *arena_path(Arena *a, Str dir, Str name);
/* Everything of `from` belongs to `to` from now on; from is empty. */
void arena_merge(Arena *to, Arena *from);
void arena_done(Arena *a);
