#include "image/ingest.h"

/* One manifest is all OCI: the types of layers that a Docker-format base brings are translated (12). */
static void oci_media_type(Descriptor *d)
{
	static const struct {
		const char *docker, *oci;
	} types[] = {
		{MT_DOCKER_LAYER, MT_OCI_LAYER_GZIP},
		{MT_DOCKER_LAYER_TAR, MT_OCI_LAYER},
		{"application/vnd.docker.image.rootfs.diff.tar.zstd", MT_OCI_LAYER_ZSTD},
	};
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (cstr_eq(d->media_type, types[i].docker)) {
			free(d->media_type);
			d->media_type = xstrdup(types[i].oci);
		}
}

/* What readers refuse (too many steps, too long) must not be written. */
static int check_config(const char *text, Err **err)
{
	ImageConfig read = {0};
	int r = config_parse(str_of(text), "the image's config", &read, err);
	config_done(&read);
	return r;
}

int image_commit(Store *s, ImageConfig *config, const LayerStack *k, const StrVec *annotations,
	const StrVec *names, Descriptor *ret_manifest, Digest *ret_config, Err **err)
{
	Manifest m = {.media_type = xstrdup(MT_OCI_MANIFEST)};
	vec_clear(&config->diff_ids);
	vec_foreach (&k->diff_ids, d)
		vec_push(&config->diff_ids, *d);
	_cleanup_free_ char *config_json = config_text(config), *manifest_json = NULL;
	m.config = (Descriptor){.media_type = xstrdup(MT_OCI_CONFIG), .size = strlen(config_json)};
	int r = check_config(config_json, err);
	if (r == 0)
		r = store_blob_put(s, str_of(config_json), &m.config.digest, err);
	vec_foreach (&k->layers, layer) {
		Descriptor *d = vec_add(&m.layers);
		descriptor_copy(layer, d);
		oci_media_type(d);
	}
	if (annotations)
		strvec_copy(&m.annotations, annotations);
	manifest_json = manifest_text(&m);
	Descriptor d = {.media_type = xstrdup(MT_OCI_MANIFEST),
		.size = strlen(manifest_json),
		.has_platform = true};
	platform_copy(&config->platform, &d.platform);
	if (r == 0)
		r = store_blob_put(s, str_of(manifest_json), &d.digest, err);
	if (r == 0 && names)
		r = store_tag(s, names, &d, err);
	if (r == 0 && ret_config)
		*ret_config = m.config.digest;
	manifest_done(&m);
	if (r == 0)
		*ret_manifest = d;
	else
		descriptor_done(&d);
	return r;
}
