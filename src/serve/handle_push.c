/* Manifests on their way in, and deleting them. */
#include "base/limits.h"
#include "oci/document.h"
#include "serve/reponame.h"
#include "serve/serve_int.h"
#include "store/kept.h"

#define TAGS_MAX 16 /* ?tag= of one push */

/* ---- the body ---- */

static void release(Request *q)
{
	budget_give(q->serve, q->manifest.cap);
	buf_done(&q->manifest);
}

static void begin_manifest(Request *q)
{
	q->manifest = BUF_INIT(LIMIT_MANIFEST_SIZE);
	if (q->has_length && q->length > LIMIT_MANIFEST_SIZE)
		response_error(&q->reply, 413, "SIZE_INVALID",
			"a manifest may have %u bytes, this one has %llu", LIMIT_MANIFEST_SIZE,
			(unsigned long long)q->length);
	else if (q->route.digest == DIGEST_BAD)
		response_error(&q->reply, 400, "DIGEST_INVALID", "'%.160s' is no digest",
			q->route.reference);
	else if (q->route.digest == DIGEST_FOREIGN)
		response_error(&q->reply, 400, "UNSUPPORTED",
			"this registry keeps its content by sha256 only");
	else if (q->route.digest == DIGEST_NONE && !q->route.is_tag)
		response_error(
			&q->reply, 400, "TAG_INVALID", "'%.160s' is no tag", q->route.reference);
}

static int take_manifest(Request *q, const void *data, size_t len, Err **err)
{
	size_t before = q->manifest.cap;
	buf_append(&q->manifest, data, len);
	bool fits = budget_take(q->serve, q->manifest.cap - before);
	if (q->manifest.overflow)
		return err_set(err, ERR_LIMIT, "a manifest may have %u bytes", LIMIT_MANIFEST_SIZE);
	if (fits || q->manifest.cap <= SERVE_SMALL)
		return 0;
	response_busy(&q->reply, TOO_MUCH);
	return err_set(err, ERR_LIMIT, "too many large manifests");
}

/* ---- keeping it ---- */

static bool may_be_absent(const Descriptor *layer)
{
	return strstr(layer->media_type, ".nondistributable.") ||
		strstr(layer->media_type, ".foreign.");
}

/* Everything a manifest names has to be there: the store never has half an image. An index may name manifests that
 * stay elsewhere. */
static int check_below(Store *s, const OciDocument *d, Err **err)
{
	uint64_t size = 0;
	if (d->is_index)
		return 0;
	if (!store_blob_has(s, &d->config.digest, NULL))
		return err_set(err, ERR_NOT_FOUND, "the config %s was not pushed",
			digest_str(&d->config.digest).s);
	vec_foreach (&d->below, layer) {
		bool present = store_blob_has(s, &layer->digest, &size);
		if (!present && !may_be_absent(layer))
			return err_set(err, ERR_NOT_FOUND, "the blob %s was not pushed",
				digest_str(&layer->digest).s);
		if (present && size != layer->size)
			return err_set(err, ERR_CORRUPT,
				"the blob %s has %llu bytes, the manifest says %llu",
				digest_str(&layer->digest).s, (unsigned long long)size,
				(unsigned long long)layer->size);
	}
	return 0;
}

/* The tag's manifest of before stays pullable by its digest. */
static int keep_former(
	Serve *v, const char *repository, const char *tag, const Digest *now, Err **err)
{
	_cleanup_strvec_ StrVec one = {0}, tags = {0};
	Descriptor former = {0};
	strvec_push(&one, repository);
	if (catalog_manifest(v->catalog, &one, tag, NULL, &former, NULL, NULL) < 0)
		return 0;
	int r = digest_eq(&former.digest, now)
		? 0
		: catalog_tags_of(v->catalog, repository, &former.digest, &tags, err);
	if (r == 0 && tags.len == 1)
		r = store_keep(v->store, repository, &former, err);
	descriptor_done(&former);
	return r;
}

static int name_it(
	Serve *v, const char *repository, const StrVec *tags, const Descriptor *d, Err **err)
{
	_cleanup_strvec_ StrVec names = {0};
	int r = 0;
	if (tags->len == 0) /* nothing to do when a tag has it already */
		return store_keep(v->store, repository, d, err);
	for (size_t i = 0; r == 0 && i < tags->len; i++) {
		strvec_pushf(&names, "%s:%s", repository, tags->items[i]);
		r = keep_former(v, repository, tags->items[i], &d->digest, err);
	}
	if (r == 0)
		r = store_tag(v->store, &names, d, err);
	if (r == 0)
		store_unhide(v->store, repository, &d->digest);
	return r < 0 ? r : store_unkeep(v->store, repository, &d->digest, err);
}

/* In one turn, so that gc cannot take a blob between the look and the name. */
static int keep(Serve *v, const char *repository, const StrVec *tags, const OciDocument *doc,
	const Descriptor *d, Str text, Err **err)
{
	int r = store_turn_begin(v->store, err);
	if (r < 0)
		return r;
	r = check_below(v->store, doc, err);
	if (r == 0)
		r = store_blob_put(v->store, text, NULL, err);
	if (r == 0)
		r = name_it(v, repository, tags, d, err);
	for (size_t i = 0; r == 0 && !doc->is_index && i < doc->below.len; i++)
		store_pending_end(v->store, &doc->below.items[i].digest);
	if (r == 0 && !doc->is_index)
		store_pending_end(v->store, &doc->config.digest);
	store_turn_end(v->store);
	return r;
}

static bool push_tags(Request *q, StrVec *ret)
{
	if (q->route.is_tag && q->route.digest == DIGEST_NONE) {
		strvec_push(ret, q->route.reference);
		return true;
	}
	for (size_t i = 0; i < q->route.query.len; i++) {
		const char *pair = q->route.query.items[i];
		if (!cstr_starts(pair, "tag="))
			continue;
		bool valid = tag_valid(str_of(pair + 4));
		if (!valid || ret->len == TAGS_MAX) {
			response_error(&q->reply, valid ? 414 : 400, "TAG_INVALID",
				valid ? "'%.160s' is a tag too many" : "'%.160s' is no tag",
				pair + 4);
			return false;
		}
		if (!strvec_has(ret, pair + 4))
			strvec_push(ret, pair + 4);
	}
	return true;
}

static void answer_put(Request *q, const OciDocument *doc, const Descriptor *d, const StrVec *tags)
{
	response_status(&q->reply, 201);
	response_header(&q->reply, "Location", "/v2/%s/manifests/%s", q->route.name,
		digest_str(&d->digest).s);
	response_header(&q->reply, "Docker-Content-Digest", "%s", digest_str(&d->digest).s);
	if (doc->has_subject)
		response_header(&q->reply, "OCI-Subject", "%s", digest_str(&doc->subject).s);
	for (size_t i = 0; q->route.digest == DIGEST_OURS && i < tags->len; i++)
		response_header(&q->reply, "OCI-Tag", "%s", tags->items[i]);
}

static void put_manifest(Request *q)
{
	_cleanup_err_ Err *e = NULL;
	_cleanup_strvec_ StrVec tags = {0};
	OciDocument doc = {0};
	_cleanup_free_ char *repository = request_target_repository(q);
	const char *type = request_header(q, "Content-Type");
	Str text = buf_view(&q->manifest);
	Descriptor d = {.size = text.len};
	if (!repository || !push_tags(q, &tags)) {
		release(q);
		return;
	}
	digest_of(text.ptr, text.len, &d.digest);
	large_begin(q->serve, text.len);
	if (q->route.digest == DIGEST_OURS && !digest_eq(&d.digest, &q->route.digest_value))
		response_error(&q->reply, 400, "DIGEST_INVALID", "the manifest has the digest %s",
			digest_str(&d.digest).s);
	else if (oci_document_parse(text, type ? type : "", "the manifest", &doc, &e) < 0)
		response_error(&q->reply, 400, "MANIFEST_INVALID", "%s", e->message);
	if (!request_answered(q)) {
		d.media_type = doc.media_type;
		/* who is told that it is there may delete his own */
		if (keep(q->serve, repository, &tags, &doc, &d, text, &e) == 0 &&
			store_sync(q->serve->store, &e) == 0)
			answer_put(q, &doc, &d, &tags);
		else if (e->code == ERR_NOT_FOUND)
			response_error(&q->reply, 404, "MANIFEST_BLOB_UNKNOWN", "%s", e->message);
		else
			response_failure(&q->reply, e, "MANIFEST_UNKNOWN");
	}
	oci_document_done(&doc);
	large_end(q->serve, text.len);
	release(q);
}

static void abort_manifest(Request *q)
{
	release(q);
}

/* ---- deleting ---- */

/* The tag goes, its manifest stays as one without. */
static int delete_tag(Request *q, Err **err)
{
	Serve *v = q->serve;
	_cleanup_free_ char *repository = NULL;
	_cleanup_strvec_ StrVec tags = {0};
	Descriptor d = {0};
	int r = catalog_manifest(
		v->catalog, &q->names, q->route.reference, NULL, &d, &repository, err);
	if (r < 0)
		return r;
	r = catalog_tags_of(v->catalog, repository, &d.digest, &tags, err);
	if (r == 0 && tags.len <= 1)
		r = store_keep(v->store, repository, &d, err);
	_cleanup_free_ char *name = xasprintf("%s:%s", repository, q->route.reference);
	if (r == 0)
		r = store_untag(v->store, name, err);
	descriptor_done(&d);
	return r;
}

/* Whatever keeps it in these repositories goes; where an index still names it, it is hidden. */
static int delete_digest(Request *q, const Digest *d, Err **err)
{
	Serve *v = q->serve;
	int r = 0;
	for (size_t i = 0; r == 0 && i < q->names.len; i++) {
		_cleanup_strvec_ StrVec tags = {0}, full = {0}, one = {0};
		const char *repository = q->names.items[i];
		Descriptor still = {0};
		r = catalog_tags_of(v->catalog, repository, d, &tags, err);
		for (size_t t = 0; t < tags.len; t++)
			strvec_pushf(&full, "%s:%s", repository, tags.items[t]);
		if (r == 0 && full.len)
			r = store_untag_all(v->store, &full, err);
		if (r == 0)
			r = store_unkeep(v->store, repository, d, err);
		strvec_push(&one, repository);
		if (r < 0 || catalog_manifest(v->catalog, &one, NULL, d, &still, NULL, NULL) < 0)
			continue;
		descriptor_done(&still);
		r = store_hide(v->store, repository, d, err);
	}
	if (r == 0)
		r = catalog_manifest_held(v->catalog, d, err);
	if (r == 0) /* an entry of index.json without a name, from when a tag moved on */
		(void)!store_forget(v->store, d, NULL);
	return MIN(r, 0);
}

static void delete_manifest(Request *q)
{
	Serve *v = q->serve;
	const Route *route = &q->route;
	_cleanup_err_ Err *e = NULL;
	Descriptor d = {0};
	if (route->digest == DIGEST_BAD) {
		response_error(&q->reply, 400, "DIGEST_INVALID", "'%.160s' is no digest",
			route->reference);
		return;
	}
	bool by_digest = route->digest == DIGEST_OURS;
	int r = store_turn_begin(v->store, &e);
	if (r == 0) {
		r = catalog_manifest(v->catalog, &q->names, by_digest ? NULL : route->reference,
			&route->digest_value, &d, NULL, &e);
		if (r == 0 && by_digest && !store_blob_has(v->store, &d.digest, NULL))
			r = err_set(&e, ERR_NOT_FOUND, "there is no manifest %s", route->reference);
		if (r == 0)
			r = by_digest ? delete_digest(q, &d.digest, &e) : delete_tag(q, &e);
		descriptor_done(&d);
		store_turn_end(v->store);
	}
	if (r == 0)
		response_status(&q->reply, 202);
	else
		response_failure(&q->reply, e, "MANIFEST_UNKNOWN");
}

const Handler handlers_push[] = {
	{ROUTE_MANIFEST, METHOD_PUT, begin_manifest, take_manifest, put_manifest, abort_manifest},
	{ROUTE_MANIFEST, METHOD_DELETE, .end = delete_manifest},
};
const size_t n_handlers_push = ARRAY_SIZE(handlers_push);
