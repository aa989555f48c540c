/*
 * Digests of context files, kept between runs: (device, inode, size, mtime, ctime) → sha256. A file is
 * believed unchanged only if all of these are equal and it was already older than the clock's granularity
 * when it was hashed (git's "racy" rule), so that a write in the same tick is never missed.
 */
#pragma once

#include <sys/stat.h>

#include "base/digest.h"

typedef struct HashCache HashCache;
/* A missing, foreign or damaged file gives an empty cache. dirfd/path is also where save writes. */
HashCache *hashcache_load(int dirfd, const char *path);
/* False if unknown or changed. */
bool hashcache_find(
	const HashCache *h, Str path, const struct stat *st, Digest *ret, bool *ret_has_xattrs);
/* The same for paths asked for in rising order: *at, 0 at first, is where the next search begins. */
bool hashcache_find_next(const HashCache *h, size_t *at, Str path, const struct stat *st,
	Digest *ret, bool *ret_has_xattrs);
/* hashed_at: the clock (CLOCK_REALTIME) before the body was read. Thread-safe. */
void hashcache_add(HashCache *h, Str path, const struct stat *st, const struct timespec *hashed_at,
	const Digest *digest, bool has_xattrs);
int hashcache_save(HashCache *h, Err **err) _warn_unused_; /* no-op if nothing was added */
HashCache *hashcache_free(HashCache *h);
DEFINE_FREEP(HashCache, hashcache_free)
