#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build/change.h"
#include "build/exec_config.h"
#include "build/history.h"

static const char *lookup(void *arg, const char *name)
{
	return strvec_env_get(arg, name);
}

/* Applies the instruction; *ret_history owned. */
static int apply(ImageConfig *c, bool *cmd_set, const char *text, char **ret_history)
{
	Instr i = {0};
	int r = dockerfile_parse_instr(str_of(text), "test", '\\', &i, NULL);
	if (r < 0)
		return r;
	Expander x = {.lookup = lookup, .arg = &c->env, .escape = '\\'};
	ConfigChange change = {.config = c, .expander = &x, .cmd_set = cmd_set};
	r = config_instr(&i, &change, NULL);
	*ret_history = change.history;
	strvec_done(&change.pairs);
	instr_done(&i);
	return r;
}

static void test_history(void **state _unused_)
{
	static const struct {
		const char *text, *history;
	} cases[] = {
		{"ENV A=1 B=\"x y\"", "ENV A=1 B=x y"},
		{"ENV A one two", "ENV A=one two"},
		{"LABEL k=v", "LABEL k=v"},
		{"CMD [\"a\", \"b c\"]", "CMD [\"a\" \"b c\"]"},
		{"CMD echo \"hi\"", "CMD [\"/bin/sh\" \"-c\" \"echo \\\"hi\\\"\"]"},
		{"ENTRYPOINT [\"/x\"]", "ENTRYPOINT [\"/x\"]"},
		{"EXPOSE 80 81-82/udp", "EXPOSE [80/tcp 81/udp 82/udp]"},
		{"VOLUME /a /b", "VOLUME [/a /b]"},
		{"VOLUME [\"/a\"]", "VOLUME [/a]"},
		{"USER me:us", "USER me:us"},
		{"STOPSIGNAL SIGINT", "STOPSIGNAL SIGINT"},
		{"SHELL [\"/bin/bash\", \"-c\"]", "SHELL [/bin/bash -c]"},
		{"WORKDIR /a/../b", "WORKDIR /b"},
		{"ONBUILD RUN x", "ONBUILD RUN x"},
		{"MAINTAINER me", "MAINTAINER me"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ImageConfig c = {0};
		bool cmd_set = false;
		char *history = NULL;
		if (apply(&c, &cmd_set, cases[i].text, &history) < 0)
			fail_msg("refused: %s", cases[i].text);
		assert_string_equal(history, cases[i].history);
		free(history);
		config_done(&c);
	}
}

static void test_bad(void **state _unused_)
{
	static const char *const cases[] = {
		"EXPOSE http",
		"EXPOSE 70000",
		"EXPOSE 9-8",
		"EXPOSE 80/icmp",
		"STOPSIGNAL SIGNOPE",
		"STOPSIGNAL 0",
		"SHELL /bin/sh -c",
		"HEALTHCHECK --interval=1us CMD x",
		"HEALTHCHECK --interval=abc CMD x",
		"RUN true",
		"ENV \"\"=x",
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ImageConfig c = {0};
		bool cmd_set = false;
		char *history = NULL;
		if (apply(&c, &cmd_set, cases[i], &history) == 0)
			fail_msg("accepted: %s", cases[i]);
		free(history);
		config_done(&c);
	}
}

static void test_entrypoint_and_cmd(void **state _unused_)
{
	ImageConfig c = {.has_cmd = true};
	bool cmd_set = false;
	char *history = NULL;
	strvec_push(&c.cmd, "inherited");
	assert_int_equal(apply(&c, &cmd_set, "ENTRYPOINT [\"e\"]", &history), 0);
	free(history);
	assert_false(c.has_cmd);
	assert_int_equal(c.cmd.len, 0);
	assert_int_equal(apply(&c, &cmd_set, "CMD [\"own\"]", &history), 0);
	free(history);
	assert_true(c.args_escaped);
	assert_int_equal(apply(&c, &cmd_set, "ENTRYPOINT [\"f\"]", &history), 0);
	free(history);
	assert_string_equal(c.cmd.items[0], "own");
	assert_int_equal(apply(&c, &cmd_set, "CMD []", &history), 0);
	free(history);
	assert_true(c.has_cmd);
	assert_int_equal(c.cmd.len, 0);
	config_done(&c);
}

static void test_env_sees_the_old(void **state _unused_)
{
	ImageConfig c = {0};
	bool cmd_set = false;
	char *history = NULL;
	assert_int_equal(apply(&c, &cmd_set, "ENV a=1", &history), 0);
	free(history);
	assert_int_equal(apply(&c, &cmd_set, "ENV a=2 b=$a", &history), 0);
	free(history);
	assert_string_equal(strvec_env_get(&c.env, "a"), "2");
	assert_string_equal(strvec_env_get(&c.env, "b"), "1");
	config_done(&c);
}

static void test_workdir_joins(void **state _unused_)
{
	ImageConfig c = {0};
	bool cmd_set = false;
	const char *const steps[][2] = {{"WORKDIR a", "/a"}, {"WORKDIR b", "/a/b"},
		{"WORKDIR ..", "/a"}, {"WORKDIR /", "/"}};
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		char *history = NULL;
		assert_int_equal(apply(&c, &cmd_set, steps[i][0], &history), 0);
		free(history);
		assert_string_equal(c.working_dir, steps[i][1]);
	}
	config_done(&c);
}

static void test_healthcheck(void **state _unused_)
{
	ImageConfig c = {0};
	bool cmd_set = false;
	char *history = NULL;
	assert_int_equal(apply(&c, &cmd_set,
				 "HEALTHCHECK --interval=1m30s --timeout=3s --retries=3 CMD curl x",
				 &history),
		0);
	assert_string_equal(history,
		"HEALTHCHECK &{[\"CMD-SHELL\" \"curl x\"] \"1m30s\" \"3s\" \"0s\" \"0s\" '\\x03'}");
	free(history);
	assert_true(c.healthcheck.present);
	assert_int_equal(c.healthcheck.interval, 90000000000);
	assert_int_equal(apply(&c, &cmd_set, "HEALTHCHECK NONE", &history), 0);
	free(history);
	assert_int_equal(c.healthcheck.test.len, 1);
	assert_string_equal(c.healthcheck.test.items[0], "NONE");
	config_done(&c);
}

static void test_change(void **state _unused_)
{
	ImageConfig c = {0};
	Err *err = NULL;
	assert_int_equal(change_apply(NULL, "CMD [\"x\"]", &c, NULL), 0);
	assert_int_equal(change_apply(NULL, "ENTRYPOINT [\"y\"]", &c, NULL), 0);
	assert_string_equal(c.cmd.items[0], "x");
	assert_int_equal(change_apply(NULL, "RUN x", &c, &err), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err->message, "RUN x"));
	err_free(err);
	err = NULL;
	assert_int_equal(change_apply(NULL, "NONSENSE", &c, &err), -ERR_PARSE);
	err_free(err);
	config_done(&c);
}

static void test_quote(void **state _unused_)
{
	Buf b = BUF_INIT(1000);
	history_quote(&b, str_of("a\"b\\c\n\t\x01"));
	assert_string_equal(b.ptr, "\"a\\\"b\\\\c\\n\\t\\x01\"");
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_entrypoint_and_cmd),
		cmocka_unit_test(test_env_sees_the_old),
		cmocka_unit_test(test_workdir_joins),
		cmocka_unit_test(test_healthcheck),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_quote),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
