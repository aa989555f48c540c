#include "registry/challenge.h"

#include "../check.h"

static void assert_parsed(const char *value, const char *expected)
{
	Challenges all = {0};
	_cleanup_buf_ Buf text = BUF_INIT(1 << 16);
	ok(challenges_parse(str_of(value), &all, err));
	vec_foreach (&all, c) {
		buf_printf(&text, "[%s", c->scheme);
		for (size_t i = 0; i < c->params.len; i++)
			buf_printf(&text, "|%s", c->params.items[i]);
		buf_char(&text, ']');
	}
	assert_string_equal(buf_view(&text).ptr, expected);
	challenges_done(&all);
}

static void parsed(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"", ""},
		{" , ,", ""},
		{"Basic", "[basic]"},
		{"Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
		 "scope=\"repository:library/alpine:pull,push\"",
			"[bearer|realm=https://auth.docker.io/token|service=registry.docker.io"
			"|scope=repository:library/alpine:pull,push]"},
		{"BEARER Realm = \"a\" , Service=\"b\"", "[bearer|realm=a|service=b]"},
		{"Basic realm=\"one\", Bearer realm=\"two\",error=\"invalid_token\"",
			"[basic|realm=one][bearer|realm=two|error=invalid_token]"},
		{"Basic realm=\"a \\\"quoted\\\" \\\\ word\"",
			"[basic|realm=a \"quoted\" \\ word]"},
		{"Negotiate, Basic realm=x", "[negotiate][basic|realm=x]"},
		{"Negotiate YIIG+/x==, Basic realm=x", "[negotiate][basic|realm=x]"},
		{"Bearer realm=https://r.example/token,service=r.example",
			"[bearer|realm=https://r.example/token|service=r.example]"},
		{"Bearer realm=\"\"", "[bearer|realm=]"},
		{"Bearer a=b=c", "[bearer|a=b=c]"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_parsed(cases[i][0], cases[i][1]);
}

static void refused(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"Bearer realm=\"open", "not closed"},
		{"Bearer realm=\"ends in \\", "control"},
		{"Bearer realm=\"a\x01\"", "control"},
		{"Bearer realm=\"a\" service=\"b\"", "comma is missing"},
		{"Bearer a=b,realm=,service=c", "no value"},
		{"=x", "neither a scheme"},
		{"Bearer@x", "follows a scheme"},
		{"Bearer realm=a\"b", "value"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Challenges all = {0};
		fails(ERR_CORRUPT, cases[i][1], challenges_parse(str_of(cases[i][0]), &all, err));
		assert_int_equal(all.len, 0);
	}
}

static void bounded(void **state)
{
	(void)state;
	Challenges all = {0};
	_cleanup_buf_ Buf many = BUF_INIT(1 << 16), params = BUF_INIT(1 << 16);
	for (int i = 0; i < 17; i++)
		buf_cstr(&many, "Basic,");
	fails(ERR_CORRUPT, "too many challenges", challenges_parse(buf_view(&many), &all, err));
	buf_cstr(&params, "Bearer ");
	for (int i = 0; i < 33; i++)
		buf_cstr(&params, "a=b,");
	fails(ERR_CORRUPT, "too many parameters", challenges_parse(buf_view(&params), &all, err));
}

static void params(void **state)
{
	(void)state;
	Challenges all = {0};
	ok(challenges_parse(STR("Basic x=1"), &all, err));
	ok(challenges_parse(STR("Bearer realm=r, REALM=s, real=t"), &all, err));
	assert_int_equal(all.len, 2);
	assert_string_equal(challenge_param(&all.items[1], "realm"), "r");
	assert_string_equal(challenge_param(&all.items[1], "real"), "t");
	assert_null(challenge_param(&all.items[1], "rea"));
	assert_null(challenge_param(&all.items[0], "realm"));
	challenges_done(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsed),
		cmocka_unit_test(refused),
		cmocka_unit_test(bounded),
		cmocka_unit_test(params),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
