/* From what a person types to an image: a name, a digest, an ID or the beginning of one. */
#include "base/limits.h"
#include "store/store_int.h"

#define MIN_PREFIX 4 /* hex digits */

void store_image_done(StoreImage *i)
{
	free(i->name);
	descriptor_done(&i->descriptor);
	manifest_done(&i->manifest);
	config_done(&i->config);
	*i = (StoreImage){0};
}

bool store_config_is_image(const Descriptor *config)
{
	return cstr_eq(config->media_type, MT_OCI_CONFIG) ||
		cstr_eq(config->media_type, MT_DOCKER_CONFIG);
}

int store_image_check(const StoreImage *image, Err **err)
{
	const Manifest *m = &image->manifest;
	size_t n = image->config.diff_ids.len;
	if (!store_config_is_image(&m->config) && (n == 0 || n != m->layers.len))
		return err_set(err, ERR_UNSUPPORTED,
			"%s is no image, but an artifact of the type '%s'",
			image->name ? image->name : "it",
			m->artifact_type ? m->artifact_type : m->config.media_type);
	if (n != m->layers.len)
		return err_set(err, ERR_CORRUPT, "the image config has %zu diff_ids for %zu layers",
			n, m->layers.len);
	return 0;
}

bool store_is_artifact(Store *s, const Descriptor *d)
{
	_cleanup_buf_ Buf text = BUF_INIT(0);
	_cleanup_(manifest_done) Manifest m = {0};
	return !media_type_is_index(d->media_type) &&
		store_blob_read(s, &d->digest, LIMIT_MANIFEST_SIZE, &text, NULL) == 0 &&
		manifest_parse(buf_view(&text), "manifest", &m, NULL) == 0 &&
		!store_config_is_image(&m.config);
}

static int read_manifest(Store *s, const Descriptor *d, StoreImage *image, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(0);
	_cleanup_free_ char *name = xasprintf("manifest %s", digest_str(&d->digest).s);
	int r = store_blob_read(s, &d->digest, LIMIT_MANIFEST_SIZE, &text, err);
	if (r == 0)
		r = manifest_parse(buf_view(&text), name, &image->manifest, err);
	if (r == 0)
		descriptor_copy(d, &image->descriptor);
	return r;
}

static int read_config(Store *s, StoreImage *image, Err **err)
{
	const Digest *d = &image->manifest.config.digest;
	_cleanup_buf_ Buf text = BUF_INIT(0);
	_cleanup_free_ char *name = xasprintf("config %s", digest_str(d).s);
	bool artifact = !store_config_is_image(&image->manifest.config);
	int r = store_blob_read(s, d, LIMIT_MANIFEST_SIZE, &text, err);
	/* what an artifact's config is, only who made it knows */
	if (r == 0 && artifact && config_parse(buf_view(&text), name, &image->config, NULL) < 0)
		return 0;
	if (r == 0 && !artifact)
		r = config_parse(buf_view(&text), name, &image->config, err);
	if (r == 0 && !artifact && image->config.diff_ids.len != image->manifest.layers.len &&
		media_type_is_layer(image->manifest.layers.len
				? image->manifest.layers.items[0].media_type
				: MT_OCI_LAYER))
		return err_set(err, ERR_CORRUPT, "%s has %zu diff_ids for %zu layers", name,
			image->config.diff_ids.len, image->manifest.layers.len);
	return r;
}

/* The manifest for a platform out of an index, nested ones included. */
static int select_manifest(Store *s, const Descriptor *d, const Platform *platform, unsigned depth,
	StoreImage *image, Err **err)
{
	if (!media_type_is_index(d->media_type))
		return read_manifest(s, d, image, err);
	if (depth > 4)
		return err_set(
			err, ERR_LIMIT, "index %s is nested too deeply", digest_str(&d->digest).s);
	_cleanup_buf_ Buf text = BUF_INIT(0);
	_cleanup_free_ char *name = xasprintf("index %s", digest_str(&d->digest).s);
	_cleanup_(image_index_done) ImageIndex index = {0};
	int r = store_blob_read(s, &d->digest, LIMIT_MANIFEST_SIZE, &text, err);
	if (r == 0)
		r = image_index_parse(buf_view(&text), name, &index, err);
	if (r < 0)
		return r;
	const Descriptor *chosen = image_index_select(&index, platform);
	if (!chosen) {
		_cleanup_free_ char *wanted = platform_format(platform);
		return err_set(
			err, ERR_NOT_FOUND, "%s has no image for the platform %s", name, wanted);
	}
	if (depth == 0)
		image->index_digest = d->digest;
	return select_manifest(s, chosen, platform, depth + 1, image, err);
}

int store_image_at(
	Store *s, const Descriptor *d, const Platform *platform, StoreImage *ret, Err **err)
{
	Platform host = {0};
	StoreImage image = {0};
	if (!platform)
		platform_host(&host);
	int r = select_manifest(s, d, platform ? platform : &host, 0, &image, err);
	if (r == 0)
		r = read_config(s, &image, err);
	platform_done(&host);
	if (r < 0) {
		store_image_done(&image);
		return r;
	}
	image.name = xstrdup(store_descriptor_name(d));
	*ret = image;
	return 0;
}

/* ---- by name ---- */

/* In full, or as layouts that other tools wrote name their images ("latest", "alpine:3"). */
static const Descriptor *by_name(const ImageIndex *index, const char *name)
{
	vec_foreach (&index->manifests, d)
		if (cstr_eq(store_descriptor_name(d), name))
			return d;
	return NULL;
}

static size_t edit_distance(const char *a, const char *b)
{
	size_t n = strlen(b), previous[128], current[128];
	if (n >= ARRAY_SIZE(previous))
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		previous[j] = j;
	for (size_t i = 0; a[i]; i++) {
		current[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t change = previous[j] + (a[i] != b[j]);
			current[j + 1] = MIN(change, MIN(previous[j + 1], current[j]) + 1);
		}
		memcpy(previous, current, (n + 1) * sizeof(size_t));
	}
	return previous[n];
}

static void hint_near(const ImageIndex *index, const char *full, Err **err)
{
	const char *best = NULL;
	size_t best_distance = 4;
	vec_foreach (&index->manifests, d) {
		const char *name = store_descriptor_name(d);
		size_t distance = name ? edit_distance(full, name) : SIZE_MAX;
		if (distance < best_distance) {
			best = name;
			best_distance = distance;
		}
	}
	Reference ref = {0};
	if (best && reference_parse(str_of(best), &ref, NULL) == 0) {
		_cleanup_free_ char *familiar = reference_familiar(&ref);
		err_hint(err, "did you mean '%s'?", familiar);
		reference_done(&ref);
	} else {
		err_hint(err,
			"'cruet images' lists what is there; 'cruet pull', 'cruet load' and 'cruet import' bring images in");
	}
}

/* ---- by digest or ID ---- */

static Str hex_of(const char *what)
{
	return str_of(cstr_starts(what, "sha256:") ? what + 7 : what);
}

static bool is_hex_prefix(Str hex)
{
	for (size_t i = 0; i < hex.len; i++)
		if (!strchr("0123456789abcdef", hex.ptr[i]))
			return false;
	return hex.len >= MIN_PREFIX && hex.len <= 64;
}

static bool digest_has_prefix(const Digest *d, Str hex)
{
	return memcmp(digest_hex(d).s, hex.ptr, hex.len) == 0;
}

/* 1 and *ret when exactly one image matches, 0 when none does. */
static int by_id(Store *s, const ImageIndex *index, Str hex, const Platform *platform,
	StoreImage *ret, Err **err)
{
	bool found = false;
	StoreImage match = {0};
	vec_foreach (&index->manifests, d) {
		StoreImage image = {0};
		if (store_image_at(s, d, platform, &image, NULL) < 0)
			continue; /* damaged, or for other platforms only: not what was asked for */
		bool hit = digest_has_prefix(&d->digest, hex) ||
			digest_has_prefix(&image.descriptor.digest, hex) ||
			digest_has_prefix(&image.manifest.config.digest, hex);
		if (!hit) {
			store_image_done(&image);
		} else if (!found) {
			found = true;
			match = image;
		} else {
			bool same = digest_eq(&match.descriptor.digest, &image.descriptor.digest);
			store_image_done(&image);
			if (same)
				continue;
			store_image_done(&match);
			int r = err_set(err, ERR_USAGE,
				"'" STR_FMT "' is the beginning of more than one image",
				STR_ARG(hex));
			err_hint(err, "give more digits");
			return r;
		}
	}
	if (found)
		*ret = match;
	return found;
}

static int find(Store *s, const ImageIndex *index, const char *what, const Platform *platform,
	StoreImage *ret, Err **err)
{
	_cleanup_free_ char *full = NULL;
	_cleanup_err_ Err *bad_name = NULL;
	Reference ref = {0};
	const Descriptor *d = by_name(index, what);
	if (!d && reference_parse(str_of(what), &ref, &bad_name) == 0) {
		full = reference_full(&ref);
		d = by_name(index, full);
		if (!d && ref.has_digest) {
			/* name@digest: the digest decides (it wins over the tag) */
			_cleanup_free_ char *hex = xstrdup(digest_hex(&ref.digest).s);
			reference_done(&ref);
			int r = by_id(s, index, str_of(hex), platform, ret, err);
			if (r != 0)
				return MIN(r, 0);
		}
		reference_done(&ref);
	}
	if (d)
		return store_image_at(s, d, platform, ret, err);
	Str hex = hex_of(what);
	if (is_hex_prefix(hex)) {
		int r = by_id(s, index, hex, platform, ret, err);
		if (r != 0)
			return MIN(r, 0);
	}
	if (bad_name && !is_hex_prefix(hex))
		return err_move(err, &bad_name);
	int r = err_set(err, ERR_NOT_FOUND, "image '%s' is not in the store", what);
	hint_near(index, full ? full : what, err);
	return r;
}

int store_image(Store *s, const char *what, const Platform *platform, StoreImage *ret, Err **err)
{
	_cleanup_(image_index_done) ImageIndex index = {0};
	int r = names_read(s, &index, err);
	return r < 0 ? r : find(s, &index, what, platform, ret, err);
}

int store_named(Store *s, const char *what, Descriptor *ret, Err **err)
{
	_cleanup_(image_index_done) ImageIndex index = {0};
	_cleanup_(store_image_done) StoreImage image = {0};
	_cleanup_free_ char *full = NULL;
	Reference ref = {0};
	int r = names_read(s, &index, err);
	if (r < 0)
		return r;
	if (reference_parse(str_of(what), &ref, NULL) == 0)
		full = reference_full(&ref);
	const Descriptor *d = by_name(&index, what);
	if (!d && full)
		d = by_name(&index, full);
	if (!d) {
		r = find(s, &index, what, NULL, &image, err);
		if (r == 0)
			d = &image.descriptor;
		/* the digest of an index means all of it, that of a manifest or config one platform */
		Str hex = hex_of(what);
		_cleanup_free_ char *digits = ref.has_digest ? xstrdup(digest_hex(&ref.digest).s)
			: is_hex_prefix(hex)                 ? str_dup(hex)
							     : NULL;
		for (size_t i = 0; r == 0 && digits && i < index.manifests.len; i++)
			if (digest_has_prefix(&index.manifests.items[i].digest, str_of(digits)))
				d = &index.manifests.items[i];
	}
	reference_done(&ref);
	if (r == 0)
		descriptor_copy(d, ret);
	return r;
}
