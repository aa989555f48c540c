/*
 * Images from one place to another: registries, OCI layouts, archives, the store. Bytes of manifests and blobs stay as
 * they are, unless recompression is asked for; blobs come first, what names them after, tags last.
 * (spec: transfer.md 3.3, 3.4)
 */
#pragma once

#include "archive/compress.h"
#include "image/transport.h"

typedef struct CopyOptions {
	const Platform *platform; /* the one image for it out of an index; NULL: all of the index */
	bool referrers;           /* what refers to the image too, and cosign's tags */
	const StrVec *tags;       /* of the source, when they are known; for cosign's */
	bool part;       /* of an index that follows: without a tag it has no name at all */
	bool recompress; /* layers that are compressed otherwise: digests change */
	Compression compression;
	int level;
	Pool *pool; /* for recompression */
} CopyOptions;
/* One image; from and to are what transport_target or transport_tags give. to NULL: it has no tag there. *ret: what is there
 * now. The target is not finished. With options->referrers a list of referrers is not copied as it is, for the target may
 * have more: what it names is, and the target lists it. */
int image_copy(const TransportContext *c, Transport *source, const char *from, Transport *target,
	const char *to, const CopyOptions *options, Descriptor *ret, Err **err) _warn_unused_;
