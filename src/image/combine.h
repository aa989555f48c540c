/*
 * Images of several platforms under one index, out of images that were built one by one. What the index names comes to
 * the target first, by digest, then the index: until then the target's name stands for what it stood for.
 */
#pragma once

#include "image/transport.h"

typedef VEC(Platform) Platforms;

typedef struct CombineOptions {
	bool append; /* to what the target's name stands for, where an image replaces those for its platform */
	const Platforms *platforms; /* only the images for these; NULL: all */
	const StrVec *annotations;  /* "key=value", of the index */
	const char *media_type;     /* of the index; NULL: the one that is there, else OCI's */
	bool dry_run;               /* only *ret and *ret_text */
} CombineOptions;
/* target and images: what transport_open takes. An image that is an index gives all that it names. ERR_USAGE: two of the
 * images are for the same platform. *ret_text (owned): the index. */
int image_combine(const TransportContext *c, const char *target, const StrVec *images,
	const CombineOptions *options, Descriptor *ret, char **ret_text, Err **err) _warn_unused_;
