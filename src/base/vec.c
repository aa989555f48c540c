#include "base/vec.h"

void *vec_grow_(void *items, size_t *cap, size_t need, size_t elem_size)
{
	size_t new_cap = MAX(*cap + *cap / 2, (size_t)8);
	*cap = MAX(new_cap, need);
	return xreallocarray(items, *cap, elem_size);
}
