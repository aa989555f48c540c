/*
 * Records of the build cache: what a step made, found by its key.
 *
 *	cache/records/<2 hex>/<hex>	JSON: {"created", "diff_id", "blobs": [{mediaType, digest, size, level}]}
 *	cache/ops/<2 hex>/<hex>		empty: some record was written for this step, whatever lay below it
 *	cache/created/<2 hex>/<hex>	JSON: {"created"}: when an image with this config was first made
 *
 * A record is a hint, never the truth: damaged, or naming a blob that is gone, it is a miss (spec 84).
 */
#pragma once

#include "archive/compress.h"
#include "store/store.h"

const char *record_media_type(Compression c); /* of a new layer's blob */

typedef struct Record {
	Digest diff_id;
	Descriptor layer;
	char *created;  /* RFC 3339 */
	bool converted; /* find: the only blob there has another compression or level than asked */
} Record;
void record_done(Record *r);
/* True if there is a usable record. */
bool record_find(Store *s, const Digest *key, Compression c, int level, Record *ret);
/* Adds the blob to what is recorded already for other compressions; op gets its marker. */
int record_write(Store *s, const Digest *key, const Digest *op, const Record *r, int level,
	Err **err) _warn_unused_;
/* Says that a record exists for a step known by this (other) digest. */
int record_op_mark(Store *s, const Digest *op, Err **err) _warn_unused_;
/* False: no record can exist for this step. */
bool record_op_seen(Store *s, const Digest *op);

char *record_created_find(Store *s, const Digest *key); /* owned; NULL if there is none */
int record_created_write(Store *s, const Digest *key, const char *created, Err **err) _warn_unused_;
