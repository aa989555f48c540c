/* Files that are written in any order, and gone on with in another run: what is still missing. */
#pragma once

#include "base/vec.h"

typedef struct Span {
	uint64_t at, end;
} Span;
typedef VEC(Span) Spans;
static inline void spans_done(Spans *s)
{
	vec_done(s);
}

/* What of the first `size` bytes may not have been written, in order; some that was is among it, because file systems
 * tell by blocks. One that does not tell at all says that everything up to the file's end was. */
void file_gaps(int fd, uint64_t size, Spans *ret);
