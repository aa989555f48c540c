/* The upstream of --mirror by the client of registry/: credentials, mirrors, retries are its business. */
#include <pthread.h>

#include "base/map.h"
#include "oci/reference.h"
#include "registry/registry.h"
#include "serve/upstream.h"

typedef struct RegistryUpstream {
	Upstream upstream; /* first: what callers have */
	RegistrySettings settings;
	Registry *registry;
	char *host;
	pthread_mutex_t lock;
	Map repositories; /* "docker.io/library/alpine" → Repository, for good */
} RegistryUpstream;

static void free_repository(void *p)
{
	repository_free(p);
}

static int repository_for(RegistryUpstream *u, const char *name, Repository **ret, Err **err)
{
	Reference ref = {0};
	pthread_mutex_lock(&u->lock);
	Repository *p = map_get(&u->repositories, str_of(name));
	int r = p ? 0 : reference_parse(str_of(name), &ref, err);
	if (r == 0 && !p) {
		r = repository_open(u->registry, &ref, false, &p, err);
		if (r == 0)
			map_put(&u->repositories, str_of(name), p);
		reference_done(&ref);
	}
	pthread_mutex_unlock(&u->lock);
	if (r == 0)
		*ret = p;
	return r;
}

static int get_manifest(void *arg, const char *repository, const char *target, Descriptor *ret,
	Buf *ret_bytes, Err **err)
{
	Repository *p = NULL;
	int r = repository_for(arg, repository, &p, err);
	return r < 0 ? r : repository_manifest(p, target, ret, ret_bytes, err);
}

static bool blob_known(void *arg, const char *repository, const Digest *d, uint64_t *ret_size)
{
	Repository *p = NULL;
	return repository_for(arg, repository, &p, NULL) == 0 &&
		repository_blob_known(p, d, ret_size);
}

static int get_blob(
	void *arg, const char *repository, const Digest *d, uint64_t size, Writer *sink, Err **err)
{
	Repository *p = NULL;
	char media_type[] = "application/octet-stream";
	Descriptor blob = {.media_type = media_type, .digest = *d, .size = size};
	int r = repository_for(arg, repository, &p, err);
	return r < 0 ? r : repository_blob_get(p, &blob, 0, sink, err);
}

Upstream *upstream_close(Upstream *upstream)
{
	RegistryUpstream *u = (RegistryUpstream *)upstream;
	if (!u)
		return NULL;
	map_done(&u->repositories);
	registry_free(u->registry);
	pthread_mutex_destroy(&u->lock);
	free(u->host);
	free(u);
	return NULL;
}

int upstream_open(const char *host, Upstream **ret, Err **err)
{
	_cleanup_free_ char *probe = xasprintf("%s/probe", host);
	Reference ref = {0};
	int r = reference_parse(str_of(probe), &ref, err);
	if (r < 0)
		return r;
	bool is_host = strcmp(ref.host, host) == 0;
	reference_done(&ref);
	if (!is_host)
		return err_set(err, ERR_USAGE, "--mirror '%s' is no registry's host", host);
	RegistryUpstream *u = xnew(RegistryUpstream);
	u->host = xstrdup(host);
	u->repositories = MAP_INIT(free_repository);
	pthread_mutex_init(&u->lock, NULL);
	u->upstream = (Upstream){u->host, u, get_manifest, blob_known, get_blob};
	r = registry_new(&u->settings, NULL, &u->registry, err);
	if (r < 0) {
		upstream_close(&u->upstream);
		return r;
	}
	*ret = &u->upstream;
	return 0;
}
