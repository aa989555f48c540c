#include "registry/rate_limit.h"

#include "../check.h"

static void limits(void **state _unused_)
{
	static const struct {
		const char *left, *limit, *text;
		bool low;
	} cases[] = {
		{"76;w=21600", "100;w=21600", "76 of 100 requests in 6h0m0s are left", false},
		{"10;w=60", "100;w=60", "10 of 100 requests in 1m0s are left", true},
		{"11", "100", "11 of 100 requests are left", false},
		{"0", NULL, "0 requests are left", true},
		{"5", NULL, "5 requests are left", false},
		{" 5 ; x ; w=1", "many", "5 requests in 1s are left", false},
		{"5;w=-1", "0;w=x", "5 requests are left", false},
		{NULL, "100", NULL, false},
		{"", "100", NULL, false},
		{"-1", "100", NULL, false},
		{"99999999999999999999", "100", NULL, false},
		{"\033[1m", "100", NULL, false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		HttpResponse answer = {0};
		if (cases[i].left)
			strvec_pushf(&answer.headers, "ratelimit-remaining=%s", cases[i].left);
		if (cases[i].limit)
			strvec_pushf(&answer.headers, "ratelimit-limit=%s", cases[i].limit);
		_cleanup_free_ char *text = rate_limit_text(&answer);
		if (!cstr_eq(text, cases[i].text))
			fail_msg("%zu: '%s'", i, text ? text : "nothing");
		assert_int_equal(rate_limit_is_low(&answer), cases[i].low);
		http_response_done(&answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(limits)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
