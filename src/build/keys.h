/* Keys of the build cache: digests over framed fields (spec: build.md 76–83). */
#pragma once

#include "base/digest.h"

/* A hash that starts with the version of the key format and the kind of step. Changing what goes into a key,
 * or what a step does, needs a new version, so that old records are never taken for new ones. */
Sha256 *key_begin(const char *kind);
void key_cstr(Sha256 *h, const char *field); /* NULL and "" differ */
void key_strvec(Sha256 *h, const StrVec *v);
void key_digest(Sha256 *h, const Digest *d);
/* Frees the hash. */
void key_end(Sha256 *h, Digest *ret);

/* Key of a record: the step itself and the chainID below it. */
void key_on_chain(const Digest *op, const Digest *chain, Digest *ret);
/* The lineage names a step by how it came about (base, then every step), known before the layers below are
 * finished: two builds that are about to do the same work meet at a lock of this name. */
void key_lineage(Digest *lineage, const Digest *op);
