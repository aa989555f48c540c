/*
 * Pull-through of another registry: what the store lacks is fetched, given to the client while it comes, and kept.
 *
 * The store never has half an image: a manifest that was fetched waits in memory until every blob it names is there (gc
 * spares them meanwhile: store/kept.h), and only then it is written and named. Tags are looked up upstream again after
 * MIRROR_FRESH_SECONDS; when upstream does not answer, what the store has is served.
 */
#pragma once

#include "serve/catalog.h"
#include "serve/response.h"
#include "serve/upstream.h"

#define MIRROR_FRESH_SECONDS 60
#define MIRROR_WAITING_BYTES (8u << 20) /* manifests in memory; the oldest go first */

typedef struct Mirror Mirror;
Mirror *mirror_new(Store *s, const Upstream *upstream);
Mirror *mirror_free(Mirror *m); /* waits for running fetches */
/* "docker.io/library/alpine" of the repositories a URL means, or NULL: it is not upstream's. Borrowed. */
const char *mirror_repository(const Mirror *m, const StrVec *repositories);
/* Whether the tag was looked up recently, so that the store's answer will do. */
bool mirror_is_fresh(Mirror *m, const char *repository, const char *tag);
/* Upstream did not answer, and the store has the tag: it is not asked again for as long. */
void mirror_put_off(Mirror *m, const char *repository, const char *tag);
/* From upstream or from those that wait; who asks while another does gets his answer. ERR_NOT_FOUND: upstream has none.
 * ERR_EXISTS: the store has it by now. */
int mirror_manifest(Mirror *m, const char *repository, const char *target, Descriptor *ret,
	Buf *ret_bytes, Err **err) _warn_unused_;
/* A blob the store lacks: its size, and (get) a source that ends when all of it has come with the right digest. */
int mirror_blob(Mirror *m, const char *repository, const Digest *d, bool get, uint64_t *ret_size,
	BodySource **ret, Err **err) _warn_unused_;
