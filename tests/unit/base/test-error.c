#include "base/error.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "../check.h"

static void setting(void **state _unused_)
{
	Err *err = NULL;
	assert_int_equal(err_set(&err, ERR_LIMIT, "%s of %d", "one", 2), -ERR_LIMIT);
	assert_string_equal(err->message, "one of 2");
	assert_int_equal(err->errnum, 0);
	assert_true(err_is(err, ERR_LIMIT) && !err_is(err, ERR_SYS) && !err_is(NULL, ERR_LIMIT));
	assert_true(!err->hint && !err->file && !err->excerpt && err->line == 0);
	err_freep(&err);
	assert_null(err);
	assert_null(err_free(NULL));
	/* nobody cares */
	assert_int_equal(err_set(NULL, ERR_PARSE, "x"), -ERR_PARSE);
	errno = ENOSPC;
	assert_int_equal(err_sys(NULL, "x"), -ERR_NO_SPACE);
	err_hint(NULL, "x");
	err_at(NULL, "x", 1);
	err_prefix(NULL, "x");
	err_hint(&err, "x");
	err_at(&err, "x", 1);
	err_prefix(&err, "x");
	assert_null(err);
}

static void system_errors(void **state _unused_)
{
	static const struct {
		int errnum;
		ErrCode code;
		const char *message;
	} cases[] = {
		{ENOENT, ERR_SYS, "open 'a': No such file or directory"},
		{EACCES, ERR_SYS, "open 'a': Permission denied"},
		{ENOSPC, ERR_NO_SPACE, "open 'a': No space left on device"},
		{EDQUOT, ERR_NO_SPACE, "open 'a': Disk quota exceeded"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_err_ Err *a = NULL, *b = NULL;
		errno = cases[i].errnum;
		assert_int_equal(err_sys(&a, "open '%s'", "a"), -(int)cases[i].code);
		errno = 0;
		assert_int_equal(
			err_sys_num(&b, cases[i].errnum, "open '%s'", "a"), -(int)cases[i].code);
		assert_string_equal(a->message, cases[i].message);
		assert_string_equal(b->message, cases[i].message);
		assert_int_equal(a->errnum, cases[i].errnum);
		assert_int_equal(b->errnum, cases[i].errnum);
	}
}

/* A hostile name cannot steer the terminal, in whatever part it comes. */
static void printable(void **state _unused_)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{"a b'é€😀", "a b'é€😀"},
		{"\x1B[2J", "\\x1b[2J"},
		{"a\nb\r\tc\x7F", "a\\x0ab\\x0d\\x09c\\x7f"},
		{"\xC2\x9B"
		 "2J",
			"\\xc2\\x9b2J"}, /* CSI in one character */
		{"\xC2\xA0", "\xC2\xA0"},
		{"\xFF\xC3", "\\xff\\xc3"},
		{"\xED\xA0\x80", "\\xed\\xa0\\x80"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_err_ Err *err = NULL;
		_cleanup_free_ char *prefixed = xasprintf("%s: %s", cases[i].shown, cases[i].shown);
		err_set(&err, ERR_CORRUPT, "%s", cases[i].text);
		assert_string_equal(err->message, cases[i].shown);
		err_hint(&err, "%s", cases[i].text);
		assert_string_equal(err->hint, cases[i].shown);
		err_prefix(&err, "%s", cases[i].text);
		assert_string_equal(err->message, prefixed);
	}
	_cleanup_err_ Err *err = NULL;
	errno = EIO;
	err_sys(&err, "%s", "\x1B");
	assert_string_equal(err->message, "\\x1b: Input/output error");
}

static void additions(void **state _unused_)
{
	_cleanup_err_ Err *err = NULL;
	char file[] = "Dockerfile";
	err_set(&err, ERR_PARSE, "what");
	err_hint(&err, "first");
	err_hint(&err, "%s, then", err->hint);
	assert_string_equal(err->hint, "first, then");
	err_at(&err, file, 7);
	file[0] = 'd';
	err_at(&err, "elsewhere", 8);
	assert_string_equal(err->file, "Dockerfile");
	assert_int_equal(err->line, 7);
	err_prefix(&err, "in %d", 2);
	err_prefix(&err, "in %d", 1);
	assert_string_equal(err->message, "in 1: in 2: what");
}

static int scoped(int depth, Err **err)
{
	ERR_SCOPE(err, "level %d", depth);
	if (depth < 3)
		return scoped(depth + 1, err);
	return err ? err_set(err, ERR_AUTH, "the end") : 0;
}

static int harmless(Err **err)
{
	ERR_SCOPE(err, "not seen");
	ERR_SCOPE(err, "two of them");
	return 0;
}

static void scopes(void **state _unused_)
{
	_cleanup_err_ Err *err = NULL;
	assert_int_equal(harmless(&err), 0);
	assert_null(err);
	assert_int_equal(scoped(1, NULL), 0);
	assert_int_equal(scoped(1, &err), -ERR_AUTH);
	assert_string_equal(err->message, "level 1: level 2: level 3: the end");
}

static void moving(void **state _unused_)
{
	Err *from = NULL, *to = NULL;
	assert_int_equal(err_move(&to, &from), 0);
	assert_null(to);
	err_set(&from, ERR_NET, "gone");
	Err *was = from;
	assert_int_equal(err_move(&to, &from), -ERR_NET);
	assert_null(from);
	assert_ptr_equal(to, was);
	assert_int_equal(err_move(NULL, &to), -ERR_NET); /* frees it */
	assert_null(to);
}

/* Setting over an existing one is a bug: the program ends there. */
static void set_once(void **state _unused_)
{
	pid_t pid = fork();
	if (pid == 0) {
		Err *err = NULL;
		signal(SIGABRT, SIG_DFL);
		int fd = open("/dev/null", O_WRONLY);
		dup2(fd, STDERR_FILENO);
		err_set(&err, ERR_NET, "one");
		err_set(&err, ERR_NET, "two");
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void names(void **state _unused_)
{
	for (int a = 0; a < _ERR_MAX; a++) {
		const char *name = err_code_name((ErrCode)a);
		assert_non_null(name);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
		for (int b = 0; b < a; b++)
			assert_string_not_equal(name, err_code_name((ErrCode)b));
	}
	assert_string_equal(err_code_name(ERR_NOT_FOUND), "not-found");
	assert_string_equal(err_code_name(_ERR_MAX), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setting),
		cmocka_unit_test(system_errors),
		cmocka_unit_test(printable),
		cmocka_unit_test(additions),
		cmocka_unit_test(scopes),
		cmocka_unit_test(moving),
		cmocka_unit_test(set_once),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
