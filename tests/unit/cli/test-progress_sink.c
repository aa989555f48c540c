#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "cli/progress_int.h"

static void modes(void **state)
{
	(void)state;
	static const char *const good[] = {NULL, "auto", "plain", "json", "quiet"};
	Progress *p = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(progress_sink_new(false, good[i], "Testing", &p, NULL), 0);
		assert_true((p == NULL) == cstr_eq(good[i], "quiet"));
		progress_sink_free(p);
	}
	assert_int_equal(progress_sink_new(true, NULL, "Testing", &p, NULL), 0);
	assert_null(p);
	assert_int_equal(progress_sink_new(true, "quiet", "Testing", &p, NULL), 0);
	assert_null(p);
	assert_int_equal(progress_sink_new(true, "plain", "Testing", &p, NULL), -ERR_USAGE);
	assert_int_equal(progress_sink_new(true, "auto", "Testing", &p, NULL), -ERR_USAGE);
	assert_int_equal(progress_sink_new(false, "loud", "Testing", &p, NULL), -ERR_USAGE);
}

static void collect(void *arg, ProgressNode *n _unused_, Str line)
{
	strvec_push_str(arg, line);
}

static void lines(void **state)
{
	(void)state;
	static const char text[] = "one\ntw";
	ProgressNode n = {.partial = BUF_INIT(64 * 1024)};
	_cleanup_strvec_ StrVec got = {0};
	progress_lines(&n, text, sizeof(text) - 1, false, collect, &got);
	progress_lines(&n, "o\r\n\nthree", 9, false, collect, &got);
	assert_int_equal(got.len, 3);
	assert_string_equal(got.items[0], "one");
	assert_string_equal(got.items[1], "two");
	assert_string_equal(got.items[2], "");
	progress_lines(&n, "", 0, true, collect, &got);
	assert_string_equal(got.items[3], "three");
	progress_lines(&n, "", 0, true, collect, &got);
	assert_int_equal(got.len, 4);
	/* a line without end comes in bounded pieces, and nothing of it is lost */
	size_t total = 0;
	strvec_clear(&got);
	for (int i = 0; i < 50; i++)
		progress_lines(&n,
			"0123456789012345678901234567890123456789012345678901234567890123456789",
			69 * (i % 2) + 1, false, collect, &got);
	_cleanup_free_ char *big = xcalloc(1, 200000);
	memset(big, 'x', 200000);
	progress_lines(&n, big, 200000, true, collect, &got);
	for (size_t i = 0; i < got.len; i++)
		total += strlen(got.items[i]);
	assert_int_equal(total, 200000 + 25 * 70 + 25);
	assert_true(got.len >= 4);
	buf_done(&n.partial);
}

static void seconds(void **state)
{
	(void)state;
	struct timespec from = {10, 900000000}, to = {12, 400000000};
	assert_true(progress_seconds(&from, &to) > 1.49 && progress_seconds(&from, &to) < 1.51);
}

static void traces(void **state)
{
	(void)state;
	assert_false(log_enabled(NULL));
	log_enable("layer");
	assert_true(log_enabled(NULL) && log_enabled("layer") && !log_enabled("store"));
	log_enable(NULL);
	assert_false(log_enabled(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(lines),
		cmocka_unit_test(seconds),
		cmocka_unit_test(traces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
