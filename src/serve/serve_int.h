/* Inside serve/: the server, and one request on its way through begin, body and end. */
#pragma once

#include <time.h>

#include "serve/catalog.h"
#include "serve/faults.h"
#include "serve/htpasswd.h"
#include "serve/metrics.h"
#include "serve/mhd.h"
#include "serve/mirror.h"
#include "serve/response.h"
#include "serve/router.h"
#include "serve/serve.h"
#include "serve/uploads.h"

typedef struct Serve {
	Store *store;
	const ServeOptions *options;
	Catalog *catalog;
	Uploads *uploads;
	Htpasswd *users; /* NULL: everybody may */
	Faults *faults;
	Mirror *mirror; /* or NULL */
	Metrics metrics;
	uint64_t manifest_bytes; /* in memory for pushes that are on their way; atomic */
	bool stopping;           /* atomic */
} Serve;

typedef enum Phase {
	PHASE_NEW,     /* only the target is known */
	PHASE_BODY,    /* the handler takes the body */
	PHASE_DISCARD, /* the answer stands; what the client still sends is dropped */
	PHASE_ANSWERED,
} Phase;

typedef struct Request {
	Serve *serve;
	struct MHD_Connection *connection;
	char *target;
	char method_word[16];
	Method method;
	Route route;
	Err *bad_target; /* the route could not be parsed */
	char *user;      /* owned; NULL: nobody in particular */
	StrVec names;    /* the repositories of the store that route.name is read from */
	Phase phase;
	struct timespec began;
	uint64_t received; /* bytes of the body */
	bool has_length;   /* Content-Length was sent */
	uint64_t length;   /* its value */
	Upload *upload;    /* taken while the body comes */
	Buf manifest;      /* body of a manifest push */
	Err *body_error;   /* the body could not be kept */
	Response reply;
	uint64_t reply_size;
} Request;

/* Header of the request, or NULL; borrowed. */
const char *request_header(const Request *q, const char *name);
bool request_answered(const Request *q);
/* Repository of the store that a push goes to; NULL and the error is the reply. Owned. */
char *request_target_repository(Request *q);

/* ---- handlers ----
 * begin: before the body, may already answer. end: after it, must answer. */
typedef struct Handler {
	RouteKind route;
	unsigned methods;
	void (*begin)(Request *q);
	int (*body)(Request *q, const void *data, size_t len, Err **err);
	void (*end)(Request *q);
	void (*abort)(Request *q); /* the client went away in between */
} Handler;
extern const Handler handlers_pull[], handlers_push[], handlers_upload[], handlers_list[];
extern const size_t n_handlers_pull, n_handlers_push, n_handlers_upload, n_handlers_list;
