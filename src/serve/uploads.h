/*
 * Blobs on their way in. Each upload is a file of the store (registry/uploads/<id>, store/kept.h) that is hashed while
 * it grows. What a cut connection sent stays, and the client goes on from there, after a restart of the server too (the
 * file is hashed anew then). One request at a time writes an upload; any number of uploads may bring the same blob.
 * Thread-safe.
 */
#pragma once

#include "store/store.h"

#define UPLOADS_MAX          1024u /* and no more than a third of the files this process may open */
#define UPLOADS_IDLE_SECONDS 3600

typedef struct Uploads Uploads;
typedef struct Upload Upload;
Uploads *uploads_new(Store *s, uint64_t max_blob); /* store is borrowed */
Uploads *uploads_free(Uploads *u);                 /* what was begun stays on disk */
DEFINE_FREEP(Uploads, uploads_free)
unsigned uploads_count(Uploads *u);

/* The caller has it for himself until upload_leave or upload_end. ERR_LIMIT: too many at once. */
int upload_begin(Uploads *u, const char *repository, Upload **ret, Err **err) _warn_unused_;
/* ERR_NOT_FOUND; ERR_EXISTS: another request is writing it. */
int upload_enter(Uploads *u, const char *repository, const char *id, Upload **ret, Err **err)
	_warn_unused_;
const char *upload_id(const Upload *p);
uint64_t upload_size(const Upload *p);
/* ERR_LIMIT past the largest blob allowed. */
int upload_write(Upload *p, const void *data, size_t len, Err **err) _warn_unused_;
/* It becomes a blob if it has the digest (else ERR_DIGEST) and is pending (store/kept.h). Takes a turn. */
int upload_commit(Upload *p, const Digest *expected, Err **err) _warn_unused_;
void upload_leave(Upload *p); /* for the next request */
void upload_end(Upload *p);   /* and its file, if it is no blob by now */
