/* Times of an image: now, or SOURCE_DATE_EPOCH (reproducible-builds.org). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct Epoch {
	bool given;
	int64_t seconds; /* since 1970 */
} Epoch;
/* text: decimal seconds; NULL or "" is not given. ERR_USAGE on anything else. */
int epoch_parse(const char *text, Epoch *ret, Err **err) _warn_unused_;
int epoch_from_environment(Epoch *ret, Err **err) _warn_unused_;
char *epoch_created(const Epoch *e); /* RFC 3339; owned */
