/* An OCI layout as one end of a copy: to read, a directory or an archive alike; to write, through layout_out. */
#include "base/limits.h"
#include "image/archive_source.h"
#include "image/layout_out.h"
#include "image/transport_int.h"
#include "oci/document.h"

#define ANNOTATION_REF        "org.opencontainers.image.ref.name"
#define ANNOTATION_CONTAINERD "io.containerd.image.name"

/* ---- as a source ---- */

typedef struct LayoutSource {
	Transport base;
	ArchiveSource *source;
	ImageIndex index;
} LayoutSource;

static const char *name_of(const Descriptor *d)
{
	const char *name = strvec_env_get(&d->annotations, ANNOTATION_REF);
	return name ? name : strvec_env_get(&d->annotations, ANNOTATION_CONTAINERD);
}

/* Layouts name images as their writers like: by a tag, by a whole reference. */
static bool is_named(const Descriptor *d, const char *target)
{
	const char *name = name_of(d);
	Reference its = {0}, wanted = {0};
	if (cstr_eq(name, target))
		return true;
	if (!name || reference_parse(str_of(name), &its, NULL) < 0)
		return false;
	bool same = strpbrk(name, "/:") && cstr_eq(its.tag, target);
	if (!same && strpbrk(target, "/:") && reference_parse(str_of(target), &wanted, NULL) == 0) {
		_cleanup_free_ char *a = reference_full(&its), *b = reference_full(&wanted);
		same = strcmp(a, b) == 0;
	}
	reference_done(&its);
	reference_done(&wanted);
	return same;
}

static int not_one(const LayoutSource *l, const char *target, size_t found, Err **err)
{
	_cleanup_buf_ Buf names = BUF_INIT(LIMIT_MANIFEST_SIZE);
	vec_foreach (&l->index.manifests, d)
		if (name_of(d))
			buf_printf(&names, "%s%s", names.len ? ", " : "", name_of(d));
	int r = target ? err_set(err, ERR_NOT_FOUND, "%s images are called '%s'",
				 found ? "several" : "no", target)
		       : err_set(err, ERR_USAGE,
				 "there is not one image but %zu: say which, behind a colon",
				 l->index.manifests.len);
	if (names.len)
		err_hint(err, "there are: %s", buf_view(&names).ptr);
	return r;
}

static int find(const LayoutSource *l, const char *target, const Descriptor **ret, Err **err)
{
	size_t found = 0;
	vec_foreach (&l->index.manifests, d) {
		if (target && !is_named(d, target))
			continue;
		if (!found || !digest_eq(&(*ret)->digest, &d->digest))
			found++;
		*ret = d;
	}
	return found == 1 ? 0 : not_one(l, target, found, err);
}

static int read_blob(const LayoutSource *l, const Digest *d, Buf *bytes, Err **err)
{
	_cleanup_free_ char *name = xasprintf("blobs/sha256/%s", digest_hex(d).s);
	Digest real;
	int r = archive_source_text(l->source, name, LIMIT_MANIFEST_SIZE, bytes, err);
	if (r < 0)
		return r;
	digest_of(bytes->ptr, bytes->len, &real);
	if (!digest_eq(&real, d))
		return err_set(
			err, ERR_DIGEST, "'%s' has the digest %s", name, digest_str(&real).s);
	return 0;
}

static int get_manifest(
	Transport *t, const char *target, Descriptor *ret, Buf *ret_bytes, Err **err)
{
	LayoutSource *l = (LayoutSource *)t;
	_cleanup_(oci_document_done) OciDocument document = {0};
	_cleanup_buf_ Buf own = BUF_INIT(LIMIT_MANIFEST_SIZE);
	Buf *bytes = ret_bytes ? ret_bytes : &own;
	const Descriptor *named = NULL;
	Digest digest;
	if (!target || digest_parse(str_of(target), &digest, NULL) < 0) {
		int r = find(l, target, &named, err);
		if (r < 0)
			return r;
		digest = named->digest;
	}
	int r = read_blob(l, &digest, bytes, err);
	if (r == 0)
		r = oci_document_parse(buf_view(bytes), named ? named->media_type : "", "manifest",
			&document, err);
	if (r == 0)
		*ret = (Descriptor){.media_type = xstrdup(document.media_type),
			.digest = digest,
			.size = bytes->len};
	return r;
}

static int get_blob(Transport *t, const Descriptor *d, uint64_t offset, Reader **ret, Err **err)
{
	const LayoutSource *l = (const LayoutSource *)t;
	_cleanup_free_ char *name = xasprintf("blobs/sha256/%s", digest_hex(&d->digest).s);
	_cleanup_(reader_freep) Reader *body = NULL;
	uint64_t size = 0;
	int r = archive_source_member(l->source, name, &body, &size, err);
	if (r == 0 && size != d->size)
		r = err_set(err, ERR_DIGEST, "'%s' has %llu bytes, not %llu", name,
			(unsigned long long)size, (unsigned long long)d->size);
	if (r == 0)
		r = reader_skip(body, offset, err);
	if (r == 0)
		*ret = TAKE_PTR(body);
	return r;
}

static int get_tags(Transport *t, StrVec *ret, Err **err _unused_)
{
	const LayoutSource *l = (const LayoutSource *)t;
	vec_foreach (&l->index.manifests, d)
		if (name_of(d))
			strvec_push(ret, name_of(d));
	return 0;
}

/* Those that index.json lists, as ORAS and cruet write them. */
static int get_referrers(Transport *t, const Digest *subject, ImageIndex *ret, Err **err)
{
	const LayoutSource *l = (const LayoutSource *)t;
	*ret = (ImageIndex){.media_type = xstrdup(MT_OCI_INDEX)};
	int r = 0;
	for (size_t i = 0; r == 0 && i < l->index.manifests.len; i++) {
		const Descriptor *d = &l->index.manifests.items[i];
		_cleanup_(oci_document_done) OciDocument document = {0};
		_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
		if (read_blob(l, &d->digest, &bytes, NULL) < 0 ||
			oci_document_parse(
				buf_view(&bytes), d->media_type, "manifest", &document, NULL) < 0 ||
			!document.has_subject || !digest_eq(&document.subject, subject))
			continue;
		_cleanup_json_ json_t *entry =
			oci_document_descriptor(&document, &d->digest, d->size);
		Descriptor listed = {0};
		r = descriptor_read(entry, "referrer", &listed, err);
		if (r == 0)
			vec_push(&ret->manifests, listed);
	}
	if (r < 0)
		image_index_done(ret);
	return r;
}

static void free_source(Transport *t)
{
	LayoutSource *l = (LayoutSource *)t;
	archive_source_free(l->source);
	image_index_done(&l->index);
	free(l);
}

int transport_layout_open(
	const TransportContext *c, const char *path, const char *tag, Transport **ret, Err **err)
{
	static const TransportOps ops = {
		.manifest = get_manifest,
		.blob = get_blob,
		.tags = get_tags,
		.referrers = get_referrers,
		.free = free_source,
	};
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
	LayoutSource *l = xnew(LayoutSource);
	l->base = (Transport){.ops = &ops, .context = c, .target = tag ? xstrdup(tag) : NULL};
	_cleanup_(transport_freep) Transport *t = &l->base;
	ERR_SCOPE(err, "'%s'", path);
	int r = archive_source_open(c->store, path, c->progress, &l->source, err);
	if (r == 0 && !archive_source_has(l->source, "index.json") &&
		archive_source_has(l->source, "manifest.json"))
		r = err_set(err, ERR_UNSUPPORTED,
			"is a docker-archive, not an OCI layout: write docker-archive: before it");
	if (r == 0)
		r = archive_source_text(l->source, "index.json", LIMIT_MANIFEST_SIZE, &text, err);
	if (r == 0)
		r = image_index_parse(buf_view(&text), "index.json", &l->index, err);
	if (r == 0)
		*ret = TAKE_PTR(t);
	return r;
}

/* ---- as a target ---- */

typedef struct LayoutTarget {
	Transport base;
	LayoutOut *out;
	ArchiveFile file; /* of an archive */
} LayoutTarget;

static int put_blob(Transport *t, const Descriptor *d, Transport *source, unsigned progress_id,
	BlobOutcome *ret, Err **err)
{
	LayoutTarget *l = (LayoutTarget *)t;
	Reader *raw = NULL;
	*ret = BLOB_KNOWN;
	if (layout_out_has(l->out, d))
		return 0;
	*ret = BLOB_UPLOADED;
	int r = transport_blob(source, d, 0, &raw, err);
	if (r < 0)
		return r;
	_cleanup_(reader_freep) Reader *body =
		progress_reader_new(raw, t->context->progress, progress_id, d->size);
	return layout_out_blob(l->out, d, body, true, err);
}

static int put_manifest(Transport *t, const char *target, const Descriptor *d, Str bytes, Err **err)
{
	LayoutTarget *l = (LayoutTarget *)t;
	_cleanup_(oci_document_done) OciDocument document = {0};
	_cleanup_(reader_freep) Reader *body = mem_reader_new(bytes.ptr, bytes.len);
	Digest digest;
	int r = oci_document_parse(bytes, d->media_type, "manifest", &document, err);
	if (r == 0)
		r = layout_out_blob(l->out, d, body, true, err);
	if (r < 0 || (!target && !document.has_subject))
		return r;
	bool tagged = target && digest_parse(str_of(target), &digest, NULL) < 0;
	Descriptor listed = {
		.media_type = xstrdup(document.media_type), .digest = d->digest, .size = d->size};
	layout_out_list(l->out, &listed, tagged ? target : NULL);
	descriptor_done(&listed);
	return 0;
}

static int finish(Transport *t, Err **err)
{
	LayoutTarget *l = (LayoutTarget *)t;
	int r = layout_out_finish(l->out, err);
	return r < 0 || !l->file.file ? r : archive_file_commit(&l->file, err);
}

static void free_target(Transport *t)
{
	LayoutTarget *l = (LayoutTarget *)t;
	layout_out_free(l->out);
	archive_file_done(&l->file);
	free(l);
}

static LayoutTarget *target_new(const TransportContext *c, const char *tag)
{
	static const TransportOps ops = {
		.put_blob = put_blob,
		.put_manifest = put_manifest,
		.finish = finish,
		.free = free_target,
	};
	LayoutTarget *l = xnew(LayoutTarget);
	l->base = (Transport){.ops = &ops, .context = c, .target = tag ? xstrdup(tag) : NULL};
	l->file.dir = -1;
	return l;
}

int transport_layout_create(
	const TransportContext *c, const char *dir, const char *tag, Transport **ret, Err **err)
{
	LayoutTarget *l = target_new(c, tag);
	int r = layout_out_directory(dir, true, &l->out, err);
	if (r < 0)
		transport_free(&l->base);
	else
		*ret = &l->base;
	return r;
}

int transport_archive_create(
	const TransportContext *c, const char *file, const char *tag, Transport **ret, Err **err)
{
	LayoutTarget *l = target_new(c, tag);
	_cleanup_(transport_freep) Transport *t = &l->base;
	int r = archive_file_open(file, &l->file, err);
	if (r < 0)
		return r;
	l->base.serial = true;
	l->out = layout_out_archive(l->file.stream);
	*ret = TAKE_PTR(t);
	return 0;
}
