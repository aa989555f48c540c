#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "sandbox/sandbox_int.h"
#include "sys/atomic.h"
#include "sys/process.h"

#define REPLY_MAX   (16u << 20)
#define OUTPUT_PART (32u << 10)

struct Sandbox {
	int sock;
	pid_t helper;
	atomic_bool cancelled; /* set from a signal handler */
	atomic_uint running;   /* runs whose request was sent */
};

void sandbox_spec_done(SandboxSpec *s)
{
	strvec_done(&s->lowers);
	free(s->upper);
	free(s->work);
	free(s->rootfs);
	strvec_done(&s->argv);
	strvec_done(&s->env);
	free(s->cwd);
	free(s->user);
	free(s->hostname);
	vec_foreach (&s->mounts, m) {
		free(m->source);
		strvec_done(&m->lowers);
		free(m->subpath);
		free(m->target);
	}
	vec_done(&s->mounts);
	vec_done(&s->limits);
	strvec_done(&s->extra_hosts);
	free(s->runtime);
	*s = SANDBOX_SPEC_INIT;
}

void sandbox_result_done(SandboxResult *r)
{
	strvec_done(&r->made);
	*r = (SandboxResult){0};
}

int sandbox_new(Sandbox **ret, Err **err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "socket pair");
	pid_t caller = getpid(), pid = fork();
	if (pid < 0) {
		int cause = errno;
		close(pair[0]);
		close(pair[1]);
		return err_sys_num(err, cause, "fork");
	}
	if (pid == 0) {
		close(pair[0]);
		helper_main(pair[1], caller);
	}
	close(pair[1]);
	*ret = xnew(Sandbox);
	**ret = (Sandbox){.sock = pair[0], .helper = pid};
	return 0;
}

void sandbox_cancel(Sandbox *s)
{
	s->cancelled = true;
	/* the helper reads what was sent before, then the end, and kills all it has started */
	(void)shutdown(s->sock, SHUT_WR);
}

bool sandbox_signal(Sandbox *s, int number)
{
	Request q = {.flags = REQUEST_SIGNAL, .size = (uint32_t)number};
	int cause = errno;
	bool sent =
		s->running > 0 && send(s->sock, &q, sizeof(q), MSG_NOSIGNAL) == (ssize_t)sizeof(q);
	errno = cause;
	return sent;
}

Sandbox *sandbox_free(Sandbox *s)
{
	if (s) {
		close(s->sock);
		(void)process_wait(s->helper);
		free(s);
	}
	return NULL;
}

/* ---- one run ---- */

typedef struct Exchange {
	int reply, out, err;       /* owned read ends; -1: not ours, or at its end */
	int sent[_REQUEST_FD_MAX]; /* borrowed or in owned */
	VEC(int) owned;
	Buf text;
	SandboxOutputFn output;
	void *arg;
	char *part;
} Exchange;

static void exchange_done(Exchange *x)
{
	closep(&x->reply);
	closep(&x->out);
	closep(&x->err);
	vec_foreach (&x->owned, fd)
		closep(fd);
	vec_done(&x->owned);
	buf_done(&x->text);
	free(x->part);
}

static int own(Exchange *x, int fd)
{
	vec_push(&x->owned, fd);
	return fd;
}

static int make_pipe(Exchange *x, int *ret_read, RequestFd i, Err **err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	*ret_read = ends[0];
	x->sent[i] = own(x, ends[1]);
	return 0;
}

static int pick_stdin(Exchange *x, const SandboxSpec *spec, Err **err)
{
	if (spec->stdio[0] >= 0) {
		x->sent[REQUEST_STDIN] = spec->stdio[0];
		return 0;
	}
	if (spec->tty || spec->pass_stdin) {
		x->sent[REQUEST_STDIN] = STDIN_FILENO;
		return 0;
	}
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0)
		return err_sys(err, "open '/dev/null'");
	x->sent[REQUEST_STDIN] = own(x, null);
	return 0;
}

static int pick_output(Exchange *x, const SandboxSpec *spec, int i, int *ret_read, Err **err)
{
	RequestFd at = REQUEST_STDIN + (RequestFd)i;
	if (spec->stdio[i] < 0 && !spec->tty)
		return make_pipe(x, ret_read, at, err);
	x->sent[at] = spec->stdio[i] >= 0 ? spec->stdio[i] : i;
	return 0;
}

static int put_spec(Exchange *x, const SandboxSpec *spec, uint32_t *ret_size, Err **err)
{
	_cleanup_buf_ Buf b = BUF_INIT(SPEC_SIZE_MAX);
	spec_pack(spec, &b);
	if (b.overflow)
		return err_set(err, ERR_LIMIT, "arguments and environment are too long");
	int fd = memfd_create("cruet-run", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "memfd");
	x->sent[REQUEST_SPEC] = own(x, fd);
	if (!write_all(fd, b.ptr, b.len))
		return err_sys(err, "write a request");
	*ret_size = (uint32_t)b.len;
	return 0;
}

/* Scratch space of writable views, beside the upper directory. */
static int make_scratch(const SandboxSpec *spec, Err **err)
{
	for (size_t i = 0; i < spec->mounts.len; i++) {
		_cleanup_free_ char *dir = rootfs_scratch(spec, i);
		if (spec->mounts.items[i].type != SANDBOX_OVERLAY || !dir)
			continue;
		_cleanup_free_ char *upper = xasprintf("%s/upper", dir),
				    *work = xasprintf("%s/work", dir);
		if (mkdir(dir, 0700) < 0 || mkdir(upper, 0755) < 0 || mkdir(work, 0755) < 0)
			return err_sys(err, "create '%s'", dir);
	}
	return 0;
}

static void remove_scratch(const SandboxSpec *spec)
{
	for (size_t i = 0; i < spec->mounts.len; i++) {
		_cleanup_free_ char *dir = rootfs_scratch(spec, i);
		if (spec->mounts.items[i].type == SANDBOX_OVERLAY && dir)
			(void)!remove_tree(AT_FDCWD, dir, NULL);
	}
}

static int send_request(Sandbox *s, Exchange *x, const SandboxSpec *spec, Err **err)
{
	Request q = {.flags = (spec->network_none ? REQUEST_NO_NETWORK : 0u) |
			(spec->runtime ? REQUEST_RUNTIME : 0u)};
	int r = put_spec(x, spec, &q.size, err);
	if (r == 0)
		r = make_pipe(x, &x->reply, REQUEST_REPLY, err);
	if (r == 0)
		r = pick_stdin(x, spec, err);
	if (r == 0)
		r = pick_output(x, spec, 1, &x->out, err);
	if (r == 0)
		r = pick_output(x, spec, 2, &x->err, err);
	if (r < 0)
		return r;
	_cleanup_(err_freep) Err *lost = NULL;
	if (fds_send(s->sock, &q, sizeof(q), x->sent, _REQUEST_FD_MAX, &lost) < 0 && !s->cancelled)
		r = err_move(err, &lost);
	/* the other ends must be held by those inside alone, or the end would never be seen */
	vec_foreach (&x->owned, fd)
		closep(fd);
	return r;
}

/* Takes what is there; at the end closes the descriptor. */
static void drain(Exchange *x, int *fd, int stream)
{
	ssize_t n = read(*fd, x->part, OUTPUT_PART);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		closep(fd);
	else if (stream == 0)
		buf_append(&x->text, x->part, (size_t)n);
	else if (x->output)
		x->output(x->arg, stream, x->part, (size_t)n);
}

static int listen_to_the_end(Exchange *x, Err **err)
{
	x->part = xmalloc(OUTPUT_PART);
	while (x->reply >= 0 || x->out >= 0 || x->err >= 0) {
		struct pollfd p[] = {
			{.fd = x->out, .events = POLLIN},
			{.fd = x->err, .events = POLLIN},
			{.fd = x->reply, .events = POLLIN},
		};
		if (poll(p, ARRAY_SIZE(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(err, "wait for the program");
		}
		if (p[0].revents)
			drain(x, &x->out, 1);
		if (p[1].revents)
			drain(x, &x->err, 2);
		if (p[2].revents)
			drain(x, &x->reply, 0);
	}
	return 0;
}

static int judge(const Sandbox *s, Reply *reply, SandboxResult *ret, Err **err)
{
	if (s->cancelled)
		return err_set(err, ERR_CANCELLED, "interrupted");
	if (reply->error)
		return err_move(err, &reply->error);
	if (reply->has_status) {
		*ret = reply->result;
		reply->result = (SandboxResult){0};
		return 0;
	}
	int r = reply->lost
		? err_set(err, ERR_SYS, "the sandbox was killed by signal %d", reply->lost)
		: err_set(err, ERR_SYS, "the sandbox helper is gone");
	err_hint(err, "the system may be out of memory");
	return r;
}

static int run(Sandbox *s, const SandboxSpec *spec, Exchange *x, SandboxResult *ret, Err **err)
{
	int r = make_scratch(spec, err);
	if (r == 0)
		r = send_request(s, x, spec, err);
	if (r == 0) {
		s->running++;
		r = listen_to_the_end(x, err);
		s->running--;
	}
	remove_scratch(spec);
	if (r < 0)
		return r;
	Reply reply;
	reply_parse(buf_view(&x->text), &reply);
	mountpoints_clear(rootfs_place(spec), &reply.result.made);
	r = judge(s, &reply, ret, err);
	reply_done(&reply);
	return r;
}

int sandbox_run(Sandbox *s, const SandboxSpec *spec, SandboxOutputFn output, void *output_arg,
	SandboxResult *ret, Err **err)
{
	Exchange x = {.reply = -1,
		.out = -1,
		.err = -1,
		.text = BUF_INIT(REPLY_MAX),
		.output = output,
		.arg = output_arg};
	*ret = (SandboxResult){0};
	if (s->cancelled)
		return err_set(err, ERR_CANCELLED, "interrupted");
	if (!spec->lowers.len && !spec->upper && !spec->rootfs)
		return err_set(err, ERR_USAGE, "no root file system given");
	int r = run(s, spec, &x, ret, err);
	exchange_done(&x);
	return r;
}
