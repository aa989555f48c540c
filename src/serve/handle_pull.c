/* Manifests and blobs on their way out. */
#include <sys/stat.h>

#include "base/limits.h"
#include "serve/range.h"
#include "serve/serve_int.h"
#include "store/kept.h"

/* 304 when the client has it already: a digest is the strongest of validators. */
static bool not_modified(Request *q, const Digest *d)
{
	const char *known = request_header(q, "If-None-Match");
	_cleanup_free_ char *tag = xasprintf("\"%s\"", digest_str(d).s);
	if (!known || (!strstr(known, tag) && strcmp(known, "*") != 0))
		return false;
	response_status(&q->reply, 304);
	response_header(&q->reply, "ETag", "%s", tag);
	return true;
}

static void add_digest(Request *q, const Digest *d)
{
	response_header(&q->reply, "Docker-Content-Digest", "%s", digest_str(d).s);
	response_header(&q->reply, "ETag", "\"%s\"", digest_str(d).s);
}

/* ---- manifests ---- */

/* A large one goes out of its file: many clients that read slowly must not fill the memory. */
static int open_manifest(Request *q, const Descriptor *d, Err **err)
{
	Store *s = q->serve->store;
	Response *r = &q->reply;
	Buf text = BUF_INIT(0);
	uint64_t size = 0;
	if (store_blob_has(s, &d->digest, &size) && size > SERVE_SMALL) {
		r->size = size;
		return store_blob_open(s, &d->digest, &r->fd, err);
	}
	int rc = store_blob_read(s, &d->digest, LIMIT_MANIFEST_SIZE, &text, err);
	r->size = text.len;
	r->body = text.ptr;
	return rc;
}

static void send_manifest(Request *q, const Descriptor *d)
{
	_cleanup_err_ Err *e = NULL;
	if (not_modified(q, &d->digest))
		return;
	if (open_manifest(q, d, &e) < 0) {
		if (e->code == ERR_DIGEST)
			response_error(&q->reply, 500, "MANIFEST_INVALID", "%s", e->message);
		else
			response_failure(&q->reply, e, "MANIFEST_UNKNOWN");
		return;
	}
	response_status(&q->reply, 200);
	add_digest(q, &d->digest);
	response_header(&q->reply, "Content-Type", "%s", d->media_type);
}

/* From upstream: true if that answered the request. must: the store has none. */
static bool send_upstream_manifest(Request *q, const char *repository, bool must)
{
	_cleanup_err_ Err *e = NULL;
	Descriptor d = {0};
	Buf text = BUF_INIT(0);
	if (mirror_manifest(q->serve->mirror, repository, q->route.reference, &d, &text, &e) < 0) {
		if (e->code == ERR_EXISTS)
			return false;
		if (must)
			response_failure(&q->reply, e, "MANIFEST_UNKNOWN");
		else
			mirror_put_off(q->serve->mirror, repository, q->route.reference);
		return must;
	}
	if (not_modified(q, &d.digest)) {
		buf_done(&text);
	} else {
		response_status(&q->reply, 200);
		q->reply.size = text.len;
		q->reply.body = text.ptr;
		add_digest(q, &d.digest);
		response_header(&q->reply, "Content-Type", "%s", d.media_type);
	}
	descriptor_done(&d);
	return true;
}

static void get_manifest(Request *q)
{
	Serve *v = q->serve;
	const Route *r = &q->route;
	_cleanup_err_ Err *e = NULL;
	_cleanup_free_ char *repository = NULL;
	Descriptor d = {0};
	if (r->digest == DIGEST_BAD) {
		response_error(
			&q->reply, 400, "DIGEST_INVALID", "'%.160s' is no digest", r->reference);
		return;
	}
	if (r->digest == DIGEST_FOREIGN || (r->digest == DIGEST_NONE && !r->is_tag)) {
		response_error(&q->reply, 404, "MANIFEST_UNKNOWN", "there is no manifest '%.160s'",
			r->reference);
		return;
	}
	const char *tag = r->digest == DIGEST_OURS ? NULL : r->reference;
	bool found = catalog_manifest(v->catalog, &q->names, tag, &r->digest_value, &d, &repository,
			     &e) == 0;
	const char *upstream = v->mirror ? mirror_repository(v->mirror, &q->names) : NULL;
	bool stale = found && tag && upstream && strcmp(upstream, repository) == 0 &&
		!mirror_is_fresh(v->mirror, upstream, tag);
	if (upstream && (!found || stale)) {
		descriptor_done(&d);
		if (send_upstream_manifest(q, upstream, !found))
			return;
		e = err_free(e); /* it may have come meanwhile, or the tag moved */
		found = catalog_manifest(
				v->catalog, &q->names, tag, &r->digest_value, &d, NULL, &e) == 0;
	}
	if (found)
		send_manifest(q, &d);
	else if (err_is(e, ERR_NOT_FOUND) && !catalog_has(v->catalog, &q->names))
		response_error(
			&q->reply, 404, "NAME_UNKNOWN", "there is no repository '%s'", r->name);
	else
		response_failure(&q->reply, e, "MANIFEST_UNKNOWN");
	descriptor_done(&d);
}

/* ---- blobs ---- */

/* A client that learns a blob is here will not send it: until its manifest comes gc must leave the blob alone. */
static void want_blob(Request *q, const Digest *d)
{
	Serve *v = q->serve;
	Digest user;
	if (v->options->read_only || !store_blob_has(v->store, d, NULL) ||
		catalog_blob_user(v->catalog, d, &user, NULL) == 1)
		return;
	if (store_turn_begin(v->store, NULL) == 0) {
		if (store_blob_has(v->store, d, NULL))
			(void)!store_pending(v->store, d, NULL);
		store_turn_end(v->store);
	}
}

static void send_part(Request *q, uint64_t first, uint64_t last)
{
	Response *r = &q->reply;
	response_header(r, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)first,
		(unsigned long long)last, (unsigned long long)r->size);
	r->status = 206;
	r->offset = first;
	r->size = last - first + 1;
}

static void send_blob(Request *q, int fd, uint64_t size, const Digest *d)
{
	const char *range = request_header(q, "Range"), *only_if = request_header(q, "If-Range");
	_cleanup_free_ char *tag = xasprintf("\"%s\"", digest_str(d).s);
	uint64_t first = 0, last = 0;
	RangeKind kind = RANGE_WHOLE;
	if (range && q->method == METHOD_GET && (!only_if || strcmp(only_if, tag) == 0))
		kind = range_parse(str_of(range), size, &first, &last);
	if (kind == RANGE_UNSATISFIABLE) {
		close(fd);
		response_error(&q->reply, 416, "SIZE_INVALID",
			"the blob has %llu bytes, the range '%.80s' is outside",
			(unsigned long long)size, range);
		response_header(
			&q->reply, "Content-Range", "bytes */%llu", (unsigned long long)size);
		return;
	}
	q->reply.status = 200;
	q->reply.fd = fd;
	q->reply.size = size;
	if (kind == RANGE_PART)
		send_part(q, first, last);
	add_digest(q, d);
	response_header(&q->reply, "Content-Type", "application/octet-stream");
	response_header(&q->reply, "Accept-Ranges", "bytes");
}

static void send_upstream_blob(Request *q, const char *repository, const Digest *d)
{
	_cleanup_err_ Err *e = NULL;
	uint64_t size = 0;
	BodySource *source = NULL;
	bool get = q->method == METHOD_GET;
	if (mirror_blob(q->serve->mirror, repository, d, get, &size, &source, &e) < 0) {
		if (e->code == ERR_LIMIT)
			response_busy(&q->reply, "%s", e->message);
		else
			response_failure(&q->reply, e, "BLOB_UNKNOWN");
		return;
	}
	response_status(&q->reply, 200);
	q->reply.size = size;
	q->reply.source = source;
	add_digest(q, d);
	response_header(&q->reply, "Content-Type", "application/octet-stream");
}

/* The blob of the route, or an answer. */
static bool route_blob(Request *q)
{
	const Route *r = &q->route;
	if (r->digest == DIGEST_OURS)
		return true;
	if (r->digest == DIGEST_BAD)
		response_error(
			&q->reply, 400, "DIGEST_INVALID", "'%.160s' is no digest", r->reference);
	else
		response_error(
			&q->reply, 404, "BLOB_UNKNOWN", "there is no blob %.160s", r->reference);
	return false;
}

static void get_blob(Request *q)
{
	Serve *v = q->serve;
	const Digest *d = &q->route.digest_value;
	_cleanup_err_ Err *e = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	if (!route_blob(q))
		return;
	if (q->method == METHOD_HEAD)
		want_blob(q, d);
	if (store_blob_open(v->store, d, &fd, &e) < 0) {
		const char *upstream = v->mirror ? mirror_repository(v->mirror, &q->names) : NULL;
		if (upstream && e->code == ERR_NOT_FOUND)
			send_upstream_blob(q, upstream, d);
		else
			response_failure(&q->reply, e, "BLOB_UNKNOWN");
		return;
	}
	if (not_modified(q, d))
		return;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		response_error(&q->reply, 500, "UNKNOWN", "the blob is unreadable");
	else
		send_blob(q, TAKE_FD(fd), (uint64_t)st.st_size, d);
}

static void delete_blob(Request *q)
{
	Serve *v = q->serve;
	const Digest *d = &q->route.digest_value;
	_cleanup_err_ Err *e = NULL;
	Digest user;
	if (!route_blob(q))
		return;
	int r = store_turn_begin(v->store, &e);
	if (r == 0) {
		r = catalog_blob_user(v->catalog, d, &user, &e);
		if (r == 0)
			r = store_blob_remove(v->store, d, &e);
		if (r == 0)
			store_pending_end(v->store, d);
		store_turn_end(v->store);
	}
	if (r == 1)
		response_error(&q->reply, 405, "UNSUPPORTED", "the blob is part of the manifest %s",
			digest_str(&user).s);
	else if (r < 0)
		response_failure(&q->reply, e, "BLOB_UNKNOWN");
	else
		response_status(&q->reply, 202);
}

static void get_ping(Request *q)
{
	response_text(&q->reply, 200, "application/json", xstrdup("{}"));
}

const Handler handlers_pull[] = {
	{ROUTE_PING, METHOD_GET | METHOD_HEAD, .end = get_ping},
	{ROUTE_MANIFEST, METHOD_GET | METHOD_HEAD, .end = get_manifest},
	{ROUTE_BLOB, METHOD_GET | METHOD_HEAD, .end = get_blob},
	{ROUTE_BLOB, METHOD_DELETE, .end = delete_blob},
};
const size_t n_handlers_pull = ARRAY_SIZE(handlers_pull);
