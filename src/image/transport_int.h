/* What the kinds of transports have in common. */
#pragma once

#include "image/transport.h"
#include "sys/atomic.h"

typedef struct TransportOps {
	int (*manifest)(
		Transport *t, const char *target, Descriptor *ret, Buf *ret_bytes, Err **err);
	int (*blob)(Transport *t, const Descriptor *d, uint64_t offset, Reader **ret, Err **err);
	int (*tags)(Transport *t, StrVec *ret, Err **err);
	int (*referrers)(Transport *t, const Digest *subject, ImageIndex *ret, Err **err);
	int (*put_blob)(Transport *t, const Descriptor *d, Transport *source, unsigned progress_id,
		BlobOutcome *ret, Err **err);
	int (*put_manifest)(
		Transport *t, const char *target, const Descriptor *d, Str bytes, Err **err);
	int (*finish)(Transport *t, Err **err);
	void (*free)(Transport *t);
} TransportOps;
struct Transport {
	const TransportOps *ops;
	const TransportContext *context;
	char *target; /* transport_target; owned */
	bool serial;  /* a target that takes one blob at a time */
};

int transport_registry_open(const TransportContext *c, const char *name, TransportUse use,
	Transport **ret, Err **err) _warn_unused_;
int transport_store_open(const TransportContext *c, const char *name, TransportUse use,
	Transport **ret, Err **err) _warn_unused_;
/* An OCI layout to read: directory or archive. */
int transport_layout_open(const TransportContext *c, const char *path, const char *tag,
	Transport **ret, Err **err) _warn_unused_;
int transport_layout_create(const TransportContext *c, const char *dir, const char *tag,
	Transport **ret, Err **err) _warn_unused_;
int transport_archive_create(const TransportContext *c, const char *file, const char *tag,
	Transport **ret, Err **err) _warn_unused_;
int transport_docker_open(const TransportContext *c, const char *path, const char *name,
	Transport **ret, Err **err) _warn_unused_;
int transport_docker_create(const TransportContext *c, const char *path, const char *name,
	Transport **ret, Err **err) _warn_unused_;
/* A target's file, which appears whole or not at all; ERR_EXISTS. */
typedef struct ArchiveFile {
	int dir; /* -1: none */
	AtomicFile *file;
	Writer *stream;
} ArchiveFile;
int archive_file_open(const char *path, ArchiveFile *ret, Err **err) _warn_unused_;
int archive_file_commit(ArchiveFile *f, Err **err) _warn_unused_;
void archive_file_done(ArchiveFile *f);
/* For a target: the repository of a source that is one, of whatever host; else NULL. */
Repository *transport_repository(const Transport *t);
