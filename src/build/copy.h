/*
 * COPY and ADD: which files go where (spec: build.md 26–49), their content digest for the cache key, and the
 * layer they make. Works on indexes only: no root file system, no privilege.
 */
#pragma once

#include "build/context.h"
#include "dockerfile/ast.h"
#include "image/layers.h"

typedef struct CopyOp {
	bool add;               /* ADD: tars are unpacked, URLs fetched */
	Context *context;       /* source: a local directory … */
	const LayerStack *from; /* … or a stage or image; exactly one of the two */
	const char *from_name;  /* for messages */
	StrVec sources; /* expanded; "<<NAME" refers to heredocs, http(s):// to URLs (ADD only) */
	char *dest; /* expanded, made absolute by the caller with WORKDIR; keeps a trailing '/' or "/." */
	const Instr *instr;             /* heredocs; line numbers for messages */
	StrVec heredoc_contents;        /* expanded contents, same order as instr->heredocs */
	char *chown, *chmod, *checksum; /* expanded flags or NULL */
	StrVec excludes;
	bool link, parents;
	int unpack; /* ADD --unpack: -1 not given, 0, 1 */
	bool clamp; /* SOURCE_DATE_EPOCH */
	int64_t epoch;
	const char *file; /* Dockerfile path for messages */
} CopyOp;
void copy_op_done(CopyOp *op);

/* Prepares: resolves wildcards, follows links, stats (not reads) the sources, parses chown/chmod against `onto`
 * (the stage so far), fetches URLs into store temp files. All argument errors appear here. */
typedef struct CopyPlan CopyPlan;
int copy_plan(const CopyOp *op, const LayerStack *onto, Store *s, Pool *pool, Progress *progress,
	unsigned progress_id, CopyPlan **ret, Err **err) _warn_unused_;
/* Digest over names (relative), types, modes, owners as stored, links, xattrs and contents of what is selected and
 * the resolved op (dest, owner, mode); no mtimes (spec 77). Reads files whose hash is not cached, in parallel. */
int copy_digest(CopyPlan *p, Digest *ret, Err **err) _warn_unused_;
/* Writes the layer's entries. If copy_digest was not called before, the contents are hashed on the way and
 * copy_digest afterwards costs no further read. A file that changes meanwhile is an error. */
int copy_execute(CopyPlan *p, LayerWriter *out, Err **err) _warn_unused_;
CopyPlan *copy_plan_free(CopyPlan *p);
DEFINE_FREEP(CopyPlan, copy_plan_free)
