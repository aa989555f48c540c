/* One call to one endpoint: scheme, authentication, redirects, retries. */
#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "base/timefmt.h"
#include "registry/rate_limit.h"
#include "registry/registry_int.h"
#include "registry/url.h"

#define ABSENT_SECONDS 300 /* for so long a mirror is passed over; a server lives longer */
#define MAX_REDIRECTS  5
#define PATIENCE       10   /* times the usual silence of a server that has work to do */
#define BRIEF          2    /* seconds that are enough for what matters little */
#define MAX_WARNING    4096 /* bytes of a Warning header that are shown */
#define MAX_WORDS      300  /* bytes of each thing that a server says of a failure */
#define TRY_AGAIN      "try again later: what was transferred is kept"
#define PERHAPS_TLS    "it was asked in plain HTTP; perhaps it speaks TLS"
#define WORTH_TELLING  2 /* seconds of waiting that somebody may wonder about */

static void host_free(void *p)
{
	HostState *h = p;
	backoff_free(h->backoff);
	free(h);
}

int registry_new(const RegistrySettings *settings, Progress *progress, Registry **ret, Err **err)
{
	Registry *r = xnew(Registry);
	r->settings = settings;
	r->progress = progress;
	int rc = http_new(&r->http, err);
	if (rc < 0) {
		free(r);
		return rc;
	}
	r->auth = auth_new(settings, r->http);
	r->hosts = MAP_INIT(host_free);
	pthread_mutex_init(&r->mutex, NULL);
	*ret = r;
	return 0;
}

Registry *registry_free(Registry *r)
{
	if (r) {
		auth_free(r->auth);
		http_free(r->http);
		map_done(&r->hosts);
		strvec_done(&r->warned);
		pthread_mutex_destroy(&r->mutex);
		free(r);
	}
	return NULL;
}

HostState *host_state(Registry *r, const char *address)
{
	pthread_mutex_lock(&r->mutex);
	HostState *h = map_get(&r->hosts, str_of(address));
	if (!h) {
		h = xnew(HostState);
		h->backoff = backoff_new();
		map_put(&r->hosts, str_of(address), h);
	}
	pthread_mutex_unlock(&r->mutex);
	return h;
}

/* key: what is told once a run. */
static bool tell_once(Registry *r, const char *key)
{
	pthread_mutex_lock(&r->mutex);
	bool known = strvec_has(&r->warned, key);
	if (!known)
		strvec_push(&r->warned, key);
	pthread_mutex_unlock(&r->mutex);
	return !known;
}

static void show_warnings(Registry *r, const char *host, const HttpResponse *answer)
{
	for (size_t i = 0; i < answer->headers.len; i++) {
		const char *line = answer->headers.items[i];
		if (!cstr_starts(line, "warning=299"))
			continue;
		_cleanup_free_ char *text =
			xasprintf("%s: %.*s", host, MAX_WARNING, line + strlen("warning="));
		if (tell_once(r, text))
			progress_warn(r->progress, NULL, 0, "%s", text);
	}
	_cleanup_free_ char *left = rate_limit_text(answer),
			    *key = xasprintf("rate limit of %s", host);
	if (left && rate_limit_is_low(answer) && tell_once(r, key))
		progress_warn(r->progress, NULL, 0, "%s: %s", host, left);
}

int answer_retry_after(Registry *r, const Endpoint *e, const HttpResponse *answer)
{
	const char *after = http_header(answer, "retry-after");
	int seconds = after ? retry_after_seconds(after, time_now()) : -1;
	if (seconds < WORTH_TELLING)
		return seconds;
	_cleanup_free_ char *left = rate_limit_text(answer),
			    *key = xasprintf("%ld of %s", answer->status, e->host);
	if (tell_once(r, key))
		progress_warn(r->progress, NULL, 0, "%s answers %ld and is asked again in %d s%s%s",
			e->host, answer->status, seconds, left ? ": " : "", left ? left : "");
	return seconds;
}

/* ---- errors ---- */

/* The first line of a plain text, the title of a page. */
static char *words_of_text(Str text, const char *type)
{
	Str line;
	const char *title = memmem(text.ptr, text.len, "<title>", 7);
	if (type && cstr_starts(type, "text/html") && title)
		text = str_slice(text, (size_t)(title + 7 - text.ptr), text.len);
	else if (type && !cstr_starts(type, "text/plain"))
		return NULL;
	text = str_trim(text);
	text.len = MIN(text.len, (size_t)MAX_WORDS);
	if (!str_cut(&text, title ? '<' : '\n', &line) || !str_trim(line).len)
		return NULL;
	return str_dup(str_trim(line));
}

char *answer_words(const HttpResponse *answer)
{
	static const char *const own[] = {"details", "message", "error_description", "error"};
	_cleanup_json_ json_t *json = NULL;
	Str text = str_trim(buf_view(&answer->body));
	if (json_parse(text, HTTP_MAX_BODY, "error", &json, NULL) < 0)
		return words_of_text(text, http_header(answer, "content-type"));
	const json_t *first = json_array_get(json_object_get(json, "errors"), 0);
	const char *code = json_string_value(json_object_get(first, "code"));
	const char *message = json_string_value(json_object_get(first, "message"));
	const char *detail = json_string_value(json_object_get(first, "detail"));
	for (size_t i = 0; !code && !message && i < ARRAY_SIZE(own); i++)
		message = json_string_value(json_object_get(json, own[i]));
	if (!code && !message)
		return NULL;
	return xasprintf("%.*s%s%.*s%s%.*s", MAX_WORDS, code ? code : "",
		code && message ? ": " : "", MAX_WORDS, message ? message : "", detail ? ": " : "",
		MAX_WORDS, detail ? detail : "");
}

static ErrCode code_of_status(long status)
{
	switch (status) {
	case 401:
		return ERR_AUTH;
	case 403:
		return ERR_DENIED;
	case 404:
	case 410:
		return ERR_NOT_FOUND;
	case 405:
	case 501:
		return ERR_UNSUPPORTED;
	case 413:
		return ERR_LIMIT;
	default:
		return ERR_NET;
	}
}

int answer_error(const Endpoint *e, const HttpResponse *answer, const char *what, Err **err)
{
	_cleanup_free_ char *words = answer_words(answer);
	_cleanup_free_ char *left = rate_limit_text(answer);
	ErrCode code = code_of_status(answer->status);
	const char *elsewhere = answer->elsewhere;
	err_set(err, code, "%s: '%s'%s%s%s answers %ld%s%s", what, elsewhere ? elsewhere : e->host,
		elsewhere ? ", where '" : "", elsewhere ? e->host : "",
		elsewhere ? "' sends us," : "", answer->status, words ? ": " : "",
		words ? words : "");
	if (answer->status == 429 && err && *err)
		(*err)->errnum = HTTP_FAULT_LIMITED;
	if (elsewhere && answer->status >= 400 && answer->status < 500)
		err_hint(err, "what the registry gives us to go there may have expired: try again");
	else if (answer->status == 401 || answer->status == 403)
		err_hint(err, "'cruet login %s'; or the account may not do this", e->host);
	else if (answer->status == 400 && e->scheme == SCHEME_HTTP)
		err_hint(err, PERHAPS_TLS);
	else if (answer->status == 407)
		err_hint(err, "a proxy says that: http_proxy=http://USER:PASSWORD@HOST:PORT");
	else if (answer->status == 429)
		err_hint(err, "the registry limits requests%s%s%s; log in, wait, or use a mirror",
			left ? " (" : "", left ? left : "", left ? ")" : "");
	else if (retry_status(answer->status))
		err_hint(err, "it was asked %d times; " TRY_AGAIN, RETRY_MAX_TRIES);
	else if (code == ERR_NOT_FOUND)
		err_hint(err,
			"names are case-sensitive; some registries say this of what needs 'cruet login %s', too",
			e->host);
	return -(int)code;
}

bool endpoint_is_absent(Repository *p, const Endpoint *e)
{
	return e->mirror &&
		__atomic_load_n(&host_state(p->registry, e->address)->absent_until,
			__ATOMIC_RELAXED) > time_now();
}

static const Endpoint *first_source(Repository *p, unsigned can, const Endpoint *after)
{
	const Endpoint *found = NULL;
	vec_foreach (&p->endpoints, e)
		if (!found && e > after && (e->can & can) == can && !endpoint_is_absent(p, e))
			found = e;
	return found;
}

const char *repository_source(Repository *p)
{
	const Endpoint *e = first_source(p, ENDPOINT_PULL, NULL);
	return e ? e->address : NULL;
}

bool endpoint_leave(Repository *p, unsigned can, const Endpoint *e)
{
	if (endpoint_is_absent(p, e))
		return true; /* somebody else has left it */
	if (!e->mirror || !first_source(p, can, e))
		return false;
	__atomic_store_n(&host_state(p->registry, e->address)->absent_until,
		time_now() + ABSENT_SECONDS, __ATOMIC_RELAXED);
	progress_warn(p->registry->progress, NULL, 0,
		"the mirror '%s' is not asked any more: what came was wrong", e->host);
	return true;
}

bool repository_leave_source(Repository *p, const char *source)
{
	const Endpoint *e = first_source(p, ENDPOINT_PULL, NULL);
	if (!e || !cstr_eq(e->address, source))
		return e != NULL; /* somebody else has left it */
	return endpoint_leave(p, ENDPOINT_PULL, e);
}

bool fault_is_final(const Err *err)
{
	/* some that stand between cut what they do not know */
	bool no_way = err_is(err, ERR_NET) && err->errnum != 0 && err->errnum != HTTP_FAULT_CUT &&
		err->errnum != HTTP_FAULT_LIMITED;
	return no_way || err_is(err, ERR_TIMEOUT) || err_is(err, ERR_CANCELLED) ||
		(err_is(err, ERR_AUTH) && err->errnum == AUTH_REFUSED);
}

/* ---- one endpoint ---- */

typedef struct Attempt {
	Repository *repository;
	const Endpoint *endpoint;
	const Call *call;
	char *url, *scopes, *authorization;
	bool moved; /* to another origin: no secrets go there */
	unsigned redirects, refusals, tries;
} Attempt;

static void attempt_done(Attempt *a)
{
	free(a->url);
	free(a->scopes);
	free(a->authorization);
}

static char *call_url(const Endpoint *e, bool plain, const Call *call)
{
	if (call->url)
		return xstrdup(call->url);
	char *url = xasprintf("%s://%s%s%s%s%s", plain ? "http" : "https", e->address, e->prefix,
		e->repository ? "/" : "", e->repository ? e->repository : "", call->path);
	if (!e->ns)
		return url;
	char *with_ns = url_with_query(url, "ns", e->ns);
	free(url);
	return with_ns;
}

static char *call_scopes(const Endpoint *e, const Call *call)
{
	if (!call->actions || !e->repository)
		return xstrdup("");
	return xasprintf("repository:%s:%s%s%s", e->repository, call->actions,
		call->also ? " " : "", call->also ? call->also : "");
}

/* Whether the registry has an address of a private network, as far as anybody has asked it. */
static bool is_inside(const Attempt *a)
{
	HostState *host = host_state(a->repository->registry, a->endpoint->address);
	return __atomic_load_n(&host->inside, __ATOMIC_RELAXED);
}

/* A server may send us anywhere, but not with a registry's secrets, nor into a network that it cannot see itself. */
static int check_move(const Endpoint *e, bool inside, const char *from, const char *to, Err **err)
{
	_cleanup_free_ char *host = url_host(to);
	if (url_is_link_local(to) || (url_is_private(to) && !inside && !url_is_private(from)))
		return err_set(err, ERR_DENIED,
			"'%s' sends us to '%s', an address of a private network", e->host, host);
	if (url_is_https(from) && !url_is_https(to) && !e->insecure)
		return err_set(err, ERR_DENIED, "'%s' sends us from TLS to plain HTTP at '%s'",
			e->host, host);
	return 0;
}

static int follow(Attempt *a, const HttpResponse *answer, Err **err)
{
	_cleanup_free_ char *next = NULL;
	const char *location = http_header(answer, "location");
	if (!location)
		return err_set(err, ERR_CORRUPT, "'%s' answers %ld without a Location",
			a->endpoint->host, answer->status);
	if (++a->redirects > MAX_REDIRECTS)
		return err_set(err, ERR_NET, "'%s' redirects more than %d times", a->endpoint->host,
			MAX_REDIRECTS);
	int r = url_resolve(a->url, location, &next, err);
	if (r < 0)
		return r;
	if (!url_same_origin(a->url, next)) {
		a->moved = true;
		r = check_move(a->endpoint, is_inside(a), a->url, next, err);
		if (r < 0)
			return r;
	}
	free(a->url);
	a->url = TAKE_PTR(next);
	return 0;
}

static int perform(Attempt *a, HttpResponse *ret, Err **err)
{
	const Call *c = a->call;
	const Endpoint *e = a->endpoint;
	unsigned set = a->repository->registry->settings->stall_seconds;
	unsigned stall = set ? set : HTTP_STALL_SECONDS;
	_cleanup_(reader_freep) Reader *upload = NULL;
	StrVec headers = {0};
	HttpRequest q = {.method = c->method,
		.url = a->url,
		.headers = &headers,
		.ca_pem = e->ca_pem,
		.insecure = e->insecure,
		.connect_seconds = c->brief ? BRIEF : e->connect_seconds,
		.stall_seconds = c->brief ? BRIEF
			: c->patient      ? stall * PATIENCE
					  : stall,
		.body = c->body,
		.upload_size = c->upload_size,
		.sink = c->sink,
		.on_head = c->on_head,
		.arg = c->arg,
		.max_body = c->max_body};
	int r = c->open_upload ? c->open_upload(c->arg, &upload, err) : 0;
	if (r < 0)
		return r;
	q.upload = upload;
	if (c->headers)
		strvec_copy(&headers, c->headers);
	if (!a->moved) {
		strvec_copy(&headers, &e->headers);
		q.client_cert = e->client_cert;
		q.client_key = e->client_key;
		q.authorization = a->authorization;
	}
	if (a->moved)
		q.reach = is_inside(a) ? HTTP_NOT_LINK_LOCAL : HTTP_PUBLIC;
	r = http_perform(a->repository->registry->http, &q, ret, err);
	if (!a->moved && ret->peer != ADDRESS_PUBLIC)
		__atomic_store_n(&host_state(a->repository->registry, e->address)->inside, true,
			__ATOMIC_RELAXED);
	strvec_done(&headers);
	return r;
}

/* A server that speaks no TLS, where none is needed: the same over HTTP. */
static bool fall_back_to_http(Attempt *a, const Err *e)
{
	HostState *host = host_state(a->repository->registry, a->endpoint->address);
	bool plain = __atomic_load_n(&host->plain, __ATOMIC_RELAXED); /* said by another thread */
	bool known = __atomic_load_n(&host->known, __ATOMIC_RELAXED);
	if (a->endpoint->scheme != SCHEME_HTTPS_OR_HTTP || a->call->url || a->redirects ||
		!url_is_https(a->url) || (known && !plain) || !err_is(e, ERR_NET) ||
		e->errnum != HTTP_FAULT_NO_TLS)
		return false;
	__atomic_store_n(&host->plain, true, __ATOMIC_RELAXED);
	free(a->url);
	a->url = call_url(a->endpoint, true, a->call);
	return true;
}

/* How often a failure of the way there is worth a try. A mirror that is not there is none: there are others to ask. */
static unsigned tries_for(const Attempt *a, const Err *e)
{
	HostState *host = host_state(a->repository->registry, a->endpoint->address);
	bool reached = __atomic_load_n(&host->known, __ATOMIC_RELAXED) ||
		(err_is(e, ERR_NET) && e->errnum == HTTP_FAULT_CUT);
	if (!http_fault_passes(e))
		return 0;
	if (!reached && a->endpoint->mirror) {
		__atomic_store_n(
			&host->absent_until, time_now() + ABSENT_SECONDS, __ATOMIC_RELAXED);
		return 0;
	}
	/* a name that nobody knows is mostly misspelt */
	return a->call->once                      ? 0
		: reached                         ? RETRY_MAX_TRIES
		: e->errnum == HTTP_FAULT_RESOLVE ? RETRY_FIRST_TRIES - 1
						  : RETRY_FIRST_TRIES;
}

typedef enum Next { DONE, AGAIN } Next;

/* What an answer asks for: a redirect to follow, credentials, patience. */
static int handle_answer(Attempt *a, HttpResponse *answer, Next *ret, Err **err)
{
	HostState *host = host_state(a->repository->registry, a->endpoint->address);
	bool reading = strcmp(a->call->method, "GET") == 0 || strcmp(a->call->method, "HEAD") == 0;
	long status = answer->status;
	*ret = AGAIN;
	__atomic_store_n(&host->known, true, __ATOMIC_RELAXED);
	if (status >= 300 && status < 400 && status != 304 && reading)
		return follow(a, answer, err);
	if (status == 401 && !a->moved && !a->call->brief && a->refusals++ < 2) {
		char *fresh = NULL;
		int r = auth_answer(a->repository->registry->auth, a->endpoint, a->url, a->scopes,
			answer, a->authorization, &fresh, err);
		if (r < 0)
			return r;
		free(a->authorization);
		a->authorization = fresh;
		return 0;
	}
	if (retry_status(status) && !a->call->once && ++a->tries < RETRY_MAX_TRIES) {
		int seconds = answer_retry_after(a->repository->registry, a->endpoint, answer);
		log_debug("registry", "status %ld, try %u, Retry-After %d", status, a->tries,
			seconds);
		backoff_failed(host->backoff, a->tries - 1, seconds);
		return 0;
	}
	*ret = DONE;
	return 0;
}

static int attempt_loop(Attempt *a, HttpResponse *ret, Err **err)
{
	HostState *host = host_state(a->repository->registry, a->endpoint->address);
	for (;;) {
		_cleanup_err_ Err *e = NULL;
		Next next = AGAIN;
		int r = a->call->brief ? 0 : backoff_wait(host->backoff, err);
		if (r < 0)
			return r;
		r = perform(a, ret, &e);
		if (r == 0)
			r = handle_answer(a, ret, &next, &e);
		else if (fall_back_to_http(a, e))
			r = 0;
		else if (++a->tries < tries_for(a, e)) {
			log_debug("registry", "%s; try %u", e->message, a->tries);
			backoff_failed(host->backoff, a->tries - 1, -1);
			r = 0;
		}
		if (r == 0 && next == DONE) {
			ret->elsewhere = a->moved ? url_host(a->url) : NULL;
			show_warnings(a->repository->registry, a->endpoint->host, ret);
			return 0;
		}
		http_response_done(ret);
		*ret = (HttpResponse){0};
		if (r < 0)
			return err_move(err, &e);
	}
}

static const char *hint_of_tls(const char *message)
{
	if (strstr(message, "subject name"))
		return "use a name that the certificate has; --tls-verify=false does without";
	if (strstr(message, "expired") || strstr(message, "not yet valid"))
		return "the certificate or the clock of this machine is wrong; --tls-verify=false does without";
	return "--ca-file FILE or certs.d names a private CA; --tls-verify=false does without";
}

/* Nothing else makes a word without a dot or a port a host. */
static bool is_host_for_capitals(const char *host)
{
	return !strpbrk(host, ".:") && strpbrk(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

static void explain(const Attempt *a, Err **err)
{
	_cleanup_free_ char *shown = url_shown(a->url);
	const HostState *host = host_state(a->repository->registry, a->endpoint->address);
	if (!err || !*err)
		return;
	if (err_is(*err, ERR_NET) && !(*err)->hint) {
		int fault = (*err)->errnum;
		if (fault == HTTP_FAULT_TLS)
			err_hint(err, "%s", hint_of_tls((*err)->message));
		else if (fault == HTTP_FAULT_CLIENT)
			err_hint(err, "X.cert and X.key in certs.d or --cert-dir DIR are ours");
		else if (fault == HTTP_FAULT_NO_TLS)
			err_hint(err, "the server speaks no TLS: --plain-http");
		else if (fault == HTTP_FAULT_PROXY)
			err_hint(err,
				"https_proxy=http://USER:PASSWORD@HOST:PORT names it, no_proxy what it is not for");
		else if (fault == HTTP_FAULT_RESOLVE && is_host_for_capitals(a->endpoint->host))
			err_hint(err,
				"'%s' was taken for the host of a registry; a repository of "
				"Docker Hub is written in small letters",
				a->endpoint->host);
		else if (fault == HTTP_FAULT_RESOLVE || fault == HTTP_FAULT_CONNECT)
			err_hint(err,
				"check the name, the network and the proxy settings (https_proxy)");
		else if (fault == HTTP_FAULT_CUT)
			err_hint(err,
				url_is_https(a->url) ||
						__atomic_load_n(&host->known, __ATOMIC_RELAXED)
					? TRY_AGAIN
					: PERHAPS_TLS);
	} else if (err_is(*err, ERR_TIMEOUT) && !(*err)->hint) {
		err_hint(err, TRY_AGAIN);
	}
	err_prefix(err, "%s %s", a->call->method, shown);
}

/*
 * A server on this machine is asked in plain HTTP first: most speak nothing else, and to set up TLS costs more than all
 * the rest. One that speaks TLS says 400 or hangs up. Nothing secret is in the question.
 */
static void probe(Registry *r, const Endpoint *e, HostState *host)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *url = xasprintf("http://%s/v2/", e->address);
	HttpRequest q = {.method = "GET",
		.url = url,
		.connect_seconds = e->connect_seconds,
		.stall_seconds = r->settings->stall_seconds};
	if (e->scheme != SCHEME_HTTPS_OR_HTTP || __atomic_load_n(&host->known, __ATOMIC_RELAXED) ||
		!(cstr_starts(e->address, "127.") || cstr_starts(e->address, "localhost") ||
			cstr_starts(e->address, "[::1]")))
		return;
	if (http_perform(r->http, &q, &answer, NULL) < 0 || answer.status == 400)
		return;
	__atomic_store_n(&host->plain, true, __ATOMIC_RELAXED);
	__atomic_store_n(&host->known, true, __ATOMIC_RELAXED);
}

int endpoint_call(Repository *p, const Endpoint *e, const Call *call, HttpResponse *ret,
	char **ret_url, Err **err)
{
	HostState *host = host_state(p->registry, e->address);
	probe(p->registry, e, host);
	bool plain = e->scheme == SCHEME_HTTP ||
		(e->scheme == SCHEME_HTTPS_OR_HTTP &&
			__atomic_load_n(&host->plain, __ATOMIC_RELAXED));
	_cleanup_(attempt_done) Attempt a = {
		.repository = p,
		.endpoint = e,
		.call = call,
		.url = call_url(e, plain, call),
		.scopes = call_scopes(e, call),
	};
	int r = 0;
	*ret = (HttpResponse){0};
	if (call->url) { /* that the server gave: of an upload, of a next page */
		_cleanup_free_ char *own =
			xasprintf("%s://%s/", plain ? "http" : "https", e->address);
		a.moved = !url_same_origin(own, call->url);
		r = a.moved ? check_move(e, is_inside(&a), own, call->url, err) : 0;
	}
	if (r == 0 && !a.moved)
		r = auth_header(p->registry->auth, e, a.scopes, &a.authorization, err);
	if (r == 0)
		r = attempt_loop(&a, ret, err);
	if (r < 0)
		explain(&a, err);
	else if (ret_url)
		*ret_url = TAKE_PTR(a.url);
	return r;
}

int repository_call(Repository *p, unsigned can, const Call *call, const char *what,
	HttpResponse *ret, const Endpoint **ret_endpoint, char **ret_url, Err **err)
{
	_cleanup_err_ Err *last = NULL;
	vec_foreach (&p->endpoints, e) {
		if ((e->can & can) != can || endpoint_is_absent(p, e))
			continue;
		if (last) {
			progress_warn(p->registry->progress, NULL, 0, "%s", last->message);
			last = err_free(last);
		}
		int r = endpoint_call(p, e, call, ret, ret_url, &last);
		if (r == 0 && (ret->status < 200 || ret->status > 299))
			r = answer_error(e, ret, what, &last);
		if (r == 0) {
			if (ret_endpoint)
				*ret_endpoint = e;
			return 0;
		}
		http_response_done(ret);
		*ret = (HttpResponse){0};
		if (err_is(last, ERR_CANCELLED) || err_is(last, ERR_DIGEST))
			break;
	}
	if (!last)
		return err_set(err, ERR_UNSUPPORTED,
			"no server is configured that '%s' may be asked of", p->host);
	return err_move(err, &last);
}
