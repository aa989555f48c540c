/*
 * Pushing a blob: known there → mounted from a neighbour → uploaded. A small one goes in one request; a big one as a
 * stream (PATCH) that goes on from where the server has it when the connection is cut, then is closed by PUT.
 * (distribution-spec 1.1, "Pushing blobs"; spec: transfer.md 4.3)
 */
#include <stdio.h>

#include "base/log.h"
#include "registry/registry_int.h"
#include "registry/url.h"

#define MONOLITHIC_MAX (4ull << 20)
#define PROGRESS_BYTES (1u << 20) /* that much more is progress: the tries begin anew */

typedef struct Upload {
	Repository *repository;
	const Endpoint *endpoint;
	const BlobUpload *blob;
	char *location; /* of the open session, absolute; NULL: none */
	uint64_t at;    /* bytes that the server has */
	bool refused;   /* when all was sent */
	unsigned tries;
	int retry_after; /* seconds that the last failure asked for, -1: none */
} Upload;

static int open_rest(void *arg, Reader **ret, Err **err)
{
	Upload *u = arg;
	int r = u->blob->open(u->blob->arg, u->at, ret, err);
	if (r == 0 && u->blob->progress_id)
		*ret = progress_reader_new(*ret, u->repository->registry->progress,
			u->blob->progress_id, u->blob->size);
	return r;
}

/* Keeps the session's new place; ERR_CORRUPT when the server does not say it. */
static int take_location(Upload *u, const HttpResponse *answer, const char *url, Err **err)
{
	const char *location = http_header(answer, "location");
	char *absolute = NULL;
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

/* One request of the session with what is still missing. *ret_passes: a failure that may pass. */
static int send_rest(Upload *u, bool last, bool *ret_passes, Err **err)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *url = NULL, *closing = NULL;
	StrVec headers = {0};
	Call call = {.method = last ? "PUT" : "PATCH",
		.url = u->location,
		.actions = "pull,push",
		.headers = &headers,
		.arg = u,
		.once = true};
	if (u->at < u->blob->size) {
		call.open_upload = open_rest;
		call.upload_size = u->blob->size - u->at;
		strvec_push(&headers, "Content-Type: application/octet-stream");
		if (u->at > 0)
			strvec_pushf(&headers, "Content-Range: %llu-%llu",
				(unsigned long long)u->at, (unsigned long long)u->blob->size - 1);
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
			u->at = u->blob->size;
		return take_location(u, &answer, url, err);
	}
	u->refused = last && answer.status == 400;
	*ret_passes = retry_status(answer.status) || answer.status == 416 || answer.status == 404;
	u->retry_after = answer_retry_after(u->repository->registry, u->endpoint, &answer);
	return answer_error(u->endpoint, &answer, "uploading", err);
}

static int send_all(Upload *u, Err **err)
{
	for (;;) {
		_cleanup_err_ Err *why = NULL;
		bool passes = true, mounted = false;
		u->retry_after = -1;
		uint64_t before = u->at;
		int r = u->location ? 0 : begin(u, NULL, &mounted, &why);
		if (r < 0)
			return err_move(err, &why);
		if (u->at < u->blob->size && u->blob->size > MONOLITHIC_MAX)
			r = send_rest(u, false, &passes, &why);
		if (r == 0)
			r = send_rest(u, true, &passes, &why);
		if (r == 0)
			return 0;
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
		log_debug("registry", "%s; going on from byte %llu", why->message,
			(unsigned long long)u->at);
		backoff_failed(host_state(u->repository->registry, u->endpoint->address)->backoff,
			u->tries - 1, u->retry_after);
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
	free(u.location);
	if (r == 0)
		*ret = mounted ? BLOB_MOUNTED : BLOB_UPLOADED;
	int of_source = r < 0 && u.refused ? check_source(&u, err) : 0;
	return of_source < 0 ? of_source : err_move(err, &why);
}
