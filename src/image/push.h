/* Images of the store to a registry: what it has is not sent again, what a neighbour there has is mounted, the manifest
 * comes last. (spec: transfer.md 3.3) */
#pragma once

#include "image/layers.h"
#include "registry/registry.h"

typedef struct PushOptions {
	const Platform *
		platform; /* only the image for it, where the name stands for an index; NULL: all of it */
	Progress *progress;
} PushOptions;
/* what: an image of the store in any form store_image takes; name: where it goes. *ret: what the registry has now. */
int image_push(Store *s, Registry *registry, const char *what, const Reference *name,
	const PushOptions *options, Descriptor *ret, Err **err) _warn_unused_;
