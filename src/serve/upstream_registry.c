/* The upstream of --mirror by the client of registry/: credentials, mirrors, retries are its business. */
#include "oci/reference.h"
#include "registry/registry.h"
#include "serve/upstream.h"

typedef struct RegistryUpstream {
	Upstream upstream; /* first: what callers have */
	RegistrySettings settings;
	Registry *registry;
	char *host;
} RegistryUpstream;

static int open_repository(void *arg, const char *name, Repository **ret, Err **err)
{
	RegistryUpstream *u = arg;
	Reference ref = {0};
	int r = reference_parse(str_of(name), &ref, err);
	if (r < 0)
		return r;
	r = repository_open(u->registry, &ref, false, ret, err);
	reference_done(&ref);
	return r;
}

static int get_manifest(void *arg, const char *repository, const char *target, Descriptor *ret,
	Buf *ret_bytes, Err **err)
{
	_cleanup_(repository_freep) Repository *p = NULL;
	int r = open_repository(arg, repository, &p, err);
	return r < 0 ? r : repository_manifest(p, target, ret, ret_bytes, err);
}

static int blob_size(
	void *arg, const char *repository, const Digest *d, uint64_t *ret_size, Err **err)
{
	_cleanup_(repository_freep) Repository *p = NULL;
	int r = open_repository(arg, repository, &p, err);
	if (r == 0)
		r = repository_blob_size(p, d, ret_size, err);
	if (r == 0 && *ret_size == UINT64_MAX)
		r = err_set(err, ERR_NET, "'%s' does not say how long the blob %s is",
			repository_host(p), digest_str(d).s);
	return r;
}

static int get_blob(
	void *arg, const char *repository, const Digest *d, uint64_t size, Writer *sink, Err **err)
{
	_cleanup_(repository_freep) Repository *p = NULL;
	char media_type[] = "application/octet-stream";
	Descriptor blob = {.media_type = media_type, .digest = *d, .size = size};
	int r = open_repository(arg, repository, &p, err);
	return r < 0 ? r : repository_blob_get(p, &blob, 0, sink, err);
}

Upstream *upstream_close(Upstream *upstream)
{
	RegistryUpstream *u = (RegistryUpstream *)upstream;
	if (!u)
		return NULL;
	registry_free(u->registry);
	free(u->host);
	free(u);
	return NULL;
}

int upstream_open(const char *host, Upstream **ret, Err **err)
{
	_cleanup_free_ char *probe = xasprintf("%s/probe", host);
	Reference ref = {0};
	int r = reference_parse(str_of(probe), &ref, NULL);
	bool is_host = r == 0 && strcmp(ref.host, host) == 0;
	reference_done(&ref);
	if (!is_host) {
		r = err_set(err, ERR_USAGE, "--mirror '%s' is no registry's host", host);
		err_hint(err, "write it as image names do: docker.io, or HOST:PORT");
		return r;
	}
	RegistryUpstream *u = xnew(RegistryUpstream);
	u->host = xstrdup(host);
	u->upstream = (Upstream){u->host, u, get_manifest, blob_size, get_blob};
	r = registry_new(&u->settings, NULL, &u->registry, err);
	if (r < 0) {
		upstream_close(&u->upstream);
		return r;
	}
	*ret = &u->upstream;
	return 0;
}
