#include "base/timefmt.h"

#include <stdio.h>
#include <time.h>

/* What four digits of a year can say: 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
#define TIME_MIN (-62167219200)
#define TIME_MAX 253402300799

char *time_format_nsec(int64_t seconds, uint32_t nsec)
{
	struct tm tm;
	time_t t = (time_t)MIN(MAX(seconds, TIME_MIN), TIME_MAX);
	char fraction[16] = "";
	if (!gmtime_r(&t, &tm))
		abort();
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

static unsigned days_in(unsigned month, unsigned year)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
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
		day >= 1 && day <= days_in(month, year) && hour <= 23 && minute <= 59 &&
		second <= 60;
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

/* ---- decimal numbers with a unit ---- */

/* whole + fraction / scale: exact, where a double would round from 2^53 on. */
typedef struct Decimal {
	uint64_t whole, fraction, scale;
} Decimal;

/*
 * Digits with an optional point; fraction digits past the 18th are dropped. False if there is no
 * digit or it does not fit.
 */
static bool take_decimal(Str *s, Decimal *ret)
{
	Decimal d = {.scale = 1};
	size_t digits = 0;
	bool point = false;
	for (; s->len; *s = str_slice(*s, 1, s->len)) {
		char c = s->ptr[0];
		if (c == '.' && !point) {
			point = true;
			continue;
		}
		if (c < '0' || c > '9')
			break;
		uint64_t digit = (uint64_t)(c - '0');
		digits++;
		if (!point) {
			if (__builtin_mul_overflow(d.whole, 10, &d.whole) ||
				__builtin_add_overflow(d.whole, digit, &d.whole))
				return false;
		} else if (d.scale < 1000000000000000000) {
			d.fraction = d.fraction * 10 + digit;
			d.scale *= 10;
		}
	}
	*ret = d;
	return digits > 0;
}

/* total += d * unit, rounded down. False if it does not fit. */
static bool add_units(uint64_t *total, const Decimal *d, uint64_t unit)
{
	unsigned __int128 part = (unsigned __int128)d->fraction * unit / d->scale;
	uint64_t value;
	return !__builtin_mul_overflow(d->whole, unit, &value) &&
		!__builtin_add_overflow(*total, value, total) &&
		!__builtin_add_overflow(*total, (uint64_t)part, total);
}

/* ---- durations ---- */

/* Takes a unit's name off the front and gives its nanoseconds; 0 if there is none. */
static uint64_t take_unit(Str *s)
{
	static const struct {
		const char *name;
		uint64_t nsec;
	} units[] = {
		{"ns", 1},
		{"us", 1000},
		{"\u00B5s", 1000}, /* micro sign */
		{"\u03BCs", 1000}, /* Greek mu */
		{"ms", 1000000},
		{"s", 1000000000},
		{"m", 60000000000},
		{"h", 3600000000000},
	};
	size_t len = 0;
	while (len < s->len && s->ptr[len] != '.' && (s->ptr[len] < '0' || s->ptr[len] > '9'))
		len++;
	Str name = str_slice(*s, 0, len);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (str_eq_cstr(name, units[i].name)) {
			*s = str_slice(*s, len, s->len);
			return units[i].nsec;
		}
	return 0;
}

int duration_parse(Str text, int64_t *ret_nsec, Err **err)
{
	Str s = text;
	uint64_t total = 0;
	(void)take_char(&s, "+");
	bool good = s.len > 0;
	if (str_eq_cstr(s, "0")) /* the only number that needs no unit */
		s.len = 0;
	while (good && s.len) {
		Decimal d;
		uint64_t unit = take_decimal(&s, &d) ? take_unit(&s) : 0;
		good = unit && add_units(&total, &d, unit);
	}
	if (!good || total > INT64_MAX) {
		int r = err_set(err, ERR_PARSE, "'" STR_FMT "' is not a duration", STR_ARG(text));
		err_hint(err, "examples: 30s, 1m30s, 500ms");
		return r;
	}
	*ret_nsec = (int64_t)total;
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

/* ---- for people ---- */

/* docker's steps (go-units HumanDuration); hours are rounded, the rest is cut. */
char *time_ago(int64_t seconds, int64_t now)
{
	int64_t age;
	if (__builtin_sub_overflow(now, seconds, &age) || age < 1)
		age = now > seconds ? INT64_MAX / 2 : 0;
	age = MIN(age, INT64_MAX / 2); /* room to round */
	long long minutes = age / 60, hours = (age + 1800) / 3600;
	if (age < 1)
		return xstrdup("Less than a second ago");
	if (age == 1)
		return xstrdup("1 second ago");
	if (age < 60)
		return xasprintf("%lld seconds ago", (long long)age);
	if (minutes == 1)
		return xstrdup("About a minute ago");
	if (minutes < 60)
		return xasprintf("%lld minutes ago", minutes);
	if (hours == 1)
		return xstrdup("About an hour ago");
	if (hours < 48)
		return xasprintf("%lld hours ago", hours);
	if (hours < 24 * 7 * 2)
		return xasprintf("%lld days ago", hours / 24);
	if (hours < 24 * 30 * 2)
		return xasprintf("%lld weeks ago", hours / 24 / 7);
	if (hours < 24 * 365 * 2)
		return xasprintf("%lld months ago", hours / 24 / 30);
	return xasprintf("%lld years ago", (long long)(age / 3600 / 24 / 365));
}

char *size_format(uint64_t bytes)
{
	static const char *const names[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	char text[32];
	double n = (double)bytes;
	size_t i = 0;
	while (n >= 999.5 && i + 1 < ARRAY_SIZE(names)) {
		n /= 1000;
		i++;
	}
	/* three digits that count, no zeros behind the point */
	int digits = i == 0 ? 0 : n < 9.995 ? 2 : n < 99.95 ? 1 : 0;
	int len = snprintf(text, sizeof(text), "%.*f", digits, n);
	while (digits && text[len - 1] == '0') {
		text[--len] = '\0';
		digits--;
	}
	if (text[len - 1] == '.')
		text[len - 1] = '\0';
	return xasprintf("%s%s", text, names[i]);
}

int size_parse(Str text, uint64_t *ret, Err **err)
{
	static const char letters[] = "kmgtpe";
	Str s = text;
	Decimal d;
	uint64_t unit = 1, total = 0;
	bool good = take_decimal(&s, &d);
	(void)take_char(&s, " ");
	if (good && s.len) {
		char c = s.ptr[0] >= 'A' && s.ptr[0] <= 'Z' ? (char)(s.ptr[0] + 32) : s.ptr[0];
		const char *at = c ? strchr(letters, c) : NULL;
		if (at) {
			/* docker reads k, kb and kib alike, as powers of 1024 */
			unit <<= 10 * (at - letters + 1);
			s = str_slice(s, 1, s.len);
			(void)take_char(&s, "iI");
		}
		(void)take_char(&s, "bB");
		good = s.len == 0;
	}
	if (!good || !add_units(&total, &d, unit))
		return err_set(
			err, ERR_PARSE, "'" STR_FMT "' is not a size (64m, 1.5GiB)", STR_ARG(text));
	*ret = total;
	return 0;
}
