#include "sys/gaps.h"

#include <unistd.h>

#define GRAIN                                                                                      \
	(64u << 10) /* blocks are no larger: the first and the last one of a written piece may be part of a gap */

void file_gaps(int fd, uint64_t size, Spans *ret)
{
	uint64_t sure = 0; /* everything below is written, or in a gap of *ret */
	off_t hole = 0;
	while ((uint64_t)hole < size) {
		off_t data = lseek(fd, hole, SEEK_DATA);
		if (data < 0 || (hole = lseek(fd, data, SEEK_HOLE)) < 0)
			break;
		uint64_t start = data == 0 ? 0 : ((uint64_t)data / GRAIN + 1) * GRAIN;
		uint64_t end = MIN((uint64_t)hole, size) / GRAIN * GRAIN;
		end -= MIN(end, (uint64_t)GRAIN);
		if (end <= start)
			continue;
		if (start > sure)
			vec_push(ret, ((Span){sure, start}));
		sure = end;
	}
	if (sure < size)
		vec_push(ret, ((Span){sure, size}));
}
