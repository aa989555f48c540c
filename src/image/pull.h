/* Images from a registry into the store: bytes are hashed, inflated, hashed again, indexed and written while they
 * arrive; layers come several at a time, and what is known is not fetched. (spec: transfer.md 2.6, 7.1) */
#pragma once

#include "image/layers.h"
#include "registry/registry.h"

/* Of an image that is asked for by name. */
typedef enum PullPolicy {
	PULL_MISSING, /* the store's, if there is one */
	PULL_ALWAYS,  /* the registry's */
	PULL_NEVER,
} PullPolicy;

typedef struct PullOptions {
	const Platform *platform; /* NULL: this machine's */
	bool all;                 /* every platform of an index */
	bool unpack;              /* trees, too, as a run needs them */
	const char *
		as; /* full reference it gets in the store; NULL: its own name, none if that has a digest */
	Progress *progress;
} PullOptions;
/* Under its full name, when all of it is there. A failure leaves what has arrived for the next time. ret: what the name
 * stands for, the manifest or the whole index. */
int image_pull(Store *s, Registry *registry, const Reference *name, const PullOptions *options,
	Descriptor *ret, Err **err) _warn_unused_;
/* Only what tells of the image for platform (NULL: this machine's): index, manifest and config. Named by nothing. */
int image_pull_metadata(Store *s, Repository *repository, const Reference *name,
	const Platform *platform, Descriptor *ret, Err **err) _warn_unused_;
