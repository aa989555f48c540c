#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build/run_output.h"

static char *root;
static Store *store;

static int setup(void **state _unused_)
{
	const char *tmp = getenv("TMPDIR");
	root = xasprintf("%s/cruet-output-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(root));
	assert_int_equal(store_open(root, &store, NULL), 0);
	return 0;
}

static int teardown(void **state _unused_)
{
	store = store_close(store);
	assert_int_equal(remove_tree(AT_FDCWD, root, NULL), 0);
	free(root);
	return 0;
}

/* Writes text in pieces, then ends with result; owned error. */
static Err *fail_after(const char *text, size_t piece, SandboxResult result, char **ret_log)
{
	RunOutput o;
	Digest op;
	Err *err = NULL;
	StrVec argv = {0};
	digest_of("op", 2, &op);
	strvec_push(&argv, "/bin/sh");
	strvec_push(&argv, "-c");
	strvec_push(&argv, "first line\nsecond line");
	run_output_init(&o, store, &op, NULL, 1);
	for (size_t at = 0, len = strlen(text); at < len; at += piece)
		run_output_write(&o, 1, text + at, MIN(piece, len - at));
	assert_true(run_output_check(&o, &result, &argv, &err) < 0);
	char *path = xasprintf("logs/%s", o.name);
	Buf log = BUF_INIT(1 << 20);
	run_output_done(&o);
	if (ret_log && file_read(store_fd(store), path, log.max, &log, NULL) == 0)
		*ret_log = buf_steal(&log);
	buf_done(&log);
	free(path);
	strvec_done(&argv);
	return err;
}

static void test_success(void **state _unused_)
{
	RunOutput o;
	Digest op = {0};
	StrVec argv = {0};
	SandboxResult ok = {0};
	run_output_init(&o, store, &op, NULL, 1);
	assert_int_equal(run_output_check(&o, &ok, &argv, NULL), 0);
	assert_int_equal(o.fd, -1);
	run_output_done(&o);
}

static void test_status(void **state _unused_)
{
	char *log = NULL;
	Err *err = fail_after("one\ntwo\n", 3, (SandboxResult){.exit_status = 127}, &log);
	assert_int_equal(err->code, ERR_RUN_FAILED);
	assert_int_equal(err->errnum, 127);
	assert_non_null(strstr(err->message, "first line…' exited with status 127"));
	assert_null(strchr(err->message, '\n'));
	assert_string_equal(err->excerpt, "last output:\n    one\n    two\n");
	assert_non_null(strstr(err->hint, "did not find"));
	assert_non_null(strstr(err->hint, root));
	assert_string_equal(log, "one\ntwo\n");
	free(log);
	err_free(err);
}

static void test_signal(void **state _unused_)
{
	Err *err = fail_after("", 1, (SandboxResult){.signal = SIGKILL}, NULL);
	assert_int_equal(err->errnum, 128 + SIGKILL);
	assert_non_null(strstr(err->message, "SIGKILL"));
	assert_null(err->excerpt);
	err_free(err);
}

static void test_long_output(void **state _unused_)
{
	/* more than the tail keeps, in pieces smaller and larger than it */
	static const size_t pieces[] = {1, 7, 4096, 100000};
	Buf text = BUF_INIT(1 << 20);
	for (int i = 0; i < 2000; i++)
		buf_printf(&text, "line %d\n", i);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		char *log = NULL;
		Err *err = fail_after(text.ptr, pieces[i], (SandboxResult){.exit_status = 1}, &log);
		assert_true(cstr_starts(err->excerpt, "last output (end):\n    line 1980\n"));
		assert_true(str_ends(str_of(err->excerpt), "    line 1999\n"));
		assert_string_equal(log, text.ptr);
		free(log);
		err_free(err);
	}
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_success),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_long_output),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
