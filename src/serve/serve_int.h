/* Inside serve/: the server, and one request on its way through begin, body and end. */
#pragma once

#include <pthread.h>
#include <time.h>

#include "serve/catalog.h"
#include "serve/clients.h"
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
	Clients *clients;
	Faults *faults;
	Mirror *mirror; /* or NULL */
	Metrics metrics;
	uint64_t budget; /* bytes of manifests and lists in memory, both ways; atomic */
	/* of large documents one at a time is parsed: as values they take many times their bytes */
	pthread_mutex_t large;
	bool stopping; /* atomic */
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
	char method_word[16], version[16];
	Method method;
	Route route;
	Err *bad_target; /* the route could not be parsed */
	char *user;      /* owned; NULL: nobody in particular */
	StrVec names;    /* the repositories of the store that route.name is read from */
	Phase phase;
	struct timespec began;
	uint64_t received; /* bytes of the body */
	bool ambiguous;    /* it says in two ways how long it is */
	bool has_length;   /* Content-Length was sent */
	uint64_t length;   /* its value */
	Upload *upload;    /* taken while the body comes */
	Buf manifest;      /* body of a manifest push */
	Err *body_error;   /* the body could not be kept */
	Response reply;
	uint64_t reply_size, reply_budget;
} Request;

static inline unsigned idle_seconds(const ServeOptions *o)
{
	return o->idle_seconds ? o->idle_seconds : SERVE_IDLE_SECONDS;
}

/* Header of the request, or NULL; borrowed. */
const char *request_header(const Request *q, const char *name);
const char *request_host(const Request *q); /* the client's name for us, or NULL */
bool request_answered(const Request *q);
/* Bytes of manifests and lists that are kept in memory for a client: false when there are too many. What was taken is
 * given back either way. */
#define SERVE_SMALL 65536 /* up to this a document does not count */
bool budget_take(Serve *v, uint64_t bytes) _warn_unused_;
void budget_give(Serve *v, uint64_t bytes);
/* What a reply holds in memory, until it is sent: false when that is too much. */
bool reply_takes(Request *q, uint64_t bytes) _warn_unused_;
#define TOO_MUCH "too many large manifests and lists are on their way"
/* Around whatever parses documents and keeps what became of them. */
void large_begin(Serve *v, uint64_t bytes);
void large_end(Serve *v, uint64_t bytes);
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
