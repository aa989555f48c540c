/*
 * Typed growable array. VEC(T) declares the struct in place; elements are plain memory that the owner
 * releases himself before vec_done.
 *
 *	VEC(Entry) entries = {0};
 *	*vec_add(&entries) = (Entry){…};
 *	vec_foreach(&entries, e) use(e->name);
 */
#pragma once

#include "base/mem.h"

#define VEC(T)                                                                                     \
	struct {                                                                                   \
		T *items;                                                                          \
		size_t len, cap;                                                                   \
	}

void *vec_grow_(void *items, size_t *cap, size_t need, size_t elem_size);

#define vec_reserve(v, n)                                                                          \
	((n) > (v)->cap ? (void)((v)->items = vec_grow_(                                           \
					 (v)->items, &(v)->cap, (n), sizeof(*(v)->items)))         \
			: (void)0)
/* Pointer to a new zeroed element at the end; valid until the next addition. */
#define vec_add(v)                                                                                 \
	({                                                                                         \
		__typeof__(v) _vec_v = (v);                                                        \
		vec_reserve(_vec_v, _vec_v->len + 1);                                              \
		memset(&_vec_v->items[_vec_v->len], 0, sizeof(*_vec_v->items));                    \
		&_vec_v->items[_vec_v->len++];                                                     \
	})
#define vec_push(v, x) ((void)(*vec_add(v) = (x)))
#define vec_pop(v)     ((v)->items[--(v)->len])
#define vec_last(v)    (&(v)->items[(v)->len - 1])
#define vec_clear(v)   ((void)((v)->len = 0))
#define vec_done(v)                                                                                \
	do {                                                                                       \
		free((v)->items);                                                                  \
		(v)->items = NULL;                                                                 \
		(v)->len = (v)->cap = 0;                                                           \
	} while (0)
#define vec_foreach(v, it)                                                                         \
	for (__typeof__(*(v)->items) *it = (v)->items; it && it < (v)->items + (v)->len; it++)
