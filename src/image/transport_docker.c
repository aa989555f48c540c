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

int transport_docker_open(
	const TransportContext *c, const char *path, const char *name, Transport **ret, Err **err)
{
	NamedImages images = {0};
	const Descriptor *chosen = NULL;
	ERR_SCOPE(err, "'%s'", path);
	int r = image_load(c->store, path, false, NULL, c->progress, &images, err);
	if (r == 0)
		r = choose(&images, name, &chosen, err);
	if (r == 0)
		r = transport_store_open(
			c, digest_str(&chosen->digest).s, TRANSPORT_SOURCE, ret, err);
	named_images_done(&images);
	return r;
}

/* ---- as a target ---- */

typedef struct DockerTarget {
	Transport base;
	Transport *store;
	ArchiveFile file;
	NamedImages images;
} DockerTarget;

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
	Reference ref = {0};
	Digest digest;
	int r = target ? check_image(d, bytes, err) : 0;
	if (r == 0)
		r = transport_put_manifest(k->store, NULL, d, bytes, err);
	if (r < 0 || !target)
		return r;
	NamedImage *image = vec_add(&k->images);
	if (digest_parse(str_of(target), &digest, NULL) < 0) {
		r = reference_parse(str_of(target), &ref, err);
		if (r == 0)
			image->name = reference_full(&ref);
		reference_done(&ref);
	}
	store_name_descriptor(d, image->name, &image->descriptor);
	return r;
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
