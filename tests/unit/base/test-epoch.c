#include "base/epoch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void parse(void **state _unused_)
{
	static const struct {
		const char *text;
		int r;
		bool given;
		int64_t seconds;
	} cases[] = {
		{NULL, 0, false, 0},
		{"", 0, false, 0},
		{"0", 0, true, 0},
		{"1500000000", 0, true, 1500000000},
		{"253402300799", 0, true, 253402300799},
		{"253402300800", -ERR_USAGE, false, 0},
		{"-1", -ERR_USAGE, false, 0},
		{"1.5", -ERR_USAGE, false, 0},
		{" 1", -ERR_USAGE, false, 0},
		{"now", -ERR_USAGE, false, 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Epoch e;
		assert_int_equal(epoch_parse(cases[i].text, &e, NULL), cases[i].r);
		assert_int_equal(e.given, cases[i].given);
		assert_int_equal(e.seconds, cases[i].seconds);
	}
}

static void environment(void **state _unused_)
{
	Epoch e;
	setenv("SOURCE_DATE_EPOCH", "1600000000", 1);
	assert_int_equal(epoch_from_environment(&e, NULL), 0);
	assert_int_equal(e.seconds, 1600000000);
	unsetenv("SOURCE_DATE_EPOCH");
	assert_int_equal(epoch_from_environment(&e, NULL), 0);
	assert_false(e.given);
}

static void created(void **state _unused_)
{
	Epoch e = {.given = true, .seconds = 1500000000};
	char *text = epoch_created(&e);
	assert_string_equal(text, "2017-07-14T02:40:00Z");
	free(text);
	e.given = false;
	text = epoch_created(&e);
	assert_true(strncmp(text, "20", 2) == 0 && strlen(text) > strlen("2017-07-14T02:40:00Z"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse),
		cmocka_unit_test(environment),
		cmocka_unit_test(created),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
