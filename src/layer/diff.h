/*
 * The diff of a RUN: walks an overlay upper directory and writes what it changed as a layer, sorted by path,
 * leaving out copy-up noise. The layers below are consulted through their merged index only. (spec: build.md
 * 62–70)
 */
#pragma once

#include "layer/layerfile.h"
#include "layer/tree.h"

typedef struct DiffOptions {
	bool userxattr; /* overlay xattrs are user.overlay.* */
	bool clamp;     /* SOURCE_DATE_EPOCH: times later than epoch become epoch */
	int64_t epoch;
	const StrVec *
		skip; /* paths (no leading '/') that the sandbox made and that are left out when still
				  empty; parents it had to make too (spec 51); may be NULL */
} DiffOptions;
int diff_upper(int upper_fd, const Tree *lower, const DiffOptions *options, LayerWriter *out,
	Err **err) _warn_unused_;
