/* Images in and out of the store: import, load, save, export, unpack. What comes in is checked as it
 * arrives and named last, so that a failure leaves no half image. */
#pragma once

#include "base/epoch.h"
#include "image/layers.h"

typedef struct ImportOptions {
	const StrVec *
		changes; /* Dockerfile instructions, as docker import --change; applied by `apply` */
	/* parses and applies one change to the config (dockerfile/ knows the language, image/ does not) */
	int (*apply)(void *arg, const char *change, ImageConfig *config, Err **err);
	void *arg;
	const char *message;
	Compression compression;
	int level;
	Platform platform;
	Epoch epoch; /* when the image was created; the times of its files are the tar's */
} ImportOptions;
/* source: a tar of any compression (owned). names: full references. */
int image_import(Store *s, Reader *source, const ImportOptions *options, const StrVec *names,
	Pool *pool, Descriptor *ret, Err **err) _warn_unused_;

typedef struct NamedImage {
	char *name;            /* full reference or NULL */
	Descriptor descriptor; /* of a manifest, or of a whole index */
} NamedImage;
typedef VEC(NamedImage) NamedImages;
/* names: in any form store_image takes. */
int named_images_find(Store *s, const StrVec *names, NamedImages *ret, Err **err) _warn_unused_;
void named_images_done(NamedImages *all);

/* path: docker-archive, OCI archive (either compressed or not) or OCI layout directory, told apart by content.
 * "-" = stdin. tag false: the store's names stay as they are, and a later gc takes what was loaded. */
int image_load(Store *s, const char *path, bool tag, Pool *pool, Progress *progress,
	NamedImages *ret, Err **err) _warn_unused_;

typedef enum SaveFormat {
	SAVE_DOCKER, /* docker-archive that is an OCI layout at the same time, as docker ≥ 25 writes it */
	SAVE_OCI, /* OCI archive */
	SAVE_OCI_DIR,
} SaveFormat;
/* Several make one archive. */
int image_save(Store *s, const NamedImages *images, SaveFormat format,
	Writer *out /* not for OCI_DIR */, const char *dir /* OCI_DIR */, Progress *progress,
	Err **err) _warn_unused_;

/* Merged tree as one plain tar. */
int image_export(Store *s, const StoreImage *image, Writer *out, Err **err) _warn_unused_;
int layer_stack_export(const LayerStack *k, Store *s, Writer *out, Err **err) _warn_unused_;
/* Merged tree into a directory, which must be empty or absent. apply_flags: KEEP_OWNER, NO_DEVICES. */
int image_unpack(Store *s, const StoreImage *image, const char *dir, unsigned apply_flags,
	StrVec *warnings, Err **err) _warn_unused_;
/* Copies the merged tree over what dir has (build --output type=local, spec 93). */
int layer_stack_unpack(const LayerStack *k, Store *s, int root_fd, unsigned apply_flags,
	StrVec *warnings, Err **err) _warn_unused_;
