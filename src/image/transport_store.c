/* The store as one end of a copy. */
#include "base/limits.h"
#include "image/arrival.h"
#include "image/ingest.h"
#include "image/transport_int.h"
#include "oci/document.h"
#include "store/kept.h"
#include "store/reach.h"

typedef struct StoreTransport {
	Transport base;
	bool has_repository;
	Reference repository; /* of the name; its tag and digest do not matter */
} StoreTransport;

/* "host/path:tag"; owned. What the transport was opened with stays as it is: it may be an ID. */
static char *full_name(const Transport *t, const char *target)
{
	const StoreTransport *s = (const StoreTransport *)t;
	if (cstr_eq(target, t->target) || !s->has_repository)
		return xstrdup(target);
	return xasprintf("%s/%s:%s", s->repository.host, s->repository.path, target);
}

/* ---- as a source ---- */

static int get_manifest(
	Transport *t, const char *target, Descriptor *ret, Buf *ret_bytes, Err **err)
{
	Store *s = t->context->store;
	_cleanup_(oci_document_done) OciDocument document = {0};
	_cleanup_(descriptor_done) Descriptor d = {0};
	_cleanup_buf_ Buf own = BUF_INIT(LIMIT_MANIFEST_SIZE);
	_cleanup_free_ char *name = full_name(t, target);
	Buf *bytes = ret_bytes ? ret_bytes : &own;
	/* what an index names need not be listed itself */
	int r = digest_parse(str_of(target), &d.digest, NULL) == 0 ? 0
								   : store_named(s, name, &d, err);
	if (r == 0)
		r = store_blob_read(s, &d.digest, LIMIT_MANIFEST_SIZE, bytes, err);
	if (r == 0)
		r = oci_document_parse(buf_view(bytes), d.media_type ? d.media_type : "",
			"manifest", &document, err);
	if (r == 0)
		*ret = (Descriptor){.media_type = xstrdup(document.media_type),
			.digest = d.digest,
			.size = bytes->len};
	return r;
}

static int get_blob(Transport *t, const Descriptor *d, uint64_t offset, Reader **ret, Err **err)
{
	return store_blob_reader(t->context->store, &d->digest, offset, ret, err);
}

static int no_repository(const Transport *t, Err **err)
{
	return err_set(err, ERR_USAGE, "'%s' is no name of a repository", t->target);
}

static int get_tags(Transport *t, StrVec *ret, Err **err)
{
	const StoreTransport *s = (const StoreTransport *)t;
	StoreNames names = {0};
	int r = s->has_repository ? store_names(t->context->store, &names, err)
				  : no_repository(t, err);
	if (r < 0)
		return r;
	vec_foreach (&names, n) {
		Reference ref = {0};
		if (!n->name || reference_parse(str_of(n->name), &ref, NULL) < 0)
			continue;
		if (cstr_eq(ref.host, s->repository.host) &&
			cstr_eq(ref.path, s->repository.path) && ref.tag)
			strvec_push(ret, ref.tag);
		reference_done(&ref);
	}
	store_names_done(&names);
	return 0;
}

typedef struct Referrers {
	Store *store;
	const Digest *subject;
	ImageIndex *list;
} Referrers;

static int add_referrer(const Referrers *f, const Descriptor *d, Err **err)
{
	_cleanup_(oci_document_done) OciDocument document = {0};
	_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
	Descriptor listed = {0};
	if (store_blob_read(f->store, &d->digest, LIMIT_MANIFEST_SIZE, &bytes, NULL) < 0 ||
		oci_document_parse(buf_view(&bytes), d->media_type, "manifest", &document, NULL) <
			0 ||
		!document.has_subject || !digest_eq(&document.subject, f->subject))
		return 0;
	vec_foreach (&f->list->manifests, known)
		if (digest_eq(&known->digest, &d->digest))
			return 0;
	_cleanup_json_ json_t *entry = oci_document_descriptor(&document, &d->digest, d->size);
	int r = descriptor_read(entry, "referrer", &listed, err);
	if (r == 0)
		vec_push(&f->list->manifests, listed);
	return r;
}

static int add_kept(void *arg, const char *dir _unused_, const char *file, Err **err)
{
	const Referrers *f = arg;
	KeptManifest k = {0};
	if (cstr_starts(file, ".tmp-") || store_kept_read(f->store, file, &k, NULL) < 0)
		return 0;
	int r = add_referrer(f, &k.descriptor, err);
	kept_manifest_done(&k);
	return r;
}

/* Named manifests, and those that were pushed to 'cruet serve' by digest. */
static int get_referrers(Transport *t, const Digest *subject, ImageIndex *ret, Err **err)
{
	ImageIndex list = {.media_type = xstrdup(MT_OCI_INDEX)};
	Referrers f = {t->context->store, subject, &list};
	StoreNames names = {0};
	int r = store_names(f.store, &names, err);
	for (size_t i = 0; r == 0 && i < names.len; i++)
		r = add_referrer(&f, &names.items[i].descriptor, err);
	if (r == 0)
		r = store_each(f.store, STORE_KEPT, add_kept, &f, err);
	store_names_done(&names);
	if (r < 0)
		image_index_done(&list);
	else
		*ret = list;
	return r;
}

/* ---- as a target ---- */

static int put_blob(Transport *t, const Descriptor *d, Transport *source, unsigned progress_id,
	BlobOutcome *ret, Err **err)
{
	Store *s = t->context->store;
	Repository *from = transport_repository(source);
	Reader *raw = NULL;
	uint64_t size = 0;
	*ret = BLOB_KNOWN;
	if (store_blob_has(s, &d->digest, &size) && size == d->size)
		return 0;
	*ret = BLOB_UPLOADED;
	if (from) /* what came before an interruption is not fetched again */
		return blob_arrive(s, from, d, t->context->progress, progress_id, err);
	int r = transport_blob(source, d, 0, &raw, err);
	if (r < 0)
		return r;
	_cleanup_(reader_freep) Reader *body =
		progress_reader_new(raw, t->context->progress, progress_id, d->size);
	return ingest_blob(s, body, &d->digest, d->size, NULL, NULL, err);
}

/* To index a layer verifies its diffID. */
static int check_layers(Store *s, const OciDocument *document, Err **err)
{
	_cleanup_(config_done) ImageConfig config = {0};
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
	if (document->is_index || !store_config_is_image(&document->config))
		return 0;
	int r = store_blob_read(s, &document->config.digest, LIMIT_MANIFEST_SIZE, &text, err);
	if (r == 0)
		r = config_parse(buf_view(&text), "config", &config, err);
	if (r == 0 && config.diff_ids.len != document->below.len)
		r = err_set(err, ERR_CORRUPT, "the config has %zu diff_ids for %zu layers",
			config.diff_ids.len, document->below.len);
	for (size_t i = 0; r == 0 && i < document->below.len; i++) {
		_cleanup_(index_freep) Index *index = NULL;
		if (media_type_is_layer(document->below.items[i].media_type))
			r = layers_index(s, &document->below.items[i], &config.diff_ids.items[i],
				NULL, &index, err);
	}
	return r;
}

static int put_manifest(Transport *t, const char *target, const Descriptor *d, Str bytes, Err **err)
{
	const StoreTransport *st = (const StoreTransport *)t;
	Store *s = t->context->store;
	_cleanup_(oci_document_done) OciDocument document = {0};
	_cleanup_strvec_ StrVec names = {0};
	Descriptor named = {.media_type = d->media_type, .digest = d->digest, .size = d->size};
	Reference ref = {0};
	int r = oci_document_parse(bytes, d->media_type, "manifest", &document, err);
	if (r == 0)
		r = check_layers(s, &document, err);
	if (r == 0)
		r = store_blob_put(s, bytes, NULL, err);
	if (r < 0 || (!target && !document.has_subject))
		return r;
	if (!target) {
		_cleanup_free_ char *repository =
			xasprintf("%s/%s", st->repository.host, st->repository.path);
		r = store_kept_prepare(s, err);
		return r < 0 ? r : store_keep(s, repository, &named, err);
	}
	_cleanup_free_ char *name = full_name(t, target);
	r = reference_parse(str_of(name), &ref, err);
	if (r < 0)
		return r;
	strvec_take(&names, reference_full(&ref));
	reference_done(&ref);
	return store_tag(s, &names, &named, err);
}

static int finish(Transport *t _unused_, Err **err _unused_)
{
	return 0;
}

static void free_transport(Transport *t)
{
	StoreTransport *s = (StoreTransport *)t;
	reference_done(&s->repository);
	free(s);
}

int transport_store_open(
	const TransportContext *c, const char *name, TransportUse use, Transport **ret, Err **err)
{
	static const TransportOps ops = {
		.manifest = get_manifest,
		.blob = get_blob,
		.tags = get_tags,
		.referrers = get_referrers,
		.put_blob = put_blob,
		.put_manifest = put_manifest,
		.finish = finish,
		.free = free_transport,
	};
	Reference ref = {0};
	int r = reference_parse(str_of(name), &ref, use == TRANSPORT_TARGET ? err : NULL);
	if (r == 0 && use == TRANSPORT_TARGET && ref.has_digest) {
		reference_done(&ref);
		r = err_set(
			err, ERR_USAGE, "'%s' has a digest: names of the store have a tag", name);
	}
	if (r < 0 && use == TRANSPORT_TARGET)
		return r;
	StoreTransport *t = xnew(StoreTransport);
	t->base = (Transport){.ops = &ops, .context = c, .target = xstrdup(name)};
	t->has_repository = r == 0;
	t->repository = ref;
	*ret = &t->base;
	return 0;
}
