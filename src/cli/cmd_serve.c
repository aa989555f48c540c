#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>

#include "base/timefmt.h"
#include "cli/command.h"
#include "serve/serve.h"

#define DEFAULT_ADDRESS "127.0.0.1:5000"

typedef struct ServeArgs {
	char *listen, *htpasswd, *tls_cert, *tls_key, *mirror, *access_log, *max_blob, *limit_rate,
		*delay;
	StrVec fail;
	bool read_only;
	unsigned connections, idle, grace;
} ServeArgs;

static const Option rows[] = {
	{0, "listen", OPTION_STRING, offsetof(ServeArgs, listen), "HOST:PORT",
		"address to listen on (" DEFAULT_ADDRESS "); port 0: any free one"},
	{0, "read-only", OPTION_FLAG, offsetof(ServeArgs, read_only), NULL,
		"refuse pushes and deletes"},
	{0, "htpasswd", OPTION_STRING, offsetof(ServeArgs, htpasswd), "FILE",
		"only users of this file may do anything (bcrypt: 'htpasswd -B')"},
	{0, "tls-cert", OPTION_STRING, offsetof(ServeArgs, tls_cert), "FILE",
		"speak TLS with this certificate chain (PEM)"},
	{0, "tls-key", OPTION_STRING, offsetof(ServeArgs, tls_key), "FILE", "its key (PEM)"},
	{0, "mirror", OPTION_STRING, offsetof(ServeArgs, mirror), "HOST",
		"fetch what the store lacks from that registry, and keep it"},
	{0, "access-log", OPTION_STRING, offsetof(ServeArgs, access_log), "FILE",
		"append the access log there (standard error; \"none\": no log)"},
	{0, "max-blob", OPTION_STRING, offsetof(ServeArgs, max_blob), "SIZE",
		"refuse blobs longer than this (1 TiB)"},
	{0, "max-connections", OPTION_COUNT, offsetof(ServeArgs, connections), "N",
		"connections at once (512)"},
	{0, "idle-timeout", OPTION_COUNT, offsetof(ServeArgs, idle), "SECONDS",
		"close connections that are idle, or slower than 256 bytes a second, for so long (60)"},
	{0, "grace", OPTION_COUNT, offsetof(ServeArgs, grace), "SECONDS",
		"when stopped, wait so long for running answers (10)"},
	{0, "For tests and benchmarks", OPTION_GROUP, 0, NULL, NULL},
	{0, "limit-rate", OPTION_STRING, offsetof(ServeArgs, limit_rate), "SIZE",
		"send so many bytes a second on each connection"},
	{0, "delay", OPTION_STRING, offsetof(ServeArgs, delay), "TIME",
		"wait before each answer, for example 50ms"},
	{0, "fail", OPTION_STRINGS, offsetof(ServeArgs, fail), "FAULT",
		"answer wrongly: status=503, cut, stall or corrupt, each with =BYTES and on=, method=, every=, count="},
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	if (stopped)
		_exit(128 + number);
	stopped = 1;
}

static bool is_stopped(void)
{
	return stopped;
}

static void install_signals(void)
{
	struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

/* What a person has to know, and what a script waits for. */
static void print_address(void *arg, const char *address)
{
	const ServeOptions *o = arg;
	printf("listening on %s://%s\n", o->tls_cert ? "https" : "http", address);
	fflush(stdout);
	if (serve_is_loopback(o->host))
		return;
	fprintf(stderr,
		"note: whoever reaches %s can pull every image and blob of the store%s%s%s%s%s\n",
		address, o->mirror ? " and what you may pull from " : "",
		o->mirror ? o->mirror->host : "", o->read_only ? "" : ", push and delete",
		o->htpasswd ? ", if he is a user of the password file"
			    : "; nobody is asked for a password",
		o->tls_cert ? "" : "; the connection is not encrypted");
}

static int open_log(const char *path, int *ret, Err **err)
{
	*ret = -1;
	if (path && strcmp(path, "none") == 0)
		return 0;
	*ret = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640)
		    : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return *ret < 0 ? err_sys(err, "open the access log '%s'", path ? path : "stderr") : 0;
}

static int read_numbers(const ServeArgs *a, ServeOptions *o, Err **err)
{
	int64_t delay = 0;
	int r = a->max_blob ? size_parse(str_of(a->max_blob), &o->max_blob, err) : 0;
	if (r == 0 && a->limit_rate)
		r = size_parse(str_of(a->limit_rate), &o->limit_rate, err);
	if (r == 0 && a->delay)
		r = duration_parse(str_of(a->delay), &delay, err);
	o->delay_ms = (unsigned)MIN(delay / 1000000, (int64_t)INT_MAX);
	return r;
}

static int run_serve(CmdCtx *ctx, void *options, const StrVec *operands _unused_, Err **err)
{
	const ServeArgs *a = options;
	_cleanup_free_ char *host = NULL;
	_cleanup_close_ int log = -1;
	_cleanup_(upstream_closep) Upstream *mirror = NULL;
	ServeOptions o = {
		.htpasswd = a->htpasswd,
		.tls_cert = a->tls_cert,
		.tls_key = a->tls_key,
		.read_only = a->read_only,
		.max_connections = a->connections,
		.idle_seconds = a->idle,
		.grace_seconds = a->grace,
		.fail = &a->fail,
		.listening = print_address,
		.stop = is_stopped,
	};
	o.arg = &o;
	int r = serve_address(a->listen ? a->listen : DEFAULT_ADDRESS, &host, &o.port, err);
	if (r == 0 && a->mirror)
		r = upstream_open(a->mirror, &mirror, err);
	if (r == 0)
		r = read_numbers(a, &o, err);
	if (r == 0)
		r = open_log(a->access_log, &log, err);
	if (r < 0)
		return r;
	o.host = host;
	o.access_fd = log;
	o.mirror = mirror;
	install_signals();
	return serve_run(ctx->store, &o, err);
}

const Command cmd_serve = {
	.name = "serve",
	.operands = "",
	.summary = "Serve the store as an OCI registry",
	.description =
		"alpine:3.20 of the store is pulled as HOST:PORT/alpine:3.20; what is pushed as\n"
		"HOST:PORT/team/app:1 is the image team/app:1 of the store. docs/SERVE.md says more.\n\n"
		"Other cruet processes, gc among them, may work in the store meanwhile. SIGTERM and Ctrl-C\n"
		"end the server once running answers are done.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(ServeArgs),
	.needs = NEEDS_STORE,
	.run = run_serve,
};
