/*
 * Blobs on their way in (distribution-spec, "Pushing blobs"): in one POST, in POST and PUT, in chunks, by mount. An
 * upload that a cut connection leaves keeps what came; a PUT ends it, however that goes, unless its chunk was out of
 * order.
 */
#include "serve/range.h"
#include "serve/serve_int.h"
#include "store/kept.h"

/* ---- answers ---- */

static void add_upload(Request *q, const Upload *p)
{
	uint64_t size = upload_size(p);
	response_header(
		&q->reply, "Location", "/v2/%s/blobs/uploads/%s", q->route.name, upload_id(p));
	response_header(&q->reply, "Docker-Upload-UUID", "%s", upload_id(p));
	response_header(&q->reply, "Range", "0-%llu", (unsigned long long)(size ? size - 1 : 0));
}

static void answer_blob(Request *q, const Digest *d)
{
	response_status(&q->reply, 201);
	response_header(&q->reply, "Location", "/v2/%s/blobs/%s", q->route.name, digest_str(d).s);
	response_header(&q->reply, "Docker-Content-Digest", "%s", digest_str(d).s);
}

static void answer_failure(Request *q, const Err *e)
{
	if (e->code == ERR_EXISTS)
		response_error(&q->reply, 409, "BLOB_UPLOAD_INVALID", "%s", e->message);
	else if (e->code == ERR_LIMIT && !q->upload)
		response_busy(&q->reply, "%s", e->message);
	else
		response_failure(&q->reply, e, "BLOB_UPLOAD_UNKNOWN");
}

/* The digest of the query: false and an answer when it is none of ours. */
static bool query_digest(Request *q, const char *key, Digest *ret)
{
	const char *text = route_query(&q->route, key);
	DigestKind kind = digest_kind(str_of(text ? text : ""), ret);
	if (kind == DIGEST_FOREIGN)
		response_error(&q->reply, 400, "UNSUPPORTED",
			"this registry keeps its content by sha256 only");
	else if (kind == DIGEST_BAD)
		response_error(&q->reply, 400, "DIGEST_INVALID", "%s='%.160s' is no digest", key,
			text ? text : "");
	return kind == DIGEST_OURS;
}

/* ---- beginning ---- */

/* True if the blob is here: the store has it for every repository at once. */
static bool mount(Request *q)
{
	Serve *v = q->serve;
	Digest d;
	const char *text = route_query(&q->route, "mount");
	if (!text || digest_kind(str_of(text), &d) != DIGEST_OURS ||
		store_turn_begin(v->store, NULL) < 0)
		return false;
	bool here = store_blob_has(v->store, &d, NULL) && store_pending(v->store, &d, NULL) == 0;
	store_turn_end(v->store);
	if (here)
		answer_blob(q, &d);
	return here;
}

static void begin_uploads(Request *q)
{
	const char *algorithm = route_query(&q->route, "digest-algorithm");
	_cleanup_err_ Err *e = NULL;
	Digest d;
	_cleanup_free_ char *repository = request_target_repository(q);
	if (!repository)
		return;
	if (algorithm && strcmp(algorithm, "sha256") != 0) {
		response_error(&q->reply, 400, "UNSUPPORTED",
			"this registry keeps its content by sha256 only");
		return;
	}
	if (route_query(&q->route, "digest") && !query_digest(q, "digest", &d))
		return;
	if (mount(q))
		return;
	if (upload_begin(q->serve->uploads, q->route.name, &q->upload, &e) < 0)
		answer_failure(q, e);
}

static int take_chunk(Request *q, const void *data, size_t len, Err **err)
{
	return upload_write(q->upload, data, len, err);
}

/* Ends the upload as the blob of the query's digest. */
static void finish(Request *q)
{
	_cleanup_err_ Err *e = NULL;
	Digest d;
	if (query_digest(q, "digest", &d)) {
		if (upload_commit(q->upload, &d, &e) == 0)
			answer_blob(q, &d);
		else
			answer_failure(q, e);
	}
	upload_end(TAKE_PTR(q->upload));
}

static void end_uploads(Request *q)
{
	if (route_query(&q->route, "digest")) {
		finish(q);
		return;
	}
	response_status(&q->reply, 202);
	add_upload(q, q->upload);
	upload_leave(TAKE_PTR(q->upload));
}

static void abort_uploads(Request *q)
{
	if (q->upload)
		upload_end(TAKE_PTR(q->upload));
}

/* ---- going on ---- */

static bool enter(Request *q)
{
	_cleanup_err_ Err *e = NULL;
	if (upload_enter(q->serve->uploads, q->route.name, q->route.reference, &q->upload, &e) == 0)
		return true;
	answer_failure(q, e);
	return false;
}

static void begin_chunk(Request *q)
{
	const char *range = request_header(q, "Content-Range");
	uint64_t first = 0, last = 0;
	if (!enter(q) || !range)
		return;
	if (!content_range_parse(str_of(range), &first, &last))
		response_error(&q->reply, 400, "BLOB_UPLOAD_INVALID",
			"Content-Range '%.80s' is not 'first-last'", range);
	else if (q->has_length && q->length != last - first + 1)
		response_error(&q->reply, 400, "SIZE_INVALID",
			"Content-Range '%.80s' does not fit %llu bytes", range,
			(unsigned long long)q->length);
	else if (first != upload_size(q->upload)) {
		response_error(&q->reply, 416, "BLOB_UPLOAD_INVALID",
			"the chunk begins at %llu, the upload has %llu bytes",
			(unsigned long long)first, (unsigned long long)upload_size(q->upload));
		add_upload(q, q->upload);
	} else
		return;
	upload_leave(TAKE_PTR(q->upload));
}

/* What is no digest ends the upload, before its last bytes are taken. */
static void begin_put(Request *q)
{
	Digest d;
	begin_chunk(q);
	if (!request_answered(q) && !query_digest(q, "digest", &d))
		upload_end(TAKE_PTR(q->upload));
}

static void end_chunk(Request *q)
{
	response_status(&q->reply, 202);
	add_upload(q, q->upload);
	upload_leave(TAKE_PTR(q->upload));
}

/* What came stays: the client may ask how much that is and go on. */
static void abort_chunk(Request *q)
{
	if (q->upload)
		upload_leave(TAKE_PTR(q->upload));
}

static void get_upload(Request *q)
{
	if (!enter(q))
		return;
	response_status(&q->reply, 204);
	add_upload(q, q->upload);
	upload_leave(TAKE_PTR(q->upload));
}

static void delete_upload(Request *q)
{
	if (!enter(q))
		return;
	response_status(&q->reply, 204);
	upload_end(TAKE_PTR(q->upload));
}

const Handler handlers_upload[] = {
	{ROUTE_UPLOADS, METHOD_POST, begin_uploads, take_chunk, end_uploads, abort_uploads},
	{ROUTE_UPLOAD, METHOD_PATCH, begin_chunk, take_chunk, end_chunk, abort_chunk},
	{ROUTE_UPLOAD, METHOD_PUT, begin_put, take_chunk, finish, abort_chunk},
	{ROUTE_UPLOAD, METHOD_GET | METHOD_HEAD, .end = get_upload},
	{ROUTE_UPLOAD, METHOD_DELETE, .end = delete_upload},
};
const size_t n_handlers_upload = ARRAY_SIZE(handlers_upload);
