#include "image/sizes.h"

int layer_unpacked_size(
	Store *s, const Descriptor *layer, const Digest *diff_id, uint64_t *ret, Err **err)
{
	_cleanup_(index_freep) Index *index = NULL;
	int r = layers_index(s, layer, diff_id, NULL, &index, err);
	if (r == 0)
		*ret = index_unpacked_size(index);
	return r;
}

int image_sizes(Store *s, const StoreImage *image, ImageSizes *ret, Err **err)
{
	ImageSizes sizes = {.layers = image->manifest.layers.len};
	for (size_t i = 0; i < image->manifest.layers.len; i++) {
		const Descriptor *layer = &image->manifest.layers.items[i];
		_cleanup_(index_freep) Index *index = NULL;
		if (i >= image->config.diff_ids.len)
			return store_image_check(image, err);
		int r = layers_index(s, layer, &image->config.diff_ids.items[i], NULL, &index, err);
		if (r < 0)
			return r;
		sizes.compressed += layer->size;
		sizes.unpacked += index_unpacked_size(index);
		sizes.files += index_count(index);
	}
	*ret = sizes;
	return 0;
}
