/*
 * From a request line to what is asked for (OCI distribution-spec 1.1, "Endpoints"; spec: transfer.md 4.2). Nothing
 * here touches a store. The target is taken as it came: a client's escapes are resolved once, here, and what is not a
 * name, tag or digest by the grammar never becomes one.
 */
#pragma once

#include "base/digest.h"

typedef enum Method {
	METHOD_GET = 1 << 0,
	METHOD_HEAD = 1 << 1,
	METHOD_POST = 1 << 2,
	METHOD_PATCH = 1 << 3,
	METHOD_PUT = 1 << 4,
	METHOD_DELETE = 1 << 5,
} Method;
/* 0 for any other. */
Method method_of(const char *word);

typedef enum RouteKind {
	ROUTE_NONE,      /* no such place */
	ROUTE_PING,      /* /v2/ */
	ROUTE_CATALOG,   /* /v2/_catalog */
	ROUTE_METRICS,   /* /metrics */
	ROUTE_TAGS,      /* /v2/<name>/tags/list */
	ROUTE_MANIFEST,  /* /v2/<name>/manifests/<reference> */
	ROUTE_BLOB,      /* /v2/<name>/blobs/<digest> */
	ROUTE_REFERRERS, /* /v2/<name>/referrers/<digest> */
	ROUTE_UPLOADS,   /* /v2/<name>/blobs/uploads/ */
	ROUTE_UPLOAD,    /* /v2/<name>/blobs/uploads/<id> */
	_ROUTE_MAX
} RouteKind;
const char *route_name(RouteKind kind); /* "blob", "manifest" …: for metrics, logs and --fail */
unsigned route_methods(RouteKind kind); /* Method flags it knows */

typedef enum DigestKind {
	DIGEST_NONE,    /* there is none */
	DIGEST_OURS,    /* sha256 */
	DIGEST_FOREIGN, /* well-formed, of an algorithm the store does not keep */
	DIGEST_BAD,
} DigestKind;
DigestKind digest_kind(Str text, Digest *ret);

typedef struct Route {
	RouteKind kind;
	char *host;    /* of a target that is a whole URL, and then instead of the header; owned */
	char *name;    /* repository as in the URL, owned; NULL where there is none */
	bool bad_name; /* it breaks the grammar: NAME_INVALID */
	char *reference;   /* tag, digest or upload id as written, owned */
	bool is_tag;       /* reference is a valid tag */
	DigestKind digest; /* of reference */
	Digest digest_value;
	StrVec query; /* "key=value" decoded, in order */
} Route;
/* target: path and query as in the request line, or a whole URL, as proxies get it (RFC 9112 section 3.2.2). ERR_PARSE for
 * escapes that are malformed or hide a NUL or a control character, ERR_LIMIT past ROUTE_MAX_TARGET bytes or ROUTE_MAX_QUERY
 * parameters; ret needs route_done either way. */
int route_parse(Str target, Route *ret, Err **err) _warn_unused_;
void route_done(Route *r);
const char *route_query(const Route *r, const char *key); /* first of that key, or NULL; borrowed */

#define ROUTE_MAX_TARGET 8192
#define ROUTE_MAX_QUERY  64
bool repository_name_valid(Str name);
bool tag_valid(Str tag);
