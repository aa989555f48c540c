/* One layer or blob on its way into the store. */
#pragma once

#include "image/layers.h"

/* A plain tar: its bytes become the layer as they are, compressed on the way, indexed in the same pass. plain is read
 * to its end (borrowed). expected: the diffID it must have (ERR_DIGEST), or NULL. */
int ingest_tar(Store *s, Reader *plain, Compression c, int level, Pool *pool,
	const Digest *expected, Descriptor *ret, Digest *ret_diff_id, Err **err) _warn_unused_;
/* Bytes that stay as they are. expected NULL: whatever they are; size UINT64_MAX: unknown. */
int ingest_blob(Store *s, Reader *source, const Digest *expected, uint64_t size, Digest *ret_digest,
	uint64_t *ret_size, Err **err) _warn_unused_;
/* OCI media type of a layer compressed so. */
const char *layer_media_type(Compression c);
