/* One layer on its way from a registry into the store. */
#pragma once

#include "image/layers.h"
#include "registry/registry.h"

/* Fetched, verified (digest, length, diffID), indexed and named, all in one pass; a part that is there from an earlier
 * time is not fetched again. A layer that is there costs nothing. progress_id is told of the bytes. */
int layer_arrive(Store *s, Repository *from, const Descriptor *layer, const Digest *diff_id,
	Progress *progress, unsigned progress_id, Err **err) _warn_unused_;
/* The same for a blob that is no layer of an image: not looked into. */
int blob_arrive(Store *s, Repository *from, const Descriptor *blob, Err **err) _warn_unused_;
