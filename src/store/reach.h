/* What the names of the store reach: the live set of gc, of --check and of df. */
#pragma once

#include "base/map.h"
#include "store/store.h"

typedef struct Reach {
	Map blobs;  /* hex digests; value NULL-free marker */
	Map layers; /* hex diffIDs */
	Map trees;  /* hex chainIDs */
	Map seen; /* manifests and indexes followed: a blob may be named as something else before */
	StrVec problems;
	uint64_t images;
} Reach;

void reach_init(Reach *r);
void reach_done(Reach *r);
void reach_mark(Reach *r, const Digest *blob);
/* From index.json and the kept manifests (store/kept.h) through indexes, manifests and configs. What is missing or
 * malformed becomes a problem, and everything readable is still followed. named_only: untagged images do not count, nor
 * do kept manifests but those whose subject is reached. */
int reach_names(Store *s, Reach *r, bool named_only, Err **err) _warn_unused_;
/* From build records (cache/records): their layers and blobs, as long as these are all there. dead: paths of
 * records that name blobs which are gone. */
int reach_records(Store *s, Reach *r, StrVec *dead, Err **err) _warn_unused_;
/* Calls fn for every entry of a directory below the store; an absent directory is empty, and so is what is none. */
typedef int (*StoreEntryFn)(void *arg, const char *dir, const char *name, Err **err);
int store_each(Store *s, const char *dir, StoreEntryFn fn, void *arg, Err **err) _warn_unused_;
