/*
 * The Authorization header: Basic, or Bearer tokens from the server that the registry names (the token flow of the
 * distribution project: docs/spec/auth). Tokens are kept by scope until shortly before they expire. Thread-safe; two
 * threads that need the same token fetch it once. (spec: transfer.md 3.1)
 */
#pragma once

#include "registry/endpoint.h"
#include "registry/http.h"

/* errnum of ERR_AUTH: it is about who asks, not about what is asked for. */
#define AUTH_REFUSED 1

typedef struct Auth Auth;
Auth *auth_new(const RegistrySettings *settings, Http *http); /* borrows both */
Auth *auth_free(Auth *a);
DEFINE_FREEP(Auth, auth_free)

/* scopes: "repository:a/b:pull" and more, separated by blanks; "" for none. *ret (owned): the header's value, NULL when
 * nothing is known to be asked for. */
int auth_header(Auth *a, const Endpoint *e, const char *scopes, char **ret, Err **err)
	_warn_unused_;
/* The server answered 401 to a request that carried `sent` (or NULL): *ret is what to send instead. ERR_AUTH when there
 * is nothing else to try. url: of the request. */
int auth_answer(Auth *a, const Endpoint *e, const char *url, const char *scopes,
	const HttpResponse *answer, const char *sent, char **ret, Err **err) _warn_unused_;
