/*
 * A Range header of arbitrary bytes over a content whose size the first eight bytes give: whatever is a part lies inside.
 * The same bytes as Content-Range, and as the credentials of Authorization.
 */
#include <stdint.h>
#include <stdlib.h>

#include "serve/htpasswd.h"
#include "serve/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t total = 0, first = 0, last = 0;
	if (size < sizeof(total))
		return 0;
	memcpy(&total, data, sizeof(total));
	Str value = {(const char *)data + sizeof(total), size - sizeof(total)};
	if (range_parse(value, total, &first, &last) == RANGE_PART &&
		(first > last || last >= total))
		abort();
	if (content_range_parse(value, &first, &last) &&
		(first > last || last - first == UINT64_MAX))
		abort();
	_cleanup_free_ char *user = NULL, *password = NULL;
	if (basic_parse(value, &user, &password) && (!user || !password || strchr(user, ':')))
		abort();
	return 0;
}
