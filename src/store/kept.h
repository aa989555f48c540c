/*
 * What a registry needs of the store beside names (serve/): manifests that were pushed without a tag or lost it, blobs
 * that no manifest names yet, uploads on their way, and short turns of work in place of one long lock.
 *
 *	registry/kept/<16 hex of sha256(repository)>-<manifest hex>	one small JSON document each
 *	registry/hidden/<the same>		empty: deleted there, though an index there still names it
 *	registry/pending/<blob hex>		empty; its time says when the blob was last wanted
 *	registry/uploads/<id>			bytes so far; held by a lock on the file itself while somebody writes
 *
 * gc takes a kept manifest for a root like a name (with `untagged` only while a name reaches it or its subject),
 * a pending blob for live and an upload for work in flight until STORE_PENDING_SECONDS after it was last touched.
 */
#pragma once

#include "store/store.h"

#define STORE_KEPT            "registry/kept"
#define STORE_HIDDEN          "registry/hidden"
#define STORE_PENDING         "registry/pending"
#define STORE_UPLOADS         "registry/uploads"
#define STORE_PENDING_SECONDS (2 * 3600)

/* ---- turns of work ---- */

/*
 * For a process that stays: gives the lock of store_open back. From then on whatever adds to the store or removes from
 * it stands between store_turn_begin and store_turn_end; turns of several threads may overlap, one thread must not
 * nest them. A gc that waits lets the turns end that have begun and, for half a second at a time, no other begin. Reading needs no turn: what could
 * be opened stays readable.
 */
void store_rest(Store *s);
int store_turn_begin(Store *s, Err **err) _warn_unused_;
void store_turn_end(Store *s);

/* ---- manifests ---- */
typedef struct KeptManifest {
	char *repository; /* "docker.io/team/app" */
	Descriptor descriptor;
} KeptManifest;
void kept_manifest_done(KeptManifest *k);
/* Creates registry/…: the directories stand open for their change times from then on. */
int store_kept_prepare(Store *s, Err **err) _warn_unused_;
/* Keeping what is kept already is no error, nor is dropping what is not. What is kept is hidden no more. */
int store_keep(Store *s, const char *repository, const Descriptor *d, Err **err) _warn_unused_;
int store_unkeep(Store *s, const char *repository, const Digest *manifest, Err **err) _warn_unused_;
int store_hide(Store *s, const char *repository, const Digest *manifest, Err **err) _warn_unused_;
void store_unhide(Store *s, const char *repository, const Digest *manifest);
char *store_kept_file(const char *repository, const Digest *manifest); /* its name; owned */
/* One by its file name; ERR_NOT_FOUND, ERR_CORRUPT. */
int store_kept_read(Store *s, const char *file, KeptManifest *ret, Err **err) _warn_unused_;

/* ---- blobs ---- */
int store_pending(Store *s, const Digest *blob, Err **err) _warn_unused_; /* wanted now */
void store_pending_end(Store *s, const Digest *blob); /* a manifest names it, or it is gone */
/* A complete file of the store becomes the blob: the caller has hashed it. */
int store_blob_adopt(Store *s, const char *path, const Digest *d, Err **err) _warn_unused_;
int store_blob_remove(Store *s, const Digest *d, Err **err) _warn_unused_; /* ERR_NOT_FOUND */
