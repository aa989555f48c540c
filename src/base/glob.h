/*
 * Two pattern languages over '/'-separated paths:
 *  - glob_match: Go's filepath.Match (*, ?, [a-z], [^a], \ escapes; '*' does not cross '/'), the
 *    language of COPY sources (spec 34);
 *  - GlobSet: moby's patternmatcher ('**', '!' exceptions, last match wins, a matched parent covers its
 *    children), the language of .dockerignore and --exclude (spec 1.5).
 */
#pragma once

#include "base/vec.h"
#include "base/str.h"

bool glob_has_magic(Str pattern);
/* *ret_match; ERR_PARSE for a malformed pattern. */
int glob_match(Str pattern, Str path, bool *ret_match, Err **err) _warn_unused_;

typedef struct GlobSet GlobSet;
/* Patterns as written (with '!'); they are cleaned here. ERR_PARSE names the bad one. */
int globset_new(const StrVec *patterns, GlobSet **ret, Err **err) _warn_unused_;
/* Whether path (relative, cleaned) is excluded, its parents taken into account. */
bool globset_match(const GlobSet *g, Str path);
/* False only if nothing below this (excluded) directory can be re-included: no need to walk it. */
bool globset_may_include_below(const GlobSet *g, Str dir);
GlobSet *globset_free(GlobSet *g);
DEFINE_FREEP(GlobSet, globset_free)
/* Go's filepath.Clean for slash paths. Owned. */
char *path_clean(Str path);
/* Joins and cleans; an absolute second replaces the first. Owned. */
char *path_join(Str base, Str path);
