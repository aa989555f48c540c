/*
 * Talking to registries (OCI distribution-spec 1.1): names, authentication, mirrors, retries and resumption are
 * inside; callers see repositories with manifests and blobs. Thread-safe. (spec: transfer.md 3, 4.2, 4.3)
 */
#pragma once

#include "base/progress.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "registry/settings.h"
#include "sys/gaps.h"

typedef struct Registry Registry; /* one a run: connections, tokens, what is known of hosts */
/* settings is borrowed for its life. progress (may be NULL): warnings, retries, rate limits. */
int registry_new(const RegistrySettings *settings, Progress *progress, Registry **ret, Err **err)
	_warn_unused_;
Registry *registry_free(Registry *r);
DEFINE_FREEP(Registry, registry_free)

typedef struct Repository
	Repository; /* of one name's host and path; tag and digest do not matter */
int repository_open(Registry *r, const Reference *name, bool push, Repository **ret, Err **err)
	_warn_unused_;
Repository *repository_free(Repository *p);
DEFINE_FREEP(Repository, repository_free)
const char *repository_host(const Repository *p); /* as in names: "docker.io"; borrowed */
const char *repository_path(const Repository *p);

/* ---- manifests ---- */
/* target: a tag, or a digest as text. ret.digest is of the very bytes; when target is a digest they have it
 * (ERR_DIGEST). ERR_NOT_FOUND. bytes NULL: only the descriptor, by HEAD where the server can. */
int repository_manifest(Repository *p, const char *target, Descriptor *ret, Buf *ret_bytes,
	Err **err) _warn_unused_;
/* Where the registry does not keep what refers to a subject (no OCI-Subject header in its answer), the list under the
 * subject's tag is kept up to date by these two (distribution-spec, "Referrers Tag Schema"). */
int repository_manifest_put(Repository *p, const char *target, const char *media_type, Str bytes,
	Err **err) _warn_unused_;
int repository_manifest_delete(Repository *p, const char *target, Err **err) _warn_unused_;

/* ---- blobs ---- */
/* By HEAD. UINT64_MAX: the server has it, but does not say how long it is. */
int repository_blob_size(Repository *p, const Digest *d, uint64_t *ret_size, Err **err)
	_warn_unused_;
/* Bytes from `from` to the end into sink (borrowed, not finished) as they arrive; resumes by itself after a cut. The
 * caller checks the digest. size: what the manifest promises; more or less is ERR_DIGEST. Small blobs and streams. */
int repository_blob_get(Repository *p, const Descriptor *d, uint64_t from, Writer *sink, Err **err)
	_warn_unused_;
/*
 * What is missing of a big blob (in order) into fd (at its offsets), on as many connections as make it faster. `grown` is
 * told, from any thread, how many bytes from the start are there without a gap.
 */
int repository_blob_fetch(Repository *p, const Descriptor *d, int fd, const Spans *missing,
	void (*grown)(void *arg, uint64_t prefix), void *arg, Err **err) _warn_unused_;
/* Who is asked first (an address, borrowed; NULL: nobody). A mirror whose content was wrong is passed over from then on,
 * and told; false when nobody else can be asked. */
const char *repository_source(Repository *p);
bool repository_leave_source(Repository *p, const char *source);
typedef struct BlobUpload {
	const Digest *digest;
	uint64_t size;
	const char *const *
		mount_from; /* paths of repositories of the same host, NULL-terminated; may be NULL */
	/* gives the bytes from offset on: called again when the upload resumes */
	int (*open)(void *arg, uint64_t offset, Reader **ret, Err **err);
	void *arg;
	unsigned progress_id; /* 0: none */
} BlobUpload;
typedef enum BlobOutcome { BLOB_UPLOADED, BLOB_KNOWN, BLOB_MOUNTED } BlobOutcome;
int repository_blob_put(Repository *p, const BlobUpload *u, BlobOutcome *ret, Err **err)
	_warn_unused_;

/* ---- lists ---- */
int repository_tags(Repository *p, StrVec *ret, Err **err) _warn_unused_; /* all pages */
/* Manifests whose subject is d: the API, else the tag sha256-<hex>. artifact_type may be NULL. */
int repository_referrers(Repository *p, const Digest *d, const char *artifact_type, ImageIndex *ret,
	Err **err) _warn_unused_;
/* Proves that the credentials work ("login"). */
int registry_ping(Registry *r, const char *host, Err **err) _warn_unused_;
