#include "image/pull.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/pool.h"
#include "image/arrival.h"

#define LAYERS_AT_ONCE  4
#define MAX_INDEX_DEPTH 4

typedef struct Pull {
	Store *store;
	Repository *repository;
	const PullOptions *options;
	bool metadata; /* no layers */
	Map seen;      /* hex digests of what indexes name: many may name the same */
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
	const Pull *p = l->pull;
	return layer_arrive(p->store, p->repository, l->manifest->layers.items,
		l->config ? l->config->diff_ids.items : NULL, i,
		p->options->unpack ? LAYER_UNPACKED : LAYER_KEPT, p->options->progress, err);
}

/* Trees that were not made on the way. */
static int unpack_rest(const Layers *l, Err **err)
{
	_cleanup_strvec_ StrVec lowers = {0};
	_cleanup_(pool_freep) Pool *pool = pool_new(0);
	LayerStack all;
	layer_stack_init(&all);
	int r = 0;
	for (size_t i = 0; r == 0 && i < l->manifest->layers.len; i++)
		r = layer_stack_push(&all, l->pull->store, &l->manifest->layers.items[i],
			&l->config->diff_ids.items[i], err);
	if (r == 0)
		r = layer_stack_trees(&all, l->pull->store, pool, NULL, &lowers, err);
	layer_stack_done(&all);
	return r;
}

static int pull_layers(Pull *p, const Manifest *m, const ImageConfig *config, Err **err)
{
	Layers l = {p, m, config};
	progress_plan(p->options->progress, m->layers.len);
	int r = threads_each(m->layers.len, LAYERS_AT_ONCE, arrive, &l, err);
	return r == 0 && config && p->options->unpack ? unpack_rest(&l, err) : r;
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

/* A name that stands for one image is that image, whatever is asked for. */
static void check_platform(const Pull *p, const ImageConfig *config)
{
	const PullOptions *o = p->options;
	if (!o->platform || platform_match(o->platform, &config->platform))
		return;
	_cleanup_free_ char *wanted = platform_format(o->platform),
			    *have = platform_format(&config->platform);
	progress_warn(
		o->progress, NULL, 0, "the image is for %s, there is none for %s", have, wanted);
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
		r = blob_arrive(p->store, p->repository, &m.config, NULL, 0, err);
	if (r < 0)
		return r;
	if (!is_image(&m))
		return p->metadata ? 0 : pull_layers(p, &m, NULL, err);
	r = store_blob_read(p->store, &m.config.digest, LIMIT_MANIFEST_SIZE, &text, err);
	if (r == 0)
		r = config_parse(buf_view(&text), "config", &config, err);
	if (r == 0 && config.diff_ids.len != m.layers.len)
		r = err_set(err, ERR_CORRUPT, "config %s has %zu diff_ids for %zu layers",
			digest_str(&m.config.digest).s, config.diff_ids.len, m.layers.len);
	if (r == 0 && !p->options->all)
		check_platform(p, &config);
	return r < 0 || p->metadata ? r : pull_layers(p, &m, &config, err);
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
		if (r < 0 || (!p->options->all && m != chosen) ||
			!map_put(&p->seen, str_of(digest_hex(&m->digest).s), p))
			continue;
		r = get_manifest(p, m, &text, err);
		if (r == 0)
			r = pull_tree(p, m, buf_view(&text), depth + 1, err);
	}
	return r;
}

/* The manifest or index that the name stands for, and what is below it. */
static int pull_named(Pull *p, const Reference *name, Descriptor *ret, Err **err)
{
	_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
	Descriptor top = {0};
	int r = repository_manifest(p->repository,
		name->has_digest ? digest_str(&name->digest).s : name->tag, &top, &bytes, err);
	if (r < 0)
		return r;
	r = store_blob_put(p->store, buf_view(&bytes), NULL, err);
	if (r == 0)
		r = pull_tree(p, &top, buf_view(&bytes), 0, err);
	map_done(&p->seen);
	if (r < 0)
		descriptor_done(&top);
	else
		*ret = top;
	return r;
}

int image_pull_metadata(Store *s, Repository *repository, const Reference *name,
	const Platform *platform, Descriptor *ret, Err **err)
{
	PullOptions options = {.platform = platform};
	Pull p = {.store = s, .repository = repository, .options = &options, .metadata = true};
	return pull_named(&p, name, ret, err);
}

int image_pull(Store *s, Registry *registry, const Reference *name, const PullOptions *options,
	Descriptor *ret, Err **err)
{
	Pull p = {.store = s, .options = options};
	_cleanup_(repository_freep) Repository *repository = NULL;
	_cleanup_strvec_ StrVec names = {0};
	Descriptor top = {0};
	int r = repository_open(registry, name, false, &repository, err);
	p.repository = repository;
	if (r == 0)
		r = pull_named(&p, name, &top, err);
	if (r < 0)
		return r;
	if (options->as)
		strvec_push(&names, options->as);
	else if (name->tag && !name->has_digest)
		strvec_take(&names, reference_full(name));
	r = store_tag(s, &names, &top, err);
	if (r < 0)
		descriptor_done(&top);
	else
		*ret = top;
	return r;
}
