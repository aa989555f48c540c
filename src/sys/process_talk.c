#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cancel.h"
#include "sys/process.h"

#define SLICE_MS 100 /* how soon an interruption is noticed */

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Before the fork: what comes between it and exec may not allocate. Owned, NULL if there is none. */
static char *find_program(const char *name)
{
	if (strchr(name, '/'))
		return access(name, X_OK) == 0 ? xstrdup(name) : NULL;
	const char *path = getenv("PATH");
	Str rest = str_of(path && *path ? path : "/usr/local/bin:/usr/bin:/bin"), dir;
	while (str_cut(&rest, ':', &dir)) {
		_cleanup_free_ char *full =
			xasprintf(STR_FMT "%s%s", STR_ARG(dir), dir.len ? "/" : "./", name);
		if (access(full, X_OK) == 0)
			return TAKE_PTR(full);
	}
	return NULL;
}

static int input_file(Str input, int *ret_fd, Err **err)
{
	_cleanup_close_ int fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0 || !write_all(fd, input.ptr, input.len) || lseek(fd, 0, SEEK_SET) != 0)
		return err_sys(err, "a file in memory");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static _noreturn_ void exec_program(const char *program, char **argv, int in, int out, int errors)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(errors, 2) < 0)
		_exit(127);
	execv(program, argv);
	static const char text[] = "cannot be executed\n";
	(void)!write(2, text, sizeof(text) - 1);
	_exit(127);
}

/* What is there; closes *fd at the end. */
static void read_some(int *fd, Buf *out)
{
	char part[4096];
	ssize_t n = read(*fd, part, sizeof(part));
	if (n > 0)
		buf_append(out, part, MIN((size_t)n, out->max - MIN(out->len, out->max)));
	else if (n == 0 || errno != EINTR)
		closep(fd);
	explicit_bzero(part, sizeof(part));
}

/* Until both pipes are closed. */
static int listen_to(const ProcessTalk *t, int *out, int *errors, Err **err)
{
	int64_t end = now_ms() + (int64_t)t->seconds * 1000;
	while (*out >= 0 || *errors >= 0) {
		struct pollfd fds[2] = {{*out, POLLIN, 0}, {*errors, POLLIN, 0}};
		int r = cancel_check(err);
		if (r < 0)
			return r;
		int64_t left = end - now_ms();
		if (left <= 0)
			return err_set(err, ERR_TIMEOUT, "'%s' did not end within %u seconds",
				t->argv->items[0], t->seconds);
		if (poll(fds, 2, (int)MIN(left, (int64_t)SLICE_MS)) < 0 && errno != EINTR)
			return err_sys(err, "poll");
		if (fds[0].revents)
			read_some(out, t->output);
		if (fds[1].revents)
			read_some(errors, t->errors);
		if (t->output->len >= t->output->max)
			return err_set(err, ERR_LIMIT, "'%s' wrote more than %zu bytes",
				t->argv->items[0], t->output->max);
	}
	return 0;
}

/* The pipes are closed, and yet it may run on. */
static int wait_until(pid_t pid, unsigned seconds, int *ret_status)
{
	for (int64_t end = now_ms() + (int64_t)seconds * 1000; now_ms() < end;) {
		if (waitpid(pid, ret_status, WNOHANG) == pid)
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return -1;
}

int process_talk(const ProcessTalk *t, int *ret_status, Err **err)
{
	int out[2], errors[2], status = 0;
	const char *name = t->argv->items[0];
	_cleanup_free_ char *program = find_program(name);
	_cleanup_close_ int in = -1;
	if (!program)
		return err_set(err, ERR_NOT_FOUND, "there is no program '%s' in $PATH", name);
	int r = input_file(t->input, &in, err);
	if (r < 0)
		return r;
	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	_cleanup_close_ int out_read = out[0], out_write = out[1];
	if (pipe2(errors, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	_cleanup_close_ int errors_read = errors[0], errors_write = errors[1];
	pid_t pid = fork();
	if (pid < 0)
		return err_sys(err, "fork");
	if (pid == 0)
		exec_program(program, t->argv->items, in, out_write, errors_write);
	closep(&out_write);
	closep(&errors_write);
	r = listen_to(t, &out_read, &errors_read, err);
	if (r == 0 && wait_until(pid, t->seconds, &status) < 0)
		r = err_set(
			err, ERR_TIMEOUT, "'%s' did not end within %u seconds", name, t->seconds);
	else if (r == 0)
		*ret_status = status;
	if (r < 0) {
		(void)kill(pid, SIGKILL);
		(void)process_wait(pid);
	}
	return r;
}
