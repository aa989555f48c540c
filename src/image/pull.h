/* Images from a registry into the store: bytes are hashed, inflated, hashed again, indexed and written while they
 * arrive; layers come several at a time, and what is known is not fetched. (spec: transfer.md 2.6, 7.1) */
#pragma once

#include "image/layers.h"
#include "registry/registry.h"

typedef struct PullOptions {
	const Platform *platform; /* NULL: this machine's */
	bool all;                 /* every platform of an index */
	const char *as;           /* full reference it gets in the store; NULL: its own name */
	Progress *progress;
} PullOptions;
typedef struct PulledImage {
	Descriptor descriptor; /* what the name stands for: the manifest, or the whole index */
	bool news;             /* something was fetched */
} PulledImage;
/* Under its full name, when all of it is there. A failure leaves what has arrived for the next time. */
int image_pull(Store *s, Registry *registry, const Reference *name, const PullOptions *options,
	PulledImage *ret, Err **err) _warn_unused_;
