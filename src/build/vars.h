/*
 * Variables of a build: --build-arg, the platform arguments, ARG before the first FROM, and what a stage has
 * set so far (spec: build.md 1.2, 14–16).
 */
#pragma once

#include "dockerfile/ast.h"
#include "dockerfile/expand.h"
#include "oci/platform.h"

typedef struct BuildArg {
	char *name;
	char *value;
	bool used; /* some ARG declared it, or it needs no declaration */
} BuildArg;

/* What every stage shares. build_args_get may be called from several threads. */
typedef struct BuildArgs {
	VEC(BuildArg) given;
	StrVec globals; /* "K=V": platform arguments, then ARGs before FROM */
	char escape;
} BuildArgs;
/* given: "K=V", or "K" for the value of the environment (ignored when unset there). */
int build_args_init(BuildArgs *a, const StrVec *given, char escape, Err **err) _warn_unused_;
void build_args_platform(BuildArgs *a, const Platform *build, const Platform *target,
	const char *target_stage /* NULL = unnamed */);
/* One ARG instruction before the first FROM. */
int build_args_global(BuildArgs *a, const Instr *arg, Err **err) _warn_unused_;
/* Value given on the command line, or NULL; marks it as used. */
const char *build_args_get(BuildArgs *a, const char *name);
Expander build_args_expander(const BuildArgs *a); /* sees the globals only: for FROM */
/* Names given that nothing consumed. */
void build_args_unused(const BuildArgs *a, StrVec *ret);
void build_args_done(BuildArgs *a);

/* What a stage has set: ENV and ARG share one name space, the later wins. */
typedef struct Vars {
	StrVec env;  /* "K=V": ENV of the image and ARGs that have a value */
	StrVec args; /* names declared by ARG, in order */
	char escape;
} Vars;
void vars_init(Vars *v, const StrVec *image_env, char escape);
void vars_copy(const Vars *src, Vars *ret);
void vars_done(Vars *v);
void vars_set(Vars *v, const char *name, const char *value);
/* ARG inside a stage: --build-arg, else its default, else the global value. ret_shown gets "K=V" or "K". */
int vars_declare(Vars *v, BuildArgs *a, const Instr *arg, StrVec *ret_shown, Err **err)
	_warn_unused_;
Expander vars_expander(const Vars *v);
/* "|2 A=1 B=2 " for the history of RUN; "" without ARGs. Owned. */
char *vars_history_prefix(const Vars *v);
/* Adds the proxies of the command line that no ARG declared: seen by RUN, in no key and no history. */
void vars_add_proxies(const Vars *v, BuildArgs *a, StrVec *env);
