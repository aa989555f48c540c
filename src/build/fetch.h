/* ADD of a URL: one download into a file (spec: build.md 43). */
#pragma once

#include "base/digest.h"
#include "base/progress.h"

typedef struct Fetched {
	char *file; /* name below the directory; owned */
	char *name; /* last part of the URL's path, "__unnamed__" if there is none; owned */
	uint64_t size;
	Digest digest;
	int64_t last_modified; /* seconds, -1 unknown */
} Fetched;
/* checksum: "sha256:…" that the body must have (ERR_DIGEST), or NULL. Follows redirects; a status other than 200 is
 * ERR_NOT_FOUND (404, 410) or ERR_NET. */
int fetch_url(const char *url, const char *checksum, int dirfd, Progress *progress,
	unsigned progress_id, Fetched *ret, Err **err) _warn_unused_;
