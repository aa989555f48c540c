#include "registry/http.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/limits.h"
#include "base/log.h"
#include "registry/libcurl.h"
#include "registry/proxy.h"
#include "registry/url.h"
#include "sys/atomic.h"

#define MAX_HEADERS         256
#define MAX_HEADER_BYTES    (256u << 10)
#define MAX_IDLE            32
#define SYSTEM_CERTIFICATES "/etc/ssl/certs"
#define SYSTEM_BUNDLE       SYSTEM_CERTIFICATES "/ca-certificates.crt"
#define BUFFER_SIZE         (256L << 10)

/* A libcurl handle with the connections it keeps; idle ones wait for a request to the same host. */
typedef struct Handle {
	CURL *curl;
	char *host; /* of its last request */
} Handle;

typedef VEC(Handle) Handles;

struct Http {
	const Libcurl *curl;
	CURLSH *share; /* addresses and TLS sessions */
	pthread_mutex_t share_mutex[CURL_LOCK_DATA_LAST];
	pthread_mutex_t mutex; /* of idle */
	Handles idle;
	const char *ca_dir, *bundle;
	char *bundle_text; /* what a registry's own authorities stand beside; under mutex */
	bool use_bundle;   /* beside the directory; atomic */
};

static void lock_share(
	CURL *c _unused_, curl_lock_data what, curl_lock_access how _unused_, void *h)
{
	pthread_mutex_lock(&((Http *)h)->share_mutex[what]);
}

static void unlock_share(CURL *c _unused_, curl_lock_data what, void *h)
{
	pthread_mutex_unlock(&((Http *)h)->share_mutex[what]);
}

static bool has_hashed_names(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	bool found = false;
	while (dir && !found && (e = readdir(dir)))
		found = strspn(e->d_name, "0123456789abcdef") == 8 && e->d_name[8] == '.';
	if (dir)
		closedir(dir);
	return found;
}

/*
 * What other programs here trust. To read a bundle costs every connection 80 ms, to look into a directory nothing: the
 * bundle is read only when a certificate is not in the directory. SSL_CERT_FILE and SSL_CERT_DIR are OpenSSL's and Go's.
 */
static void choose_trust(Http *h)
{
	const char *dir = getenv("SSL_CERT_DIR");
	h->ca_dir = dir ? dir : SYSTEM_CERTIFICATES;
	h->bundle = getenv("SSL_CERT_FILE") ? getenv("SSL_CERT_FILE") : SYSTEM_BUNDLE;
	h->use_bundle = !has_hashed_names(h->ca_dir);
}

int http_new(Http **ret, Err **err)
{
	Http *h = xnew(Http);
	int r = libcurl_load(&h->curl, err);
	if (r < 0) {
		free(h);
		return r;
	}
	choose_trust(h);
	pthread_mutex_init(&h->mutex, NULL);
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_init(&h->share_mutex[i], NULL);
	h->share = h->curl->share_init();
	if (h->share) {
		h->curl->share_setopt(h->share, CURLSHOPT_LOCKFUNC, lock_share);
		h->curl->share_setopt(h->share, CURLSHOPT_UNLOCKFUNC, unlock_share);
		h->curl->share_setopt(h->share, CURLSHOPT_USERDATA, h);
		h->curl->share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
		h->curl->share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	}
	*ret = h;
	return 0;
}

Http *http_free(Http *h)
{
	if (!h)
		return NULL;
	vec_foreach (&h->idle, handle) {
		h->curl->easy_cleanup(handle->curl);
		free(handle->host);
	}
	vec_done(&h->idle);
	if (h->share)
		h->curl->share_cleanup(h->share);
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_destroy(&h->share_mutex[i]);
	pthread_mutex_destroy(&h->mutex);
	free(h->bundle_text);
	free(h);
	return NULL;
}

/* The idle handle whose connection goes to that host, else a new one. */
static Handle take_handle(Http *h, const char *host)
{
	Handle found = {0};
	pthread_mutex_lock(&h->mutex);
	for (size_t i = h->idle.len; !found.curl && i-- > 0;)
		if (cstr_eq(h->idle.items[i].host, host)) {
			found = h->idle.items[i];
			h->idle.items[i] = h->idle.items[--h->idle.len];
		}
	pthread_mutex_unlock(&h->mutex);
	if (!found.curl)
		found = (Handle){h->curl->easy_init(), xstrdup(host)};
	return found;
}

static void give_handle(Http *h, Handle handle)
{
	Handle old = {0};
	h->curl->easy_reset(handle.curl);
	pthread_mutex_lock(&h->mutex);
	if (h->idle.len >= MAX_IDLE) {
		old = h->idle.items[0];
		memmove(h->idle.items, h->idle.items + 1, --h->idle.len * sizeof(Handle));
	}
	*(Handle *)vec_add(&h->idle) = handle;
	pthread_mutex_unlock(&h->mutex);
	if (old.curl)
		h->curl->easy_cleanup(old.curl);
	free(old.host);
}

/* ---- one request ---- */

typedef struct Exchange {
	Http *http;
	CURL *curl;
	const HttpRequest *request;
	HttpResponse *response;
	struct curl_slist *headers;
	char error_text[CURL_ERROR_SIZE];
	char *proxy;         /* or NULL: then addresses are the server's */
	size_t header_bytes; /* of interim answers, too */
	bool head_told;
	bool bundled;     /* the bundle of certificates was read */
	bool enough;      /* what else the body of a failure says does not matter */
	uint64_t moved;   /* bytes both ways */
	int64_t moved_at; /* milliseconds; 0: there is no connection yet */
	Err *error;       /* of a callback: the reason why the transfer was given up */
} Exchange;

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool succeeded(const Exchange *x)
{
	return x->response->status >= 200 && x->response->status < 300;
}

/* The head is complete: the caller may refuse the answer. */
static int tell_head(Exchange *x)
{
	if (x->head_told)
		return 0;
	x->head_told = true;
	const HttpRequest *q = x->request;
	return q->on_head
		? q->on_head(q->arg, x->response->status, &x->response->headers, &x->error)
		: 0;
}

static size_t on_header(char *data, size_t one _unused_, size_t len, void *arg)
{
	Exchange *x = arg;
	Str line = str_trim((Str){data, len});
	bool begins = str_starts(line, "HTTP/"); /* also after an interim answer */
	x->header_bytes += len;
	if (begins) {
		uint64_t status = 0;
		Str word;
		(void)str_cut(&line, ' ', &word);
		if (!str_cut(&line, ' ', &word) || str_to_u64(word, 999, &status, NULL) < 0)
			status = 0;
		x->response->status = (long)status;
		strvec_clear(&x->response->headers);
	}
	if (x->header_bytes > MAX_HEADER_BYTES || x->response->headers.len >= MAX_HEADERS) {
		err_set(&x->error, ERR_LIMIT,
			"the answer has more than %d headers or %u bytes of them", MAX_HEADERS,
			MAX_HEADER_BYTES);
		return 0;
	}
	ssize_t colon = begins ? -1 : str_find(line, ':');
	if (colon <= 0)
		return len;
	char *name = str_dup(str_slice(line, 0, (size_t)colon));
	for (char *c = name; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
	Str value = str_trim(str_slice(line, (size_t)colon + 1, line.len));
	strvec_pushf(&x->response->headers, "%s=%.*s", name, (int)value.len, value.ptr);
	free(name);
	return len;
}

static size_t on_body(char *data, size_t one _unused_, size_t len, void *arg)
{
	Exchange *x = arg;
	if (tell_head(x) < 0)
		return 0;
	x->response->received += len;
	if (x->request->sink && succeeded(x))
		return writer_write(x->request->sink, data, len, &x->error) < 0 ? 0 : len;
	size_t max = x->request->max_body ? x->request->max_body : HTTP_MAX_BODY;
	if (x->response->received > max) {
		x->enough = !succeeded(x); /* the beginning of an error page says enough */
		if (!x->enough)
			err_set(&x->error, ERR_LIMIT, "the answer is longer than %zu bytes", max);
		return 0;
	}
	buf_append(&x->response->body, data, len);
	return len;
}

static size_t on_upload(char *data, size_t one, size_t n, void *arg)
{
	Exchange *x = arg;
	ssize_t got = reader_read(x->request->upload, data, one * n, &x->error);
	if (err_is(x->error, ERR_NET) || err_is(x->error, ERR_TIMEOUT))
		x->error->errnum = HTTP_FAULT_SOURCE;
	return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

/* The connection stands: from here on silence counts. */
static int on_connected(
	void *arg, char *to, char *from _unused_, int to_port _unused_, int from_port _unused_)
{
	Exchange *x = arg;
	HttpReach reach = x->request->reach;
	x->moved_at = now_ms();
	if (x->proxy)
		return CURL_PREREQFUNC_OK;
	x->response->peer = address_kind(to);
	if (reach == HTTP_ANYWHERE || x->response->peer == ADDRESS_PUBLIC ||
		(reach == HTTP_NOT_LINK_LOCAL && x->response->peer == ADDRESS_PRIVATE))
		return CURL_PREREQFUNC_OK;
	_cleanup_free_ char *host = url_host(x->request->url);
	err_set(&x->error, ERR_DENIED,
		"the server sends us to '%s', which is %s, an address of a private network", host,
		to);
	return CURL_PREREQFUNC_ABORT;
}

static unsigned stall_seconds(const HttpRequest *q)
{
	return q->stall_seconds ? q->stall_seconds : HTTP_STALL_SECONDS;
}

/* Called at least once a second. */
static int on_progress(void *arg, curl_off_t total _unused_, curl_off_t now,
	curl_off_t up_total _unused_, curl_off_t up_now)
{
	Exchange *x = arg;
	uint64_t moved = (uint64_t)now + (uint64_t)up_now + x->header_bytes;
	if (cancel_requested())
		return 1;
	if (x->moved_at && moved != x->moved) {
		x->moved = moved;
		x->moved_at = now_ms();
	}
	if (!x->moved_at || now_ms() - x->moved_at < (int64_t)stall_seconds(x->request) * 1000)
		return 0;
	if (!x->error)
		err_set(&x->error, ERR_TIMEOUT, "nothing has moved for %u seconds",
			stall_seconds(x->request));
	return 1;
}

static void add_header(Exchange *x, const char *line)
{
	x->headers = x->http->curl->slist_append(x->headers, line);
}

static bool has_name(const char *line, const char *name)
{
	size_t n = strlen(name);
	return strncasecmp(line, name, n) == 0 && line[n] == ':';
}

/* What the server asked for replaces what a file says. */
static void set_headers(Exchange *x)
{
	const HttpRequest *q = x->request;
	for (size_t i = 0; q->headers && i < q->headers->len; i++)
		if (!q->authorization || !has_name(q->headers->items[i], "Authorization"))
			add_header(x, q->headers->items[i]);
	if (q->authorization) {
		_cleanup_free_ char *line = xasprintf("Authorization: %s", q->authorization);
		add_header(x, line);
		explicit_bzero(line, strlen(line));
	}
	add_header(x, "Expect:"); /* or libcurl waits a second for servers that do not know it */
	if (!q->body.len && !q->upload)
		add_header(x, "Content-Type:");
}

static bool set_body(Exchange *x)
{
	const HttpRequest *q = x->request;
	const Libcurl *curl = x->http->curl;
	CURL *c = x->curl;
	(void)curl->easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_SIZE);
	if (q->upload)
		return curl->easy_setopt(c, CURLOPT_UPLOAD, 1L) == 0 &&
			curl->easy_setopt(c, CURLOPT_READFUNCTION, on_upload) == 0 &&
			curl->easy_setopt(c, CURLOPT_READDATA, x) == 0 &&
			curl->easy_setopt(
				c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->upload_size) == 0;
	if (strcmp(q->method, "HEAD") == 0)
		return curl->easy_setopt(c, CURLOPT_NOBODY, 1L) == 0;
	if (strcmp(q->method, "GET") == 0 || strcmp(q->method, "DELETE") == 0)
		return true;
	return curl->easy_setopt(c, CURLOPT_POST, 1L) == 0 &&
		curl->easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len) == 0 &&
		curl->easy_setopt(c, CURLOPT_POSTFIELDS, q->body.len ? q->body.ptr : "") == 0;
}

/* Borrowed; empty when it cannot be read. */
static const char *bundle_text(Http *h)
{
	pthread_mutex_lock(&h->mutex);
	if (!h->bundle_text) {
		_cleanup_buf_ Buf text = BUF_INIT(LIMIT_CERTIFICATES);
		int r = file_read(AT_FDCWD, h->bundle, LIMIT_CERTIFICATES, &text, NULL);
		h->bundle_text = r < 0 ? xstrdup("") : buf_steal(&text);
	}
	pthread_mutex_unlock(&h->mutex);
	return h->bundle_text;
}

/* libcurl reads a file or a text, not both. */
static bool set_trust(Exchange *x)
{
	const Libcurl *curl = x->http->curl;
	const char *own = x->request->ca_pem;
	if (!own)
		return curl->easy_setopt(
			       x->curl, CURLOPT_CAINFO, x->bundled ? x->http->bundle : NULL) == 0;
	_cleanup_free_ char *all = xasprintf("%s%s", own, x->bundled ? bundle_text(x->http) : "");
	struct curl_blob ca = {all, strlen(all), CURL_BLOB_COPY};
	return curl->easy_setopt(x->curl, CURLOPT_CAINFO_BLOB, &ca) == 0;
}

static bool set_tls(Exchange *x)
{
	const HttpRequest *q = x->request;
	const Libcurl *curl = x->http->curl;
	CURL *c = x->curl;
	if (q->insecure &&
		(curl->easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L) ||
			curl->easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L)))
		return false;
	x->bundled = __atomic_load_n(&x->http->use_bundle, __ATOMIC_RELAXED);
	return curl->easy_setopt(c, CURLOPT_CAPATH, x->http->ca_dir) == 0 && set_trust(x) &&
		(!q->client_cert || curl->easy_setopt(c, CURLOPT_SSLCERT, q->client_cert) == 0) &&
		(!q->client_key || curl->easy_setopt(c, CURLOPT_SSLKEY, q->client_key) == 0);
}

static bool set_up(Exchange *x)
{
	const HttpRequest *q = x->request;
	const Libcurl *curl = x->http->curl;
	CURL *c = x->curl;
	long connect = q->connect_seconds ? (long)q->connect_seconds : HTTP_CONNECT_SECONDS;
	x->proxy = proxy_for(q->url);
	set_headers(x);
	if (curl->easy_setopt(c, CURLOPT_PREREQFUNCTION, on_connected) ||
		curl->easy_setopt(c, CURLOPT_PREREQDATA, x))
		x->moved_at = now_ms();
	/* refused while the handle still has the buffer of its last connection, which has that size */
	(void)curl->easy_setopt(c, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
	return curl->easy_setopt(c, CURLOPT_URL, q->url) == 0 &&
		curl->easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method) == 0 &&
		curl->easy_setopt(c, CURLOPT_ERRORBUFFER, x->error_text) == 0 &&
		curl->easy_setopt(c, CURLOPT_SHARE, x->http->share) == 0 &&
		curl->easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == 0 &&
		/* several connections move more than several streams of one */
		curl->easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == 0 &&
		curl->easy_setopt(c, CURLOPT_PROXY, x->proxy ? x->proxy : "") == 0 &&
		curl->easy_setopt(c, CURLOPT_NOPROXY, "") == 0 &&
		curl->easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == 0 &&
		curl->easy_setopt(c, CURLOPT_CONNECTTIMEOUT, connect) == 0 &&
		curl->easy_setopt(c, CURLOPT_USERAGENT, "cruet/" CRUET_VERSION) == 0 &&
		curl->easy_setopt(c, CURLOPT_HTTPHEADER, x->headers) == 0 &&
		curl->easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) == 0 &&
		curl->easy_setopt(c, CURLOPT_HEADERDATA, x) == 0 &&
		curl->easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == 0 &&
		curl->easy_setopt(c, CURLOPT_WRITEDATA, x) == 0 &&
		curl->easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) == 0 &&
		curl->easy_setopt(c, CURLOPT_XFERINFODATA, x) == 0 &&
		curl->easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == 0 && set_tls(x) && set_body(x);
}

/* OpenSSL's words when the other side answers a greeting of TLS with something else. */
static bool speaks_no_tls(const char *text)
{
	return strstr(text, "wrong version number") || strstr(text, "packet length too long") ||
		strstr(text, "http request") || strstr(text, "unexpected eof") ||
		strstr(text, "record layer failure");
}

/* The other side's alert about our certificate, or that there is none; with TLS 1.3 it comes after the greeting. */
static bool wants_certificate(const char *text)
{
	const char *alert = strstr(text, " alert ");
	return alert && (strstr(alert, "certificate") || strstr(alert, "unknown ca"));
}

static HttpFault fault_of(CURLcode rc, const char *text)
{
	if (wants_certificate(text))
		return HTTP_FAULT_CLIENT;
	if (rc == CURLE_COULDNT_RESOLVE_HOST || rc == CURLE_COULDNT_RESOLVE_PROXY)
		return HTTP_FAULT_RESOLVE;
	if (rc == CURLE_COULDNT_CONNECT)
		return HTTP_FAULT_CONNECT;
	if (rc == CURLE_SSL_CONNECT_ERROR && speaks_no_tls(text))
		return HTTP_FAULT_NO_TLS;
	if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CERTPROBLEM ||
		rc == CURLE_SSL_CACERT_BADFILE || rc == CURLE_SSL_CONNECT_ERROR)
		return HTTP_FAULT_TLS;
	if (rc == CURLE_PARTIAL_FILE || rc == CURLE_GOT_NOTHING || rc == CURLE_RECV_ERROR ||
		rc == CURLE_SEND_ERROR || rc == CURLE_SEND_FAIL_REWIND)
		return HTTP_FAULT_CUT;
	return HTTP_FAULT_OTHER;
}

static int transfer_error(const Exchange *x, CURLcode rc, Err **err)
{
	const char *text = *x->error_text ? x->error_text : x->http->curl->easy_strerror(rc);
	if (rc == CURLE_ABORTED_BY_CALLBACK && cancel_requested())
		return cancel_check(err);
	if (rc == CURLE_OUT_OF_MEMORY) /* what else grows is bounded here */
		return err_set(err, ERR_LIMIT, "a header of the answer is too long");
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return err_set(err, ERR_TIMEOUT, "%s", text);
	HttpFault fault = fault_of(rc, text);
	_cleanup_free_ char *proxy = x->proxy ? proxy_host(x->proxy) : NULL;
	long refused = 0;
	(void)x->http->curl->easy_getinfo(x->curl, CURLINFO_HTTP_CONNECTCODE, &refused);
	if (proxy && refused >= 300) {
		/* what a proxy cannot reach is as good as what we cannot */
		fault = refused >= 500 ? HTTP_FAULT_CONNECT : HTTP_FAULT_PROXY;
		err_set(err, ERR_NET, "the proxy '%s' answers %ld", proxy, refused);
	} else if (proxy && cstr_starts(text, "Unsupported proxy")) { /* with its password */
		fault = HTTP_FAULT_PROXY;
		err_set(err, ERR_NET, "the proxy '%s' is malformed, or of a kind that is unknown",
			proxy);
	} else if (proxy && (fault == HTTP_FAULT_RESOLVE || fault == HTTP_FAULT_CONNECT))
		err_set(err, ERR_NET, "the proxy '%s': %s", proxy, text);
	else if (fault == HTTP_FAULT_CLIENT)
		err_set(err, ERR_NET, "the server wants a client certificate that it trusts");
	else
		err_set(err, ERR_NET, "%s", text);
	if (err && *err)
		(*err)->errnum = (int)fault;
	return -ERR_NET;
}

/* Files may add any header, with secrets under any name. */
static void trace_header(const char *line)
{
	static const char *const ours[] = {
		"Accept", "Accept-Encoding", "Content-Range", "Content-Type", "Range"};
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (has_name(line, ours[i])) {
			log_debug("registry", "> %s", line);
			return;
		}
	log_debug("registry", "> %.*s: …", (int)strcspn(line, ":"), line);
}

static void trace_request(const HttpRequest *q)
{
	_cleanup_free_ char *url = url_shown(q->url);
	log_debug("registry", "> %s %s%s%s", q->method, url,
		q->authorization ? " Authorization: " : "",
		!q->authorization                                        ? ""
			: strncasecmp(q->authorization, "Basic", 5) == 0 ? "Basic …"
									 : "Bearer …");
	for (size_t i = 0; q->headers && i < q->headers->len; i++)
		trace_header(q->headers->items[i]);
}

/* Names of answers' headers whose values give access to something. */
static bool secret_header(const char *line)
{
	static const char *const words[] = {
		"auth", "cookie", "credential", "key", "secret", "signature", "token"};
	_cleanup_free_ char *name = str_dup((Str){line, strcspn(line, "=")});
	if (strcmp(name, "www-authenticate") == 0) /* where tokens are, none of them */
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(name, words[i]))
			return true;
	return false;
}

static bool url_header(const char *line)
{
	return cstr_starts(line, "location=") || cstr_starts(line, "content-location=") ||
		cstr_starts(line, "link=") || cstr_starts(line, "refresh=");
}

static void trace_response(const HttpResponse *p)
{
	log_debug("registry", "< %ld (%llu bytes)", p->status, (unsigned long long)p->received);
	for (size_t i = 0; i < p->headers.len; i++) {
		const char *line = p->headers.items[i];
		int name = (int)strcspn(line, "=");
		if (secret_header(line)) {
			log_debug("registry", "< %.*s=…", name, line);
		} else if (url_header(line)) {
			_cleanup_free_ char *url = url_shown(line + name + 1);
			log_debug("registry", "< %.*s=%s", name, line, url);
		} else {
			log_debug("registry", "< %s", line);
		}
	}
}

/* True if another try may trust more. */
static bool trust_bundle(Exchange *x)
{
	if (x->bundled || access(x->http->bundle, R_OK) < 0)
		return false;
	__atomic_store_n(&x->http->use_bundle, true, __ATOMIC_RELAXED);
	x->bundled = true;
	return set_trust(x);
}

int http_perform(Http *h, const HttpRequest *request, HttpResponse *ret, Err **err)
{
	int r = cancel_check(err);
	if (r < 0)
		return r;
	*ret = (HttpResponse){
		.body = BUF_INIT(request->max_body ? request->max_body : HTTP_MAX_BODY)};
	_cleanup_free_ char *host = url_host(request->url);
	Handle handle = take_handle(h, host);
	if (!handle.curl) {
		free(handle.host);
		return err_set(err, ERR_NET, "libcurl does not start");
	}
	Exchange x = {.http = h, .curl = handle.curl, .request = request, .response = ret};
	if (log_enabled("registry"))
		trace_request(request);
	if (!set_up(&x)) {
		r = err_set(err, ERR_NET, "libcurl refuses its options");
	} else {
		CURLcode rc = h->curl->easy_perform(handle.curl);
		if (rc == CURLE_PEER_FAILED_VERIFICATION && trust_bundle(&x))
			rc = h->curl->easy_perform(handle.curl); /* nothing was sent before */
		if (rc == CURLE_OK && !x.error)
			(void)tell_head(&x); /* there was no body */
		if (x.error)
			r = err_move(err, &x.error);
		else if (rc != CURLE_OK && !x.enough)
			r = transfer_error(&x, rc, err);
	}
	if (log_enabled("registry"))
		trace_response(ret);
	if (x.proxy)
		explicit_bzero(x.proxy, strlen(x.proxy));
	free(x.proxy);
	if (x.headers)
		h->curl->slist_free_all(x.headers);
	give_handle(h, handle);
	return r; /* on failure too, ret says what came */
}

void http_response_done(HttpResponse *r)
{
	strvec_done(&r->headers);
	buf_done(&r->body);
	free(r->elsewhere);
}

const char *http_header(const HttpResponse *r, const char *name)
{
	return strvec_env_get(&r->headers, name);
}

bool http_fault_passes(const Err *err)
{
	return (err_is(err, ERR_TIMEOUT) && err->errnum != HTTP_FAULT_SOURCE) ||
		(err_is(err, ERR_NET) &&
			(err->errnum == HTTP_FAULT_CUT || err->errnum == HTTP_FAULT_CONNECT ||
				err->errnum == HTTP_FAULT_RESOLVE));
}
