/*
 * The helper: a copy of the caller from the time when it had one thread, in a mount namespace of its own. It does
 * nothing but fork a first process for every request and wait for it. Its end is the end of all runs: the first
 * processes have PR_SET_PDEATHSIG, and everything else lives in their process namespaces.
 *
 * The socket's end (the caller closed it, cancelled, or died) kills all runs at once.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sandbox/sandbox_int.h"
#include "sys/mountfd.h"
#include "sys/process.h"
#include "sys/userns.h"

typedef struct Run {
	pid_t pid;
	int pidfd, reply; /* owned; closing reply tells the caller that the run has ended */
} Run;

typedef struct Helper {
	int sock, self; /* self: a pidfd of this process */
	Seccomp *seccomp;
	Err *seccomp_error, *isolate_error;
	VEC(Run) runs;
	VEC(struct pollfd) polled; /* [0] is the socket, then as runs */
} Helper;

static void reset_signals(void)
{
	sigset_t all;
	/* The system call itself: the library's function refuses the two signals it keeps for its threads, and those
	 * may have been inherited ignored. All zero is SIG_DFL without flags, in the kernel's form of the structure. */
	const unsigned long standard[4] = {0};
	for (int i = 1; i < NSIG; i++)
		(void)syscall(SYS_rt_sigaction, i, standard, NULL, (size_t)(NSIG - 1) / 8);
	/* the terminal's signals are the caller's business */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Nothing of the caller's may be held here: not its terminal or pipes (but stderr, for sanitizers), not the locks
 * that are bound to descriptors, not the sockets of other helpers. */
static void drop_descriptors(int sock)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
	}
	if (sock > 3)
		(void)close_range(3, (unsigned)sock - 1, 0);
	(void)close_range((unsigned)sock + 1, ~0u, 0);
	null = -1;
}

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		closep(&fds[i]);
}

static int refuse(Err **err)
{
	int cause = errno;
	if (cause != EPERM && cause != EACCES && cause != ENOSYS)
		return err_sys(err, "create the namespaces of a run");
	int r = err_set(err, ERR_DENIED, "namespaces are not allowed here: %s", strerror(cause));
	err_hint(err,
		"in a container: give it CAP_SYS_ADMIN, or a seccomp profile that allows user namespaces");
	return r;
}

static void start_run(Helper *h, const Request *q, int *fds)
{
	unsigned flags = CLONE_NEWNS | CLONE_NEWPID;
	if (!(q->flags & REQUEST_RUNTIME))
		flags |= CLONE_NEWIPC | CLONE_NEWUTS;
	if (q->flags & REQUEST_NO_NETWORK && !(q->flags & REQUEST_RUNTIME))
		flags |= CLONE_NEWNET;
	InitArgs args = {.size = q->size, .helper_pidfd = h->self, .seccomp = h->seccomp};
	args.seccomp_errno = h->seccomp_error ? EINVAL : 0;
	memcpy(args.fds, fds, sizeof(args.fds));
	int pidfd = -1;
	pid_t pid = h->isolate_error ? -1 : process_fork(flags, &pidfd);
	if (pid == 0)
		init_main(&args);
	if (pid < 0) {
		_cleanup_(err_freep) Err *err = NULL;
		if (!h->isolate_error)
			(void)!refuse(&err);
		record_error(fds[REQUEST_REPLY], err ? err : h->isolate_error);
		return;
	}
	*vec_add(&h->runs) =
		(Run){.pid = pid, .pidfd = pidfd, .reply = TAKE_FD(fds[REQUEST_REPLY])};
}

/* The first process passes on what is queued: nothing else sends it such signals from outside its namespace. */
static void signal_all(Helper *h, int number)
{
	vec_foreach (&h->runs, run)
		(void)sigqueue(run->pid, number, (union sigval){0});
}

/* False at the end of the socket. */
static bool take_request(Helper *h)
{
	Request q = {0};
	int fds[_REQUEST_FD_MAX];
	if (recv(h->sock, &q, sizeof(q), MSG_PEEK) == (ssize_t)sizeof(q) &&
		q.flags & REQUEST_SIGNAL) {
		signal_all(h, (int)q.size);
		(void)!recv(h->sock, &q, sizeof(q), 0);
		return true;
	}
	ssize_t n = fds_receive(h->sock, &q, sizeof(q), fds, _REQUEST_FD_MAX, NULL);
	if (n == -ERR_CORRUPT)
		return true;
	if (n <= 0)
		return false;
	if ((size_t)n == sizeof(q))
		start_run(h, &q, fds);
	close_all(fds, _REQUEST_FD_MAX);
	return true;
}

static void end_run(Helper *h, size_t i)
{
	Run run = h->runs.items[i];
	int status = process_wait(run.pid);
	if (status >= 0 && WIFSIGNALED(status))
		record_number(run.reply, RECORD_LOST, WTERMSIG(status));
	close(run.reply);
	close(run.pidfd);
	h->runs.items[i] = h->runs.items[h->runs.len - 1];
	h->runs.len--;
}

static void kill_all(Helper *h)
{
	vec_foreach (&h->runs, run)
		kill(run->pid, SIGKILL);
	while (h->runs.len)
		end_run(h, h->runs.len - 1);
}

/* False when the caller is gone. */
static bool turn(Helper *h)
{
	vec_clear(&h->polled);
	vec_push(&h->polled, ((struct pollfd){.fd = h->sock, .events = POLLIN}));
	vec_foreach (&h->runs, run)
		vec_push(&h->polled, ((struct pollfd){.fd = run->pidfd, .events = POLLIN}));
	if (poll(h->polled.items, h->polled.len, -1) < 0)
		return errno == EINTR;
	for (size_t i = h->runs.len; i-- > 0;)
		if (h->polled.items[i + 1].revents)
			end_run(h, i);
	return !h->polled.items[0].revents || take_request(h);
}

void helper_main(int sock, pid_t caller)
{
	/* out of the way of 0 to 2, where a caller started without them may have it */
	Helper h = {.sock = fcntl(sock, F_DUPFD_CLOEXEC, 3)};
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (h.sock < 0 || getppid() != caller)
		_exit(1);
	(void)prctl(PR_SET_NAME, "cruet-sandbox");
	reset_signals();
	drop_descriptors(h.sock);
	h.self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (unshare(CLONE_NEWNS) < 0)
		(void)!refuse(&h.isolate_error);
	else
		(void)!mount_isolate(&h.isolate_error);
	(void)userns_inside(); /* known from now on, to every run */
	(void)!seccomp_build(userns_kind() == USERNS_SINGLE_ID, &h.seccomp, &h.seccomp_error);
	while (turn(&h))
		;
	kill_all(&h);
	_exit(0);
}
