#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build/vars.h"

static BuildArgs args_of(const char *const *given)
{
	BuildArgs a = {0};
	StrVec v = {0};
	for (; given && *given; given++)
		strvec_push(&v, *given);
	assert_int_equal(build_args_init(&a, &v, '\\', NULL), 0);
	strvec_done(&v);
	return a;
}

static Instr arg_instr(const char *text)
{
	Instr i = {0};
	assert_int_equal(dockerfile_parse_instr(str_of(text), "test", '\\', &i, NULL), 0);
	return i;
}

static void declare(Vars *v, BuildArgs *a, const char *text, const char *shown)
{
	Instr i = arg_instr(text);
	StrVec got = {0};
	assert_int_equal(vars_declare(v, a, &i, &got, NULL), 0);
	char *joined = strvec_join(&got, " ");
	if (shown)
		assert_string_equal(joined, shown);
	free(joined);
	strvec_done(&got);
	instr_done(&i);
}

static void test_arg_value(void **state _unused_)
{
	/* --build-arg > default > global > nothing */
	const char *given[] = {"a=cli", "glob=cli", NULL};
	BuildArgs a = args_of(given);
	Instr global = arg_instr("ARG glob=file");
	Instr other = arg_instr("ARG other=global");
	assert_int_equal(build_args_global(&a, &global, NULL), 0);
	assert_int_equal(build_args_global(&a, &other, NULL), 0);
	StrVec env = {0};
	strvec_push(&env, "PATH=/bin");
	Vars v;
	vars_init(&v, &env, '\\');
	assert_null(strvec_env_get(&v.env, "other"));
	declare(&v, &a, "ARG a=default", "a=cli");
	declare(&v, &a, "ARG b=${a}x", "b=clix");
	declare(&v, &a, "ARG other", "other=global");
	declare(&v, &a, "ARG glob", "glob=cli");
	declare(&v, &a, "ARG nothing", "nothing");
	assert_string_equal(strvec_env_get(&v.env, "a"), "cli");
	assert_string_equal(strvec_env_get(&v.env, "b"), "clix");
	assert_null(strvec_env_get(&v.env, "nothing"));
	char *prefix = vars_history_prefix(&v);
	assert_string_equal(prefix, "|5 a=cli b=clix other=global glob=cli nothing= ");
	free(prefix);
	vars_done(&v);
	instr_done(&global);
	instr_done(&other);
	strvec_done(&env);
	build_args_done(&a);
}

static void test_arg_and_env(void **state _unused_)
{
	/* the later of ENV and ARG wins; ARG without a value leaves ENV alone (16) */
	BuildArgs a = args_of(NULL);
	StrVec env = {0};
	strvec_push(&env, "X=image");
	Vars v;
	vars_init(&v, &env, '\\');
	declare(&v, &a, "ARG X", NULL);
	assert_string_equal(strvec_env_get(&v.env, "X"), "image");
	declare(&v, &a, "ARG X=arg", NULL);
	assert_string_equal(strvec_env_get(&v.env, "X"), "arg");
	vars_set(&v, "X", "env");
	assert_string_equal(strvec_env_get(&v.env, "X"), "env");
	vars_done(&v);
	strvec_done(&env);
	build_args_done(&a);
}

static void test_one_instruction_sees_the_old(void **state _unused_)
{
	BuildArgs a = args_of(NULL);
	StrVec env = {0};
	Vars v;
	vars_init(&v, &env, '\\');
	declare(&v, &a, "ARG a=1", NULL);
	declare(&v, &a, "ARG a=2 b=$a", "a=2 b=1");
	vars_done(&v);
	build_args_done(&a);
}

static void test_proxies(void **state _unused_)
{
	const char *given[] = {"HTTP_PROXY=http://p", "no_proxy=x", "stray=1", NULL};
	BuildArgs a = args_of(given);
	StrVec env = {0}, unused = {0};
	Vars v;
	vars_init(&v, &env, '\\');
	declare(&v, &a, "ARG no_proxy", "no_proxy=x");
	vars_add_proxies(&v, &a, &env);
	assert_int_equal(env.len, 1);
	assert_string_equal(env.items[0], "HTTP_PROXY=http://p");
	build_args_unused(&a, &unused);
	assert_int_equal(unused.len, 1);
	assert_string_equal(unused.items[0], "stray");
	strvec_done(&env);
	strvec_done(&unused);
	vars_done(&v);
	build_args_done(&a);
}

static void test_given_from_environment(void **state _unused_)
{
	setenv("CRUET_TEST_ARG", "from env", 1);
	unsetenv("CRUET_TEST_UNSET");
	const char *given[] = {"CRUET_TEST_ARG", "CRUET_TEST_UNSET", "empty=", NULL};
	BuildArgs a = args_of(given);
	assert_string_equal(build_args_get(&a, "CRUET_TEST_ARG"), "from env");
	assert_null(build_args_get(&a, "CRUET_TEST_UNSET"));
	assert_string_equal(build_args_get(&a, "empty"), "");
	build_args_done(&a);
	StrVec bad = {0};
	strvec_push(&bad, "=x");
	assert_int_equal(build_args_init(&a, &bad, '\\', NULL), -ERR_USAGE);
	strvec_done(&bad);
	build_args_done(&a);
}

static void test_platform(void **state _unused_)
{
	const char *given[] = {"TARGETARCH=mine", NULL};
	BuildArgs a = args_of(given);
	Platform p = {.os = (char[]){"linux"}, .arch = (char[]){"arm"}, .variant = (char[]){"v7"}};
	build_args_platform(&a, &p, &p, NULL);
	assert_string_equal(strvec_env_get(&a.globals, "TARGETPLATFORM"), "linux/arm/v7");
	assert_string_equal(strvec_env_get(&a.globals, "BUILDARCH"), "arm");
	assert_string_equal(strvec_env_get(&a.globals, "TARGETARCH"), "mine");
	assert_string_equal(strvec_env_get(&a.globals, "TARGETVARIANT"), "v7");
	assert_string_equal(strvec_env_get(&a.globals, "TARGETSTAGE"), "default");
	build_args_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arg_value),
		cmocka_unit_test(test_arg_and_env),
		cmocka_unit_test(test_one_instruction_sees_the_old),
		cmocka_unit_test(test_proxies),
		cmocka_unit_test(test_given_from_environment),
		cmocka_unit_test(test_platform),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
