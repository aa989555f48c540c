#include "registry/auth.h"

#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/map.h"
#include "base/timefmt.h"
#include "registry/challenge.h"
#include "registry/credentials.h"
#include "registry/registry_int.h"
#include "registry/url.h"

#define TOKEN_SECONDS 60 /* a token's life when the server does not say (auth/token spec) */
#define TOKEN_LONGEST 86400
#define TOKEN_MARGIN  10 /* seconds before the end from which it is not used any more */
#define TOKEN_MAX     (256u << 10)
#define ACCOUNTS_KEPT 256
#define CLIENT_ID     "cruet"
#define TRY_LATER     "try again later"

typedef enum Scheme { SCHEME_UNKNOWN, SCHEME_BASIC, SCHEME_BEARER } Scheme;

typedef struct Token {
	char *header; /* "Bearer …" */
	int64_t expires;
} Token;

/* What is known of one host. */
typedef struct Account {
	struct Auth *auth;
	unsigned users; /* that have it or wait for it; with the mutex of auth */
	pthread_mutex_t mutex;
	bool looked_up;
	Credentials credentials;
	Scheme scheme;
	char *url;   /* of the request that named the realm */
	bool inside; /* the registry has an address of a private network */
	char *realm, *service;
	Map tokens;       /* scopes → Token */
	Backoff *backoff; /* of the token server */
} Account;

struct Auth {
	const RegistrySettings *settings;
	Http *http;
	pthread_mutex_t mutex; /* of accounts */
	Map accounts;          /* host → Account */
};

static void secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void token_free(void *p)
{
	secret_free(((Token *)p)->header);
	free(p);
}

static void account_free(void *p)
{
	Account *a = p;
	pthread_mutex_destroy(&a->mutex);
	credentials_done(&a->credentials);
	free(a->url);
	free(a->realm);
	free(a->service);
	map_done(&a->tokens);
	backoff_free(a->backoff);
	free(a);
}

Auth *auth_new(const RegistrySettings *settings, Http *http)
{
	Auth *a = xnew(Auth);
	a->settings = settings;
	a->http = http;
	a->accounts = MAP_INIT(account_free);
	pthread_mutex_init(&a->mutex, NULL);
	return a;
}

Auth *auth_free(Auth *a)
{
	if (a) {
		map_done(&a->accounts);
		pthread_mutex_destroy(&a->mutex);
		free(a);
	}
	return NULL;
}

/* With the mutex: a process that stays meets ever more repositories. */
static void drop_idle(Auth *a)
{
	map_foreach (&a->accounts, it)
		if (((Account *)it->value)->users == 0)
			map_del(&a->accounts, (Str){it->key, it->key_len});
}

static void account_unlockp(Account **account)
{
	Account *a = *account;
	if (!a)
		return;
	Auth *auth = a->auth;
	pthread_mutex_unlock(&a->mutex);
	pthread_mutex_lock(&auth->mutex);
	a->users--;
	pthread_mutex_unlock(&auth->mutex);
}

/* The account of a host and, where credentials may differ by repository, of the repository; locked. */
static int take_account(Auth *a, const Endpoint *e, Account **ret, Err **err)
{
	_cleanup_free_ char *key = xasprintf("%s/%s", e->host, e->repository ? e->repository : "");
	pthread_mutex_lock(&a->mutex);
	Account *account = map_get(&a->accounts, str_of(key));
	if (!account) {
		if (a->accounts.live >= ACCOUNTS_KEPT)
			drop_idle(a);
		account = xnew(Account);
		account->auth = a;
		account->tokens = MAP_INIT(token_free);
		account->backoff = backoff_new();
		pthread_mutex_init(&account->mutex, NULL);
		map_put(&a->accounts, str_of(key), account);
	}
	account->users++;
	pthread_mutex_unlock(&a->mutex);
	pthread_mutex_lock(&account->mutex);
	if (!account->looked_up) {
		int r = credentials_find(
			a->settings, e->host, e->repository, &account->credentials, err);
		if (r < 0) {
			account_unlockp(&account);
			return r;
		}
		account->looked_up = true;
	}
	*ret = account;
	return 0;
}

static bool has_password(const Account *a)
{
	return a->credentials.user && a->credentials.password;
}

static char *basic_header(const Account *a)
{
	char *plain = xasprintf("%s:%s", a->credentials.user, a->credentials.password);
	char *encoded = base64_encode(str_of(plain));
	char *header = xasprintf("Basic %s", encoded);
	secret_free(plain);
	secret_free(encoded);
	return header;
}

/* ---- tokens ---- */

typedef struct TokenAnswer {
	char *token, *access_token, *refresh_token;
} TokenAnswer;

/* Seconds. Some servers send a text, or a fraction. */
static int token_life(const json_t *answer, int64_t *ret, Err **err)
{
	const json_t *value = json_object_get(answer, "expires_in");
	const char *text = json_string_value(value);
	uint64_t whole = 0;
	double seconds = json_number_value(value);
	if (value && !json_is_null(value) && !json_is_number(value) &&
		!(text && str_to_u64(str_of(text), UINT64_MAX, &whole, NULL) == 0))
		return err_set(err, ERR_CORRUPT, "token.expires_in: is not a number");
	seconds = text ? (double)whole : seconds;
	*ret = seconds < 1 ? TOKEN_SECONDS : (int64_t)MIN(seconds, (double)TOKEN_LONGEST);
	return 0;
}

static int read_token(Account *a, const char *scopes, const Buf *body, Err **err)
{
	static const JsonField fields[] = {
		{"token", JSON_FIELD_STRING, offsetof(TokenAnswer, token), false},
		{"access_token", JSON_FIELD_STRING, offsetof(TokenAnswer, access_token), false},
		{"refresh_token", JSON_FIELD_STRING, offsetof(TokenAnswer, refresh_token), false},
	};
	json_t *json = NULL;
	TokenAnswer t = {0};
	int r = json_parse_secret(
		buf_view(body), TOKEN_MAX, "the token server's answer", &json, err);
	int64_t life = 0;
	if (r == 0)
		r = token_life(json, &life, err);
	if (r == 0)
		r = json_read_object(json, "token", fields, ARRAY_SIZE(fields), &t, err);
	json_wipe(json);
	if (r < 0)
		return r;
	const char *value = t.token && *t.token ? t.token : t.access_token;
	if (!value || !*value || strpbrk(value, "\r\n")) {
		r = err_set(err, ERR_AUTH, "the token server's answer has no token");
	} else {
		Token *token = xnew(Token);
		token->header = xasprintf("Bearer %s", value);
		token->expires = time_now() + life;
		map_put(&a->tokens, str_of(scopes), token);
	}
	secret_free(t.token);
	secret_free(t.access_token);
	secret_free(t.refresh_token);
	return r;
}

/* Adds "name=value" to a form; the value is a secret perhaps. */
static void form_add(Buf *form, const char *name, const char *value)
{
	char *escaped = url_escape(value);
	buf_printf(form, "%s%s=%s", form->len ? "&" : "", name, escaped);
	secret_free(escaped);
}

/* OAuth2: the way identity tokens are exchanged. */
static int post_for_token(Auth *auth, const Account *a, const char *scopes, HttpRequest *q,
	HttpResponse *answer, Err **err)
{
	Buf form = BUF_INIT(SIZE_MAX / 2);
	StrVec headers = {0};
	form_add(&form, "grant_type", a->credentials.identity_token ? "refresh_token" : "password");
	form_add(&form, "service", a->service ? a->service : "");
	form_add(&form, "client_id", CLIENT_ID);
	if (*scopes)
		form_add(&form, "scope", scopes);
	if (a->credentials.identity_token) {
		form_add(&form, "refresh_token", a->credentials.identity_token);
	} else {
		form_add(&form, "username", a->credentials.user);
		form_add(&form, "password", a->credentials.password);
	}
	strvec_push(&headers, "Content-Type: application/x-www-form-urlencoded");
	q->method = "POST";
	q->url = a->realm;
	q->headers = &headers;
	q->body = buf_view(&form);
	int r = http_perform(auth->http, q, answer, err);
	if (form.ptr)
		explicit_bzero(form.ptr, form.len);
	buf_done(&form);
	strvec_done(&headers);
	return r;
}

static int get_token(Auth *auth, const Account *a, const char *scopes, HttpRequest *q,
	HttpResponse *answer, Err **err)
{
	char *url =
		a->service ? url_with_query(a->realm, "service", a->service) : xstrdup(a->realm);
	Str rest = str_of(scopes), scope;
	while (*scopes && str_cut(&rest, ' ', &scope)) {
		_cleanup_free_ char *text = str_dup(scope), *old = url;
		url = url_with_query(old, "scope", text);
	}
	char *header = has_password(a) ? basic_header(a) : NULL;
	q->method = "GET";
	q->url = url;
	q->authorization = header;
	q->headers = NULL;
	q->body = (Str){0};
	int r = http_perform(auth->http, q, answer, err);
	secret_free(header);
	free(url);
	return r;
}

/* Secrets go to the token server that the registry names; a hostile registry must not name just any. */
static int check_realm(const Account *a, const Endpoint *e, const char *url, Err **err)
{
	_cleanup_free_ char *host = url_host(a->realm);
	if (url_same_origin(a->realm, url))
		return 0;
	if (url_is_https(url) && !url_is_https(a->realm) && !e->insecure)
		return err_set(err, ERR_AUTH,
			"the registry speaks TLS, but sends us for a token to '%s', which does not",
			host);
	if (url_is_link_local(a->realm) ||
		(url_is_private(a->realm) && !a->inside && !url_is_private(url)))
		return err_set(err, ERR_AUTH,
			"the registry sends us for a token to the private address '%s'", host);
	return 0;
}

static int refused(
	const Account *a, const Endpoint *e, const char *who, const HttpResponse *answer, Err **err)
{
	_cleanup_free_ char *words = answer_words(answer);
	if (a->credentials.source)
		err_set(err, ERR_AUTH, "%s refuses the credentials of %s (status %ld)%s%s", who,
			a->credentials.source, answer->status, words ? ": " : "",
			words ? words : "");
	else
		err_set(err, ERR_AUTH,
			"%s gives nothing to somebody without credentials (status %ld)%s%s", who,
			answer->status, words ? ": " : "", words ? words : "");
	err_hint(err, "'cruet login %s'; or the repository does not exist", e->host);
	if (err && *err)
		(*err)->errnum = AUTH_REFUSED;
	return -ERR_AUTH;
}

static int unusable(const Endpoint *e, const HttpResponse *answer, Err **err)
{
	_cleanup_free_ char *words = answer_words(answer);
	err_set(err, ERR_NET, "it answers %ld%s%s", answer->status, words ? ": " : "",
		words ? words : "");
	if (retry_status(answer->status))
		err_hint(err, TRY_LATER);
	else
		err_hint(err, "'%s' names it as its token server: is that a registry?", e->host);
	return -ERR_NET;
}

static void answer_wipe(HttpResponse *answer)
{
	if (answer->body.ptr)
		explicit_bzero(answer->body.ptr, answer->body.len);
	http_response_done(answer);
	*answer = (HttpResponse){0};
}

static int try_token(Auth *auth, const Account *a, const char *scopes, HttpRequest *q,
	HttpResponse *answer, Err **err)
{
	if (!a->credentials.identity_token)
		return get_token(auth, a, scopes, q, answer, err);
	int r = post_for_token(auth, a, scopes, q, answer, err);
	if (r < 0 || (answer->status != 404 && answer->status != 405) || !has_password(a))
		return r;
	answer_wipe(answer);
	return get_token(auth, a, scopes, q, answer, err);
}

/* The last answer; what may pass is tried again. */
static int ask_for_token(Auth *auth, const Account *a, const char *scopes, HttpRequest *q,
	HttpResponse *answer, Err **err)
{
	for (unsigned try = 0;; try++) {
		_cleanup_err_ Err *e = NULL;
		int r = backoff_wait(a->backoff, err);
		if (r < 0)
			return r;
		r = try_token(auth, a, scopes, q, answer, &e);
		bool passes = r < 0 ? http_fault_passes(e) : retry_status(answer->status);
		if (!passes || try + 1 == RETRY_MAX_TRIES)
			return err_move(err, &e);
		const char *after = r < 0 ? NULL : http_header(answer, "retry-after");
		backoff_failed(
			a->backoff, try, after ? retry_after_seconds(after, time_now()) : -1);
		answer_wipe(answer);
	}
}

static int fetch_token(
	Auth *auth, Account *a, const Endpoint *e, const char *url, const char *scopes, Err **err)
{
	HttpResponse answer = {0};
	HttpRequest q = {.ca_pem = e->ca_pem,
		.insecure = e->insecure,
		.connect_seconds = e->connect_seconds,
		.stall_seconds = auth->settings->stall_seconds,
		.max_body = TOKEN_MAX};
	if (!url_same_origin(a->realm, url))
		q.reach = a->inside ? HTTP_NOT_LINK_LOCAL : HTTP_PUBLIC;
	if (url_same_origin(a->realm, url)) {
		q.client_cert = e->client_cert;
		q.client_key = e->client_key;
	}
	_cleanup_free_ char *host = url_host(a->realm);
	_cleanup_free_ char *who = xasprintf("the token server '%s'", host);
	ERR_SCOPE(err, "Asking for a token of '%s'", host);
	int r = check_realm(a, e, url, err);
	if (r == 0)
		r = ask_for_token(auth, a, scopes, &q, &answer, err);
	if (r == 0 && (answer.status == 400 || answer.status == 401 || answer.status == 403))
		r = refused(a, e, who, &answer, err);
	else if (r == 0 && answer.status != 200)
		r = unusable(e, &answer, err);
	else if (r == -ERR_NET || r == -ERR_TIMEOUT)
		err_hint(err, TRY_LATER);
	if (r == 0)
		r = read_token(a, scopes, &answer.body, err);
	answer_wipe(&answer);
	return r;
}

static const Token *usable_token(const Account *a, const char *scopes)
{
	const Token *t = map_get(&a->tokens, str_of(scopes));
	return t && t->expires - TOKEN_MARGIN > time_now() ? t : NULL;
}

int auth_header(Auth *auth, const Endpoint *e, const char *scopes, char **ret, Err **err)
{
	_cleanup_(account_unlockp) Account *a = NULL;
	*ret = NULL;
	int r = take_account(auth, e, &a, err);
	if (r < 0)
		return r;
	if (a->credentials.registry_token) {
		*ret = xasprintf("Bearer %s", a->credentials.registry_token);
	} else if (a->scheme == SCHEME_BASIC && has_password(a)) {
		*ret = basic_header(a);
	} else if (a->scheme == SCHEME_BEARER) {
		const Token *t = usable_token(a, scopes);
		if (!t) {
			r = fetch_token(auth, a, e, a->url, scopes, err);
			t = map_get(&a->tokens, str_of(scopes));
		}
		if (r == 0)
			*ret = xstrdup(t->header);
	}
	return r;
}

/* "repository:a:pull,push" allows all that "repository:a:pull" does. */
static bool scope_covers(Str scope, Str named)
{
	ssize_t at = str_rfind(scope, ':'), end = str_rfind(named, ':');
	if (at < 0 || at != end || memcmp(scope.ptr, named.ptr, (size_t)at) != 0)
		return str_eq(scope, named);
	Str wanted = str_slice(named, (size_t)end + 1, named.len), action, has;
	while (str_cut(&wanted, ',', &action)) {
		Str actions = str_slice(scope, (size_t)at + 1, scope.len);
		bool found = false;
		while (!found && str_cut(&actions, ',', &has))
			found = str_eq(has, action);
		if (!found)
			return false;
	}
	return true;
}

/* The scopes wanted and the one the server names, if it is another. */
static char *all_scopes(const char *scopes, const char *named)
{
	Str rest = str_of(scopes), one;
	if (!named || !*named)
		return xstrdup(scopes);
	while (*scopes && str_cut(&rest, ' ', &one))
		if (scope_covers(one, str_of(named)))
			return xstrdup(scopes);
	return *scopes ? xasprintf("%s %s", scopes, named) : xstrdup(named);
}

static int answer_bearer(Auth *auth, Account *a, const Endpoint *e, const char *url,
	const char *scopes, const Challenge *c, const char *sent, char **ret, Err **err)
{
	const Token *now = usable_token(a, scopes);
	if (!now || cstr_eq(now->header, sent)) {
		const char *realm = challenge_param(c, "realm");
		char *where = NULL;
		if (now)
			map_del(&a->tokens, str_of(scopes));
		if (!realm)
			return err_set(err, ERR_AUTH,
				"the registry asks for a token but does not say where it is given");
		int r = url_resolve(url, realm, &where, err);
		if (r < 0)
			return r;
		free(a->realm);
		free(a->service);
		free(a->url);
		a->realm = where;
		a->service = xstrdup(challenge_param(c, "service"));
		a->url = xstrdup(url);
		_cleanup_free_ char *wanted = all_scopes(scopes, challenge_param(c, "scope"));
		r = fetch_token(auth, a, e, url, wanted, err);
		if (r < 0)
			return r;
		Token *t = map_get(&a->tokens, str_of(wanted));
		if (!cstr_eq(wanted, scopes)) { /* it is found by what is asked for */
			Token *copy = xnew(Token);
			*copy = (Token){xstrdup(t->header), t->expires};
			map_put(&a->tokens, str_of(scopes), copy);
		}
		now = map_get(&a->tokens, str_of(scopes));
		a->scheme = SCHEME_BEARER;
	}
	*ret = xstrdup(now->header);
	return 0;
}

int auth_answer(Auth *auth, const Endpoint *e, const char *url, const char *scopes,
	const HttpResponse *answer, const char *sent, char **ret, Err **err)
{
	Challenges offered = {0};
	_cleanup_(account_unlockp) Account *a = NULL;
	_cleanup_free_ char *who = xasprintf("the registry '%s'", e->host);
	int r = take_account(auth, e, &a, err);
	*ret = NULL;
	for (size_t i = 0; r == 0 && i < answer->headers.len; i++) {
		const char *line = answer->headers.items[i];
		if (cstr_starts(line, "www-authenticate="))
			r = challenges_parse(
				str_of(line + strlen("www-authenticate=")), &offered, err);
	}
	const Challenge *basic = NULL, *bearer = NULL;
	vec_foreach (&offered, c) {
		if (cstr_eq(c->scheme, "bearer"))
			bearer = bearer ? bearer : c;
		else if (cstr_eq(c->scheme, "basic"))
			basic = basic ? basic : c;
	}
	if (r < 0) {
		/* said already */
	} else if (a->credentials.registry_token) {
		r = refused(a, e, who, answer, err);
	} else if (bearer) {
		a->inside = answer->peer != ADDRESS_PUBLIC;
		r = answer_bearer(auth, a, e, url, scopes, bearer, sent, ret, err);
	} else if (basic && has_password(a) && !(sent && cstr_starts(sent, "Basic"))) {
		a->scheme = SCHEME_BASIC;
		*ret = basic_header(a);
	} else if (!basic && !sent && a->credentials.source) {
		r = err_set(err, ERR_AUTH,
			"%s wants a login, but offers %s, neither Basic nor Bearer", who,
			offered.len ? offered.items[0].scheme : "no way");
	} else {
		r = refused(a, e, who, answer, err);
	}
	challenges_done(&offered);
	return r;
}
