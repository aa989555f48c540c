/* One layer on its way from a registry into the store. */
#pragma once

#include "image/layers.h"
#include "registry/registry.h"

/* What it is wanted for. */
typedef enum LayerUse {
	LAYER_KEPT, /* the index may wait for its first use, where inflating would hold up the link */
	LAYER_INDEXED, /* at once */
	LAYER_UNPACKED, /* in the same pass, if all below it is indexed by now (the lowest always can be); the others are
			 * left to layer_stack_trees */
} LayerUse;

/* Fetched, verified (digest, length, diffID), indexed and named, all in one pass; a part that is there from an earlier
 * time is not fetched again. A layer that is there costs nothing. It is the i-th of an image's layers; diff_ids NULL: a
 * blob that is no layer of an image, and is not looked into. What came of one that fails or is cancelled stays. */
int layer_arrive(Store *s, Repository *from, const Descriptor *layers, const Digest *diff_ids,
	size_t i, LayerUse use, Progress *progress, Err **err) _warn_unused_;
/* Any blob, as part of something whose states are told already; progress may be NULL. */
int blob_arrive(Store *s, Repository *from, const Descriptor *blob, Progress *progress,
	unsigned progress_id, Err **err) _warn_unused_;
