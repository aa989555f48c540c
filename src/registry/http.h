/*
 * HTTP over libcurl, which is loaded when first used. Any number of threads; connections are kept and used again.
 * One call is one request to one server: redirects, authentication and retries are the caller's. --debug=registry shows
 * every request and answer, without secrets.
 */
#pragma once

#include "base/progress.h"
#include "base/stream.h"
#include "base/vec.h"
#include "registry/url.h"

typedef struct Http Http;
int http_new(Http **ret, Err **err) _warn_unused_;
Http *http_free(Http *h);
DEFINE_FREEP(Http, http_free)

/* Which addresses a name may lead to; ERR_DENIED else. Proxies see to that themselves. */
typedef enum HttpReach { HTTP_ANYWHERE, HTTP_NOT_LINK_LOCAL, HTTP_PUBLIC } HttpReach;

typedef struct HttpRequest {
	const char *method; /* "GET", "HEAD", "POST", "PATCH", "PUT", "DELETE" */
	const char *url;
	const StrVec *headers;     /* "Name: value", may be NULL */
	const char *authorization; /* value of that header, or NULL */
	const char *ca_pem, *client_cert, *client_key;
	bool insecure;
	HttpReach reach;
	unsigned connect_seconds; /* 0: HTTP_CONNECT_SECONDS */
	unsigned stall_seconds; /* 0: HTTP_STALL_SECONDS without a byte either way is ERR_TIMEOUT */
	Str body;               /* of PUT, POST, PATCH */
	Reader *upload;         /* instead of body; borrowed */
	uint64_t upload_size;
	/* Body of an answer with a status in 200…299 goes there as it arrives (borrowed, not finished); NULL: into
	 * HttpResponse.body. */
	Writer *sink;
	/* Called once the head of an answer is here, before its body: <0 ends the request with that error. May be NULL. */
	int (*on_head)(void *arg, long status, const StrVec *headers, Err **err);
	void *arg;
	size_t max_body; /* of HttpResponse.body; ERR_LIMIT past it; 0: HTTP_MAX_BODY */
} HttpRequest;
#define HTTP_CONNECT_SECONDS 30
#define HTTP_STALL_SECONDS   60
#define HTTP_MAX_BODY        (64u << 10)

typedef struct HttpResponse {
	long status;
	StrVec headers; /* "name=value", names in lower case, in order */
	Buf body;
	uint64_t received; /* bytes of the body */
	AddressKind peer;  /* whom we are connected to; ADDRESS_PUBLIC when that is a proxy */
	char *elsewhere; /* the host, when it is another than the one that was asked; the caller's to set */
} HttpResponse;

/* 0 also for statuses that mean failure. ERR_NET (errnum = HttpFault), ERR_TIMEOUT, ERR_CANCELLED, ERR_LIMIT
 * (answer too long, too many headers), what the sink said. */
int http_perform(Http *h, const HttpRequest *request, HttpResponse *ret, Err **err) _warn_unused_;
void http_response_done(HttpResponse *r);
/* First header of that (lower-case) name, or NULL; borrowed. */
const char *http_header(const HttpResponse *r, const char *name);

typedef enum HttpFault { /* errnum of ERR_NET */
	HTTP_FAULT_OTHER,
	HTTP_FAULT_RESOLVE, /* the host has no address */
	HTTP_FAULT_CONNECT, /* nobody listens */
	HTTP_FAULT_TLS,     /* certificate not trusted, or of another host */
	HTTP_FAULT_NO_TLS,  /* the server speaks no TLS */
	HTTP_FAULT_CLIENT,  /* our certificate is not trusted, or there is none */
	HTTP_FAULT_PROXY,   /* the proxy lets nothing through, or is none */
	HTTP_FAULT_CUT,     /* the connection ended early */
	HTTP_FAULT_LIMITED, /* an answer: too many requests */
	HTTP_FAULT_SOURCE,  /* of what was to be uploaded: of ERR_TIMEOUT as well */
} HttpFault;
bool http_fault_passes(const Err *err); /* another try may work */
