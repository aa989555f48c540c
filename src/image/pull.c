#include "image/pull.h"

#include "base/limits.h"
#include "base/pool.h"
#include "image/arrival.h"

#define LAYERS_AT_ONCE  4
#define MAX_INDEX_DEPTH 4

typedef struct Pull {
	Store *store;
	Repository *repository;
	const PullOptions *options;
	bool news;
} Pull;

/* ---- layers, several at a time ---- */

typedef struct Layers {
	Pull *pull;
	const Manifest *manifest;
	const ImageConfig *config; /* NULL: blobs of an artifact, which are not looked into */
} Layers;

static int arrive(void *arg, size_t i, Err **err)
{
	const Layers *l = arg;
	Pull *p = l->pull;
	const Descriptor *layer = &l->manifest->layers.items[i];
	unsigned id = progress_next_id();
	_cleanup_free_ char *name = xasprintf("layer %.19s", digest_str(&layer->digest).s);
	_cleanup_err_ Err *e = NULL;
	uint64_t size = 0;
	bool known = store_blob_has(p->store, &layer->digest, &size) && size == layer->size;
	progress_state(
		p->options->progress, id, name, known ? PROGRESS_CACHED : PROGRESS_STARTED, NULL);
	int r = l->config ? layer_arrive(p->store, p->repository, layer,
				    &l->config->diff_ids.items[i], p->options->progress, id, &e)
			  : blob_arrive(p->store, p->repository, layer, &e);
	if (!known || r < 0)
		progress_state(
			p->options->progress, id, name, r < 0 ? PROGRESS_FAILED : PROGRESS_DONE, e);
	return err_move(err, &e);
}

static int pull_layers(Pull *p, const Manifest *m, const ImageConfig *config, Err **err)
{
	Layers l = {p, m, config};
	return threads_each(m->layers.len, LAYERS_AT_ONCE, arrive, &l, err);
}

/* ---- manifests ---- */

/* Bytes of a manifest or index: out of the store when they are there. */
static int get_manifest(Pull *p, const Descriptor *d, Buf *bytes, Err **err)
{
	Descriptor got = {0};
	if (store_blob_read(p->store, &d->digest, LIMIT_MANIFEST_SIZE, bytes, NULL) == 0)
		return 0;
	int r = repository_manifest(p->repository, digest_str(&d->digest).s, &got, bytes, err);
	descriptor_done(&got);
	if (r == 0)
		r = store_blob_put(p->store, buf_view(bytes), NULL, err);
	p->news = true;
	return r;
}

static bool is_image(const Manifest *m)
{
	if (!cstr_eq(m->config.media_type, MT_OCI_CONFIG) &&
		!cstr_eq(m->config.media_type, MT_DOCKER_CONFIG))
		return false;
	vec_foreach (&m->layers, layer)
		if (!media_type_is_layer(layer->media_type))
			return false;
	return true;
}

static int pull_manifest(Pull *p, const Descriptor *d, Str bytes, Err **err)
{
	_cleanup_(manifest_done) Manifest m = {0};
	_cleanup_(config_done) ImageConfig config = {0};
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
	_cleanup_free_ char *name = xasprintf("manifest %s", digest_str(&d->digest).s);
	int r = manifest_parse(bytes, name, &m, err);
	if (r == 0 && m.layers.len > LIMIT_LAYERS)
		r = err_set(err, ERR_LIMIT, "%s has %zu layers, more than %u", name, m.layers.len,
			LIMIT_LAYERS);
	if (r == 0 && m.config.size > LIMIT_MANIFEST_SIZE)
		r = err_set(err, ERR_LIMIT, "the config of %s has %llu bytes, more than %u", name,
			(unsigned long long)m.config.size, LIMIT_MANIFEST_SIZE);
	if (r == 0)
		r = blob_arrive(p->store, p->repository, &m.config, err);
	if (r < 0)
		return r;
	if (!is_image(&m))
		return pull_layers(p, &m, NULL, err);
	r = store_blob_read(p->store, &m.config.digest, LIMIT_MANIFEST_SIZE, &text, err);
	if (r == 0)
		r = config_parse(buf_view(&text), "config", &config, err);
	if (r == 0 && config.diff_ids.len != m.layers.len)
		r = err_set(err, ERR_CORRUPT, "config %s has %zu diff_ids for %zu layers",
			digest_str(&m.config.digest).s, config.diff_ids.len, m.layers.len);
	return r < 0 ? r : pull_layers(p, &m, &config, err);
}

static int pull_tree(Pull *p, const Descriptor *d, Str bytes, unsigned depth, Err **err)
{
	_cleanup_(image_index_done) ImageIndex index = {0};
	if (!media_type_is_index(d->media_type))
		return pull_manifest(p, d, bytes, err);
	if (depth >= MAX_INDEX_DEPTH)
		return err_set(
			err, ERR_LIMIT, "index %s is nested too deeply", digest_str(&d->digest).s);
	int r = image_index_parse(bytes, "index", &index, err);
	if (r < 0)
		return r;
	Platform host = {0};
	if (!p->options->platform)
		platform_host(&host);
	const Platform *want = p->options->platform ? p->options->platform : &host;
	const Descriptor *chosen = image_index_select(&index, want);
	if (!chosen && !p->options->all) {
		_cleanup_free_ char *text = platform_format(want);
		Buf have = BUF_INIT(LIMIT_MANIFEST_SIZE);
		vec_foreach (&index.manifests, m) {
			_cleanup_free_ char *one =
				m->has_platform ? platform_format(&m->platform) : NULL;
			if (one)
				buf_printf(&have, "%s%s", have.len ? ", " : "", one);
		}
		r = err_set(err, ERR_NOT_FOUND, "there is no image for %s", text);
		err_hint(err, "--platform takes one of: %s", buf_view(&have).ptr);
		buf_done(&have);
	}
	platform_done(&host);
	vec_foreach (&index.manifests, m) {
		_cleanup_buf_ Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
		if (r < 0 || (!p->options->all && m != chosen))
			continue;
		r = get_manifest(p, m, &text, err);
		if (r == 0)
			r = pull_tree(p, m, buf_view(&text), depth + 1, err);
	}
	return r;
}

int image_pull(Store *s, Registry *registry, const Reference *name, const PullOptions *options,
	PulledImage *ret, Err **err)
{
	Pull p = {.store = s, .options = options};
	_cleanup_(repository_freep) Repository *repository = NULL;
	_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
	_cleanup_free_ char *full = reference_full(name);
	Descriptor top = {0};
	int r = repository_open(registry, name, false, &repository, err);
	p.repository = repository;
	if (r == 0)
		r = repository_manifest(repository,
			name->has_digest ? digest_str(&name->digest).s : name->tag, &top, &bytes,
			err);
	if (r < 0)
		return r;
	p.news = !store_blob_has(s, &top.digest, NULL);
	r = store_blob_put(s, buf_view(&bytes), NULL, err);
	if (r == 0)
		r = pull_tree(&p, &top, buf_view(&bytes), 0, err);
	if (r == 0) {
		_cleanup_strvec_ StrVec names = {0};
		if (options->as)
			strvec_push(&names, options->as);
		else if (name->tag)
			strvec_push(&names, full);
		r = store_tag(s, &names, &top, err);
	}
	if (r < 0) {
		descriptor_done(&top);
		return r;
	}
	*ret = (PulledImage){top, p.news};
	return 0;
}
