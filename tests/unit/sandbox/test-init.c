#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "fixture.h"

static void statuses(void **state)
{
	(void)state;
	static const struct {
		const char *script;
		int status, signal;
	} rows[] = {
		{"exit 0", 0, 0},
		{"exit 1", 1, 0},
		{"exit 255", 255, 0},
		{"kill -9 $$", 0, SIGKILL},
		{"kill -TERM $$", 0, SIGTERM},
		{"kill -SEGV $$", 0, SIGSEGV},
		{"/bin/false; exit $?", 1, 0},
		/* nobody inside can end the first process */
		{"kill -9 1; kill -TERM 1; exit 5", 5, 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_run_ Run run;
		run_init(&run, rows[i].script);
		run_go(&run);
		assert_int_equal(run.r, 0);
		assert_int_equal(run.result.exit_status, rows[i].status);
		assert_int_equal(run.result.signal, rows[i].signal);
	}
}

static void orphans_are_reaped(void **state)
{
	(void)state;
	assert_prints("for i in 1 2 3 4 5; do (sleep 0.01 &) ; done; sleep 0.2; "
		      "grep -l 'State:.*zombie' /proc/[0-9]*/status | wc -l",
		"0");
}

static void background_is_killed(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	struct timespec start, end;
	struct stat before, after;
	run_init(&run,
		"(trap '' TERM HUP INT; while :; do echo x >> /tmp/grows; done) & "
		"sleep 1000 & while [ ! -s /tmp/grows ]; do sleep 0.01; done; exit 4");
	clock_gettime(CLOCK_MONOTONIC, &start);
	run_go(&run);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_int_equal(run.r, 0);
	assert_int_equal(run.result.exit_status, 4);
	assert_true(end.tv_sec - start.tv_sec < 10);
	_cleanup_free_ char *path = xasprintf("%s/tmp/grows", run.spec.upper);
	assert_int_equal(stat(path, &before), 0);
	usleep(30000);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
}

static void names_and_session(void **state)
{
	(void)state;
	assert_prints("hostname; cat /etc/hostname; echo $$; cat /proc/1/comm; umask",
		"box\nbox\n2\ncruet-init\n0022");
	/* session leader: process 2 */
	assert_prints("cut() { echo $6; }; cut $(cat /proc/self/stat)", "2");
}

static void signals_are_default(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	/* while the first process waits for signals the kernel shows none of them as blocked */
	assert_prints("grep -E 'Sig(Ign|Cgt)' /proc/1/status | grep -vc 0000000000000000; "
		      "exec grep -E 'Sig(Ign|Blk)' /proc/self/status | tr -d '\\t'",
		"0\nSigBlk:0000000000000000\nSigIgn:0000000000000000");
	signal(SIGPIPE, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
}

static void no_descriptors_leak(void **state)
{
	(void)state;
	/* the fourth is the one of the listing itself */
	assert_prints("exec ls /proc/self/fd", "0\n1\n2\n3");
}

static void network(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run,
		"ip -o link | wc -l; ip -o -4 addr show lo | grep -c 127.0.0.1; ip link show lo | grep -c UP");
	run.spec.network_none = true;
	run_ok(&run);
	assert_string_equal(run_text(&run), "1\n1\n1");
}

static void namespaces(void **state)
{
	(void)state;
	static const char *const own[] = {"pid", "mnt", "ipc", "uts"};
	_cleanup_run_ Run run;
	run_init(&run, "for n in pid mnt ipc uts net user; do readlink /proc/self/ns/$n; done");
	run_ok(&run);
	Str rest = str_of(run_text(&run)), line;
	for (size_t i = 0; i < ARRAY_SIZE(own) && str_cut(&rest, '\n', &line); i++) {
		char here[64];
		_cleanup_free_ char *path = xasprintf("/proc/self/ns/%s", own[i]);
		ssize_t n = readlink(path, here, sizeof(here));
		assert_true(n > 0);
		assert_false(str_eq(line, (Str){here, (size_t)n}));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(orphans_are_reaped),
		cmocka_unit_test(background_is_killed),
		cmocka_unit_test(names_and_session),
		cmocka_unit_test(signals_are_default),
		cmocka_unit_test(no_descriptors_leak),
		cmocka_unit_test(network),
		cmocka_unit_test(namespaces),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
