/* A docker-archive as one end of a copy: it has no manifests of its own, so images pass through the store, where they get
 * no name. */
#include <fcntl.h>
#include <stdio.h>

#include "image/transfer.h"
#include "image/transport_int.h"
#include "oci/document.h"

/* ---- as a source ---- */

static int choose(const NamedImages *images, const char *name, const Descriptor **ret, Err **err)
{
	Reference ref = {0};
	_cleanup_free_ char *full = NULL;
	if (name) {
		int r = reference_parse(str_of(name), &ref, err);
		if (r < 0)
			return r;
		full = reference_full(&ref);
		reference_done(&ref);
	}
	vec_foreach (images, i) {
		if (name && !cstr_eq(i->name, full))
			continue;
		if (*ret && !digest_eq(&(*ret)->digest, &i->descriptor.digest))
			return err_set(err, ERR_USAGE,
				"there is not one image but several: say which, behind a colon");
		*ret = &i->descriptor;
	}
	return *ret ? 0 : err_set(err, ERR_NOT_FOUND, "no image is called '%s'", name);
}

typedef struct DockerSource {
	Transport base;
	Transport *store;
	NamedImages images;
} DockerSource;

static int get_manifest(
	Transport *t, const char *target, Descriptor *ret, Buf *ret_bytes, Err **err)
{
	DockerSource *k = (DockerSource *)t;
	const Descriptor *chosen = NULL;
	Digest digest;
	if (!target || digest_parse(str_of(target), &digest, NULL) < 0) {
		int r = choose(&k->images, target, &chosen, err);
		if (r < 0)
			return r;
		digest = chosen->digest;
	}
	return transport_manifest(k->store, digest_str(&digest).s, ret, ret_bytes, err);
}

static int get_blob(Transport *t, const Descriptor *d, uint64_t offset, Reader **ret, Err **err)
{
	return transport_blob(((DockerSource *)t)->store, d, offset, ret, err);
}

static int get_tags(Transport *t, StrVec *ret, Err **err _unused_)
{
	vec_foreach (&((DockerSource *)t)->images, i)
		if (i->name)
			strvec_push(ret, i->name);
	return 0;
}

static int get_referrers(Transport *t, const Digest *subject, ImageIndex *ret, Err **err)
{
	return transport_referrers(((DockerSource *)t)->store, subject, ret, err);
}

static void free_source(Transport *t)
{
	DockerSource *k = (DockerSource *)t;
	transport_free(k->store);
	named_images_done(&k->images);
	free(k);
}

int transport_docker_open(
	const TransportContext *c, const char *path, const char *name, Transport **ret, Err **err)
{
	static const TransportOps ops = {
		.manifest = get_manifest,
		.blob = get_blob,
		.tags = get_tags,
		.referrers = get_referrers,
		.free = free_source,
	};
	DockerSource *k = xnew(DockerSource);
	k->base = (Transport){.ops = &ops, .context = c, .target = name ? xstrdup(name) : NULL};
	_cleanup_(transport_freep) Transport *t = &k->base;
	ERR_SCOPE(err, "'%s'", path);
	int r = image_load(c->store, path, false, NULL, c->progress, &k->images, err);
	if (r == 0)
		r = transport_store_open(c, "archived", TRANSPORT_SOURCE, &k->store, err);
	if (r == 0)
		*ret = TAKE_PTR(t);
	return r;
}

/* ---- as a target ---- */

typedef struct DockerTarget {
	Transport base;
	Transport *store;
	ArchiveFile file;
	NamedImages images;
} DockerTarget;

/* The name that the archive was opened with, or another tag of that repository. */
static int image_name(const Transport *t, const char *target, char **ret, Err **err)
{
	Reference ref = {0};
	if (!t->target)
		return err_set(err, ERR_USAGE,
			"for tags a repository is needed: docker-archive:FILE:NAME");
	int r = reference_parse(str_of(t->target), &ref, err);
	if (r == 0)
		*ret = cstr_eq(target, t->target)
			? reference_full(&ref)
			: xasprintf("%s/%s:%s", ref.host, ref.path, target);
	reference_done(&ref);
	return r;
}

static int put_blob(Transport *t, const Descriptor *d, Transport *source, unsigned progress_id,
	BlobOutcome *ret, Err **err)
{
	return transport_put_blob(((DockerTarget *)t)->store, d, source, progress_id, ret, err);
}

static int check_image(const Descriptor *d, Str bytes, Err **err)
{
	_cleanup_(oci_document_done) OciDocument document = {0};
	int r = oci_document_parse(bytes, d->media_type, "manifest", &document, err);
	if (r < 0 || document.is_index || store_config_is_image(&document.config))
		return r;
	return err_set(err, ERR_UNSUPPORTED,
		"%s is no image, but an artifact: a docker-archive has images only",
		digest_str(&d->digest).s);
}

static int put_manifest(Transport *t, const char *target, const Descriptor *d, Str bytes, Err **err)
{
	DockerTarget *k = (DockerTarget *)t;
	Digest digest;
	int r = target ? check_image(d, bytes, err) : 0;
	if (r == 0)
		r = transport_put_manifest(k->store, NULL, d, bytes, err);
	if (r < 0 || !target)
		return r;
	char *name = NULL;
	if (digest_parse(str_of(target), &digest, NULL) < 0)
		r = image_name(t, target, &name, err);
	if (r < 0)
		return r;
	NamedImage *image = vec_add(&k->images);
	image->name = name;
	store_name_descriptor(d, name, &image->descriptor);
	return 0;
}

static int finish(Transport *t, Err **err)
{
	DockerTarget *k = (DockerTarget *)t;
	int r = image_save(t->context->store, &k->images, SAVE_DOCKER, k->file.stream, NULL,
		t->context->progress, err);
	return r < 0 ? r : archive_file_commit(&k->file, err);
}

static void free_target(Transport *t)
{
	DockerTarget *k = (DockerTarget *)t;
	transport_free(k->store);
	archive_file_done(&k->file);
	named_images_done(&k->images);
	free(k);
}

int transport_docker_create(
	const TransportContext *c, const char *path, const char *name, Transport **ret, Err **err)
{
	static const TransportOps ops = {
		.put_blob = put_blob,
		.put_manifest = put_manifest,
		.finish = finish,
		.free = free_target,
	};
	DockerTarget *k = xnew(DockerTarget);
	_cleanup_(transport_freep) Transport *t = &k->base;
	k->base = (Transport){.ops = &ops, .context = c, .target = name ? xstrdup(name) : NULL};
	k->file.dir = -1;
	int r = transport_store_open(c, "archived", TRANSPORT_TARGET, &k->store, err);
	if (r == 0)
		r = archive_file_open(path, &k->file, err);
	if (r == 0)
		*ret = TAKE_PTR(t);
	return r;
}
