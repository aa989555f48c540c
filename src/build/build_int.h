/*
 * Inside a build.
 *
 *	input.c		options, context and Dockerfile
 *	plan.c		the graph of stages
 *	stage.c		one stage: its steps in order, on a thread of its own
 *	step.c		what every step that makes a layer does around its work: keys, records, locks
 *	run_queue.c	turns what a RUN left behind into a layer while the next one runs
 *	exec_*.c	the instructions
 *	output.c	what the target becomes
 *	shipping.c	its way to registries
 *
 * A stage's state is a stack of layers, an image config and variables; nothing is unpacked, mounted or
 * started before a step needs it, so that a build that finds all its steps in the cache reads a few small
 * files and no more.
 */
#pragma once

#include <pthread.h>

#include "base/epoch.h"
#include "base/map.h"
#include "build/build.h"
#include "build/context.h"
#include "build/plan.h"
#include "build/record.h"
#include "image/push.h"
#include "sys/lock.h"

typedef struct Build Build;
typedef struct StageRun StageRun;
typedef struct RunQueue RunQueue;

/* A directory given by the user, opened when a step first wants it. */
typedef struct ContextSlot {
	char *dir;
	StrVec patterns;
	Context *context; /* NULL until then */
} ContextSlot;

/* An image that COPY --from or a mount reads. */
typedef struct SourceImage {
	LayerStack stack;
} SourceImage;

/* A repository that the image goes to. */
typedef struct BuildPush {
	Push *push;
	StrVec tags;
} BuildPush;

struct StageRun {
	Build *build;
	PlanStage *plan;
	Job *job;
	bool done; /* under build->lock */
	bool no_cache;
	bool in_target; /* its layers are the target's */

	LayerStack stack; /* belongs to the queue's thread until run_queue_drain */
	ImageConfig config;
	Vars vars;
	bool cmd_set;
	Digest lineage;
	unsigned step; /* number of the last shown */

	RunQueue *queue; /* NULL until the first RUN that really runs */
	StoreTemp *temp; /* upper directories and what mounts need; NULL until then */
	unsigned runs;
	StrVec lowers; /* directories of all layers, top first */
	bool has_lowers;
};

struct Build {
	Store *store;
	Sandbox *sandbox;
	const Err *sandbox_error;
	const BuildOptions *options;
	Progress *progress;
	BuildResult *result;

	StrVec names; /* full references of the tags */
	Platform platform;
	BuildArgs args;
	Epoch epoch;
	ContextSlot context;
	StoreTemp *input; /* an extracted tar, or an empty directory */
	Dockerfile *dockerfile;
	Plan plan;
	StageRun *stages; /* one for each of the plan */
	RemoteLayers *remote;
	VEC(BuildPush) pushes; /* complete before the stages start */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	Pool *pool;              /* build_pool */
	Map images;              /* name → SourceImage */
	Map contexts;            /* directory → ContextSlot */
	pthread_mutex_t loading; /* held while the tree of a --from is completed */
	bool failed;
	Err *error; /* the first that is not a consequence of another */
};

/* input.c: fills names … dockerfile. */
int build_input(Build *b, Err **err) _warn_unused_;

/* build.c */
Pool *build_pool(Build *b);
/* The context as seen by a step: the build's own (dir NULL) or a named one. */
int build_context(Build *b, const char *dir, ContextSlot **ret, Err **err) _warn_unused_;
/* The layers behind a --from with their tree, waiting for a stage to be finished. Borrowed. */
int build_source(Build *b, const SourceRef *ref, const Platform *platform, const LayerStack **ret,
	Err **err) _warn_unused_;
/* The stage that another starts from, waiting for its end. */
int build_parent(Build *b, size_t stage, const StageRun **ret, Err **err) _warn_unused_;
/* Records the failure and stops everything else. Takes *err. */
void build_fail(Build *b, Err **err);
bool build_failed(Build *b);

/* stage.c: a job (JobFn); arg is the StageRun. */
int stage_run(void *arg, Err **err);
void stage_done(StageRun *s);

/* ---- steps that make a layer (step.c) ---- */
typedef struct Step {
	StageRun *stage;
	const Instr *instr;
	const char *what; /* as shown: "RUN make" */
	unsigned progress;
	bool started, settled; /* what was told to progress */
	char *created_by;
	Digest op;      /* all that matters, but for the layers below */
	bool off_chain; /* op alone is the key (COPY --link) */
	int lock_fd;
} Step;
void step_done(Step *t);
void step_started(Step *t);
/* 1: a record was found, its layer is on the stack and the history written; 0: not. Needs a drained stack. */
int step_cached(Step *t, Err **err) _warn_unused_;
/* Waits while another build does the same step (no-op with --no-cache). name: what to add to the lineage;
 * *ret_waited: it was held by another, so that looking again is worth while. */
int step_lock(Step *t, const Digest *name, bool *ret_waited, Err **err) _warn_unused_;
/* lock_take, but ends when the build has failed elsewhere. */
int stage_lock(StageRun *s, const char *path, LockMode mode, int *ret_fd, Err **err) _warn_unused_;
/* Pushes a layer that was just made, writes history and record. */
int step_finish(Step *t, const Descriptor *layer, const Digest *diff_id, Err **err) _warn_unused_;
void step_history(Step *t, const char *created);
void step_key(const Step *t, const LayerStack *below, Digest *ret);

/* ---- instructions ---- */
int exec_run(Step *t, Err **err) _warn_unused_;
int exec_copy(Step *t, Err **err) _warn_unused_;
int exec_workdir(Step *t, Err **err) _warn_unused_;

/* The stage's temp directory, made when first asked for. A fresh directory in it: *ret_name owned. */
int stage_temp_dir(StageRun *s, const char *what, char **ret_name, Err **err) _warn_unused_;

/* ---- frozen upper directories (run_queue.c) ---- */
typedef struct FrozenRun {
	char *dir;   /* below the stage's temp directory; holds upper/ */
	StrVec made; /* mount targets (SandboxResult) */
	Digest op;
	char *created;
	int lock_fd;
	size_t layer; /* number in the stack once committed */
	bool adopted;
} FrozenRun;
/* Takes over what f points to. */
void run_queue_push(StageRun *s, FrozenRun *f);
/* Waits until every RUN is a layer of s->stack. */
int run_queue_wait(StageRun *s, Err **err) _warn_unused_;
/* And their directories become trees. Forgets s->lowers. */
int run_queue_drain(StageRun *s, Err **err) _warn_unused_;
RunQueue *run_queue_free(StageRun *s); /* best effort: what is done is kept */

/* ---- registries (shipping.c) ---- */
int build_pushes_open(Build *b, Err **err) _warn_unused_; /* no-op without --push */
/* The layer is in the image if the stage leads to the target: it may go. */
void build_push_layer(StageRun *s, const Descriptor *layer);
int build_pushes_finish(Build *b, Err **err) _warn_unused_;
void build_pushes_done(Build *b);

/* ---- results (output.c, metadata.c) ---- */
int build_output(Build *b, StageRun *target, Err **err) _warn_unused_;
int build_files(Build *b, Err **err) _warn_unused_; /* --iidfile, --metadata-file */
/* convert.c: the same layer in another compression. */
int layer_convert(Store *s, const Descriptor *layer, Compression c, int level, Pool *pool,
	Descriptor *ret, Err **err) _warn_unused_;
