/* A GET of a part of a blob, as one stream (download.c) and as several (blob_fetch.c) use it. */
#pragma once

#include "registry/registry_int.h"

typedef struct RangeAnswer {
	uint64_t from, end, size; /* asked for: bytes [from, end) of size */
	uint64_t skip;            /* bytes that come first and were not asked for */
	bool whole;               /* the server sends all, though it was asked for a range */
	bool astray;              /* it answered with another range */
	bool may_pass;            /* it failed, but may work the next time */
	int retry_after;          /* seconds, -1: not said */
} RangeAnswer;
/* One try; sink sees what comes, a->skip bytes too many at first. */
int range_call(Repository *p, const Endpoint *e, const Digest *digest, RangeAnswer *a, Writer *sink,
	Err **err) _warn_unused_;
/* An answer that ended, well by its own account, before the bytes that were asked for: ERR_DIGEST, worth another try. */
int range_short(const Endpoint *e, const Digest *digest, RangeAnswer *a, uint64_t at, Err **err);
/* After a failure, `progress` bytes further than before it: whether to try again (the back-off is told). */
bool range_try_again(Repository *p, const Endpoint *e, const RangeAnswer *a, uint64_t progress,
	unsigned *tries, const Err *why);
