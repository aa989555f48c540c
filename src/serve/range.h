/* The headers that speak of parts: Range (RFC 9110 section 14) of pulls, Content-Range of chunked pushes. */
#pragma once

#include "base/str.h"

typedef enum RangeKind {
	RANGE_WHOLE,         /* no range that applies: the whole is sent */
	RANGE_PART,          /* first … last, both inside */
	RANGE_UNSATISFIABLE, /* 416 */
} RangeKind;
/* value: of the Range header, "" without one; size: of the content. Several ranges are answered with the whole, as
 * RFC 9110 allows; so is what has another unit or is malformed. */
RangeKind range_parse(Str value, uint64_t size, uint64_t *ret_first, uint64_t *ret_last);

/* "<first>-<last>", as distribution-spec has it ("bytes " in front and "/<size>" behind are taken too). */
bool content_range_parse(Str value, uint64_t *ret_first, uint64_t *ret_last);
