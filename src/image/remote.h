/* Images whose layers are still in their registry: manifest and config are here, a layer comes when it is wanted, or
 * never. Thread-safe. (spec: transfer.md 7.1, build.md 5.1 "lazy refs") */
#pragma once

#include "registry/registry.h"
#include "store/store.h"

typedef struct RemoteLayers RemoteLayers; /* one a run */
/* settings and progress (may be NULL) are borrowed. Nothing is asked or read before it is needed. */
RemoteLayers *remote_layers_new(Store *s, const RegistrySettings *settings, Progress *progress);
RemoteLayers *remote_layers_free(RemoteLayers *r);
DEFINE_FREEP(RemoteLayers, remote_layers_free)
/* The registries it talks to; borrowed, made when first asked for. */
int remote_layers_registry(RemoteLayers *r, Registry **ret, Err **err) _warn_unused_;

/* Manifest and config of the image for platform (NULL: this machine's) come into the store, without a name; where its
 * layers are is known from then on. */
int remote_layers_image(RemoteLayers *r, const Reference *name, const Platform *platform,
	StoreImage *ret, Err **err) _warn_unused_;
/* Those that are not in the store come, several at a time. What no image had is left to whoever misses it. r NULL:
 * nothing to do. diff_ids: the layers are a stack, to be unpacked on the way as far as that goes; or NULL. */
int remote_layers_bring(RemoteLayers *r, const Descriptor *layers, const Digest *diff_ids, size_t n,
	Err **err) _warn_unused_;
/* Path of a repository on that host that has it, or NULL; borrowed. r may be NULL. */
const char *remote_layers_repository(RemoteLayers *r, const char *host, const Digest *layer);
