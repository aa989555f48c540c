/*
 * One end of a copy: a repository of a registry, an OCI layout (directory or archive), or the store. Written as skopeo
 * writes them: docker://NAME, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], NAME alone for the store's. (spec: transfer.md 3.4)
 * What comes out of one is not verified: who puts it somewhere does that.
 */
#pragma once

#include "registry/registry.h"
#include "store/store.h"

typedef enum TransportUse { TRANSPORT_SOURCE, TRANSPORT_TARGET } TransportUse;
typedef struct TransportContext { /* borrowed while transports made with it live */
	Store *store;
	Registry *registry;
	Progress *progress;
} TransportContext;
typedef struct Transport Transport;
int transport_open(const TransportContext *c, const char *text, TransportUse use, Transport **ret,
	Err **err) _warn_unused_;
Transport *transport_free(Transport *t); /* of a target: what was not finished leaves nothing */
DEFINE_FREEP(Transport, transport_free)
/* Tag, digest or name that the text ends with, by which the image is found or will be; NULL: it says none. Borrowed. */
const char *transport_target(const Transport *t);

/* The kind of a text. */
bool transport_is_registry(const char *text);
bool transport_is_store(const char *text);

/* ---- of a source; thread-safe ---- */
/* target: what transport_target gives, a tag out of transport_tags, a digest as text; NULL: the only image there is. */
int transport_manifest(Transport *t, const char *target, Descriptor *ret, Buf *ret_bytes, Err **err)
	_warn_unused_;
/* The bytes from offset on. */
int transport_blob(Transport *t, const Descriptor *d, uint64_t offset, Reader **ret, Err **err)
	_warn_unused_;
int transport_tags(Transport *t, StrVec *ret, Err **err) _warn_unused_;
int transport_referrers(Transport *t, const Digest *subject, ImageIndex *ret, Err **err)
	_warn_unused_;

/* ---- of a target; thread-safe ---- */
bool transport_is_serial(const Transport *t); /* takes one blob after the other */
/* Brings a blob there, unless it is there: content and size are verified on the way. progress_id is told of the
 * bytes. */
int transport_put_blob(Transport *t, const Descriptor *d, Transport *source, unsigned progress_id,
	BlobOutcome *ret, Err **err) _warn_unused_;
/* After all that it names. target NULL: by digest only. */
int transport_put_manifest(
	Transport *t, const char *target, const Descriptor *d, Str bytes, Err **err) _warn_unused_;
/* Makes all of it visible; once. */
int transport_finish(Transport *t, Err **err) _warn_unused_;
