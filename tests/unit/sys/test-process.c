#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/process.h"

static void run(const char *script, int expected, const char *text)
{
	_cleanup_strvec_ StrVec argv = {0};
	_cleanup_err_ Err *err = NULL;
	strvec_push(&argv, "/bin/sh");
	strvec_push(&argv, "-c");
	strvec_push(&argv, script);
	assert_int_equal(process_run(&argv, &err), expected);
	if (text)
		assert_non_null(strstr(err->message, text));
}

static void programs(void **state)
{
	(void)state;
	run("exit 0", 0, NULL);
	run("echo ignored; exit 0", 0, NULL);
	run("echo 'the reason' >&2; echo more >&2; exit 3", -ERR_SYS, "the reason");
	run("kill -9 $$", -ERR_SYS, "failed");
	/* more than is kept */
	run("i=0; while [ $i -lt 2000 ]; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa >&2; i=$((i+1)); done; exit 1",
		-ERR_SYS, "aaaa");
	_cleanup_strvec_ StrVec none = {0};
	_cleanup_err_ Err *err = NULL;
	strvec_push(&none, "/no/such/program");
	assert_int_equal(process_run(&none, &err), -ERR_SYS);
	assert_non_null(strstr(err->message, "cannot be executed"));
}

static int talk(
	const char *script, Str input, unsigned seconds, Buf *output, Buf *errors, Err **err)
{
	int status = -1;
	_cleanup_strvec_ StrVec argv = {0};
	strvec_push(&argv, "sh");
	strvec_push(&argv, "-c");
	strvec_push(&argv, script);
	int r = process_talk(&(ProcessTalk){&argv, input, seconds, output, errors}, &status, err);
	return r < 0 ? r : status;
}

static void conversations(void **state)
{
	(void)state;
	Buf output = BUF_INIT(1000), errors = BUF_INIT(10);
	_cleanup_err_ Err *err = NULL, *limit = NULL, *late = NULL, *absent = NULL;
	assert_int_equal(talk("cat /dev/stdin; echo '0123456789abcdef' >&2", STR("hello"), 10,
				 &output, &errors, NULL),
		0);
	assert_string_equal(output.ptr, "hello");
	assert_string_equal(errors.ptr, "0123456789");
	buf_clear(&output);
	/* more input than a pipe takes, never read */
	_cleanup_free_ char *big = xcalloc(1, 1 << 20);
	int status = talk("exit 3", (Str){big, 1 << 20}, 10, &output, &errors, NULL);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	assert_int_equal(talk("yes", STR(""), 10, &output, &errors, &limit), -ERR_LIMIT);
	buf_clear(&output);
	assert_int_equal(talk("exec sleep 60", STR(""), 1, &output, &errors, &late), -ERR_TIMEOUT);
	assert_int_equal(talk("exec >&- 2>&-; exec sleep 60", STR(""), 1, &output, &errors, NULL),
		-ERR_TIMEOUT);
	_cleanup_strvec_ StrVec none = {0};
	strvec_push(&none, "no-such-program");
	assert_int_equal(
		process_talk(&(ProcessTalk){&none, STR(""), 1, &output, &errors}, &status, &absent),
		-ERR_NOT_FOUND);
	buf_done(&output);
	buf_done(&errors);
}

static void forked_with_pidfd(void **state)
{
	(void)state;
	int pidfd = -1;
	pid_t pid = process_fork(0, &pidfd);
	if (pid == 0)
		_exit(7);
	assert_true(pid > 0 && pidfd >= 0);
	int status = process_wait(pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	assert_int_equal(process_wait(pid), -1);
	close(pidfd);
}

static unsigned open_count(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void descriptors(void **state)
{
	(void)state;
	int pair[2], got[2], file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char text[16];
	struct stat a, b;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	const int sent[] = {file, pair[0]};
	assert_int_equal(fds_send(pair[0], "hello", 5, sent, 2, NULL), 0);
	assert_int_equal(fds_receive(pair[1], text, sizeof(text), got, 2, NULL), 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(fstat(file, &a), 0);
	assert_int_equal(fstat(got[0], &b), 0);
	assert_true(a.st_rdev == b.st_rdev && got[0] != file);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	close(got[0]);
	close(got[1]);
	/* another number than expected: an error, and none stays open */
	unsigned before = open_count();
	assert_int_equal(fds_send(pair[0], "x", 1, sent, 2, NULL), 0);
	assert_int_equal(fds_receive(pair[1], text, sizeof(text), got, 1, NULL), -ERR_CORRUPT);
	assert_int_equal(fds_send(pair[0], "x", 1, NULL, 0, NULL), 0);
	assert_int_equal(fds_receive(pair[1], text, sizeof(text), got, 1, NULL), -ERR_CORRUPT);
	/* a datagram longer than the buffer */
	assert_int_equal(fds_send(pair[0], "0123456789012345678", 19, sent, 1, NULL), 0);
	assert_int_equal(fds_receive(pair[1], text, sizeof(text), got, 1, NULL), -ERR_CORRUPT);
	assert_int_equal(open_count(), before);
	assert_int_equal(fds_send(pair[0], "x", 1, sent, FDS_MAX + 1, NULL), -ERR_USAGE);
	close(pair[0]);
	assert_int_equal(fds_receive(pair[1], text, sizeof(text), got, 1, NULL), 0);
	assert_int_equal(fds_send(pair[1], "x", 1, NULL, 0, NULL), -ERR_SYS);
	close(pair[1]);
	close(file);
}

static void writing(void **state)
{
	(void)state;
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_true(write_all(fds[1], "abc", 3));
	assert_true(write_all(fds[1], "", 0));
	char text[4];
	assert_int_equal(read(fds[0], text, 4), 3);
	close(fds[1]);
	assert_false(write_all(fds[1], "abc", 3));
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs),
		cmocka_unit_test(conversations),
		cmocka_unit_test(forked_with_pidfd),
		cmocka_unit_test(descriptors),
		cmocka_unit_test(writing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
