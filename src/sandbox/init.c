/*
 * The first process of a run. It is alone in fresh namespaces, mounts the root file system, starts the program as its
 * child, and reaps whatever is orphaned. When the program ends it ends too, and the kernel kills and collects the
 * rest of the process namespace before its parent, the helper, can see it gone: so "the run has ended" means that
 * nobody is left who could write. (spec: build.md 53)
 *
 * While the program runs this process is as little as possible: one capability (to have the last word), one
 * descriptor, and not dumpable, so that /proc/1 tells nothing (its exe is this binary, its reply pipe is ours).
 */
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sandbox/sandbox_int.h"
#include "sys/process.h"

/* Everything but what is in keep, which is sorted here. */
static void close_others(int *keep, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0 && keep[k - 1] > keep[k]; k--) {
			int swap = keep[k];
			keep[k] = keep[k - 1];
			keep[k - 1] = swap;
		}
	unsigned from = 0;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned)keep[i] > from)
			(void)close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	(void)close_range(from, ~0u, 0);
}

/* Dies with the helper, also if that is gone already. */
static int follow_helper(int helper_pidfd, Err **err)
{
	struct pollfd p = {.fd = helper_pidfd, .events = POLLIN};
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_sys(err, "follow the helper");
	if (poll(&p, 1, 0) > 0)
		return err_set(err, ERR_CANCELLED, "the sandbox helper is gone");
	return 0;
}

static int read_spec(int fd, uint32_t size, SandboxSpec *ret, Err **err)
{
	if (size > SPEC_SIZE_MAX)
		return err_set(err, ERR_LIMIT, "the request to the sandbox is too long");
	_cleanup_free_ char *bytes = xmalloc(size + 1);
	if (pread(fd, bytes, size, 0) != (ssize_t)size)
		return err_set(err, ERR_CORRUPT, "the request to the sandbox is cut off");
	return spec_unpack((Str){bytes, size}, ret, err);
}

static int raise_loopback(Err **err)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_sys(err, "raise the loopback interface");
	return 0;
}

static int set_up(const SandboxSpec *spec, int reply_fd, Err **err)
{
	int r = rootfs_enter(spec, reply_fd, err);
	if (r == 0 && spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		r = err_sys(err, "set the host name '%.64s'", spec->hostname);
	if (r == 0 && spec->network_none)
		r = raise_loopback(err);
	return r;
}

/* The child's side of fork: ends as the program, or tells why not. */
static _noreturn_ void run_program(Program *p)
{
	Err *err = NULL;
	if (program_exec(p, &err) < 0)
		record_error(p->fds[REQUEST_REPLY], err);
	_exit(127);
}

static _noreturn_ void run_runtime(const int *fds, const StrVec *argv)
{
	for (int i = 0; i < 3; i++)
		if (dup2(fds[REQUEST_STDIN + i], i) < 0)
			_exit(126);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	char *env[] = {
		(char[]){"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		NULL};
	execve(argv->items[0], argv->items, env);
	Err *err = NULL;
	err_sys(&err, "run '%s'", argv->items[0]);
	record_error(fds[REQUEST_REPLY], err);
	_exit(127);
}

static void report_status(int reply_fd, int status)
{
	if (WIFSIGNALED(status))
		record_number(reply_fd, RECORD_SIGNAL, WTERMSIG(status));
	else
		record_number(reply_fd, RECORD_EXIT, WEXITSTATUS(status));
}

/* Collects what has ended; true when the program is among it, or nothing is left. */
static bool collect(pid_t program, int reply_fd)
{
	int status = 0;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == program) {
			report_status(reply_fd, status);
			return true;
		}
	return pid < 0 && errno != EINTR;
}

/* Until the program ends; its status is told. All signals are blocked here; those that the helper has queued are the
 * program's (si_pid is 0 for a sender outside of the namespace: nobody inside can have this process signal for him). */
static void reap(pid_t program, int reply_fd)
{
	sigset_t all;
	sigfillset(&all);
	while (!collect(program, reply_fd)) {
		siginfo_t info = {0};
		int number = sigwaitinfo(&all, &info);
		if (number > 0 && info.si_code == SI_QUEUE && info.si_pid == 0)
			(void)kill(program, number);
	}
}

static int start(const InitArgs *args, SandboxSpec *spec, pid_t *ret_program, Err **err)
{
	Program p = {.fds = args->fds, .seccomp = args->seccomp, .cwd = -1};
	_cleanup_strvec_ StrVec runtime = {0};
	int r = spec->runtime ? runtime_prepare(spec, args->fds[REQUEST_REPLY], &runtime, err)
			      : set_up(spec, args->fds[REQUEST_REPLY], err);
	if (r == 0 && !spec->runtime)
		r = program_prepare(&p, spec, err);
	if (r == 0 && !spec->runtime && !spec->privileged && !args->seccomp)
		r = err_sys_num(err, args->seccomp_errno, "build the system call filter");
	pid_t pid = r == 0 ? fork() : -1;
	if (pid == 0) {
		if (spec->runtime)
			run_runtime(args->fds, &runtime);
		run_program(&p);
	}
	if (r == 0 && pid < 0)
		r = err_sys(err, "fork");
	program_done(&p);
	if (r == 0)
		*ret_program = pid;
	return r;
}

void init_main(const InitArgs *args)
{
	SandboxSpec spec = SANDBOX_SPEC_INIT;
	Err *err = NULL;
	pid_t program = -1;
	int reply = args->fds[REQUEST_REPLY];
	int keep[_REQUEST_FD_MAX + 1];
	memcpy(keep, args->fds, sizeof(args->fds));
	keep[_REQUEST_FD_MAX] = args->helper_pidfd;
	close_others(keep, ARRAY_SIZE(keep));
	umask(022);
	(void)prctl(PR_SET_NAME, "cruet-init");
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	int r = follow_helper(args->helper_pidfd, &err);
	if (r == 0)
		r = read_spec(args->fds[REQUEST_SPEC], args->size, &spec, &err);
	if (r == 0)
		r = start(args, &spec, &program, &err);
	if (r == 0 && !spec.runtime)
		r = caps_shrink(&err);
	if (r < 0) {
		record_error(reply, err);
		_exit(1);
	}
	close_others(&reply, 1);
	reap(program, reply);
	_exit(0);
}
