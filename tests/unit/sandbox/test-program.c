#include <stdio.h>
#include <sys/stat.h>

#include "fixture.h"

static void set(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

static void environment(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "");
	run_argv(&run, "env", NULL);
	strvec_push(&run.spec.env, "EMPTY=");
	strvec_push(&run.spec.env, "TEXT=two words");
	run_ok(&run);
	assert_string_equal(
		run_text(&run), "PATH=/bin:/usr/bin\nEMPTY=\nTEXT=two words\nHOME=/root");
}

static void home_and_user(void **state)
{
	(void)state;
	static const struct {
		const char *user, *home, *expected;
	} rows[] = {
		{"", NULL, "0 0 0 /root"},
		{"ann", NULL, "1000 1001 1001 50 100 /home/ann"},
		{"1000", NULL, "1000 1001 1001 50 100 /home/ann"},
		{"ann:staff", NULL, "1000 50 50 /home/ann"},
		{"ann", "HOME=/x", "1000 1001 1001 50 100 /x"},
		{"4711", NULL, "4711 0 0 /"},
		{"4711:4712", NULL, "4711 4712 4712 /"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_run_ Run run;
		run_init(&run, "echo $(id -u) $(id -g) $(id -G) $HOME");
		set(&run.spec.user, rows[i].user);
		if (rows[i].home)
			strvec_push(&run.spec.env, rows[i].home);
		run_ok(&run);
		assert_string_equal(run_text(&run), rows[i].expected);
	}
}

static void working_directory(void **state)
{
	(void)state;
	fixture_mkdir("lower/a/b");
	_cleanup_run_ Run run, relative;
	run_init(&run, "pwd");
	set(&run.spec.cwd, "/a/b");
	run_ok(&run);
	assert_string_equal(run_text(&run), "/a/b");
	fixture_write("lower/a/here", "#!/bin/sh\necho here\n", 0755);
	run_init(&relative, "");
	run_argv(&relative, "./here", NULL);
	set(&relative.spec.cwd, "/a");
	run_ok(&relative);
	assert_string_equal(run_text(&relative), "here");
}

static void fails(Run *run, int code, int status, const char *text)
{
	run_go(run);
	if (run->r != -code)
		fail_msg("%d (%s), not %d", run->r, run->err ? run->err->message : "-", -code);
	if (code == ERR_RUN_FAILED)
		assert_int_equal(run->err->errnum, status);
	if (!strstr(run->err->message, text))
		fail_msg("'%s' has no '%s'", run->err->message, text);
}

static void cannot_start(void **state)
{
	(void)state;
	fixture_write("lower/bin/plain", "text\n", 0644);
	fixture_write("lower/bin/noformat", "text\n", 0755);
	fixture_write("lower/bin/nointerp", "#!/bin/missing -x\n", 0755);
	fixture_write("lower/bin/windows", "#!/bin/sh\r\necho\r\n", 0755);
	fixture_write("lower/bin/magic", "#!/proc/self/exe\n", 0755);
	fixture_mkdir("lower/bin/folder");
	static const struct {
		const char *name;
		int status;
		const char *text;
	} rows[] = {
		{"nosuch", 127, "executable file 'nosuch' not found in $PATH"},
		{"/bin/nosuch", 127, "executable file '/bin/nosuch' not found"},
		{"", 127, "empty"},
		{"plain", 126, "'plain': permission denied"},
		{"/bin/plain", 126, "'/bin/plain': permission denied"},
		{"/bin/folder", 126, "'/bin/folder' is a directory"},
		{"folder", 127, "not found in $PATH"},
		{"noformat", 126, "exec format error"},
		{"nointerp", 127,
			"interpreter '/bin/missing' of the script '/bin/nointerp' does not exist"},
		{"windows", 127, "interpreter '/bin/sh\\r' of"},
		{"/proc/self/exe", 126, "leads through a link of /proc"},
		{"/bin/magic", 126, "leads through a link of /proc"},
		{"/bin/sh/x", 127, "not found"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_run_ Run run;
		run_init(&run, "");
		run_argv(&run, rows[i].name, NULL);
		fails(&run, ERR_RUN_FAILED, rows[i].status, rows[i].text);
	}
}

static void other_machine(void **state)
{
	(void)state;
	/* the start of an ELF header: 64 bit, little endian, executable, for s390 */
	static const char head[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1, [16] = 2, [18] = 22, [20] = 1};
	_cleanup_run_ Run run;
	run_init(&run, "");
	_cleanup_free_ char *path = fixture_path("lower/bin/foreign");
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(head, 1, sizeof(head), f), sizeof(head));
	fclose(f);
	chmod(path, 0755);
	run_argv(&run, "foreign", NULL);
	fails(&run, ERR_RUN_FAILED, 126, "exec format error");
	assert_non_null(strstr(run.err->hint, "s390x"));
}

static void missing_things(void **state)
{
	(void)state;
	_cleanup_run_ Run cwd, user, group, empty;
	run_init(&cwd, "");
	set(&cwd.spec.cwd, "/no/such");
	fails(&cwd, ERR_NOT_FOUND, 0, "working directory '/no/such' does not exist");
	run_init(&user, "");
	set(&user.spec.user, "bob");
	fails(&user, ERR_NOT_FOUND, 0, "user 'bob' is not in /etc/passwd");
	run_init(&group, "");
	set(&group.spec.user, "ann:nogroup");
	fails(&group, ERR_NOT_FOUND, 0, "group 'nogroup'");
	run_init(&empty, "");
	strvec_clear(&empty.spec.argv);
	fails(&empty, ERR_USAGE, 0, "no program");
}

/* A working directory that is a link of /proc would lead to descriptors of the helper (CVE-2024-21626). */
static void magic_directory(void **state)
{
	(void)state;
	for (int fd = 3; fd < 12; fd++) {
		_cleanup_run_ Run run;
		run_init(&run, "true");
		free(run.spec.cwd);
		run.spec.cwd = xasprintf("/proc/self/fd/%d", fd);
		run_go(&run);
		assert_true(run.r < 0);
	}
}

static void path_order(void **state)
{
	(void)state;
	fixture_mkdir("lower/first");
	fixture_mkdir("lower/second");
	fixture_write("lower/first/tool", "not executable", 0644);
	fixture_write("lower/second/tool", "#!/bin/sh\necho second $0\n", 0755);
	_cleanup_run_ Run run;
	run_init(&run, "");
	strvec_env_set(&run.spec.env, "PATH", "/nowhere:/first:/second:/bin");
	run_argv(&run, "tool", NULL);
	run_ok(&run);
	assert_string_equal(run_text(&run), "second /second/tool");
}

static void large_environment(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "echo ${#BIG}");
	_cleanup_free_ char *big = xmalloc(100001);
	memset(big, 'x', 100000);
	big[100000] = '\0';
	strvec_env_set(&run.spec.env, "BIG", big);
	run_ok(&run);
	assert_string_equal(run_text(&run), "100000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(environment),
		cmocka_unit_test(home_and_user),
		cmocka_unit_test(working_directory),
		cmocka_unit_test(cannot_start),
		cmocka_unit_test(other_machine),
		cmocka_unit_test(missing_things),
		cmocka_unit_test(magic_directory),
		cmocka_unit_test(path_order),
		cmocka_unit_test(large_environment),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
