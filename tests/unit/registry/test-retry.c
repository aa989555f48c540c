#include "registry/retry.h"

#include <time.h>

#include "../check.h"
#include "base/cancel.h"

#define NOW 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

static void seconds(void **state _unused_)
{
	static const struct {
		const char *value;
		int seconds;
	} cases[] = {
		{"0", 0},
		{"7", 7},
		{"60", 60},
		{"61", 60},
		{"86400", 60},
		{"18446744073709551615", 60},
		{"Tue, 14 Nov 2023 22:13:27 GMT", 7},
		{"Tuesday, 14-Nov-23 22:13:27 GMT", 7},
		{"Tue Nov 14 22:13:27 2023", 7},
		{"Tue, 14 Nov 2023 22:13:20 GMT", 0},
		{"Tue, 14 Nov 2023 22:00:00 GMT", 0},
		{"Wed, 14 Nov 2029 22:13:27 GMT", 60},
		{"", -1},
		{"-1", -1},
		{"1.5", -1},
		{"7 s", -1},
		{"18446744073709551616", -1},
		{"Tue, 14 Nov 2023 22:13:27", -1},
		{"Tue, 14 Nov 2023 22:13:27 GMT+1", -1},
		{"tomorrow", -1},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(retry_after_seconds(cases[i].value, NOW), cases[i].seconds);
}

static void statuses(void **state _unused_)
{
	static const long again[] = {408, 429, 499, 500, 502, 503, 504, 522};
	static const long final[] = {
		0, 200, 206, 304, 307, 400, 401, 403, 404, 405, 413, 416, 501, 505};
	for (size_t i = 0; i < ARRAY_SIZE(again); i++)
		assert_true(retry_status(again[i]));
	for (size_t i = 0; i < ARRAY_SIZE(final); i++)
		assert_false(retry_status(final[i]));
}

static int64_t waited_ms(Backoff *b)
{
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	ok(backoff_wait(b, err));
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (int64_t)(to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
}

static void waiting(void **state _unused_)
{
	Backoff *b = backoff_new();
	assert_true(waited_ms(b) < 100);
	for (int i = 0; i < 3; i++) { /* a quarter of a second, more or less */
		backoff_failed(b, 0, -1);
		assert_in_range(waited_ms(b), 180, 600);
		assert_true(waited_ms(b) < 100);
	}
	backoff_failed(b, 1, -1);
	assert_in_range(waited_ms(b), 370, 900);
	backoff_failed(b, 4, 0); /* the server says: at once */
	assert_true(waited_ms(b) < 100);
	/* the longest wait that was asked for holds */
	backoff_failed(b, 0, 1);
	backoff_failed(b, 0, -1);
	backoff_failed(b, 0, 0);
	assert_in_range(waited_ms(b), 990, 1500);
	assert_null(backoff_free(b));
}

/* Last: what was interrupted stays so. */
static void interrupted(void **state _unused_)
{
	Backoff *b = backoff_new();
	backoff_failed(b, 8, 60);
	cancel_request();
	fails(ERR_CANCELLED, "interrupted", backoff_wait(b, err));
	backoff_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seconds),
		cmocka_unit_test(statuses),
		cmocka_unit_test(waiting),
		cmocka_unit_test(interrupted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
