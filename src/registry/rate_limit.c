#include "registry/rate_limit.h"

#include "base/timefmt.h"

#define MAX_SECONDS (10u * 365 * 86400)

typedef struct RateLimit {
	uint64_t left, limit, seconds; /* limit, seconds: 0 if they are not said */
} RateLimit;

/* "COUNT[;w=SECONDS]" */
static bool read_count(
	const HttpResponse *answer, const char *name, uint64_t *ret, uint64_t *window)
{
	const char *value = http_header(answer, name);
	Str rest = str_of(value), count, part;
	if (!value || !str_cut(&rest, ';', &count) ||
		str_to_u64(str_trim(count), UINT32_MAX, ret, NULL) < 0)
		return false;
	while (str_cut(&rest, ';', &part)) {
		part = str_trim(part);
		if (str_starts(part, "w="))
			(void)!str_to_u64(str_slice(part, 2, part.len), MAX_SECONDS, window, NULL);
	}
	return true;
}

static bool read_limit(const HttpResponse *answer, RateLimit *ret)
{
	*ret = (RateLimit){0};
	if (!read_count(answer, "ratelimit-remaining", &ret->left, &ret->seconds))
		return false;
	(void)!read_count(answer, "ratelimit-limit", &ret->limit, &ret->seconds);
	return true;
}

char *rate_limit_text(const HttpResponse *answer)
{
	RateLimit l;
	if (!read_limit(answer, &l))
		return NULL;
	_cleanup_free_ char *of =
		l.limit ? xasprintf(" of %llu", (unsigned long long)l.limit) : xstrdup("");
	_cleanup_free_ char *window = duration_format((int64_t)l.seconds * 1000000000);
	return xasprintf("%llu%s requests%s%s are left", (unsigned long long)l.left, of,
		l.seconds ? " in " : "", l.seconds ? window : "");
}

bool rate_limit_is_low(const HttpResponse *answer)
{
	RateLimit l;
	return read_limit(answer, &l) && l.left * 10 <= l.limit;
}
