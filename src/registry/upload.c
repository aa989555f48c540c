/*
 * Pushing a blob: known there → mounted from a neighbour → uploaded. A small one goes in one request; a big one as a
 * stream (PATCH) that goes on from where the server has it when the connection is cut, then is closed by PUT. What stands
 * before a server may bound the bodies of requests (413; nginx: 1 MB, Cloudflare: 100 MB) or give up waiting for the end
 * of long ones: then the stream goes in chunks, which become smaller as long as that does not help.
 * (distribution-spec 1.1, "Pushing blobs"; spec: transfer.md 4.3)
 */
#include <stdio.h>

#include "base/log.h"
#include "registry/registry_int.h"
#include "registry/url.h"

#define MONOLITHIC_MAX (4ull << 20)
#define PROGRESS_BYTES (1u << 20) /* that much more is progress: the tries begin anew */
#define CHUNK_MAX      (64ull << 20)
#define CHUNK_MIN      (1ull << 20)
#define CHUNK_STEP     4 /* times smaller, the next time */
#define CUTS           2 /* at the same place, before it is tried with less */

typedef struct Upload {
	Repository *repository;
	const Endpoint *endpoint;
	const BlobUpload *blob;
	char *location; /* of the open session, absolute; NULL: none */
	uint64_t at;    /* bytes that the server has */
	uint64_t chunk; /* the most that one request takes; 0: all of it */
	uint64_t least; /* what the server wants a chunk to have (OCI-Chunk-Min-Length) */
	bool refused;   /* when all was sent */
	bool too_long;  /* the last request */
	unsigned tries;
	int retry_after; /* seconds that the last failure asked for, -1: none */
} Upload;

/* The bytes that the next request of the session brings. */
static uint64_t next_length(const Upload *u)
{
	uint64_t rest = u->blob->size - u->at;
	return u->chunk ? MIN(rest, MAX(u->chunk, u->least)) : rest;
}

static int open_next(void *arg, Reader **ret, Err **err)
{
	Upload *u = arg;
	int r = u->blob->open(u->blob->arg, u->at, ret, err);
	if (r == 0 && u->chunk)
		*ret = limit_reader_new(*ret, true, next_length(u));
	if (r == 0 && u->blob->progress_id)
		*ret = progress_reader_new(*ret, u->repository->registry->progress,
			u->blob->progress_id, u->blob->size);
	return r;
}

/* Keeps the session's new place; ERR_CORRUPT when the server does not say it. */
static int take_location(Upload *u, const HttpResponse *answer, const char *url, Err **err)
{
	const char *location = http_header(answer, "location");
	const char *least = http_header(answer, "oci-chunk-min-length");
	char *absolute = NULL;
	if (least)
		(void)!str_to_u64(str_of(least), UINT64_MAX, &u->least, NULL);
	if (!location)
		return err_set(err, ERR_CORRUPT, "'%s' opens an upload without a Location",
			u->endpoint->host);
	int r = url_resolve(url, location, &absolute, err);
	if (r < 0)
		return r;
	free(u->location);
	u->location = absolute;
	return 0;
}

static void drop_session(Upload *u)
{
	free(u->location);
	u->location = NULL;
	u->at = 0;
}

/* Opens a session; *ret_mounted when the server has taken the blob from `from` (may be NULL) instead. */
static int begin(Upload *u, const char *from, bool *ret_mounted, Err **err)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *path = xstrdup("/blobs/uploads/"), *url = NULL, *also = NULL;
	if (from) {
		_cleanup_free_ char *plain = TAKE_PTR(path),
				    *with_mount = url_with_query(
					    plain, "mount", digest_str(u->blob->digest).s);
		path = url_with_query(with_mount, "from", from);
		also = xasprintf("repository:%s:pull", from);
	}
	Call call = {.method = "POST", .path = path, .actions = "pull,push", .also = also};
	int r = endpoint_call(u->repository, u->endpoint, &call, &answer, &url, err);
	if (r < 0)
		return r;
	*ret_mounted = from && answer.status == 201;
	if (*ret_mounted)
		return 0;
	if (answer.status != 202)
		return answer_error(u->endpoint, &answer, "opening an upload", err);
	return take_location(u, &answer, url, err);
}

/* Bytes that the answer's Range header says the server has; false when it does not say it. */
static bool bytes_there(const HttpResponse *answer, uint64_t size, uint64_t *ret)
{
	const char *range = http_header(answer, "range");
	Str text = str_of(range ? range : ""), first;
	uint64_t last = 0;
	if (range && str_starts(text, "bytes="))
		text = str_slice(text, 6, text.len);
	/* "0-0" is also what docker-registry says of an upload without a byte */
	if (!range || !str_cut(&text, '-', &first) || !str_eq_cstr(first, "0") ||
		str_to_u64(text, UINT64_MAX - 1, &last, NULL) < 0 || last == 0 || last >= size)
		return false;
	*ret = last + 1;
	return true;
}

/* How much the server has got: the session goes on from there, or is gone. */
static void ask_status(Upload *u)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *url = NULL;
	Call call = {.method = "GET", .url = u->location, .actions = "pull,push"};
	if (endpoint_call(u->repository, u->endpoint, &call, &answer, &url, NULL) < 0 ||
		(answer.status != 204 && answer.status != 202)) {
		drop_session(u);
		return;
	}
	if (!bytes_there(&answer, u->blob->size, &u->at))
		drop_session(u);
	else if (http_header(&answer, "location") && take_location(u, &answer, url, NULL) < 0)
		drop_session(u);
}

/* A request of that length was not taken: the next ones have less. False when they cannot. */
static bool shrink(Upload *u, uint64_t length)
{
	uint64_t next = u->chunk ? u->chunk : CHUNK_MAX;
	while (next >= length && next > CHUNK_MIN)
		next /= CHUNK_STEP;
	next = MAX(next, u->least);
	if (next >= length)
		return false;
	u->chunk = next;
	return true;
}

/* One request of the session with what is still missing, or a chunk of it. *ret_passes: a failure that may pass. */
static int send_next(Upload *u, bool last, bool *ret_passes, Err **err)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *url = NULL, *closing = NULL;
	StrVec headers = {0};
	uint64_t length = next_length(u);
	Call call = {.method = last ? "PUT" : "PATCH",
		.url = u->location,
		.actions = "pull,push",
		.headers = &headers,
		.arg = u,
		.once = true};
	if (length) {
		call.open_upload = open_next;
		call.upload_size = length;
		strvec_push(&headers, "Content-Type: application/octet-stream");
		if (u->at > 0 || u->chunk)
			strvec_pushf(&headers, "Content-Range: %llu-%llu",
				(unsigned long long)u->at,
				(unsigned long long)(u->at + length - 1));
	}
	call.patient = last && !call.open_upload; /* it hashes, and perhaps copies, all of it */
	if (last)
		call.url = closing =
			url_with_query(u->location, "digest", digest_str(u->blob->digest).s);
	_cleanup_err_ Err *e = NULL;
	int r = endpoint_call(u->repository, u->endpoint, &call, &answer, &url, &e);
	strvec_done(&headers);
	*ret_passes = r < 0 && http_fault_passes(e);
	if (r < 0)
		return err_move(err, &e);
	if (answer.status >= 200 && answer.status < 300) {
		if (last)
			return 0;
		if (!bytes_there(&answer, u->blob->size, &u->at))
			u->at += length;
		return take_location(u, &answer, url, err);
	}
	u->refused = last && answer.status == 400;
	u->too_long = answer.status == 413;
	*ret_passes = retry_status(answer.status) || answer.status == 416 || answer.status == 404;
	u->retry_after = answer_retry_after(u->repository->registry, u->endpoint, &answer);
	return answer_error(u->endpoint, &answer, "uploading", err);
}

/* The requests of a session up to its end, or to the first that fails. */
static int send_rest(Upload *u, bool *ret_passes, Err **err)
{
	bool stream = u->blob->size > MONOLITHIC_MAX;
	while (u->at < u->blob->size && (stream || u->chunk)) {
		uint64_t before = u->at;
		int r = send_next(u, false, ret_passes, err);
		if (r < 0)
			return r;
		if (!u->chunk) /* what the server has not kept goes with the end */
			break;
		if (u->at <= before)
			return err_set(err, ERR_CORRUPT,
				"'%s' takes a chunk of an upload, but has no more than before",
				u->endpoint->host);
		if (u->at > before + PROGRESS_BYTES)
			u->tries = 0;
	}
	return send_next(u, true, ret_passes, err);
}

/* Nobody will go on with it. The answer does not matter, and is not waited for long. */
static void abandon(Upload *u)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	Call call = {.method = "DELETE",
		.url = u->location,
		.actions = "pull,push",
		.once = true,
		.brief = true};
	(void)!endpoint_call(u->repository, u->endpoint, &call, &answer, NULL, NULL);
}

static int send_all(Upload *u, Err **err)
{
	HostState *host = host_state(u->repository->registry, u->endpoint->address);
	u->chunk = __atomic_load_n(&host->chunk, __ATOMIC_RELAXED);
	for (;;) {
		_cleanup_err_ Err *why = NULL;
		bool passes = true, mounted = false;
		u->retry_after = -1;
		u->too_long = false;
		uint64_t before = u->at;
		int r = u->location ? 0 : begin(u, NULL, &mounted, &why);
		if (r < 0)
			return err_move(err, &why);
		r = send_rest(u, &passes, &why);
		if (r == 0)
			return 0;
		if (u->too_long && shrink(u, next_length(u))) {
			__atomic_store_n(&host->chunk, u->chunk, __ATOMIC_RELAXED);
			continue;
		}
		if (!passes)
			return err_move(err, &why);
		if (u->location)
			ask_status(u);
		/* it may have been closed, and only the answer got lost */
		if (!u->location && repository_blob_ask(u->repository, u->blob->digest, NULL) > 0)
			return 0;
		if (u->at > before + PROGRESS_BYTES)
			u->tries = 0;
		if (++u->tries >= RETRY_MAX_TRIES)
			return err_move(err, &why);
		if (u->tries >= CUTS)
			(void)shrink(u, next_length(u));
		log_debug("registry", "%s; going on from byte %llu", why->message,
			(unsigned long long)u->at);
		backoff_failed(host->backoff, u->tries - 1, u->retry_after);
	}
}

/* Whose fault a refusal is. Nobody looks at the bytes on their way: the registry does, at the end. */
static int check_source(const Upload *u, Err **err)
{
	_cleanup_(reader_freep) Reader *in = NULL;
	Reader *source = NULL;
	Digest real;
	if (u->blob->open(u->blob->arg, 0, &source, NULL) < 0)
		return 0;
	in = digest_reader_new(source);
	if (reader_skip(in, u->blob->size, NULL) < 0)
		return 0;
	digest_reader_result(in, &real, NULL);
	if (digest_eq(&real, u->blob->digest))
		return 0;
	return err_set(
		err, ERR_DIGEST, "where it comes from it has the digest %s", digest_str(&real).s);
}

int repository_blob_put(Repository *p, const BlobUpload *blob, BlobOutcome *ret, Err **err)
{
	Upload u = {.repository = p, .blob = blob};
	bool mounted = false;
	vec_foreach (&p->endpoints, e)
		if (e->can & ENDPOINT_PUSH && !u.endpoint)
			u.endpoint = e;
	if (!u.endpoint)
		return err_set(err, ERR_UNSUPPORTED,
			"no server is configured that '%s' may be pushed to", p->host);
	ERR_SCOPE(err, "Pushing the blob %.19s", digest_str(blob->digest).s);
	int r = repository_blob_ask(p, blob->digest, err);
	if (r != 0) {
		*ret = BLOB_KNOWN;
		return MIN(r, 0);
	}
	/* the first that the server takes up: an answer of 202 opens a session, which is used then */
	for (size_t i = 0; blob->mount_from && blob->mount_from[i] && !mounted; i++) {
		drop_session(&u);
		if (begin(&u, blob->mount_from[i], &mounted, NULL) < 0)
			drop_session(&u);
	}
	_cleanup_err_ Err *why = NULL;
	r = mounted ? 0 : send_all(&u, &why);
	if (r < 0 && u.location && !fault_is_final(why))
		abandon(&u);
	free(u.location);
	if (r == 0)
		*ret = mounted ? BLOB_MOUNTED : BLOB_UPLOADED;
	int of_source = r < 0 && u.refused ? check_source(&u, err) : 0;
	return of_source < 0 ? of_source : err_move(err, &why);
}
