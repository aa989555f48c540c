#include <arpa/inet.h>
#include <fcntl.h>
#include <malloc.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/cancel.h"
#include "serve/request.h"
#include "store/kept.h"
#include "sys/atomic.h"

#define POLL_MS           100
#define STACK_SIZE        (256u << 10)
#define CONNECTION_MEMORY (64u << 10) /* of headers, and what is read at once */
#define PEM_MAX           (1u << 20)

/* ---- addresses ---- */

int serve_address(const char *text, char **ret_host, unsigned *ret_port, Err **err)
{
	Str all = str_of(text), host = STR("127.0.0.1"), port = all;
	uint64_t number = 0;
	ssize_t colon = str_rfind(all, ':');
	if (colon >= 0) {
		port = str_slice(all, (size_t)colon + 1, all.len);
		if (colon > 0)
			host = str_slice(all, 0, (size_t)colon);
	}
	if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = str_slice(host, 1, host.len - 1);
	else if (str_find(host, ':') >= 0)
		port.len = 0;
	if (port.len == 0 || str_to_u64(port, 65535, &number, NULL) < 0) {
		int r = err_set(err, ERR_USAGE, "'%s' is no address to listen on", text);
		err_hint(err,
			"write HOST:PORT, for example 127.0.0.1:5000 or [::1]:5000; port 0 takes any free one");
		return r;
	}
	*ret_host = str_dup(host);
	*ret_port = (unsigned)number;
	return 0;
}

bool serve_is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return strcmp(host, "localhost") == 0;
}

/* A listening socket, and its address as text. */
static int listen_on(const char *host, unsigned port, int *ret_fd, char **ret_address, Err **err)
{
	char service[16], name[INET6_ADDRSTRLEN + 16], number[16];
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	snprintf(service, sizeof(service), "%u", port);
	int rc = getaddrinfo(host, service, &hints, &found);
	if (rc != 0)
		return err_set(err, ERR_NET, "'%s' is no address here: %s", host, gai_strerror(rc));
	_cleanup_close_ int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
		bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1024) == 0 &&
		getsockname(fd, (struct sockaddr *)&bound, &len) == 0;
	int cause = errno;
	freeaddrinfo(found);
	if (!ok) {
		int r = err_sys_num(err, cause, "listen on %s:%u", host, port);
		if (cause == EADDRINUSE)
			err_hint(err,
				"another program has the port; --listen HOST:0 takes a free one");
		return r;
	}
	(void)getnameinfo((struct sockaddr *)&bound, len, name, sizeof(name), number,
		sizeof(number), NI_NUMERICHOST | NI_NUMERICSERV);
	*ret_address = xasprintf(bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", name, number);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ---- the daemon ---- */

static void on_connection(void *arg, struct MHD_Connection *connection, void **state,
	enum MHD_ConnectionNotificationCode what)
{
	Serve *v = arg;
	bool starts = what == MHD_CONNECTION_NOTIFY_STARTED;
	__atomic_add_fetch(&v->metrics.connections, starts ? 1 : UINT64_MAX, __ATOMIC_RELAXED);
	if (starts)
		*state = clients_add(v->clients,
			mhd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
				->connect_fd);
	else
		clients_remove(*state);
}

/* What libmicrohttpd says about single connections (cut, malformed) is no news; the access log has the rest. */
static void on_message(void *arg _unused_, const char *format _unused_, va_list ap _unused_)
{
}

static int read_pem(const char *path, Buf *ret, Err **err)
{
	*ret = BUF_INIT(PEM_MAX);
	return file_read(AT_FDCWD, path, PEM_MAX, ret, err);
}

static int start(Serve *v, int fd, struct MHD_Daemon **ret, Err **err)
{
	const ServeOptions *o = v->options;
	_cleanup_buf_ Buf cert = BUF_INIT(0), key = BUF_INIT(0);
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL_INTERNAL_THREAD |
		MHD_USE_ITC | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem options[16];
	unsigned n = 0;
#define OPTION(id, number, pointer)                                                                \
	options[n++] = (struct MHD_OptionItem){id, (intptr_t)(number), pointer}
	OPTION(MHD_OPTION_LISTEN_SOCKET, fd, NULL);
	OPTION(MHD_OPTION_CONNECTION_LIMIT,
		o->max_connections ? o->max_connections : SERVE_MAX_CONNECTIONS, NULL);
	OPTION(MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds(o), NULL);
	OPTION(MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL);
	OPTION(MHD_OPTION_THREAD_STACK_SIZE, STACK_SIZE, NULL);
	OPTION(MHD_OPTION_NOTIFY_COMPLETED, request_done, v);
	OPTION(MHD_OPTION_NOTIFY_CONNECTION, on_connection, v);
	OPTION(MHD_OPTION_URI_LOG_CALLBACK, request_new, v);
	OPTION(MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
	if (o->tls_cert) {
		int r = read_pem(o->tls_cert, &cert, err);
		if (r == 0)
			r = read_pem(o->tls_key, &key, err);
		if (r < 0)
			return r;
		if (mhd.is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
			return err_set(err, ERR_UNSUPPORTED, "this libmicrohttpd has no TLS");
		flags |= MHD_USE_TLS;
		OPTION(MHD_OPTION_HTTPS_MEM_CERT, 0, cert.ptr);
		OPTION(MHD_OPTION_HTTPS_MEM_KEY, 0, key.ptr);
	}
	OPTION(MHD_OPTION_END, 0, NULL);
#undef OPTION
	*ret = mhd.start_daemon(flags, 0, NULL, NULL, request_handle, v, MHD_OPTION_EXTERNAL_LOGGER,
		on_message, NULL, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (*ret)
		return 0;
	if (o->tls_cert)
		return err_set(err, ERR_CORRUPT, "'%s' and '%s' are no certificate with its key",
			o->tls_cert, o->tls_key);
	return err_set(err, ERR_NET, "the server does not start");
}

static void wait_while(bool (*go_on)(const Serve *v), const Serve *v, uint64_t limit_ms)
{
	for (uint64_t waited = 0; go_on(v) && waited < limit_ms; waited += POLL_MS) {
		struct timespec t = {.tv_nsec = POLL_MS * 1000000L};
		nanosleep(&t, NULL);
	}
}

static bool not_stopped(const Serve *v)
{
	clients_check(v->clients);
	return !v->options->stop();
}

static bool answering(const Serve *v)
{
	return __atomic_load_n(&v->metrics.in_flight, __ATOMIC_RELAXED) > 0;
}

static int run(Serve *v, Err **err)
{
	const ServeOptions *o = v->options;
	struct MHD_Daemon *daemon = NULL;
	_cleanup_free_ char *address = NULL;
	_cleanup_close_ int fd = -1;
	int r = listen_on(o->host, o->port, &fd, &address, err);
	if (r == 0 && o->mirror && strcmp(o->mirror->host, address) == 0)
		r = err_set(err, ERR_USAGE, "--mirror '%s' is this server itself", address);
	if (r == 0)
		r = start(v, fd, &daemon, err);
	if (r < 0)
		return r;
	(void)TAKE_FD(fd);
	o->listening(o->arg, address);
	wait_while(not_stopped, v, UINT64_MAX);
	int listening = mhd.quiesce_daemon(daemon);
	if (listening >= 0)
		close(listening);
	wait_while(answering, v,
		1000 * (uint64_t)(o->grace_seconds ? o->grace_seconds : SERVE_GRACE_SECONDS));
	__atomic_store_n(&v->stopping, true, __ATOMIC_RELAXED);
	cancel_request(); /* what still comes from upstream */
	mhd.stop_daemon(daemon);
	return 0;
}

/* A thread a connection would keep what its largest document took: large pieces go back to the system at once. */
static void bound_heaps(void)
{
	(void)mallopt(M_ARENA_MAX, 4);
	(void)mallopt(M_MMAP_THRESHOLD, SERVE_SMALL);
}

/* Each connection has a socket and an open blob. */
static void raise_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int serve_run(Store *s, const ServeOptions *o, Err **err)
{
	Serve v = {.store = s, .options = o};
	int r = mhd_load(err);
	if (r == 0 && !o->tls_cert != !o->tls_key)
		r = err_set(err, ERR_USAGE, "--tls-cert and --tls-key belong together");
	if (r == 0 && o->htpasswd)
		r = htpasswd_new(o->htpasswd, &v.users, err);
	if (r == 0)
		r = faults_new(o->fail, o->limit_rate, o->delay_ms, &v.faults, err);
	if (r == 0 && (!o->read_only || o->mirror))
		r = store_kept_prepare(s, err);
	if (r == 0) {
		raise_files();
		bound_heaps();
		store_rest(s);
		v.metrics.began = (int64_t)time(NULL);
		v.catalog = catalog_new(s);
		v.clients = clients_new(idle_seconds(o));
		pthread_mutex_init(&v.large, NULL);
		v.uploads = uploads_new(s, o->max_blob ? o->max_blob : SERVE_MAX_BLOB);
		if (o->mirror)
			v.mirror = mirror_new(s, o->mirror);
		r = run(&v, err);
		pthread_mutex_destroy(&v.large);
	}
	mirror_free(v.mirror);
	uploads_free(v.uploads);
	catalog_free(v.catalog);
	clients_free(v.clients);
	faults_free(v.faults);
	htpasswd_free(v.users);
	return r;
}
