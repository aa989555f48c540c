#include "sys/process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

/* clone and not clone3: seccomp profiles of containers answer clone3 with ENOSYS. */
pid_t process_fork(unsigned flags, int *ret_pidfd)
{
	unsigned long all = (unsigned long)flags | CLONE_PIDFD | SIGCHLD;
	return (pid_t)syscall(SYS_clone, all, NULL, ret_pidfd, NULL, 0);
}

void process_raise_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int process_wait(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

bool write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static _noreturn_ void exec_quietly(const StrVec *argv, int stderr_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(stderr_fd, 2) < 0)
		_exit(127);
	execv(argv->items[0], argv->items);
	static const char text[] = "cannot be executed\n";
	(void)!write(2, text, sizeof(text) - 1);
	_exit(127);
}

int process_run(const StrVec *argv, Err **err)
{
	int pipe_fds[2];
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	_cleanup_close_ int read_end = pipe_fds[0], write_end = pipe_fds[1];
	pid_t pid = fork();
	if (pid < 0)
		return err_sys(err, "fork");
	if (pid == 0)
		exec_quietly(argv, write_end);
	closep(&write_end);
	char text[512], rest[512];
	size_t len = 0;
	for (;;) {
		bool full = len == sizeof(text);
		ssize_t n = read(read_end, full ? rest : text + len,
			full ? sizeof(rest) : sizeof(text) - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += full ? 0 : (size_t)n;
	}
	int status = process_wait(pid);
	if (status == 0)
		return 0;
	Str all = {text, len}, line = {0};
	str_cut(&all, '\n', &line);
	line = str_trim(line);
	return err_set(err, ERR_SYS, "'%s' failed%s" STR_FMT, argv->items[0], line.len ? ": " : "",
		STR_ARG(line));
}

int fds_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds, Err **err)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = xmemdup(data, len), .iov_len = len};
	_cleanup_free_ void *copy = iov.iov_base;
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	if (n_fds > FDS_MAX)
		return err_set(err, ERR_USAGE, "too many descriptors");
	if (n_fds) {
		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	while (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return err_sys(err, "send to a process");
	return 0;
}

ssize_t fds_receive(int sock, void *data, size_t len, int *fds, size_t n_fds, Err **err)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = data, .iov_len = len};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	ssize_t n;
	while ((n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC)) < 0)
		if (errno != EINTR)
			return err_sys(err, "receive from a process");
	size_t got = 0;
	int all[FDS_MAX];
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		here = MIN(here, FDS_MAX - got);
		memcpy(all + got, CMSG_DATA(c), here * sizeof(int));
		got += here;
	}
	if (n == 0 && got == 0)
		return 0;
	if (got != n_fds || (m.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
		for (size_t i = 0; i < got; i++)
			close(all[i]);
		return err_set(
			err, ERR_CORRUPT, "a message with %zu descriptors, not %zu", got, n_fds);
	}
	memcpy(fds, all, got * sizeof(int));
	return n;
}
