#include "base/base64.h"

#include "../check.h"

static void both_ways(void **state)
{
	(void)state;
	static const char *const cases[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfb", "//77"}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *out = NULL;
		size_t len = 99;
		assert_text(base64_encode(str_of(cases[i][0])), cases[i][1]);
		assert_true(base64_decode(str_of(cases[i][1]), &out, &len));
		assert_int_equal(len, strlen(cases[i][0]));
		assert_text(out, cases[i][0]);
	}
	char *out = NULL;
	size_t len;
	assert_true(base64_decode(STR("Zg"), &out, &len));
	assert_text(out, "f");
	/* base64(1) breaks lines */
	assert_true(base64_decode(STR("Zm9v\r\nYm\nE=\n"), &out, &len));
	assert_text(out, "fooba");
}

static void refused(void **state)
{
	(void)state;
	static const char *const cases[] = {"Z", "Zm9vY", "Zm9 v", "Zm-v", "Z=g=", "Z\n", "Zg\t"};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *out = NULL;
		size_t len;
		assert_false(base64_decode(str_of(cases[i]), &out, &len));
		assert_null(out);
	}
	char *out = NULL;
	size_t len;
	assert_false(base64_decode((Str){"Zm\0v", 4}, &out, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
