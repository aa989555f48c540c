/*
 * A local directory as build input: walked with its ignore file applied, hashed with a cache that survives
 * runs (spec 3.5 item 2: device, inode, size, mtime and ctime in nanoseconds; entries younger than the scan
 * that saw them are not trusted). Thread-safe for reading.
 */
#pragma once

#include "base/glob.h"
#include "base/pool.h"
#include "store/store.h"

typedef struct Context Context;
/* dir must be a directory. patterns: from the ignore file (borrowed, copied). The walk happens on first use.
 * Never descends into the store when that lies inside (spec 48). */
int context_open(const char *dir, const StrVec *patterns, Store *s, Pool *pool, Context **ret,
	Err **err) _warn_unused_;
int context_fd(const Context *c);
const char *context_dir(const Context *c); /* as given */
/* Writes the hash cache back; errors are not fatal. */
Context *context_free(Context *c);
DEFINE_FREEP(Context, context_free)
