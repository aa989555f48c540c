#include "base/epoch.h"

#include <stdlib.h>
#include <time.h>

#include "base/str.h"
#include "base/timefmt.h"

/* The last second of year 9999: what RFC 3339 can express. */
#define EPOCH_MAX 253402300799ull

int epoch_parse(const char *text, Epoch *ret, Err **err)
{
	uint64_t seconds = 0;
	*ret = (Epoch){0};
	if (!text || !*text)
		return 0;
	if (str_to_u64(str_of(text), EPOCH_MAX, &seconds, NULL) < 0)
		return err_set(err, ERR_USAGE,
			"SOURCE_DATE_EPOCH '%s' is no number of seconds since 1970", text);
	*ret = (Epoch){.given = true, .seconds = (int64_t)seconds};
	return 0;
}

int epoch_from_environment(Epoch *ret, Err **err)
{
	return epoch_parse(getenv("SOURCE_DATE_EPOCH"), ret, err);
}

char *epoch_created(const Epoch *e)
{
	if (e->given)
		return time_format(e->seconds);
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return time_format_nsec(now.tv_sec, (uint32_t)now.tv_nsec);
}
