#include "serve/range.h"

#include "../check.h"

static void ranges(void **state _unused_)
{
	static const struct {
		const char *value;
		uint64_t size;
		RangeKind kind;
		uint64_t first, last;
	} cases[] = {
		{"bytes=0-0", 10, RANGE_PART, 0, 0},
		{"bytes=2-5", 10, RANGE_PART, 2, 5},
		{"bytes=2-", 10, RANGE_PART, 2, 9},
		{"bytes=-3", 10, RANGE_PART, 7, 9},
		{"bytes=-30", 10, RANGE_PART, 0, 9},
		{"bytes=5-30", 10, RANGE_PART, 5, 9},
		{" Bytes = 5 - 6 ", 10, RANGE_PART, 5, 6},
		{"bytes=0-18446744073709551615", 10, RANGE_PART, 0, 9},
		{"bytes=0-99999999999999999999999", 10, RANGE_PART, 0, 9},
		{"bytes=-99999999999999999999999", 10, RANGE_PART, 0, 9},
		{"bytes=0-", UINT64_MAX, RANGE_PART, 0, UINT64_MAX - 1},
		{"bytes=10-", 10, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=99999999999999999999999-", 10, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=5-2", 10, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=-0", 10, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=-1", 0, RANGE_UNSATISFIABLE, 0, 0},
		{"", 10, RANGE_WHOLE, 0, 0},
		{"bytes", 10, RANGE_WHOLE, 0, 0},
		{"bytes=", 10, RANGE_WHOLE, 0, 0},
		{"bytes=-", 10, RANGE_WHOLE, 0, 0},
		{"bytes=5", 10, RANGE_WHOLE, 0, 0},
		{"bytes=a-b", 10, RANGE_WHOLE, 0, 0},
		{"bytes=1-2,4-5", 10, RANGE_WHOLE, 0, 0},
		{"bytes=--5", 10, RANGE_WHOLE, 0, 0},
		{"bytes=+1-2", 10, RANGE_WHOLE, 0, 0},
		{"items=1-2", 10, RANGE_WHOLE, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t first = 0, last = 0;
		RangeKind kind = range_parse(str_of(cases[i].value), cases[i].size, &first, &last);
		if (kind != cases[i].kind || first != cases[i].first || last != cases[i].last)
			fail_msg("'%s': %d %llu-%llu", cases[i].value, kind,
				(unsigned long long)first, (unsigned long long)last);
	}
}

static void content_ranges(void **state _unused_)
{
	static const struct {
		const char *value;
		bool good;
		uint64_t first, last;
	} cases[] = {
		{"0-99", true, 0, 99},
		{" 5-5 ", true, 5, 5},
		{"bytes 5-9/10", true, 5, 9},
		{"5-9/*", true, 5, 9},
		{"9-5", false, 0, 0},
		{"-5", false, 0, 0},
		{"5-", false, 0, 0},
		{"5", false, 0, 0},
		{"", false, 0, 0},
		{"a-b", false, 0, 0},
		{"0-18446744073709551615", false, 0, 0},
		{"1-18446744073709551616", false, 0, 0},
		{"1 - 2", false, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t first = 0, last = 0;
		bool good = content_range_parse(str_of(cases[i].value), &first, &last);
		if (good != cases[i].good || first != cases[i].first || last != cases[i].last)
			fail_msg("'%s'", cases[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(content_ranges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
