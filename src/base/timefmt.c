#include "base/timefmt.h"

#include <stdio.h>
#include <time.h>

char *time_format_nsec(int64_t seconds, uint32_t nsec)
{
	struct tm tm;
	time_t t = (time_t)seconds;
	char fraction[16] = "";
	if (!gmtime_r(&t, &tm))
		memset(&tm, 0, sizeof(tm));
	if (nsec) {
		int n = snprintf(fraction, sizeof(fraction), ".%09u", nsec);
		while (n > 0 && fraction[n - 1] == '0')
			fraction[--n] = '\0';
	}
	return xasprintf("%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
}

char *time_format(int64_t seconds)
{
	return time_format_nsec(seconds, 0);
}

int64_t time_now(void)
{
	return (int64_t)time(NULL);
}

/* Takes exactly n digits off the front. */
static bool take_digits(Str *s, size_t n, unsigned *ret)
{
	uint64_t value = 0;
	if (s->len < n || str_to_u64(str_slice(*s, 0, n), 9999, &value, NULL) < 0)
		return false;
	*ret = (unsigned)value;
	*s = str_slice(*s, n, s->len);
	return true;
}

static bool take_char(Str *s, const char *set)
{
	if (s->len == 0 || !strchr(set, s->ptr[0]) || s->ptr[0] == '\0')
		return false;
	*s = str_slice(*s, 1, s->len);
	return true;
}

/* Fraction digits become nanoseconds; digits past the ninth are dropped. */
static bool take_fraction(Str *s, uint32_t *ret)
{
	uint32_t nsec = 0, scale = 100000000;
	size_t digits = 0;
	while (s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9') {
		nsec += (uint32_t)(s->ptr[0] - '0') * scale;
		scale /= 10;
		digits++;
		*s = str_slice(*s, 1, s->len);
	}
	*ret = nsec;
	return digits > 0;
}

static bool take_offset(Str *s, int64_t *ret)
{
	unsigned hours, minutes;
	*ret = 0;
	if (take_char(s, "Zz"))
		return true;
	bool negative = s->len && s->ptr[0] == '-';
	if (!take_char(s, "+-") || !take_digits(s, 2, &hours) || !take_char(s, ":") ||
		!take_digits(s, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret = (int64_t)(hours * 3600 + minutes * 60) * (negative ? -1 : 1);
	return true;
}

int time_parse(Str text, int64_t *ret_seconds, uint32_t *ret_nsec, Err **err)
{
	Str s = text;
	unsigned year, month, day, hour, minute, second;
	uint32_t nsec = 0;
	int64_t offset = 0;
	bool good = take_digits(&s, 4, &year) && take_char(&s, "-") && take_digits(&s, 2, &month) &&
		take_char(&s, "-") && take_digits(&s, 2, &day) && take_char(&s, "Tt ") &&
		take_digits(&s, 2, &hour) && take_char(&s, ":") && take_digits(&s, 2, &minute) &&
		take_char(&s, ":") && take_digits(&s, 2, &second);
	if (good && take_char(&s, "."))
		good = take_fraction(&s, &nsec);
	good = good && take_offset(&s, &offset) && s.len == 0 && month >= 1 && month <= 12 &&
		day >= 1 && day <= 31 && hour <= 23 && minute <= 59 && second <= 60;
	if (!good)
		return err_set(err, ERR_PARSE, "'" STR_FMT "' is not a time (2024-05-01T12:00:00Z)",
			STR_ARG(text));
	struct tm tm = {
		.tm_year = (int)year - 1900,
		.tm_mon = (int)month - 1,
		.tm_mday = (int)day,
		.tm_hour = (int)hour,
		.tm_min = (int)minute,
		.tm_sec = (int)second,
	};
	*ret_seconds = (int64_t)timegm(&tm) - offset;
	if (ret_nsec)
		*ret_nsec = nsec;
	return 0;
}

/* ---- durations ---- */

typedef struct Unit {
	const char *name;
	double nsec;
} Unit;

static const Unit units[] = {
	{"ns", 1},
	{"us", 1e3},
	{"µs", 1e3},
	{"ms", 1e6},
	{"s", 1e9},
	{"m", 60e9},
	{"h", 3600e9},
};

/* A decimal number with an optional fraction; exact enough for what people write. */
static bool take_decimal(Str *s, double *ret)
{
	double value = 0, scale = 1;
	size_t digits = 0;
	bool fraction = false;
	for (; s->len; *s = str_slice(*s, 1, s->len)) {
		char c = s->ptr[0];
		if (c == '.' && !fraction) {
			fraction = true;
			continue;
		}
		if (c < '0' || c > '9')
			break;
		digits++;
		value = value * 10 + (c - '0');
		if (fraction)
			scale *= 10;
	}
	*ret = value / scale;
	return digits > 0;
}

int duration_parse(Str text, int64_t *ret_nsec, Err **err)
{
	Str s = text;
	double total = 0;
	if (str_eq_cstr(text, "0")) {
		*ret_nsec = 0;
		return 0;
	}
	bool good = s.len > 0;
	while (good && s.len) {
		double value = 0;
		size_t unit_len = 0;
		const Unit *unit = NULL;
		good = take_decimal(&s, &value);
		while (unit_len < s.len && s.ptr[unit_len] != '.' &&
			(s.ptr[unit_len] < '0' || s.ptr[unit_len] > '9'))
			unit_len++;
		for (size_t i = 0; i < ARRAY_SIZE(units); i++)
			if (str_eq_cstr(str_slice(s, 0, unit_len), units[i].name))
				unit = &units[i];
		good = good && unit;
		if (good) {
			total += value * unit->nsec;
			s = str_slice(s, unit_len, s.len);
		}
	}
	if (!good || total > 9.2e18) {
		int r = err_set(err, ERR_PARSE, "'" STR_FMT "' is not a duration", STR_ARG(text));
		err_hint(err, "examples: 30s, 1m30s, 500ms");
		return r;
	}
	*ret_nsec = (int64_t)(total + 0.5);
	return 0;
}

static void put_fraction(Buf *b, uint64_t whole, uint64_t rest, unsigned digits, const char *unit)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%0*llu", (int)digits, (unsigned long long)rest);
	while (n > 0 && text[n - 1] == '0')
		text[--n] = '\0';
	buf_printf(b, "%llu%s%s%s", (unsigned long long)whole, n ? "." : "", text, unit);
}

char *duration_format(int64_t nsec)
{
	Buf b = BUF_INIT(128);
	uint64_t n = nsec < 0 ? (uint64_t)0 - (uint64_t)nsec : (uint64_t)nsec;
	if (nsec < 0)
		buf_char(&b, '-');
	if (n == 0) {
		buf_cstr(&b, "0s");
	} else if (n < 1000) {
		buf_printf(&b, "%lluns", (unsigned long long)n);
	} else if (n < 1000000) {
		put_fraction(&b, n / 1000, n % 1000, 3, "µs");
	} else if (n < 1000000000) {
		put_fraction(&b, n / 1000000, n % 1000000, 6, "ms");
	} else {
		uint64_t seconds = n / 1000000000;
		if (seconds >= 3600)
			buf_printf(&b, "%lluh", (unsigned long long)(seconds / 3600));
		if (seconds >= 60)
			buf_printf(&b, "%llum", (unsigned long long)(seconds / 60 % 60));
		put_fraction(&b, seconds % 60, n % 1000000000, 9, "s");
	}
	return buf_steal(&b);
}

char *time_ago(int64_t seconds, int64_t now)
{
	static const struct {
		int64_t from, unit;
		const char *one, *many;
	} steps[] = {
		{2 * 365 * 86400LL, 365 * 86400LL, "year", "years"},
		{2 * 30 * 86400LL, 30 * 86400LL, "month", "months"},
		{14 * 86400LL, 7 * 86400LL, "week", "weeks"},
		{48 * 3600LL, 86400LL, "day", "days"},
		{2 * 3600LL, 3600LL, "hour", "hours"},
		{2 * 60LL, 60LL, "minute", "minutes"},
		{1, 1, "second", "seconds"},
	};
	int64_t age = now - seconds;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (age >= steps[i].from) {
			long long n = age / steps[i].unit;
			return xasprintf("%lld %s ago", n, n == 1 ? steps[i].one : steps[i].many);
		}
	return xstrdup("just now");
}

char *size_format(uint64_t bytes)
{
	static const char *const names[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	double n = (double)bytes;
	size_t i = 0;
	while (n >= 999.5 && i + 1 < ARRAY_SIZE(names)) {
		n /= 1000;
		i++;
	}
	if (i == 0)
		return xasprintf("%lluB", (unsigned long long)bytes);
	return xasprintf("%.*f%s", n < 9.995 ? 2 : n < 99.95 ? 1 : 0, n, names[i]);
}

int size_parse(Str text, uint64_t *ret, Err **err)
{
	Str s = text;
	double value = 0;
	bool good = take_decimal(&s, &value);
	double unit = 1;
	if (good && s.len) {
		static const char letters[] = "kmgtp";
		char c = s.ptr[0] >= 'A' && s.ptr[0] <= 'Z' ? (char)(s.ptr[0] + 32) : s.ptr[0];
		const char *at = strchr(letters, c);
		if (at && *at) {
			/* docker reads k, kb and kib alike, as powers of 1024 */
			for (long i = 0; i <= at - letters; i++)
				unit *= 1024;
			s = str_slice(s, 1, s.len);
			if (s.len && (s.ptr[0] == 'i' || s.ptr[0] == 'I'))
				s = str_slice(s, 1, s.len);
		}
		if (s.len && (s.ptr[0] == 'b' || s.ptr[0] == 'B'))
			s = str_slice(s, 1, s.len);
		good = s.len == 0;
	}
	if (!good || value * unit >= 18e18)
		return err_set(
			err, ERR_PARSE, "'" STR_FMT "' is not a size (64m, 1.5GiB)", STR_ARG(text));
	*ret = (uint64_t)(value * unit);
	return 0;
}
