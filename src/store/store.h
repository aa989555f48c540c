/*
 * The store: an OCI image layout on disk (image-spec image-layout.md) that any number of processes
 * share, plus what cruet keeps beside it.
 *
 *	oci-layout, index.json	 names → manifests (annotation org.opencontainers.image.ref.name holds the
 *				 full reference; io.containerd.image.name too)
 *	blobs/sha256/<hex>
 *	layers/<diffid hex>/	 index, <blob hex>.points	(written by image/)
 *	trees/<chainid hex>/	 unpacked layers for overlayfs	(written by image/)
 *	cache/			 build records, context hash caches	(written by build/), blocks (image/)
 *	mounts/			 cache mounts				(written by build/)
 *	logs/			 whole output of RUN steps		(written by build/)
 *	registry/		 what serve/ keeps beside the names	(store/kept.h)
 *	tmp/			 work in flight; what no lock protects is garbage
 *	locks/
 *
 * Locking: every process holds locks/store shared while it works (a server only in turns: store/kept.h); gc takes it
 * exclusive, so that nothing in flight is ever collected. index.json is changed under locks/index. Blobs are immutable;
 * adding one that is there already is a no-op. Crash-safe: a blob or index.json appears by rename only.
 */
#pragma once

#include "base/vec.h"
#include "oci/config.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "sys/atomic.h"

typedef struct Store Store;
/* path NULL: $CRUET_ROOT, else /var/lib/cruet for root, $XDG_DATA_HOME/cruet (~/.local/share/cruet).
 * Creates the layout. Takes the shared lock until store_close. */
int store_open(const char *path, Store **ret, Err **err) _warn_unused_;
Store *store_close(Store *s);
DEFINE_FREEP(Store, store_close)
const char *store_path(const Store *s);
int store_fd(const Store *s); /* of the root directory; borrowed */
/* All that was written up to now outlasts a power failure. Takes as long as the disk does. */
int store_sync(Store *s, Err **err) _warn_unused_;

/* ---- blobs ---- */
typedef struct BlobWriter BlobWriter;
int store_blob_begin(Store *s, BlobWriter **ret, Err **err) _warn_unused_;
Writer *blob_writer_stream(BlobWriter *b); /* borrowed; hashes while it writes */
/* The blob gets its final name. expected (optional): ERR_DIGEST when content or size differ
 * (expected_size UINT64_MAX = unknown). */
int blob_writer_commit(BlobWriter *b, const Digest *expected, uint64_t expected_size,
	Digest *ret_digest, uint64_t *ret_size, Err **err) _warn_unused_;
BlobWriter *blob_writer_free(BlobWriter *b); /* abandons if not committed */
DEFINE_FREEP(BlobWriter, blob_writer_free)
int store_blob_put(Store *s, Str content, Digest *ret_digest, Err **err) _warn_unused_;
bool store_blob_has(Store *s, const Digest *d, uint64_t *ret_size); /* ret_size optional */
int store_blob_open(Store *s, const Digest *d, int *ret_fd, Err **err)
	_warn_unused_; /* ERR_NOT_FOUND */
int store_blob_reader(Store *s, const Digest *d, uint64_t offset, Reader **ret, Err **err)
	_warn_unused_;
/* Reads all of it: the digest that its content really has. */
int store_blob_verify(Store *s, const Digest *d, Digest *ret_real, Err **err) _warn_unused_;
/* Whole small blob, digest verified. */
int store_blob_read(Store *s, const Digest *d, size_t max, Buf *ret, Err **err) _warn_unused_;

/* A blob that arrives in pieces and perhaps over several runs. Two processes that want the same wait for one another:
 * look whether it is in the store after the return. */
typedef struct PartialBlob PartialBlob;
int store_partial_open(Store *s, const Digest *d, PartialBlob **ret, Err **err) _warn_unused_;
int partial_blob_fd(const PartialBlob *p); /* borrowed; for reading and writing at offsets */
/* The caller has verified content and size. */
int partial_blob_commit(PartialBlob *p, uint64_t size, Err **err) _warn_unused_;
void partial_blob_discard(PartialBlob *p); /* what is there is wrong */
PartialBlob *partial_blob_free(
	PartialBlob *p); /* without commit: what is there stays for the next time, until gc */
DEFINE_FREEP(PartialBlob, partial_blob_free)

/* ---- names ---- */
typedef struct StoreName {
	char *name;            /* full reference; NULL for an untagged image */
	Descriptor descriptor; /* of the manifest or index */
} StoreName;
typedef VEC(StoreName) StoreNames;
int store_names(Store *s, StoreNames *ret, Err **err) _warn_unused_; /* in order of index.json */
void store_names_done(StoreNames *n);
const char *store_descriptor_name(
	const Descriptor *d); /* as index.json entries have it; borrowed, or NULL */
/* A copy that is called full_name (NULL: has no name). */
void store_name_descriptor(const Descriptor *d, const char *full_name, Descriptor *ret);
/* Points names at a manifest (atomically, all or none); an image that loses its last name stays listed
 * untagged until rmi or a gc of untagged images. names may be empty: keeps the image, untagged. */
int store_tag(Store *s, const StrVec *full_names, const Descriptor *d, Err **err) _warn_unused_;
int store_untag(Store *s, const char *full_name, Err **err) _warn_unused_; /* ERR_NOT_FOUND */
/* At once; ERR_NOT_FOUND when there is none of them. */
int store_untag_all(Store *s, const StrVec *full_names, Err **err) _warn_unused_;
/* Removes every index.json entry with this digest. */
int store_forget(Store *s, const Digest *manifest, Err **err) _warn_unused_;

/* ---- images ---- */
typedef struct StoreImage {
	char *name;            /* full reference it was found by, or NULL */
	Descriptor descriptor; /* of the manifest of the platform chosen */
	Manifest manifest;
	ImageConfig config;
	Digest index_digest; /* zero unless it was reached through an index */
} StoreImage;
/* By name, "name@digest", manifest digest, config digest (image ID) or unique prefix (≥ 4 hex digits)
 * of either. platform NULL = this machine's. ERR_NOT_FOUND with near names as hint. */
int store_image(Store *s, const char *what, const Platform *platform, StoreImage *ret, Err **err)
	_warn_unused_;
void store_image_done(StoreImage *i);
/* What it stands for: a manifest, of whatever kind, or the whole index. Takes and fails as store_image. */
int store_named(Store *s, const char *what, Descriptor *ret, Err **err) _warn_unused_;
/* Whether it is a manifest of something else than an image: a signature, an SBOM, a chart. False when unreadable. */
bool store_is_artifact(Store *s, const Descriptor *d);
bool store_config_is_image(const Descriptor *config);
/* That it has layers which its config describes: ERR_UNSUPPORTED for an artifact, else ERR_CORRUPT. */
int store_image_check(const StoreImage *image, Err **err) _warn_unused_;
/* Loads manifest and config of a manifest descriptor; of an artifact's config what is like an image's. */
int store_image_at(Store *s, const Descriptor *d, const Platform *platform, StoreImage *ret,
	Err **err) _warn_unused_;

/* ---- directories beside the layout (created on demand) ---- */
/* "layers/<hex>"; owned, relative to store_fd. */
char *store_layer_dir(const Digest *diff_id);
/* A fresh directory below tmp/, held by a lock until temp_free removes it. */
typedef struct StoreTemp StoreTemp;
int store_temp_new(Store *s, StoreTemp **ret, Err **err) _warn_unused_;
int store_temp_fd(const StoreTemp *t);
const char *store_temp_path(const StoreTemp *t); /* absolute */
StoreTemp *store_temp_free(StoreTemp *t);
DEFINE_FREEP(StoreTemp, store_temp_free)

/* ---- housekeeping ---- */
typedef struct GcOptions {
	bool check;      /* change nothing: verify every reachable blob against its digest */
	bool dry_run;    /* only count */
	bool keep_cache; /* build records keep what they name, else they go too */
	bool keep_logs;  /* the newest GC_KEEP_LOGS build logs of the last GC_KEEP_LOG_DAYS stay */
	bool untagged;   /* images without a name go too */
} GcOptions;
#define GC_KEEP_LOGS     50
#define GC_KEEP_LOG_DAYS 7
typedef struct GcReport {
	uint64_t blobs_removed, bytes_freed, layers_removed, temps_removed, records_removed,
		images_removed, logs_removed, locks_removed;
	StrVec problems; /* check: what is wrong, one sentence each */
} GcReport;
/* Removes what neither a name nor a kept manifest nor (keep_cache) a build record reaches: blobs, layers/<diffID>,
 * trees/<chainID>, old logs, old uploads, files of locks that nobody holds, temporary files. Waits for other processes
 * that work on the store, up to a bound: then ERR_TIMEOUT. check takes the shared lock only. */
int store_gc(Store *s, const GcOptions *options, GcReport *ret, Err **err) _warn_unused_;
void gc_report_done(GcReport *r);
typedef struct StoreUsage {
	uint64_t blobs, blob_bytes, layer_trees, layer_tree_bytes, index_bytes, cache_bytes,
		mount_bytes, logs, log_bytes, reclaimable_bytes, total_bytes;
	uint64_t images;
} StoreUsage;
int store_usage(Store *s, StoreUsage *ret, Err **err) _warn_unused_;
