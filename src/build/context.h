/*
 * A local directory as build input: walked with its ignore file applied, hashed with a cache that
 * survives runs (hashcache.h). One Context may be used from several threads.
 */
#pragma once

#include <sys/stat.h>

#include "base/arena.h"
#include "base/glob.h"
#include "base/pool.h"
#include "store/store.h"

typedef struct Context Context;
/* dir must be a directory. patterns: from the ignore file (borrowed, copied). Nothing is read yet. The
 * store is never descended into when it lies inside (spec 48). pool may be NULL. */
int context_open(const char *dir, const StrVec *patterns, Store *s, Pool *pool, Context **ret,
	Err **err) _warn_unused_;
int context_fd(const Context *c);
const char *context_dir(const Context *c); /* as given */
void context_set_unpacked(
	Context *c); /* it came on standard input: messages do not name the directory */
/* Writes the hash cache back; errors are not fatal. */
Context *context_free(Context *c);
DEFINE_FREEP(Context, context_free)

typedef struct ContextEntry {
	char *path; /* relative to the context, "" = its root; part of the list, as is link */
	struct stat st;
	char *link;    /* symlink target, else NULL */
	Digest digest; /* of a regular file's body */
	bool has_digest;
	bool has_xattrs; /* meaningful with has_digest, and for directories */
} ContextEntry;
typedef struct ContextEntries {
	ContextEntry *items; /* with len and cap, a VEC */
	size_t len, cap;
	Arena text;
} ContextEntries;
void context_entries_done(ContextEntries *e);

/* The subtree of path (itself first) in index order, ignored entries left out; digests of files that did
 * not change since they were last hashed are filled in. ERR_NOT_FOUND if path is missing or ignored. */
int context_walk(Context *c, const char *path, ContextEntries *ret, Err **err) _warn_unused_;
/* Paths that match a COPY wildcard (sorted); ignored ones left out. */
int context_glob(Context *c, Str pattern, StrVec *ret, Err **err) _warn_unused_;
/* Follows symlinks (the last component too) inside the context: the real relative path. ERR_NOT_FOUND with
 * a hint when an ignore pattern hides it. */
int context_resolve(Context *c, const char *path, char **ret, Err **err) _warn_unused_;
/* Opens a file of a walk; ERR_CORRUPT-free: a file that is no longer the one stat'ed is ERR_SYS. */
int context_open_file(const Context *c, const ContextEntry *e, int *ret_fd, Err **err)
	_warn_unused_;
/* To be called when the body of e was read through fd and hashed: checks that the file did not change while it
 * was read, learns whether it has extended attributes, and remembers the digest for the cache. */
int context_learn(Context *c, ContextEntry *e, int fd, const Digest *digest, Err **err)
	_warn_unused_;
/* Hashes every regular file of the list that has no digest yet, in parallel. */
int context_hash(Context *c, ContextEntry *const *entries, size_t n, Err **err) _warn_unused_;
