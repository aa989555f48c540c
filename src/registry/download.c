/* One blob as one stream, which goes on after a cut. */
#include "base/log.h"
#include "registry/range_int.h"
#include "registry/registry_int.h"

#define PROGRESS_BYTES (1u << 20) /* that much more is progress: the tries begin anew */

/* ---- one answer to a GET that may have a Range ---- */

static void range_headers(uint64_t from, uint64_t end, uint64_t size, StrVec *ret)
{
	if (end < size)
		strvec_pushf(ret, "Range: bytes=%llu-%llu", (unsigned long long)from,
			(unsigned long long)end - 1);
	else if (from > 0)
		strvec_pushf(ret, "Range: bytes=%llu-", (unsigned long long)from);
	strvec_push(ret, "Accept-Encoding: identity");
}

static int range_on_head(void *arg, long status, const StrVec *headers, Err **err)
{
	RangeAnswer *a = arg;
	a->skip = 0;
	if (status == 200) {
		a->skip = a->from; /* the server sends all of it */
		a->whole = a->from > 0 || a->end < a->size;
	}
	if (status != 206)
		return 0;
	const char *range = strvec_env_get(headers, "content-range");
	Str text = str_of(range ? range : ""), unit, first;
	uint64_t start = 0;
	if (str_cut(&text, ' ', &unit) && str_eq_nocase(unit, "bytes") &&
		str_cut(&text, '-', &first) && str_to_u64(first, UINT64_MAX, &start, NULL) == 0 &&
		start == a->from)
		return 0;
	a->astray = true;
	return err_set(err, ERR_CORRUPT,
		"the server was asked for byte %llu on and answers with '%s'",
		(unsigned long long)a->from, range ? range : "nothing that says where it begins");
}

static int range_get(Repository *p, const Endpoint *e, const char *path, RangeAnswer *a,
	bool ranged, Writer *sink, HttpResponse *ret, Err **err)
{
	StrVec headers = {0};
	Call call = {.method = "GET",
		.path = path,
		.actions = "pull",
		.headers = &headers,
		.sink = sink,
		.on_head = range_on_head,
		.arg = a,
		.once = true};
	if (ranged)
		range_headers(a->from, a->end, a->size, &headers);
	int r = endpoint_call(p, e, &call, ret, NULL, err);
	strvec_done(&headers);
	return r;
}

int range_call(Repository *p, const Endpoint *e, const Digest *digest, RangeAnswer *a, Writer *sink,
	Err **err)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *path = xasprintf("/blobs/%s", digest_str(digest).s);
	_cleanup_free_ char *what = xasprintf("blob %s", digest_str(digest).s);
	_cleanup_err_ Err *why = NULL;
	int r = range_get(p, e, path, a, true, sink, &answer, &why);
	if (a->from > 0 && (a->astray || (r == 0 && answer.status == 416))) {
		http_response_done(&answer); /* then all of it, or it never goes on */
		why = err_free(why);
		r = range_get(p, e, path, a, false, sink, &answer, &why);
	}
	a->retry_after = -1;
	a->may_pass = r < 0 && http_fault_passes(why) && !endpoint_is_absent(p, e);
	if (r < 0 || (answer.status >= 200 && answer.status < 300))
		return err_move(err, &why);
	a->retry_after = answer_retry_after(p->registry, e, &answer);
	a->may_pass = retry_status(answer.status);
	return answer_error(e, &answer, what, err);
}

/* ---- the stream ---- */

/* Passes on what was not seen yet and no more than was promised. */
typedef struct Remainder {
	Writer writer;
	Writer *sink;
	RangeAnswer *answer;
	uint64_t at, size; /* of the blob */
} Remainder;

static int remainder_write(Writer *w, const void *buf, size_t len, Err **err)
{
	Remainder *m = (Remainder *)w;
	size_t skip = (size_t)MIN(m->answer->skip, (uint64_t)len);
	m->answer->skip -= skip;
	len -= skip;
	if (len > m->size - m->at)
		return err_set(err, ERR_DIGEST,
			"the server sends more than the %llu bytes that the manifest promises",
			(unsigned long long)m->size);
	int r = len ? writer_write(m->sink, (const char *)buf + skip, len, err) : 0;
	if (r == 0)
		m->at += len;
	return r;
}

static int remainder_finish(Writer *w _unused_, Err **err _unused_)
{
	return 0;
}

static void remainder_free(Writer *w _unused_)
{
}

int range_short(const Endpoint *e, const Digest *digest, RangeAnswer *a, uint64_t at, Err **err)
{
	a->may_pass = true;
	return err_set(err, ERR_DIGEST, "'%s' sends %llu of the %llu bytes of blob %s", e->host,
		(unsigned long long)at, (unsigned long long)a->end, digest_str(digest).s);
}

bool range_try_again(Repository *p, const Endpoint *e, const RangeAnswer *a, uint64_t progress,
	unsigned *tries, const Err *why)
{
	if (progress >= PROGRESS_BYTES)
		*tries = 0;
	if (!a->may_pass || ++*tries >= RETRY_MAX_TRIES)
		return false;
	log_debug("registry", "%s; try %u", why ? why->message : "cut", *tries);
	backoff_failed(host_state(p->registry, e->address)->backoff, *tries - 1, a->retry_after);
	return true;
}

static int get_from(Repository *p, const Endpoint *e, const Digest *d, Remainder *m, Err **err)
{
	unsigned tries = 0;
	for (;;) {
		_cleanup_err_ Err *why = NULL;
		uint64_t before = m->at;
		RangeAnswer a = {.from = m->at, .end = m->size, .size = m->size};
		m->answer = &a;
		int r = range_call(p, e, d, &a, &m->writer, &why);
		if (r == 0 && m->at == m->size)
			return 0;
		if (r == 0)
			r = range_short(e, d, &a, m->at, &why);
		if (!range_try_again(p, e, &a, m->at - before, &tries, why))
			return err_move(err, &why);
	}
}

int repository_blob_get(Repository *p, const Descriptor *d, uint64_t from, Writer *sink, Err **err)
{
	static const WriterOps ops = {remainder_write, remainder_finish, remainder_free};
	_cleanup_err_ Err *last = NULL;
	Remainder m = {.writer = {&ops}, .sink = sink, .at = from, .size = d->size};
	if (from == d->size)
		return 0;
	vec_foreach (&p->endpoints, e) {
		if (!(e->can & ENDPOINT_PULL) || endpoint_is_absent(p, e))
			continue;
		if (last)
			progress_warn(p->registry->progress, NULL, 0, "%s", last->message);
		last = err_free(last);
		if (get_from(p, e, &d->digest, &m, &last) == 0)
			return 0;
		if (err_is(last, ERR_CANCELLED) || err_is(last, ERR_SYS) ||
			err_is(last, ERR_NO_SPACE))
			break;
	}
	if (!last)
		return err_set(err, ERR_UNSUPPORTED,
			"no server is configured that '%s' may be pulled from", p->host);
	return err_move(err, &last);
}
