/* What an image weighs, from its descriptors and indexes alone. */
#pragma once

#include "image/layers.h"

typedef struct ImageSizes {
	uint64_t compressed; /* bytes of the layer blobs */
	uint64_t unpacked;   /* bytes of file bodies over all layers, as docker counts them */
	uint64_t files;      /* entries over all layers: files, directories, links, whiteouts */
	size_t layers;
} ImageSizes;
int image_sizes(Store *s, const StoreImage *image, ImageSizes *ret, Err **err) _warn_unused_;
/* unpacked bytes of one layer. */
int layer_unpacked_size(Store *s, const Descriptor *layer, const Digest *diff_id, uint64_t *ret,
	Err **err) _warn_unused_;
