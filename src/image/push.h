/* Images of the store to a repository of a registry: what it has is not sent again, what a neighbour there has is
 * mounted, the manifest comes last. Blobs may be on their way before the manifest that names them exists.
 * (spec: transfer.md 3.3) */
#pragma once

#include "image/layers.h"
#include "registry/registry.h"

typedef struct Push Push; /* to one repository; used by one thread at a time */
/* name: host and path count. remote (may be NULL): where blobs are that the store does not have; those of the same host
 * are mounted and never come here. */
int push_open(Store *s, Registry *registry, const Reference *name, RemoteLayers *remote,
	Progress *progress, Push **ret, Err **err) _warn_unused_;
bool push_goes_to(const Push *p, const Reference *name);
/* Sends it in the background, once. Thread-safe. A failure is told by push_image. */
void push_blob(Push *p, const Descriptor *blob);
/* What is still missing of an image or index of the store, then its manifests; last the one it names, under each tag, or
 * by its digest when there is none. */
int push_image(Push *p, const Descriptor *what, const StrVec *tags, Err **err) _warn_unused_;
/* What is still on its way is given up. */
Push *push_free(Push *p);
DEFINE_FREEP(Push, push_free)

/* what: an image of the store in any form store_image takes. platform NULL: all that the name stands for, or, with a
 * warning, the image that is there of an index with gaps, which registries refuse. */
int push_choose(Store *s, const char *what, const Platform *platform, Progress *progress,
	Descriptor *ret, Err **err) _warn_unused_;
