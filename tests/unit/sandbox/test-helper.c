/* What happens when one of caller, helper and first process dies. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "sys/atomic.h"
#include "sys/process.h"

/* Host pid of the helper: the child of this process. */
static pid_t helper_pid(void)
{
	_cleanup_buf_ Buf b = BUF_INIT(4096);
	_cleanup_free_ char *path = xasprintf("/proc/self/task/%d/children", (int)getpid());
	uint64_t pid = 0;
	Str word, rest;
	if (file_read(AT_FDCWD, path, b.max, &b, NULL) < 0)
		return 0;
	rest = buf_view(&b);
	str_cut(&rest, ' ', &word);
	return str_to_u64(word, INT32_MAX, &pid, NULL) < 0 ? 0 : (pid_t)pid;
}

static bool wait_for(const char *path)
{
	for (int i = 0; i < 500; i++) {
		struct stat st;
		if (stat(path, &st) == 0 && st.st_size > 0)
			return true;
		usleep(10000);
	}
	return false;
}

static bool still_grows(const char *path)
{
	struct stat a, b;
	usleep(200000);
	assert_int_equal(stat(path, &a), 0);
	usleep(200000);
	assert_int_equal(stat(path, &b), 0);
	return a.st_size != b.st_size;
}

#define GROW "while :; do echo x >> /tmp/grows; sleep 0.005; done"

static void end_of_the_caller(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, GROW);
	_cleanup_free_ char *path = xasprintf("%s/tmp/grows", run.spec.upper);
	pid_t caller = fork();
	assert_true(caller >= 0);
	if (caller == 0) {
		Sandbox *s = NULL;
		if (sandbox_new(&s, NULL) == 0)
			(void)!sandbox_run(s, &run.spec, NULL, NULL, &run.result, NULL);
		_exit(0);
	}
	assert_true(wait_for(path));
	kill(caller, SIGKILL);
	process_wait(caller);
	assert_false(still_grows(path));
}

static void end_of_the_helper(void **state)
{
	(void)state;
	_cleanup_run_ Run run, later;
	run_init(&run, "exit 3");
	run_go(&run);
	assert_int_equal(run.r, 0);
	pid_t helper = helper_pid();
	assert_true(helper > 0);
	int killer = fork();
	run_init(&later, GROW);
	_cleanup_free_ char *path = xasprintf("%s/tmp/grows", later.spec.upper);
	if (killer == 0) {
		_exit(wait_for(path) && kill(helper, SIGKILL) == 0 ? 0 : 1);
	}
	run_go(&later);
	assert_int_equal(process_wait(killer), 0);
	assert_int_equal(later.r, -ERR_SYS);
	assert_non_null(strstr(later.err->message, "helper is gone"));
	assert_false(still_grows(path));
}

/* The terminal's signals reach the helper too, which must not care. */
static void signals_do_not_stop_it(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "exit 6");
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1};
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		kill(helper_pid(), numbers[i]);
	run_go(&run);
	assert_int_equal(run.r, 0);
	assert_int_equal(run.result.exit_status, 6);
}

static void malformed_requests(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "exit 0");
	int pair[2], end[2];
	char byte;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid_t caller = getpid(), helper = fork();
	if (helper == 0) {
		close(pair[0]);
		helper_main(pair[1], caller);
	}
	close(pair[1]);
	/* no descriptors, a short datagram, a spec that is none */
	assert_int_equal(fds_send(pair[0], "x", 1, NULL, 0, NULL), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int fds[_REQUEST_FD_MAX] = {null, end[1], null, null, null};
	assert_int_equal(fds_send(pair[0], "x", 1, fds, _REQUEST_FD_MAX, NULL), 0);
	const Request q = {.size = 100};
	assert_int_equal(fds_send(pair[0], &q, sizeof(q), fds, _REQUEST_FD_MAX, NULL), 0);
	close(end[1]);
	_cleanup_buf_ Buf b = BUF_INIT(1 << 16);
	while (read(end[0], &byte, 1) == 1)
		buf_char(&b, byte);
	Reply reply;
	reply_parse(buf_view(&b), &reply);
	assert_false(reply.has_status);
	assert_int_equal(reply.error->code, ERR_CORRUPT);
	reply_done(&reply);
	close(end[0]);
	close(null);
	close(pair[0]);
	assert_int_equal(process_wait(helper), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_do_not_stop_it),
		cmocka_unit_test(malformed_requests),
		cmocka_unit_test(end_of_the_caller),
		cmocka_unit_test(end_of_the_helper),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
