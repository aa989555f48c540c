#include "build/epoch.h"

#include <time.h>

#include "base/timefmt.h"

/* The last second of year 9999: what RFC 3339 can express. */
#define EPOCH_MAX 253402300799ull

int epoch_init(BuildArgs *args, Epoch *ret, Err **err)
{
	const char *name = "SOURCE_DATE_EPOCH";
	const char *text = build_args_get(args, name);
	if (!text && getenv(name)) {
		StrVec given = {0};
		strvec_push(&given, name);
		int r = build_args_init(args, &given, args->escape, err);
		strvec_done(&given);
		if (r < 0)
			return r;
		text = build_args_get(args, name);
	}
	*ret = (Epoch){0};
	if (!text || !*text)
		return 0;
	uint64_t seconds = 0;
	if (str_to_u64(str_of(text), EPOCH_MAX, &seconds, NULL) < 0)
		return err_set(err, ERR_USAGE,
			"SOURCE_DATE_EPOCH '%s' is no number of seconds since 1970", text);
	*ret = (Epoch){.given = true, .seconds = (int64_t)seconds};
	return 0;
}

char *epoch_created(const Epoch *e)
{
	if (e->given)
		return time_format(e->seconds);
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return time_format_nsec(now.tv_sec, (uint32_t)now.tv_nsec);
}
