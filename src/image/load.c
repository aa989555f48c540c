/*
 * OCI layouts (directory or archive) keep every byte: blobs are copied while their digests are checked, and only those
 * that a manifest reaches. A docker-archive has a config and tars: the config's bytes are kept (the image ID is their
 * digest), plain layer tars are compressed on the way in and must have the diffIDs the config promises.
 *
 * An archive that is both (docker ≥ 25, cruet) is read as OCI; manifest.json then only helps with names. Names are
 * given last, all together.
 */
#include "base/limits.h"
#include "image/archive_source.h"
#include "image/ingest.h"

#define MANIFEST_JSON_MAX (16u << 20)
#define MAX_INDEX_DEPTH   4

typedef struct Load {
	Store *store;
	ArchiveSource *source;
	Pool *pool;
	Progress *progress;
	NamedImages images; /* found so far; tagged at the end */
} Load;

/* ---- OCI ---- */

static char *blob_name(const Digest *d)
{
	return xasprintf("blobs/sha256/%s", digest_hex(d).s);
}

/* And whole: loading an image again mends what is damaged. */
static bool blob_is_here(const Load *l, const Descriptor *d)
{
	uint64_t have = 0;
	Digest real;
	return store_blob_has(l->store, &d->digest, &have) && have == d->size &&
		store_blob_verify(l->store, &d->digest, &real, NULL) == 0 &&
		digest_eq(&real, &d->digest);
}

/* progress_id 0: too small to tell of. */
static int take_blob(Load *l, const Descriptor *d, unsigned progress_id, Err **err)
{
	_cleanup_free_ char *name = blob_name(&d->digest);
	_cleanup_(reader_freep) Reader *body = NULL;
	uint64_t size = 0;
	int r = archive_source_member(l->source, name, &body, &size, err);
	if (r == 0 && progress_id)
		body = progress_reader_new(body, l->progress, progress_id, size);
	if (r == 0)
		r = ingest_blob(l->store, body, &d->digest, d->size, NULL, NULL, err);
	return r;
}

static int read_text_blob(Load *l, const Descriptor *d, Buf *text, Err **err)
{
	if (d->size > LIMIT_MANIFEST_SIZE)
		return err_set(err, ERR_LIMIT, "%s has %llu bytes, more than %u",
			digest_str(&d->digest).s, (unsigned long long)d->size, LIMIT_MANIFEST_SIZE);
	/* one that is there but damaged is copied anew */
	if (blob_is_here(l, d) &&
		store_blob_read(l->store, &d->digest, LIMIT_MANIFEST_SIZE, text, NULL) == 0)
		return 0;
	int r = take_blob(l, d, 0, err);
	return r < 0 ? r : store_blob_read(l->store, &d->digest, LIMIT_MANIFEST_SIZE, text, err);
}

typedef struct CheckJob {
	Store *store;
	const Descriptor *layer;
	const Digest *diff_id;
} CheckJob;

/* Indexing a layer verifies its diffID. */
static int check_layer(void *arg, Err **err)
{
	CheckJob *j = arg;
	_cleanup_(index_freep) Index *index = NULL;
	return layers_index(j->store, j->layer, j->diff_id, NULL, &index, err);
}

static int check_layers(Load *l, const Manifest *m, const ImageConfig *c, Err **err)
{
	size_t n = m->layers.len;
	if (c->diff_ids.len != n)
		return err_set(err, ERR_CORRUPT, "config %s has %zu diff_ids for %zu layers",
			digest_str(&m->config.digest).s, c->diff_ids.len, n);
	_cleanup_free_ CheckJob *args = xnew_n(CheckJob, n);
	_cleanup_free_ Job **jobs = xnew_n(Job *, n);
	_cleanup_err_ Err *first = NULL;
	for (size_t i = 0; i < n; i++) {
		args[i] = (CheckJob){l->store, &m->layers.items[i], &c->diff_ids.items[i]};
		if (l->pool)
			jobs[i] = pool_submit(l->pool, check_layer, &args[i]);
		else if (!first)
			(void)check_layer(&args[i], &first);
	}
	for (size_t i = 0; i < n; i++) {
		_cleanup_err_ Err *e = NULL;
		if (jobs[i] && job_wait(jobs[i], &e) < 0 && !first)
			first = TAKE_PTR(e);
	}
	return err_move(err, &first);
}

static int copy_layer(Load *l, const Descriptor *layer, Err **err)
{
	unsigned id = progress_next_id();
	_cleanup_free_ char *name = xasprintf("layer %.19s", digest_str(&layer->digest).s);
	if (blob_is_here(l, layer)) {
		progress_state(l->progress, id, name, PROGRESS_CACHED, NULL);
		return 0;
	}
	progress_state(l->progress, id, name, PROGRESS_STARTED, NULL);
	_cleanup_err_ Err *e = NULL;
	(void)take_blob(l, layer, id, &e);
	progress_state(l->progress, id, name, e ? PROGRESS_FAILED : PROGRESS_DONE, e);
	return err_move(err, &e);
}

static int copy_manifest(Load *l, const Descriptor *d, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(0), config_bytes = BUF_INIT(0);
	_cleanup_(manifest_done) Manifest m = {0};
	_cleanup_(config_done) ImageConfig c = {0};
	_cleanup_free_ char *name = xasprintf("manifest %s", digest_str(&d->digest).s);
	int r = read_text_blob(l, d, &text, err);
	if (r == 0)
		r = manifest_parse(buf_view(&text), name, &m, err);
	if (r == 0)
		r = read_text_blob(l, &m.config, &config_bytes, err);
	for (size_t i = 0; r == 0 && i < m.layers.len; i++)
		r = copy_layer(l, &m.layers.items[i], err);
	/* artifacts (signatures, SBOMs) have configs and layers of their own kinds */
	bool image = m.config.media_type &&
		(cstr_eq(m.config.media_type, MT_OCI_CONFIG) ||
			cstr_eq(m.config.media_type, MT_DOCKER_CONFIG));
	for (size_t i = 0; i < m.layers.len; i++)
		image = image && media_type_is_layer(m.layers.items[i].media_type);
	if (r < 0 || !image)
		return r;
	r = config_parse(buf_view(&config_bytes), "config", &c, err);
	return r < 0 ? r : check_layers(l, &m, &c, err);
}

/* *ret_any: something was there. Members of an index that the archive leaves out (other platforms) are no error. */
static int copy_tree(Load *l, const Descriptor *d, unsigned depth, bool *ret_any, Err **err)
{
	_cleanup_free_ char *name = blob_name(&d->digest);
	if (depth > 0 && !archive_source_has(l->source, name) &&
		!store_blob_has(l->store, &d->digest, NULL))
		return 0;
	if (depth > MAX_INDEX_DEPTH)
		return err_set(
			err, ERR_LIMIT, "index %s is nested too deeply", digest_str(&d->digest).s);
	if (!media_type_is_index(d->media_type)) {
		*ret_any = true;
		return copy_manifest(l, d, err);
	}
	_cleanup_buf_ Buf text = BUF_INIT(0);
	_cleanup_(image_index_done) ImageIndex index = {0};
	int r = read_text_blob(l, d, &text, err);
	if (r == 0)
		r = image_index_parse(buf_view(&text), "index", &index, err);
	bool any = false;
	for (size_t i = 0; r == 0 && i < index.manifests.len; i++)
		r = copy_tree(l, &index.manifests.items[i], depth + 1, &any, err);
	if (r == 0 && !any)
		return err_set(err, ERR_CORRUPT, "index %s names no image that is there",
			digest_str(&d->digest).s);
	*ret_any |= any;
	return r;
}

static void add_image(Load *l, const char *name, const Descriptor *d)
{
	vec_foreach (&l->images, it) {
		if (digest_eq(&it->descriptor.digest, &d->digest) && cstr_eq(it->name, name))
			return;
	}
	NamedImage *i = vec_add(&l->images);
	i->name = xstrdup(name);
	descriptor_copy(d, &i->descriptor);
}

/* Full reference of an annotation, or NULL: a bare word there is a tag without a repository. */
static char *annotated_name(const Descriptor *d)
{
	static const char *const keys[] = {
		"io.containerd.image.name", "org.opencontainers.image.ref.name"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = strvec_env_get(&d->annotations, keys[i]);
		Reference ref = {0};
		if (!value || (i == 1 && !strpbrk(value, "/:")) ||
			reference_parse(str_of(value), &ref, NULL) < 0)
			continue;
		char *full = reference_full(&ref);
		reference_done(&ref);
		return full;
	}
	return NULL;
}

/* ---- manifest.json ---- */

typedef struct DockerEntry {
	char *config;
	StrVec tags, layers;
} DockerEntry;

static void docker_entry_done(DockerEntry *e)
{
	free(e->config);
	strvec_done(&e->tags);
	strvec_done(&e->layers);
}

static int read_docker_entry(const json_t *object, size_t i, DockerEntry *ret, Err **err)
{
	static const JsonField fields[] = {
		{"Config", JSON_FIELD_STRING, offsetof(DockerEntry, config), true},
		{"RepoTags", JSON_FIELD_STRINGS, offsetof(DockerEntry, tags), false},
		{"Layers", JSON_FIELD_STRINGS, offsetof(DockerEntry, layers), false},
	};
	_cleanup_free_ char *path = xasprintf("manifest.json[%zu]", i);
	int r = json_read_object(object, path, fields, ARRAY_SIZE(fields), ret, err);
	if (r == 0 && ret->layers.len > LIMIT_LAYERS) {
		r = err_set(err, ERR_LIMIT, "%s has %zu layers, more than %u", path,
			ret->layers.len, LIMIT_LAYERS);
		docker_entry_done(ret);
	}
	return r;
}

static int read_manifest_json(const Load *l, json_t **ret, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(0);
	int r = archive_source_text(l->source, "manifest.json", MANIFEST_JSON_MAX, &text, err);
	if (r == 0)
		r = json_parse(buf_view(&text), MANIFEST_JSON_MAX, "manifest.json", ret, err);
	if (r == 0 && !json_is_array(*ret)) {
		json_decref(*ret);
		*ret = NULL;
		r = err_set(err, ERR_CORRUPT, "manifest.json: is not an array");
	}
	return r;
}

static void add_tags(Load *l, const StrVec *tags, const Descriptor *d)
{
	bool any = false;
	for (size_t i = 0; i < tags->len; i++) {
		Reference ref = {0};
		if (reference_parse(str_of(tags->items[i]), &ref, NULL) < 0)
			continue;
		_cleanup_free_ char *full = reference_full(&ref);
		reference_done(&ref);
		add_image(l, full, d);
		any = true;
	}
	if (!any)
		add_image(l, NULL, d);
}

/* Names for images of the OCI side that have none there: matched by config. */
static void names_from_manifest_json(Load *l, const Descriptor *d)
{
	_cleanup_json_ json_t *array = NULL;
	StoreImage image = {0};
	size_t i;
	json_t *item;
	if (read_manifest_json(l, &array, NULL) < 0 ||
		store_image_at(l->store, d, NULL, &image, NULL) < 0) {
		add_image(l, NULL, d);
		return;
	}
	StrVec tags = {0};
	json_array_foreach(array, i, item)
	{
		DockerEntry e = {0};
		if (read_docker_entry(item, i, &e, NULL) < 0)
			continue;
		if (strstr(e.config, digest_hex(&image.manifest.config.digest).s))
			strvec_copy(&tags, &e.tags);
		docker_entry_done(&e);
	}
	add_tags(l, &tags, d);
	strvec_done(&tags);
	store_image_done(&image);
}

static int load_oci(Load *l, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(0);
	_cleanup_(image_index_done) ImageIndex index = {0};
	int r = archive_source_text(l->source, "index.json", LIMIT_MANIFEST_SIZE, &text, err);
	if (r == 0)
		r = image_index_parse(buf_view(&text), "index.json", &index, err);
	for (size_t i = 0; r == 0 && i < index.manifests.len; i++) {
		const Descriptor *d = &index.manifests.items[i];
		bool any = false;
		r = copy_tree(l, d, 0, &any, err);
		if (r < 0)
			break;
		_cleanup_free_ char *name = annotated_name(d);
		if (name || !archive_source_has(l->source, "manifest.json"))
			add_image(l, name, d);
		else
			names_from_manifest_json(l, d);
	}
	if (r == 0 && index.manifests.len == 0)
		r = err_set(err, ERR_CORRUPT, "index.json names no image");
	return r;
}

/* ---- docker-archive ---- */

static int load_docker_layer(Load *l, const char *member, const Digest *diff_id,
	unsigned progress_id, Descriptor *ret, Err **err)
{
	_cleanup_(reader_freep) Reader *body = NULL, *raw = NULL;
	uint64_t size = 0;
	char head[8];
	ERR_SCOPE(err, "Layer '%s'", member);
	int r = archive_source_member(l->source, member, &raw, &size, err);
	if (r < 0)
		return r;
	ssize_t n = reader_read_up_to(raw, head, sizeof(head), err);
	if (n < 0)
		return (int)n;
	Compression found = compression_sniff(head, (size_t)n);
	r = archive_source_member(l->source, member, &body, &size, err);
	if (r < 0)
		return r;
	body = progress_reader_new(body, l->progress, progress_id, size);
	if (found == COMPRESSION_NONE)
		return ingest_tar(l->store, body, COMPRESSION_GZIP, COMPRESSION_LEVEL_DEFAULT,
			l->pool, diff_id, ret, NULL, err);
	if (found != COMPRESSION_GZIP && found != COMPRESSION_ZSTD)
		return err_set(err, ERR_UNSUPPORTED, "layers compressed with %s are not read",
			compression_name(found));
	Descriptor d = {.media_type = xstrdup(layer_media_type(found))};
	_cleanup_(index_freep) Index *index = NULL;
	r = ingest_blob(l->store, body, NULL, UINT64_MAX, &d.digest, &d.size, err);
	if (r == 0)
		r = layers_index(l->store, &d, diff_id, NULL, &index, err);
	if (r < 0)
		descriptor_done(&d);
	else
		*ret = d;
	return r;
}

static int put_manifest(
	Load *l, const Manifest *m, const ImageConfig *c, Descriptor *ret, Err **err)
{
	_cleanup_free_ char *text = manifest_text(m);
	Descriptor d = {
		.media_type = xstrdup(MT_OCI_MANIFEST), .size = strlen(text), .has_platform = true};
	platform_copy(&c->platform, &d.platform);
	int r = store_blob_put(l->store, str_of(text), &d.digest, err);
	if (r < 0)
		descriptor_done(&d);
	else
		*ret = d;
	return r;
}

static int load_docker_image(Load *l, const DockerEntry *e, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(0);
	_cleanup_(config_done) ImageConfig c = {0};
	_cleanup_(manifest_done) Manifest m = {.media_type = xstrdup(MT_OCI_MANIFEST)};
	Descriptor d = {0};
	int r = archive_source_text(l->source, e->config, LIMIT_MANIFEST_SIZE, &text, err);
	if (r == 0)
		r = config_parse(buf_view(&text), e->config, &c, err);
	if (r == 0 && c.diff_ids.len != e->layers.len)
		r = err_set(err, ERR_CORRUPT, "'%s' has %zu diff_ids, manifest.json %zu layers",
			e->config, c.diff_ids.len, e->layers.len);
	m.config = (Descriptor){.media_type = xstrdup(MT_OCI_CONFIG), .size = text.len};
	if (r == 0)
		r = store_blob_put(l->store, buf_view(&text), &m.config.digest, err);
	for (size_t i = 0; r == 0 && i < e->layers.len; i++) {
		Descriptor layer;
		unsigned id = progress_next_id();
		_cleanup_free_ char *name =
			xasprintf("layer %.19s", digest_str(&c.diff_ids.items[i]).s);
		progress_state(l->progress, id, name, PROGRESS_STARTED, NULL);
		r = load_docker_layer(l, e->layers.items[i], &c.diff_ids.items[i], id, &layer, err);
		progress_state(l->progress, id, name, r < 0 ? PROGRESS_FAILED : PROGRESS_DONE,
			err ? *err : NULL);
		if (r == 0)
			vec_push(&m.layers, layer);
	}
	if (r == 0)
		r = put_manifest(l, &m, &c, &d, err);
	if (r == 0)
		add_tags(l, &e->tags, &d);
	descriptor_done(&d);
	return r;
}

static int load_docker(Load *l, Err **err)
{
	_cleanup_json_ json_t *array = NULL;
	size_t i;
	json_t *item;
	int r = read_manifest_json(l, &array, err);
	if (r == 0 && json_array_size(array) == 0)
		r = err_set(err, ERR_CORRUPT, "manifest.json names no image");
	json_array_foreach(array, i, item)
	{
		DockerEntry e = {0};
		if (r == 0)
			r = read_docker_entry(item, i, &e, err);
		if (r == 0)
			r = load_docker_image(l, &e, err);
		docker_entry_done(&e);
	}
	return r;
}

static int load_any(Load *l, Err **err)
{
	if (archive_source_has(l->source, "index.json") &&
		archive_source_has(l->source, "oci-layout"))
		return load_oci(l, err);
	if (archive_source_has(l->source, "manifest.json"))
		return load_docker(l, err);
	if (archive_source_has(l->source, "repositories"))
		return err_set(err, ERR_UNSUPPORTED,
			"a docker-archive without manifest.json (docker before 1.10)");
	int r = err_set(err, ERR_CORRUPT,
		"neither a docker-archive (manifest.json) nor an OCI layout (index.json)");
	err_hint(err, "a root file system tar is read with 'cruet import'");
	return r;
}

int image_load(Store *s, const char *path, bool tag, Pool *pool, Progress *progress,
	NamedImages *ret, Err **err)
{
	Load l = {.store = s, .pool = pool, .progress = progress};
	int r = archive_source_open(s, path, progress, &l.source, err);
	if (r == 0)
		r = load_any(&l, err);
	for (size_t i = 0; r == 0 && tag && i < l.images.len; i++) {
		StrVec names = {0};
		if (l.images.items[i].name)
			strvec_push(&names, l.images.items[i].name);
		r = store_tag(s, &names, &l.images.items[i].descriptor, err);
		strvec_done(&names);
	}
	archive_source_free(l.source);
	if (r < 0)
		named_images_done(&l.images);
	else
		*ret = l.images;
	return r;
}
