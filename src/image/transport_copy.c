#include "image/transport_copy.h"

#include "archive/compress.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/pool.h"
#include "image/ingest.h"
#include "oci/document.h"

#define BLOBS_AT_ONCE 4
#define MAX_DEPTH     6 /* of indexes in indexes, and of referrers of referrers */

typedef struct Copy {
	const TransportContext *context;
	Transport *source, *target;
	const CopyOptions *options;
	Transport *store; /* holds recompressed layers; NULL while there are none */
	Map seen;         /* hex digests of manifests and blobs that are there */
	Map made;         /* hex digests of blobs that come out of the store */
	StrVec own_tags;  /* when nobody has said the source's */
	const StrVec *tags;
} Copy;

/* ---- blobs ---- */

typedef struct Blobs {
	Copy *copy;
	Descriptors list; /* borrowed */
} Blobs;

static int copy_blob(void *arg, size_t i, Err **err)
{
	const Blobs *b = arg;
	Copy *c = b->copy;
	Progress *progress = c->context->progress;
	const Descriptor *d = &b->list.items[i];
	Transport *source =
		map_has(&c->made, str_of(digest_hex(&d->digest).s)) ? c->store : c->source;
	unsigned id = progress_next_id();
	_cleanup_free_ char *name = xasprintf("blob %.19s", digest_str(&d->digest).s);
	_cleanup_err_ Err *e = NULL;
	BlobOutcome outcome = BLOB_UPLOADED;
	progress_state(progress, id, name, PROGRESS_STARTED, NULL);
	int r = transport_put_blob(c->target, d, source, id, &outcome, &e);
	progress_state(progress, id, name,
		r == -ERR_CANCELLED                ? PROGRESS_CANCELLED
			: r < 0                    ? PROGRESS_FAILED
			: outcome == BLOB_UPLOADED ? PROGRESS_DONE
						   : PROGRESS_CACHED,
		e);
	return err_move(err, &e);
}

/* Layers that may not be distributed stay where their URLs are. */
static bool is_foreign(const Descriptor *d)
{
	return strstr(d->media_type, "foreign") || strstr(d->media_type, "nondistributable");
}

static int copy_blobs(Copy *c, const OciDocument *document, Err **err)
{
	Blobs b = {.copy = c};
	if (map_put(&c->seen, str_of(digest_hex(&document->config.digest).s), c))
		vec_push(&b.list, document->config);
	vec_foreach (&document->below, d)
		if (!is_foreign(d) && map_put(&c->seen, str_of(digest_hex(&d->digest).s), c))
			vec_push(&b.list, *d);
	progress_plan(c->context->progress, b.list.len);
	int r = threads_each(
		b.list.len, transport_is_serial(c->target) ? 1 : BLOBS_AT_ONCE, copy_blob, &b, err);
	vec_done(&b.list);
	return r;
}

/* ---- recompression ---- */

static bool is_compressed_so(const Descriptor *layer, Compression wanted)
{
	bool zstd = strstr(layer->media_type, "zstd") != NULL;
	bool gzip = strstr(layer->media_type, "gzip") != NULL;
	return wanted == COMPRESSION_ZSTD    ? zstd
		: wanted == COMPRESSION_GZIP ? gzip
					     : !zstd && !gzip;
}

/* The source's bytes are verified before anything made of them is used. */
static int recompress(Copy *c, const Descriptor *layer, Descriptor *ret, Err **err)
{
	const CopyOptions *o = c->options;
	Reader *raw = NULL, *plain = NULL;
	Digest real;
	uint64_t size = 0;
	int r = transport_blob(c->source, layer, 0, &raw, err);
	if (r < 0)
		return r;
	Reader *hashed = digest_reader_new(raw);
	r = decompress_reader_auto(hashed, NULL, NULL, &plain, err);
	if (r < 0)
		return r;
	r = ingest_tar(
		c->context->store, plain, o->compression, o->level, o->pool, NULL, ret, NULL, err);
	if (r == 0) {
		digest_reader_result(hashed, &real, &size);
		if (size != layer->size || !digest_eq(&real, &layer->digest)) {
			descriptor_done(ret);
			r = err_set(err, ERR_DIGEST, "layer %s has the digest %s",
				digest_str(&layer->digest).s, digest_str(&real).s);
		}
	}
	reader_free(plain);
	if (r == 0)
		map_put(&c->made, str_of(digest_hex(&ret->digest).s), c);
	return r;
}

/* An image's layers in the compression wanted: *d and *bytes become the new manifest's, whose types are OCI's, for
 * docker's have none for zstd. Nothing changes when they have it, or when it is no image. */
static int recompress_manifest(Copy *c, Descriptor *d, Buf *bytes, Err **err)
{
	_cleanup_(manifest_done) Manifest m = {0};
	bool other = false;
	int r = manifest_parse(buf_view(bytes), "manifest", &m, err);
	if (r < 0 || !store_config_is_image(&m.config))
		return r;
	for (size_t i = 0; r == 0 && i < m.layers.len; i++) {
		Descriptor *layer = &m.layers.items[i], made = {0};
		if (!media_type_is_layer(layer->media_type) || is_foreign(layer))
			continue;
		if (is_compressed_so(layer, c->options->compression)) {
			free(layer->media_type);
			layer->media_type = xstrdup(layer_media_type(c->options->compression));
			continue;
		}
		other = true;
		r = recompress(c, layer, &made, err);
		if (r == 0) {
			descriptor_done(layer);
			*layer = made;
		}
	}
	if (r < 0 || !other)
		return r;
	free(m.media_type);
	free(m.config.media_type);
	m.media_type = xstrdup(MT_OCI_MANIFEST);
	m.config.media_type = xstrdup(MT_OCI_CONFIG);
	_cleanup_free_ char *text = manifest_text(&m);
	buf_clear(bytes);
	buf_cstr(bytes, text);
	free(d->media_type);
	d->media_type = xstrdup(MT_OCI_MANIFEST);
	d->size = bytes->len;
	digest_of(bytes->ptr, bytes->len, &d->digest);
	return 0;
}

/* ---- manifests ---- */

static int copy_tree(Copy *c, Descriptor *d, Buf *bytes, const char *to, unsigned depth, Err **err);

static int copy_by_digest(Copy *c, const Digest *digest, unsigned depth, Descriptor *ret, Err **err)
{
	_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
	DigestStr text = digest_str(digest);
	int r = transport_manifest(c->source, text.s, ret, &bytes, err);
	return r < 0 ? r : copy_tree(c, ret, &bytes, NULL, depth + 1, err);
}

/* Every manifest of an index; those that changed are put into it anew. */
static int copy_members(Copy *c, Descriptor *d, Buf *bytes, unsigned depth, Err **err)
{
	_cleanup_(image_index_done) ImageIndex index = {0};
	bool changed = false;
	int r = image_index_parse(buf_view(bytes), "index", &index, err);
	for (size_t i = 0; r == 0 && i < index.manifests.len; i++) {
		Descriptor *member = &index.manifests.items[i], now = {0};
		r = copy_by_digest(c, &member->digest, depth, &now, err);
		if (r == -ERR_NOT_FOUND)
			err_hint(err,
				"not all platforms of the index are there: copy one with --platform");
		if (r == 0 && !digest_eq(&now.digest, &member->digest)) {
			changed = true;
			member->digest = now.digest;
			member->size = now.size;
			free(member->media_type);
			member->media_type = xstrdup(now.media_type);
		}
		descriptor_done(&now);
	}
	if (r < 0 || !changed)
		return r;
	_cleanup_free_ char *text = image_index_text(&index);
	buf_clear(bytes);
	buf_cstr(bytes, text);
	d->size = bytes->len;
	digest_of(bytes->ptr, bytes->len, &d->digest);
	return 0;
}

static int copy_cosign(Copy *c, const Digest *subject, unsigned depth, Err **err)
{
	static const char *const endings[] = {"sig", "att", "sbom"};
	int r = 0;
	if (!c->tags)
		r = transport_tags(c->source, &c->own_tags, err);
	if (!c->tags)
		c->tags = &c->own_tags;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(endings); i++) {
		_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
		_cleanup_(descriptor_done) Descriptor d = {0};
		_cleanup_free_ char *tag =
			xasprintf("sha256-%s.%s", digest_hex(subject).s, endings[i]);
		if (!strvec_has(c->tags, tag))
			continue;
		r = transport_manifest(c->source, tag, &d, &bytes, err);
		if (r == 0)
			r = copy_tree(c, &d, &bytes, tag, depth + 1, err);
	}
	return r;
}

static int copy_referrers(Copy *c, const Digest *subject, unsigned depth, Err **err)
{
	_cleanup_(image_index_done) ImageIndex list = {0};
	int r = transport_referrers(c->source, subject, &list, err);
	for (size_t i = 0; r == 0 && i < list.manifests.len; i++) {
		_cleanup_(descriptor_done) Descriptor d = {0};
		r = copy_by_digest(c, &list.manifests.items[i].digest, depth, &d, err);
	}
	return r < 0 ? r : copy_cosign(c, subject, depth, err);
}

/* *d and *bytes are of the source, and then of what is at the target. */
static int copy_tree(Copy *c, Descriptor *d, Buf *bytes, const char *to, unsigned depth, Err **err)
{
	_cleanup_(oci_document_done) OciDocument document = {0};
	Digest before = d->digest, named;
	if (depth > MAX_DEPTH)
		return err_set(err, ERR_LIMIT, "%s is nested too deeply", digest_str(&d->digest).s);
	if (!to && map_has(&c->seen, str_of(digest_hex(&d->digest).s)))
		return 0;
	int r = media_type_is_index(d->media_type) ? copy_members(c, d, bytes, depth, err)
		: c->options->recompress           ? recompress_manifest(c, d, bytes, err)
						   : 0;
	if (r == 0)
		r = oci_document_parse(buf_view(bytes), d->media_type, "manifest", &document, err);
	if (r == 0 && to && digest_parse(str_of(to), &named, NULL) == 0 &&
		!digest_eq(&named, &d->digest))
		r = err_set(err, ERR_USAGE, "what is copied has the digest %s, not %s",
			digest_str(&d->digest).s, to);
	if (r == 0 && !document.is_index)
		r = copy_blobs(c, &document, err);
	if (r == 0)
		r = transport_put_manifest(c->target, to, d, buf_view(bytes), err);
	if (r < 0)
		return r;
	map_put(&c->seen, str_of(digest_hex(&d->digest).s), c);
	if (!c->options->referrers)
		return 0;
	if (digest_eq(&before, &d->digest))
		return copy_referrers(c, &before, depth, err);
	progress_warn(c->context->progress, NULL, 0,
		"%s is recompressed: what refers to it does not fit any more and stays behind",
		digest_str(&before).s);
	return 0;
}

static int select_platform(Copy *c, Descriptor *d, Buf *bytes, Err **err)
{
	_cleanup_(image_index_done) ImageIndex index = {0};
	if (!c->options->platform || !media_type_is_index(d->media_type))
		return 0;
	int r = image_index_parse(buf_view(bytes), "index", &index, err);
	if (r < 0)
		return r;
	const Descriptor *chosen = image_index_select(&index, c->options->platform);
	if (!chosen) {
		_cleanup_free_ char *wanted = platform_format(c->options->platform);
		return err_set(err, ERR_NOT_FOUND, "index %s has no image for the platform %s",
			digest_str(&d->digest).s, wanted);
	}
	DigestStr text = digest_str(&chosen->digest);
	descriptor_done(d);
	*d = (Descriptor){0};
	buf_clear(bytes);
	return transport_manifest(c->source, text.s, d, bytes, err);
}

int image_copy(const TransportContext *context, Transport *source, const char *from,
	Transport *target, const char *to, const CopyOptions *options, Descriptor *ret, Err **err)
{
	Copy c = {.context = context,
		.source = source,
		.target = target,
		.options = options,
		.tags = options->tags,
		.seen = MAP_INIT(NULL),
		.made = MAP_INIT(NULL)};
	_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
	Descriptor d = {0};
	int r = transport_manifest(source, from, &d, &bytes, err);
	if (r == 0)
		r = select_platform(&c, &d, &bytes, err);
	if (r == 0 && options->recompress)
		r = transport_open(context, "recompressed", TRANSPORT_SOURCE, &c.store, err);
	if (r == 0 && options->referrers && is_referrers_tag(from) && cstr_eq(from, to) &&
		media_type_is_index(d.media_type)) {
		r = copy_members(&c, &d, &bytes, 0, err);
	} else if (r == 0) {
		DigestStr digest = digest_str(&d.digest);
		const char *name = to || options->part ? to : digest.s;
		r = copy_tree(&c, &d, &bytes, name, 0, err);
	}
	transport_free(c.store);
	map_done(&c.seen);
	map_done(&c.made);
	strvec_done(&c.own_tags);
	if (r < 0)
		descriptor_done(&d);
	else
		*ret = d;
	return r;
}
