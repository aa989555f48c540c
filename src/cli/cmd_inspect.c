#include <stdio.h>

#include "base/limits.h"
#include "cli/format.h"
#include "cli/template.h"
#include "image/sizes.h"

typedef struct InspectOptions {
	char *format, *platform;
	bool raw, config;
} InspectOptions;

static const Option rows[] = {
	{'f', "format", OPTION_STRING, offsetof(InspectOptions, format), "json|{{…}}",
		"JSON (default), or a line of fields as {{.Id}} or {{json .Config.Env}}"},
	{0, "platform", OPTION_STRING, offsetof(InspectOptions, platform), "OS/ARCH",
		PLATFORM_HELP},
	{0, "raw", OPTION_FLAG, offsetof(InspectOptions, raw), NULL,
		"print the manifest's exact bytes instead"},
	{0, "config", OPTION_FLAG, offsetof(InspectOptions, config), NULL,
		"print the config's exact bytes instead"},
};

static void set_text(json_t *j, const char *key, const char *text)
{
	json_object_set_new(j, key, json_string(text ? text : ""));
}

/* Every name that leads to this image. */
static int names_json(Store *s, const StoreImage *image, json_t *j, Err **err)
{
	StoreNames names = {0};
	json_t *tags = json_array(), *digests = json_array();
	json_object_set_new(j, "RepoTags", tags);
	json_object_set_new(j, "RepoDigests", digests);
	int r = store_names(s, &names, err);
	vec_foreach (&names, n) {
		Reference ref = {0};
		if (!n->name ||
			(!digest_eq(&n->descriptor.digest, &image->descriptor.digest) &&
				!digest_eq(&n->descriptor.digest, &image->index_digest)))
			continue;
		if (reference_parse(str_of(n->name), &ref, NULL) < 0)
			continue;
		_cleanup_free_ char *familiar = reference_familiar(&ref);
		_cleanup_free_ char *repository = reference_familiar_repository(&ref);
		_cleanup_free_ char *pinned =
			xasprintf("%s@%s", repository, digest_str(&n->descriptor.digest).s);
		json_array_append_new(tags, json_string(familiar));
		json_array_append_new(digests, json_string(pinned));
		reference_done(&ref);
	}
	store_names_done(&names);
	return r;
}

static json_t *layers_json(const StoreImage *image)
{
	json_t *array = json_array();
	for (size_t i = 0; i < image->manifest.layers.len && i < image->config.diff_ids.len; i++) {
		const Descriptor *d = &image->manifest.layers.items[i];
		json_t *j = json_object();
		set_text(j, "MediaType", d->media_type);
		set_text(j, "Digest", digest_str(&d->digest).s);
		set_text(j, "DiffId", digest_str(&image->config.diff_ids.items[i]).s);
		json_object_set_new(j, "Size", json_integer((json_int_t)d->size));
		json_array_append_new(array, j);
	}
	return array;
}

/* The members docker inspect has, under its names, then what it has not. */
static int inspect_json(Store *s, const StoreImage *image, json_t **ret, Err **err)
{
	_cleanup_json_ json_t *j = json_object();
	ImageSizes sizes = {0};
	set_text(j, "Id", digest_str(&image->manifest.config.digest).s);
	int r = names_json(s, image, j, err);
	if (r == 0)
		r = image_sizes(s, image, &sizes, err);
	if (r < 0)
		return r;
	set_text(j, "Created", image->config.created);
	set_text(j, "Author", image->config.author);
	set_text(j, "Architecture", image->config.platform.arch);
	if (image->config.platform.variant && *image->config.platform.variant)
		set_text(j, "Variant", image->config.platform.variant);
	set_text(j, "Os", image->config.platform.os);
	json_object_set_new(j, "Size", json_integer((json_int_t)sizes.unpacked));
	json_object_set_new(j, "CompressedSize", json_integer((json_int_t)sizes.compressed));
	json_object_set_new(j, "Files", json_integer((json_int_t)sizes.files));
	json_t *config = json_object_get(image->config.raw, "config");
	json_object_set_new(j, "Config", config ? json_deep_copy(config) : json_object());
	json_t *diff_ids = json_array(), *rootfs = json_object();
	vec_foreach (&image->config.diff_ids, d)
		json_array_append_new(diff_ids, json_string(digest_str(d).s));
	json_object_set_new(rootfs, "Type", json_string("layers"));
	json_object_set_new(rootfs, "Layers", diff_ids);
	json_object_set_new(j, "RootFS", rootfs);
	set_text(j, "Digest", digest_str(&image->descriptor.digest).s);
	set_text(j, "MediaType", image->manifest.media_type);
	if (!digest_is_zero(&image->index_digest))
		set_text(j, "IndexDigest", digest_str(&image->index_digest).s);
	json_object_set_new(j, "Layers", layers_json(image));
	*ret = TAKE_PTR(j);
	return 0;
}

static int print_blob(Store *s, const Digest *d, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
	int r = store_blob_read(s, d, LIMIT_MANIFEST_SIZE, &text, err);
	if (r == 0)
		fwrite(text.ptr, 1, text.len, stdout);
	return r;
}

/* A line for each image. */
static int print_template(const char *format, const json_t *images, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(SIZE_MAX / 2);
	int r = 0;
	for (size_t i = 0; r == 0 && i < json_array_size(images); i++)
		r = template_format(format, json_array_get(images, i), &text, err);
	if (r == 0)
		fputs(text.ptr, stdout);
	return r;
}

static int run_inspect(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const InspectOptions *o = options;
	Platform platform = {0};
	_cleanup_json_ json_t *array = json_array();
	if (o->raw && o->config)
		return err_set(
			err, ERR_USAGE, "flags '--raw' and '--config' contradict each other");
	if ((o->raw || o->config) && (o->format || operands->len > 1))
		return err_set(err, ERR_USAGE,
			"flag '--%s' prints one image's bytes: no %s with it",
			o->raw ? "raw" : "config", o->format ? "'--format'" : "second image");
	int r = platform_argument(o->platform, &platform, err);
	for (size_t i = 0; r == 0 && i < operands->len; i++) {
		StoreImage image = {0};
		json_t *j = NULL;
		r = store_image(ctx->store, operands->items[i], &platform, &image, err);
		if (r < 0)
			break;
		if (o->raw || o->config)
			r = print_blob(ctx->store,
				o->raw ? &image.descriptor.digest : &image.manifest.config.digest,
				err);
		else
			r = inspect_json(ctx->store, &image, &j, err);
		if (j)
			json_array_append_new(array, j);
		store_image_done(&image);
	}
	platform_done(&platform);
	if (r == 0 && template_is(o->format))
		return print_template(o->format, array, err);
	if (r == 0 && !o->raw && !o->config)
		print_json(array);
	return r;
}

const Command cmd_inspect = {
	.name = "inspect",
	.operands = "IMAGE…",
	.summary = "Show an image's config, layers and names as JSON",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(InspectOptions),
	.needs = NEEDS_STORE,
	.min_operands = 1,
	.max_operands = UINT32_MAX,
	.run = run_inspect,
};
