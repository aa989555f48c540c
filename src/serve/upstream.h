/* The registry that is mirrored, as serve/ needs it: an interface, so that the client behind it can be any. Called from
 * many threads. */
#pragma once

#include "base/stream.h"
#include "oci/descriptor.h"

typedef struct Upstream {
	const char *host; /* as in names: "docker.io" */
	void *arg;
	/* repository: "docker.io/library/alpine"; target: a tag or a digest as text. ret and ret_bytes as
	 * repository_manifest of registry/registry.h. */
	int (*manifest)(void *arg, const char *repository, const char *target, Descriptor *ret,
		Buf *ret_bytes, Err **err);
	int (*blob_size)(
		void *arg, const char *repository, const Digest *d, uint64_t *ret_size, Err **err);
	int (*blob)(void *arg, const char *repository, const Digest *d, uint64_t size, Writer *sink,
		Err **err);
} Upstream;

/* The one that --mirror names, over registry/. *ret: upstream_close. */
int upstream_open(const char *host, Upstream **ret, Err **err) _warn_unused_;
Upstream *upstream_close(Upstream *u);
DEFINE_FREEP(Upstream, upstream_close)
