/* Content descriptor and media types (OCI image-spec: descriptor.md, media-types.md). */
#pragma once

#include "base/json.h"
#include "oci/platform.h"

#define MT_OCI_MANIFEST     "application/vnd.oci.image.manifest.v1+json"
#define MT_OCI_INDEX        "application/vnd.oci.image.index.v1+json"
#define MT_OCI_CONFIG       "application/vnd.oci.image.config.v1+json"
#define MT_OCI_LAYER        "application/vnd.oci.image.layer.v1.tar"
#define MT_OCI_LAYER_GZIP   "application/vnd.oci.image.layer.v1.tar+gzip"
#define MT_OCI_LAYER_ZSTD   "application/vnd.oci.image.layer.v1.tar+zstd"
#define MT_DOCKER_MANIFEST  "application/vnd.docker.distribution.manifest.v2+json"
#define MT_DOCKER_LIST      "application/vnd.docker.distribution.manifest.list.v2+json"
#define MT_DOCKER_CONFIG    "application/vnd.docker.container.image.v1+json"
#define MT_DOCKER_LAYER     "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define MT_DOCKER_LAYER_TAR "application/vnd.docker.image.rootfs.diff.tar"

typedef struct Descriptor {
	char *media_type; /* owned; "" when the document leaves it out */
	Digest digest;
	uint64_t size;
	StrVec annotations; /* "key=value", sorted */
	bool has_platform;
	Platform platform;
	/* owned: what was read, so that urls, data, artifactType and members unknown here survive
	 * descriptor_json; NULL for a new one */
	json_t *raw;
} Descriptor;
int descriptor_read(const json_t *object, const char *path, Descriptor *ret, Err **err)
	_warn_unused_;
json_t *descriptor_json(const Descriptor *d); /* owned */
void descriptor_copy(const Descriptor *src, Descriptor *ret);
void descriptor_done(Descriptor *d);
bool media_type_is_manifest(const char *mt); /* OCI or Docker */
bool media_type_is_index(const char *mt);
bool media_type_is_layer(const char *mt); /* any tar layer, foreign ones included */
