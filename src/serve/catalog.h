/*
 * What the store has, seen as repositories: names and kept manifests by repository, and the graph of manifests below
 * them. It follows the store by the change times of index.json and registry/kept, so that images which other processes
 * build, load or remove meanwhile are served, or no longer served, at once. Manifests are read when a question needs
 * them, once: they never change. Thread-safe.
 *
 * A repository here is the store's name for it ("docker.io/team/app"). Functions take several, the first that has what
 * is asked for wins: one URL may mean more than one (serve/reponame.h).
 */
#pragma once

#include "store/store.h"

typedef struct Catalog Catalog;
Catalog *catalog_new(Store *s); /* store is borrowed */
Catalog *catalog_free(Catalog *c);
DEFINE_FREEP(Catalog, catalog_free)

bool catalog_has(Catalog *c, const StrVec *repositories);
/* A manifest by tag (not NULL) or digest: under a name, kept, or part of an index that is. *ret_repository (optional):
 * where; owned. ERR_NOT_FOUND. */
int catalog_manifest(Catalog *c, const StrVec *repositories, const char *tag, const Digest *d,
	Descriptor *ret, char **ret_repository, Err **err) _warn_unused_;
/* Tags of all of them, sorted, each once. */
int catalog_tags(Catalog *c, const StrVec *repositories, StrVec *ret, Err **err) _warn_unused_;
/* All that have something, sorted. */
int catalog_repositories(Catalog *c, StrVec *ret, Err **err) _warn_unused_;
typedef VEC(Digest) Digests;
/* Manifests whose subject is d, by digest. artifact_type NULL: any. */
int catalog_referrers(Catalog *c, const StrVec *repositories, const Digest *d,
	const char *artifact_type, Digests *ret, Err **err) _warn_unused_;
/* 1 and the first manifest of the store that names the blob, or 0. */
int catalog_blob_user(Catalog *c, const Digest *blob, Digest *ret_manifest, Err **err)
	_warn_unused_;
/* 1 if a name, a kept manifest or an index of them holds it anywhere in the store, else 0. */
int catalog_manifest_held(Catalog *c, const Digest *manifest, Err **err) _warn_unused_;
/* Every tag under which the repository has the manifest. */
int catalog_tags_of(Catalog *c, const char *repository, const Digest *d, StrVec *ret, Err **err)
	_warn_unused_;
void catalog_count(Catalog *c, uint64_t *ret_repositories, uint64_t *ret_manifests);
