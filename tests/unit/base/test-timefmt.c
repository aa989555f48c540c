#include "base/timefmt.h"

#include "../check.h"

static void formatting(void **state _unused_)
{
	static const struct {
		int64_t seconds;
		uint32_t nsec;
		const char *text;
	} cases[] = {
		{0, 0, "1970-01-01T00:00:00Z"},
		{-1, 0, "1969-12-31T23:59:59Z"},
		{1500000000, 1, "2017-07-14T02:40:00.000000001Z"},
		{1500000000, 120000000, "2017-07-14T02:40:00.12Z"},
		{951782400, 999999999, "2000-02-29T00:00:00.999999999Z"},
		{-62167219200, 0, "0000-01-01T00:00:00Z"},
		{-62167219201, 0, "0000-01-01T00:00:00Z"},
		{INT64_MIN, 0, "0000-01-01T00:00:00Z"},
		{253402300799, 0, "9999-12-31T23:59:59Z"},
		{253402300800, 0, "9999-12-31T23:59:59Z"},
		{INT64_MAX, 0, "9999-12-31T23:59:59Z"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t seconds;
		uint32_t nsec;
		assert_text(time_format_nsec(cases[i].seconds, cases[i].nsec), cases[i].text);
		ok(time_parse(str_of(cases[i].text), &seconds, &nsec, err));
		assert_int_equal(nsec, cases[i].nsec);
		if (cases[i].seconds > -62167219201 && cases[i].seconds < 253402300800)
			assert_int_equal(seconds, cases[i].seconds);
	}
	assert_text(time_format(86399), "1970-01-01T23:59:59Z");
}

static void parsing(void **state _unused_)
{
	static const struct {
		const char *text;
		int64_t seconds;
		uint32_t nsec;
	} good[] = {
		{"1970-01-01T01:00:00+01:00", 0, 0}, {"1969-12-31T18:30:00-05:30", 0, 0},
		{"1970-01-01t00:00:00z", 0, 0}, {"1970-01-01T00:00:01.5Z", 1, 500000000},
		{"1970-01-01T00:00:01.1234567899999Z", 1, 123456789},
		{"1970-01-01T00:00:00.000000001-00:00", 0, 1},
		{"2016-12-31T23:59:60Z", 1483228800, 0}, {"2024-02-29T00:00:00Z", 1709164800, 0},
		{"0001-01-01T00:00:00Z", -62135596800, 0}, /* Go's zero time */
	};
	static const char *const bad[] = {"", "2024", "2024-05-01", "2024-05-01T12:00:00",
		"2024-05-01T12:00Z", "2024-5-1T12:00:00Z", "2024-13-01T00:00:00Z",
		"2024-00-01T00:00:00Z", "2024-01-00T00:00:00Z", "2023-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z", "2024-04-31T00:00:00Z", "2024-01-01T24:00:00Z",
		"2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z", "2024-01-01T00:00:00.Z",
		"2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00+0100",
		"2024-01-01T00:00:00+01:60", "2024-01-01T00:00:00Zx", " 2024-01-01T00:00:00Z",
		"-024-01-01T00:00:00Z", "+2024-01-01T00:00:00Z"};
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		int64_t seconds;
		uint32_t nsec;
		ok(time_parse(str_of(good[i].text), &seconds, &nsec, err));
		if (seconds != good[i].seconds || nsec != good[i].nsec)
			fail_msg("%s: %lld", good[i].text, (long long)seconds);
		ok(time_parse(str_of(good[i].text), &seconds, NULL, err));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int64_t seconds;
		_cleanup_free_ char *words = xasprintf("'%s' is not a time", bad[i]);
		fails(ERR_PARSE, words, time_parse(str_of(bad[i]), &seconds, NULL, err));
	}
}

static void durations(void **state _unused_)
{
	static const struct {
		const char *text;
		int64_t nsec;
		const char *formatted;
	} good[] = {
		{"0", 0, "0s"},
		{"+0", 0, "0s"},
		{"0h", 0, "0s"},
		{"1ns", 1, "1ns"},
		{"1500ns", 1500, "1.5µs"},
		{"1us", 1000, "1µs"},
		{"1\u00B5s", 1000, "1µs"},
		{"1\u03BCs", 1000, "1µs"},
		{"100ms", 100000000, "100ms"},
		{"+1.5s", 1500000000, "1.5s"},
		{".5s", 500000000, "500ms"},
		{"1.s", 1000000000, "1s"},
		{"90s", 90000000000, "1m30s"},
		{"1h2m3.5s", 3723500000000, "1h2m3.5s"},
		{"1h", 3600000000000, "1h0m0s"},
		{"1s1h", 3601000000000, "1h0m1s"},
		{"0.3333333333333333333h", 1200000000000 - 1, "19m59.999999999s"},
		{"9223372036854775807ns", INT64_MAX, "2562047h47m16.854775807s"},
		{"0.100000000000000000000h", 360000000000, "6m0s"},
	};
	static const char *const bad[] = {"", "+", "-1s", "1", "s", "1x", "1 s", ".", ".s", "1..s",
		"1.5.5s", "1h-2m", "++1s", "1S", "9223372036854775808ns", "2562048h",
		"99999999999999999999s", "0s ", "1e3s"};
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		int64_t nsec;
		ok(duration_parse(str_of(good[i].text), &nsec, err));
		if (nsec != good[i].nsec)
			fail_msg("%s: %lld", good[i].text, (long long)nsec);
		assert_text(duration_format(nsec), good[i].formatted);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int64_t nsec;
		_cleanup_free_ char *words = xasprintf("'%s' is not a duration", bad[i]);
		fails(ERR_PARSE, words, duration_parse(str_of(bad[i]), &nsec, err));
	}
	assert_text(duration_format(-1500000000), "-1.5s");
	assert_text(duration_format(INT64_MIN), "-2562047h47m16.854775808s");
}

static void ages(void **state _unused_)
{
	static const struct {
		int64_t age;
		const char *text;
	} cases[] = {
		{-5, "Less than a second ago"},
		{0, "Less than a second ago"},
		{1, "1 second ago"},
		{59, "59 seconds ago"},
		{60, "About a minute ago"},
		{119, "About a minute ago"},
		{120, "2 minutes ago"},
		{3599, "59 minutes ago"},
		{3600, "About an hour ago"},
		{5399, "About an hour ago"},
		{5400, "2 hours ago"},
		{47 * 3600, "47 hours ago"},
		{48 * 3600, "2 days ago"},
		{14 * 86400 - 3600, "13 days ago"},
		{14 * 86400, "2 weeks ago"},
		{59 * 86400, "8 weeks ago"},
		{60 * 86400, "2 months ago"},
		{729 * 86400, "24 months ago"},
		{730 * 86400, "2 years ago"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_text(time_ago(1700000000 - cases[i].age, 1700000000), cases[i].text);
	/* Go's zero time, and differences that no int64_t holds */
	assert_text(time_ago(-62135596800, 1700000000), "2024 years ago");
	assert_text(time_ago(INT64_MAX, INT64_MIN), "Less than a second ago");
	char *ago = time_ago(INT64_MIN, INT64_MAX);
	assert_non_null(strstr(ago, " years ago"));
	assert_null(strchr(ago, '-'));
	free(ago);
}

static void sizes(void **state _unused_)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} shown[] = {
		{0, "0B"},
		{999, "999B"},
		{1000, "1kB"},
		{1234, "1.23kB"},
		{7340000, "7.34MB"},
		{12345678, "12.3MB"},
		{123456789, "123MB"},
		{999499, "999kB"},
		{999500, "1MB"},
		{9994000, "9.99MB"},
		{9996000, "10MB"},
		{100000000, "100MB"},
		{UINT64_MAX, "18.4EB"},
	};
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"1", 1},
		{"64m", 64 << 20},
		{"64 MB", 64 << 20},
		{"64MiB", 64 << 20},
		{"100kB", 100 << 10},
		{"1.5GiB", 3ull << 29},
		{"1b", 1},
		{"1P", 1ull << 50},
		{"15E", 15ull << 60},
		{"18446744073709551615", UINT64_MAX},
		{"9007199254740993", 9007199254740993}, /* no double has it */
		{"0.5", 0},
	};
	static const char *const bad[] = {"", "m", "-1", "1x", "1kk", "1  k", "1 k ", "16E",
		"18446744073709551616", "1.2.3k", "1ib", "1bb", "0x10", "+1"};
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		assert_text(size_format(shown[i].bytes), shown[i].text);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		uint64_t bytes = 0;
		ok(size_parse(str_of(good[i].text), &bytes, err));
		if (bytes != good[i].bytes)
			fail_msg("%s: %llu", good[i].text, (unsigned long long)bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t bytes = 0;
		_cleanup_free_ char *words = xasprintf("'%s' is not a size", bad[i]);
		fails(ERR_PARSE, words, size_parse(str_of(bad[i]), &bytes, err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formatting),
		cmocka_unit_test(parsing),
		cmocka_unit_test(durations),
		cmocka_unit_test(ages),
		cmocka_unit_test(sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
