/*
 * The graph of a build: which stages the target needs, what each starts from, and its instructions with the
 * ONBUILD triggers of its base put in front (spec: build.md 20, 22, 23, 89, 90).
 */
#pragma once

#include "base/map.h"
#include "build/build.h"
#include "build/vars.h"

typedef enum SourceKind {
	SOURCE_CONTEXT, /* the build context */
	SOURCE_SCRATCH,
	SOURCE_STAGE,
	SOURCE_IMAGE,
	SOURCE_DIR, /* --build-context name=directory */
} SourceKind;
/* What a name in FROM or --from stands for. */
typedef struct SourceRef {
	SourceKind kind;
	size_t stage;     /* SOURCE_STAGE */
	const char *name; /* image name, or directory; borrowed */
} SourceRef;

typedef struct PlanStage {
	const Stage *stage;
	size_t number;
	char *label; /* "build" or "stage-1"; NULL in a file of one unnamed stage */
	bool reachable;
	char *base_name; /* expanded */
	SourceRef base;
	StoreImage image; /* SOURCE_IMAGE */
	Platform platform;
	VEC(Instr) triggers;
	VEC(const Instr *) steps; /* triggers, then the stage's own */
	VEC(size_t) needs;        /* stages */
	unsigned layers;          /* steps that are shown: FROM and those that make a layer */
} PlanStage;

typedef struct Plan {
	Store *store;
	const Dockerfile *dockerfile;
	const BuildOptions *options;
	BuildArgs *args;
	Progress *progress;
	RemoteLayers *remote;
	VEC(PlanStage) stages;
	size_t target;
	Map images; /* "platform name" → Descriptor of the manifest */
} Plan;

/* The stage that --target names, or the last. */
int plan_target(const Dockerfile *d, const char *target, size_t *ret, Err **err) _warn_unused_;
/* Fields up to remote and target are set by the caller. */
int plan_make(Plan *p, const Platform *platform, Err **err) _warn_unused_;
/* What --from=name of a stage means; an error for the stage itself and later ones. */
int plan_source(const Plan *p, size_t stage, const char *name, SourceRef *ret, Err **err)
	_warn_unused_;
/* Looks the image up, in the store or at its registry (manifest and config only). Asks once for a name; ERR_NOT_FOUND
 * names near stages. */
int plan_image(Plan *p, const char *name, const Platform *platform, StoreImage *ret, Err **err)
	_warn_unused_;
void plan_done(Plan *p);
/* RUN, COPY, ADD, WORKDIR. */
bool plan_makes_layer(const Instr *i);
