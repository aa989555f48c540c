/* Image manifest and index (OCI image-spec manifest.md, image-index.md; Docker schema 2). */
#pragma once

#include "base/vec.h"
#include "oci/descriptor.h"

typedef VEC(Descriptor) Descriptors;

typedef struct Manifest {
	char *media_type;    /* owned; OCI type when the document leaves it out */
	char *artifact_type; /* owned; NULL without one */
	Descriptor config;
	Descriptors layers;
	StrVec annotations;
} Manifest;
int manifest_parse(Str text, const char *name, Manifest *ret, Err **err) _warn_unused_;
char *manifest_text(const Manifest *m); /* canonical JSON; owned */
void manifest_done(Manifest *m);

typedef struct ImageIndex {
	char *media_type;
	Descriptors manifests;
	StrVec annotations;
	json_t *raw; /* owned: what was read, so that unknown members survive; NULL for a new one */
} ImageIndex;
int image_index_parse(Str text, const char *name, ImageIndex *ret, Err **err) _warn_unused_;
char *image_index_text(const ImageIndex *i);
void image_index_done(ImageIndex *i);
/* An entry of an index that is about another one: BuildKit's have the platform unknown/unknown. */
bool descriptor_is_attestation(const Descriptor *d);
/*
 * Best manifest for the platform, the first among equals; NULL if none fits; borrowed. Attestation
 * entries never match; a single entry without a platform matches any.
 */
const Descriptor *image_index_select(const ImageIndex *i, const Platform *want);
