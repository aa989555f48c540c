/* Times of an image: now, or SOURCE_DATE_EPOCH (reproducible-builds.org), from --build-arg or the environment. */
#pragma once

#include "build/vars.h"

typedef struct Epoch {
	bool given;
	int64_t seconds;
} Epoch;
/* The environment's value also becomes a build argument, so that "ARG SOURCE_DATE_EPOCH" sees it. */
int epoch_init(BuildArgs *args, Epoch *ret, Err **err) _warn_unused_;
char *epoch_created(const Epoch *e); /* RFC 3339; owned */
