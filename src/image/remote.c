#include "image/remote.h"

#include <pthread.h>

#include "base/map.h"
#include "base/pool.h"
#include "image/arrival.h"
#include "image/pull.h"

#define LAYERS_AT_ONCE 4

typedef struct RemoteLayer {
	Repository *repository; /* borrowed */
	Digest diff_id;
} RemoteLayer;

struct RemoteLayers {
	Store *store;
	const RegistrySettings *settings;
	Progress *progress;
	pthread_mutex_t lock; /* of what follows */
	Registry *registry;   /* NULL until it is needed */
	VEC(Repository *) repositories;
	Map layers; /* hex digest → RemoteLayer */
	Map told;   /* hex digests of layers whose way here is shown */
};

RemoteLayers *remote_layers_new(Store *s, const RegistrySettings *settings, Progress *progress)
{
	RemoteLayers *r = xnew(RemoteLayers);
	*r = (RemoteLayers){.store = s,
		.settings = settings,
		.progress = progress,
		.layers = MAP_INIT(free),
		.told = MAP_INIT(NULL)};
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

RemoteLayers *remote_layers_free(RemoteLayers *r)
{
	if (!r)
		return NULL;
	map_done(&r->layers);
	map_done(&r->told);
	vec_foreach (&r->repositories, p)
		repository_free(*p);
	vec_done(&r->repositories);
	registry_free(r->registry);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

int remote_layers_registry(RemoteLayers *r, Registry **ret, Err **err)
{
	pthread_mutex_lock(&r->lock);
	int e = r->registry ? 0 : registry_new(r->settings, r->progress, &r->registry, err);
	*ret = r->registry;
	pthread_mutex_unlock(&r->lock);
	return e;
}

static void remember(RemoteLayers *r, const StoreImage *image, Repository *repository)
{
	pthread_mutex_lock(&r->lock);
	vec_push(&r->repositories, repository);
	size_t n = MIN(image->manifest.layers.len, image->config.diff_ids.len);
	for (size_t i = 0; i < n; i++) {
		DigestHex hex = digest_hex(&image->manifest.layers.items[i].digest);
		RemoteLayer layer = {repository, image->config.diff_ids.items[i]};
		if (!map_has(&r->layers, str_of(hex.s)))
			map_put(&r->layers, str_of(hex.s), xmemdup(&layer, sizeof(layer)));
	}
	pthread_mutex_unlock(&r->lock);
}

int remote_layers_image(RemoteLayers *r, const Reference *name, const Platform *platform,
	StoreImage *ret, Err **err)
{
	_cleanup_(repository_freep) Repository *repository = NULL;
	Registry *registry = NULL;
	Descriptor top = {0};
	StoreImage image = {0};
	int e = remote_layers_registry(r, &registry, err);
	if (e == 0)
		e = repository_open(registry, name, false, &repository, err);
	if (e == 0)
		e = image_pull_metadata(r->store, repository, name, platform, &top, err);
	if (e < 0)
		return e;
	e = store_image_at(r->store, &top, platform, &image, err);
	descriptor_done(&top);
	if (e < 0)
		return e;
	remember(r, &image, TAKE_PTR(repository));
	free(image.name);
	image.name = reference_full(name);
	*ret = image;
	return 0;
}

/* ---- layers ---- */

static bool find_layer(RemoteLayers *r, const Digest *layer, RemoteLayer *ret)
{
	pthread_mutex_lock(&r->lock);
	const RemoteLayer *found = map_get(&r->layers, str_of(digest_hex(layer).s));
	if (found)
		*ret = *found;
	pthread_mutex_unlock(&r->lock);
	return found != NULL;
}

/* True for the first who brings a layer. */
static bool tell_of(RemoteLayers *r, const Digest *layer)
{
	pthread_mutex_lock(&r->lock);
	bool first = map_put(&r->told, str_of(digest_hex(layer).s), r);
	pthread_mutex_unlock(&r->lock);
	return first;
}

typedef struct Missing {
	size_t at;
	bool told; /* it has a bar; else another thread brings it and tells */
} Missing;

typedef struct Bringing {
	RemoteLayers *remote;
	const Descriptor *layers;
	const Digest *diff_ids; /* or NULL */
	VEC(Missing) missing;
} Bringing;

static int bring_one(void *arg, size_t n, Err **err)
{
	const Bringing *b = arg;
	RemoteLayers *r = b->remote;
	size_t i = b->missing.items[n].at;
	Progress *progress = b->missing.items[n].told ? r->progress : NULL;
	RemoteLayer known;
	if (!find_layer(r, &b->layers[i].digest, &known))
		return 0;
	if (b->diff_ids)
		return layer_arrive(r->store, known.repository, b->layers, b->diff_ids, i,
			LAYER_UNPACKED, progress, err);
	return layer_arrive(r->store, known.repository, &b->layers[i], &known.diff_id, 0,
		LAYER_INDEXED, progress, err);
}

int remote_layers_bring(
	RemoteLayers *r, const Descriptor *layers, const Digest *diff_ids, size_t n, Err **err)
{
	Bringing b = {.remote = r, .layers = layers, .diff_ids = diff_ids};
	RemoteLayer ignored;
	if (!r)
		return 0;
	size_t told = 0;
	for (size_t i = 0; i < n; i++) {
		if (store_blob_has(r->store, &layers[i].digest, NULL) ||
			!find_layer(r, &layers[i].digest, &ignored))
			continue;
		bool first = tell_of(r, &layers[i].digest);
		told += first;
		vec_push(&b.missing, ((Missing){i, first}));
	}
	progress_plan(r->progress, told);
	int e = threads_each(b.missing.len, LAYERS_AT_ONCE, bring_one, &b, err);
	vec_done(&b.missing);
	return e;
}

const char *remote_layers_repository(RemoteLayers *r, const char *host, const Digest *layer)
{
	RemoteLayer found;
	if (!r || !find_layer(r, layer, &found) ||
		!cstr_eq(repository_host(found.repository), host))
		return NULL;
	return repository_path(found.repository);
}
