/* What the files of registry/ share: one call to one endpoint, with all that it takes. */
#pragma once

#include <pthread.h>

#include "base/map.h"
#include "registry/auth.h"
#include "registry/endpoint.h"
#include "registry/http.h"
#include "registry/registry.h"
#include "registry/retry.h"

typedef struct HostState {
	Backoff *backoff;
	bool plain;           /* SCHEME_HTTPS_OR_HTTP: it turned out to speak no TLS */
	bool known;           /* … one of the two worked */
	bool inside;          /* it has an address of a private network */
	uint64_t chunk;       /* the longest body of an upload that passes; 0: any */
	int64_t absent_until; /* a mirror that did not answer when it was first asked */
} HostState;

struct Registry {
	const RegistrySettings *settings;
	Progress *progress;
	Http *http;
	Auth *auth;
	pthread_mutex_t mutex; /* of what follows */
	Map hosts;             /* address → HostState */
	StrVec warned;         /* warnings that were shown */
};

struct Repository {
	Registry *registry;
	char *host, *path;
	bool push;
	Endpoints endpoints;
};

typedef struct Call {
	const char *method;
	const char *path;    /* behind "…/v2/<repository>", with query: "/manifests/latest" */
	const char *url;     /* instead: a whole URL that the server gave */
	const char *actions; /* of the token's scope: "pull", "pull,push", "delete" */
	const char *also;    /* further scopes, or NULL */
	const StrVec *headers;
	Str body;
	/* Instead of body: gives it from the start; called again for every try. */
	int (*open_upload)(void *arg, Reader **ret, Err **err);
	uint64_t upload_size;
	Writer *sink;
	int (*on_head)(void *arg, long status, const StrVec *headers, Err **err);
	void *arg;
	size_t max_body;
	bool patient; /* the server may have to work a while before it answers */
	bool once;    /* a failure is the caller's: nothing is repeated but what a 401 asks for */
	bool brief;   /* an answer matters little: no pause before it, no long wait for it */
} Call;

/* The last answer, whatever its status says; redirects of GET and HEAD are followed, 401 is answered, what may pass is
 * tried again. *ret_url (optional, owned): of the last request. */
int endpoint_call(Repository *p, const Endpoint *e, const Call *call, HttpResponse *ret,
	char **ret_url, Err **err) _warn_unused_;
/* A mirror to be passed over. */
bool endpoint_is_absent(Repository *p, const Endpoint *e);
/* Passes a mirror over from now on, because what it sent was wrong, and tells it; false when nobody else `can`. */
bool endpoint_leave(Repository *p, unsigned can, const Endpoint *e);
/* "CODE: message" of the first error in the body (distribution-spec, error codes), what else says why in the JSON of token
 * servers, the first line of a plain text, the title of a page; or NULL. Owned. */
char *answer_words(const HttpResponse *answer);
/* Turns an answer that is none of success into an error that says what the server said. what: "manifest 'x'". */
int answer_error(const Endpoint *e, const HttpResponse *answer, const char *what, Err **err);
/* Tries the endpoints that `can` do it in their order until one answers with success; errors of mirrors are warnings. */
int repository_call(Repository *p, unsigned can, const Call *call, const char *what,
	HttpResponse *ret, const Endpoint **ret_endpoint, char **ret_url, Err **err) _warn_unused_;
/* Seconds that a Retry-After header asks for, -1 without one; a long wait is told. */
int answer_retry_after(Registry *r, const Endpoint *e, const HttpResponse *answer);
HostState *host_state(Registry *r, const char *address);
/* Nobody was reached, or let us in: what is asked otherwise now would fail in the same way. */
bool fault_is_final(const Err *err);
/* Whether the blob is there: 1; 0, or nobody knows; such a failure is an error. */
int repository_blob_ask(Repository *p, const Digest *d, Err **err) _warn_unused_;
/* Calls page for each page's body until there is no next one; it adds the number of entries. */
int repository_each_page(Repository *p, const char *path, const char *what,
	int (*page)(void *arg, Str body, size_t *io_entries, Err **err), void *arg, Err **err)
	_warn_unused_;
/* After a manifest was pushed to (listed), or deleted from, a registry that keeps no lists of referrers. What has no subject,
 * and what cannot be read, changes nothing. */
int referrers_keep(Repository *p, const char *media_type, Str bytes, bool listed, Err **err)
	_warn_unused_;
