/*
 * One request from its first line to the log: who asks, which handler answers, what becomes of the body, and the answer
 * on its way out. libmicrohttpd calls from one thread a connection; what it hands over is used inside the call only.
 */
#include "serve/request.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/stat.h>

#include "serve/reponame.h"

#define DISCARD_MAX  (64u << 20) /* of a body that nobody wants; past it the connection is closed */
#define BUDGET       (16u << 20)
#define LOG_TEXT_MAX 2048
#define SOURCE_BLOCK (64u << 10)

static const struct {
	const Handler *rows;
	const size_t *n;
} tables[] = {
	{handlers_pull, &n_handlers_pull},
	{handlers_push, &n_handlers_push},
	{handlers_upload, &n_handlers_upload},
	{handlers_list, &n_handlers_list},
};

static const Handler *find_handler(const Request *q)
{
	for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
		for (size_t i = 0; i < *tables[t].n; i++)
			if (tables[t].rows[i].route == q->route.kind &&
				(tables[t].rows[i].methods & q->method))
				return &tables[t].rows[i];
	return NULL;
}

const char *request_header(const Request *q, const char *name)
{
	return mhd.lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

const char *request_host(const Request *q)
{
	return q->route.host ? q->route.host : request_header(q, "Host");
}

bool request_answered(const Request *q)
{
	return q->reply.status != 0;
}

char *request_target_repository(Request *q)
{
	char *repository = repository_of(q->route.name);
	if (!repository)
		response_error(&q->reply, 400, "NAME_INVALID",
			"'%s' is no name that the store can have", q->route.name);
	return repository;
}

bool budget_take(Serve *v, uint64_t bytes)
{
	return __atomic_add_fetch(&v->budget, bytes, __ATOMIC_RELAXED) <= BUDGET;
}

void budget_give(Serve *v, uint64_t bytes)
{
	__atomic_sub_fetch(&v->budget, bytes, __ATOMIC_RELAXED);
}

bool reply_takes(Request *q, uint64_t bytes)
{
	q->reply_budget += bytes;
	return budget_take(q->serve, bytes) || q->reply_budget <= SERVE_SMALL;
}

void large_begin(Serve *v, uint64_t bytes)
{
	if (bytes > SERVE_SMALL)
		pthread_mutex_lock(&v->large);
}

void large_end(Serve *v, uint64_t bytes)
{
	if (bytes > SERVE_SMALL)
		pthread_mutex_unlock(&v->large);
}

static Client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		mhd.get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info->socket_context;
}

static uint64_t elapsed_usec(const Request *q)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - q->began.tv_sec) * 1000000 +
		(now.tv_nsec - q->began.tv_nsec) / 1000);
}

/* ---- before the body ---- */

static void add_allow(Response *r, RouteKind kind)
{
	static const char *const words[] = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"};
	_cleanup_strvec_ StrVec all = {0};
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (route_methods(kind) & 1u << i)
			strvec_push(&all, words[i]);
	_cleanup_free_ char *text = strvec_join(&all, ", ");
	response_header(r, "Allow", "%s", text);
}

static bool check_user(Request *q)
{
	Serve *v = q->serve;
	if (!v->users || htpasswd_allows(v->users, request_header(q, "Authorization"), &q->user))
		return true;
	__atomic_add_fetch(&v->metrics.denied, 1, __ATOMIC_RELAXED);
	response_error(&q->reply, 401, "UNAUTHORIZED",
		request_header(q, "Authorization") ? "user and password do not match"
						   : "authentication is required");
	response_header(&q->reply, "WWW-Authenticate", "Basic realm=\"cruet\"");
	return false;
}

static void check_route(Request *q)
{
	const unsigned writes = METHOD_POST | METHOD_PATCH | METHOD_PUT | METHOD_DELETE;
	const Route *r = &q->route;
	if (q->bad_target)
		response_error(&q->reply, q->bad_target->code == ERR_LIMIT ? 414 : 400,
			"NAME_INVALID", "%s", q->bad_target->message);
	else if (r->kind == ROUTE_NONE)
		response_error(&q->reply, 404, "UNSUPPORTED", "the registry has no such place");
	else if (!(route_methods(r->kind) & q->method)) {
		response_error(
			&q->reply, 405, "UNSUPPORTED", "%s is not for this place", q->method_word);
		add_allow(&q->reply, r->kind);
	} else if (r->name && r->bad_name) {
		response_error(
			&q->reply, 400, "NAME_INVALID", "'%.255s' is no repository name", r->name);
	} else if (q->serve->options->read_only && (q->method & writes)) {
		response_error(&q->reply, 405, "UNSUPPORTED", "this registry is read-only");
	}
}

static enum MHD_Result count_length(
	void *arg, enum MHD_ValueKind kind _unused_, const char *key, const char *value _unused_)
{
	unsigned *count = arg;
	*count += str_eq_nocase(str_of(key), "Content-Length") ||
		str_eq_nocase(str_of(key), "Transfer-Encoding");
	return MHD_YES;
}

/* Who stands between may have taken another of two lengths for the right one, and what follows for another request. */
static void read_length(Request *q)
{
	const char *text = request_header(q, "Content-Length");
	unsigned count = 0;
	q->has_length =
		text && str_to_u64(str_trim(str_of(text)), UINT64_MAX, &q->length, NULL) == 0;
	(void)mhd.get_connection_values(q->connection, MHD_HEADER_KIND, count_length, &count);
	q->ambiguous = count > 1 || (text && !q->has_length);
	if (q->ambiguous)
		response_error(&q->reply, 400, "SIZE_INVALID",
			"the request says more than once how long it is");
}

static void find_names(Request *q)
{
	const Upstream *mirror = q->serve->options->mirror;
	const char *name_space = route_query(&q->route, "ns");
	NameContext context = {
		.host = request_host(q),
		.mirror = mirror ? mirror->host : NULL,
		.name_space = name_space ? name_space : request_header(q, "OCI-Namespace"),
	};
	repositories_of(q->route.name, &context, &q->names);
}

static void request_begin(Request *q)
{
	const Handler *h = NULL;
	read_length(q);
	if (!request_answered(q) && check_user(q))
		check_route(q);
	if (!request_answered(q)) {
		h = find_handler(q);
		if (q->route.name)
			find_names(q);
		if (!h)
			response_error(&q->reply, 405, "UNSUPPORTED", "%s is not for this place",
				q->method_word);
		else if (h->begin)
			h->begin(q);
	}
	q->phase = !request_answered(q) && h && h->body ? PHASE_BODY : PHASE_DISCARD;
}

/* ---- the body ---- */

static void take_body(Request *q, const void *data, size_t len)
{
	q->received += len;
	__atomic_add_fetch(&q->serve->metrics.received, len, __ATOMIC_RELAXED);
	if (q->phase == PHASE_BODY && find_handler(q)->body(q, data, len, &q->body_error) < 0)
		q->phase = PHASE_DISCARD;
}

static bool comes_too_slowly(const Request *q)
{
	uint64_t usec = elapsed_usec(q);
	return usec > idle_seconds(q->serve->options) * UINT64_C(1000000) &&
		q->received < CLIENT_MIN_RATE * (usec / 1000000);
}

/* Whether waiting for the rest of a body that nobody wants makes sense, so that the client reads the answer. */
static bool may_discard(const Request *q)
{
	const char *expect = request_header(q, "Expect");
	if (q->ambiguous || (expect && q->received == 0))
		return false;
	return q->has_length ? q->length <= DISCARD_MAX : q->received <= DISCARD_MAX;
}

/* ---- the answer ---- */

static ssize_t read_source(void *arg, uint64_t offset, char *buf, size_t len)
{
	BodySource *s = arg;
	ssize_t n = s->read(s, offset, buf, len);
	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t read_nothing(
	void *arg _unused_, uint64_t offset _unused_, char *buf _unused_, size_t len _unused_)
{
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_source(void *arg)
{
	BodySource *s = arg;
	s->free(s);
}

static struct MHD_Response *make_response(Response *r)
{
	static char nothing[1];
	if (r->source) {
		BodySource *s = TAKE_PTR(r->source);
		return mhd.create_response_from_callback(
			r->size, SOURCE_BLOCK, read_source, s, free_source);
	}
	if (r->fd >= 0 && r->size > 0)
		return mhd.create_response_from_fd_at_offset64(r->size, TAKE_FD(r->fd), r->offset);
	if (r->size > 0 && !r->body) /* HEAD of what is elsewhere: only its length is known */
		return mhd.create_response_from_callback(
			r->size, SOURCE_BLOCK, read_nothing, NULL, NULL);
	if (r->size > 0)
		return mhd.create_response_from_buffer(
			(size_t)r->size, TAKE_PTR(r->body), MHD_RESPMEM_MUST_FREE);
	return mhd.create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_response(Request *q)
{
	Serve *v = q->serve;
	Response *r = &q->reply;
	Fault fault = faults_pick(v->faults, &q->route, q->method);
	if (r->body && r->size > q->reply_budget && !reply_takes(q, r->size))
		response_busy(r, TOO_MUCH);
	faults_delay(v->faults, &v->stopping);
	faults_apply(v->faults, &fault, &v->stopping, r);
	q->phase = PHASE_ANSWERED;
	q->reply_size = q->method == METHOD_HEAD ? 0 : r->size;
	struct MHD_Response *response = make_response(r);
	if (!response)
		return MHD_NO;
	bool ok = mhd.add_response_header(
			  response, "Docker-Distribution-Api-Version", "registry/2.0") == MHD_YES;
	for (size_t i = 0; ok && i < r->headers.len; i++) {
		char *name = r->headers.items[i], *colon = strchr(name, ':');
		*colon = '\0';
		ok = mhd.add_response_header(response, name, colon + 2) == MHD_YES;
		*colon = ':';
	}
	client_enters(client_of(q->connection), CLIENT_READS);
	enum MHD_Result result =
		ok ? mhd.queue_response(q->connection, r->status, response) : MHD_NO;
	mhd.destroy_response(response);
	return result;
}

/* What became of a body that could not be kept. */
static void answer_body_error(Request *q)
{
	const Handler *h = find_handler(q);
	if (request_answered(q))
		; /* the handler said why */
	else
		response_failure(&q->reply, q->body_error, "BLOB_UPLOAD_UNKNOWN");
	if (h && h->abort)
		h->abort(q);
}

static enum MHD_Result request_end(Request *q)
{
	const Handler *h = find_handler(q);
	if (q->body_error)
		answer_body_error(q);
	if (!request_answered(q))
		h->end(q);
	if (!request_answered(q))
		response_error(&q->reply, 500, "UNKNOWN", "nothing to answer");
	return send_response(q);
}

enum MHD_Result request_handle(void *arg, struct MHD_Connection *connection,
	const char *url _unused_, const char *method, const char *version, const char *data,
	size_t *data_len, void **state)
{
	Serve *v = arg;
	Request *q = *state;
	if (!q)
		return MHD_NO;
	if (q->phase == PHASE_NEW) {
		snprintf(q->method_word, sizeof(q->method_word), "%s", method);
		snprintf(q->version, sizeof(q->version), "%s", version);
		client_enters(client_of(connection), CLIENT_WAITS);
		q->method = method_of(method);
		q->connection = connection;
		q->serve = v;
		request_begin(q);
		/* no body, or one that is not waited for */
		if (q->phase == PHASE_DISCARD && request_answered(q) && !may_discard(q))
			return send_response(q);
		return MHD_YES;
	}
	if (*data_len > 0) {
		take_body(q, data, *data_len);
		*data_len = 0;
		/* only the end of the connection stops what has no end, or nearly none */
		bool endless =
			q->phase == PHASE_DISCARD && q->received > DISCARD_MAX && !may_discard(q);
		return endless || comes_too_slowly(q) ? MHD_NO : MHD_YES;
	}
	return q->phase == PHASE_ANSWERED ? MHD_YES : request_end(q);
}

/* ---- first and last ---- */

void *request_new(void *arg, const char *target, struct MHD_Connection *connection)
{
	Serve *v = arg;
	Request *q = xnew(Request);
	q->serve = v;
	q->connection = connection;
	q->reply = RESPONSE_INIT;
	q->target = xstrdup(target);
	clock_gettime(CLOCK_MONOTONIC, &q->began);
	(void)!route_parse(str_of(target), &q->route, &q->bad_target);
	__atomic_add_fetch(&v->metrics.in_flight, 1, __ATOMIC_RELAXED);
	return q;
}

static void client_address(const Request *q, char *ret, size_t size)
{
	const union MHD_ConnectionInfo *info =
		mhd.get_connection_info(q->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *a = info ? info->client_addr : NULL;
	const void *bytes = !a ? NULL
		: a->sa_family == AF_INET6
		? (const void *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr
		: (const void *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
	if (!bytes || !inet_ntop(a->sa_family, bytes, ret, (socklen_t)size))
		snprintf(ret, size, "-");
}

/* What a client sent must not break the line, nor make it endless. */
static void log_text(Buf *b, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	for (size_t n = 0; *p && n < LOG_TEXT_MAX; p++, n++) {
		if (*p < 0x20 || *p >= 0x7f || *p == '"' || *p == '\\')
			buf_printf(b, "\\x%02x", *p);
		else
			buf_char(b, (char)*p);
	}
	if (*p)
		buf_printf(b, "...");
}

/* Common log format. */
static void write_log(const Request *q, uint64_t sent)
{
	char address[INET6_ADDRSTRLEN], when[64];
	time_t now = time(NULL);
	struct tm tm;
	int fd = q->serve->options->access_fd;
	if (fd < 0)
		return;
	client_address(q, address, sizeof(address));
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%d/%b/%Y:%H:%M:%S +0000", &tm);
	_cleanup_buf_ Buf line = BUF_INIT(64u << 10);
	buf_printf(&line, "%s - ", address);
	log_text(&line, q->user ? q->user : "-");
	buf_printf(&line, " [%s] \"", when);
	log_text(&line, *q->method_word ? q->method_word : "-");
	buf_char(&line, ' ');
	log_text(&line, q->target);
	buf_char(&line, ' ');
	log_text(&line, *q->version ? q->version : "-");
	buf_printf(&line, "\" %u %llu\n", q->reply.status, (unsigned long long)sent);
	Str text = buf_view(&line);
	(void)!write(fd, text.ptr, text.len);
}

void request_done(void *arg, struct MHD_Connection *connection _unused_, void **state,
	enum MHD_RequestTerminationCode why)
{
	Serve *v = arg;
	Request *q = *state;
	*state = NULL;
	if (!q)
		return;
	bool begun = q->phase == PHASE_BODY || (q->phase == PHASE_DISCARD && q->body_error);
	const Handler *h = begun ? find_handler(q) : NULL;
	if (h && h->abort)
		h->abort(q);
	budget_give(v, q->reply_budget);
	client_enters(client_of(q->connection), CLIENT_ASKS);
	bool whole = why == MHD_REQUEST_TERMINATED_COMPLETED_OK;
	uint64_t sent = whole ? q->reply_size : 0;
	__atomic_add_fetch(&v->metrics.sent, sent, __ATOMIC_RELAXED);
	metrics_request(&v->metrics, q->route.kind, q->method, whole ? q->reply.status : 0,
		elapsed_usec(q));
	write_log(q, sent);
	__atomic_sub_fetch(&v->metrics.in_flight, 1, __ATOMIC_RELAXED);
	response_done(&q->reply);
	route_done(&q->route);
	strvec_done(&q->names);
	buf_done(&q->manifest);
	err_free(q->body_error);
	err_free(q->bad_target);
	free(q->user);
	free(q->target);
	free(q);
}
