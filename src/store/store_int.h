/* Inside the store. */
#pragma once

#include <pthread.h>

#include "store/store.h"

struct Store {
	int fd;      /* root directory */
	char *path;  /* absolute */
	int lock_fd; /* shared lock on locks/store */
	/* store/kept.h: once resting, lock_fd is locked only while turns > 0 */
	pthread_mutex_t turn_lock;
	unsigned turns;
	bool resting;
};

#define STORE_GATE "locks/gate" /* held by a gc that waits or works; turns begin through it */

/* "blobs/sha256/<hex>" */
typedef struct BlobPath {
	char s[16 + DIGEST_HEX_SIZE];
} BlobPath;
BlobPath blob_path(const Digest *d);

/* index.json as it is; an absent one is empty. */
int names_read(Store *s, ImageIndex *ret, Err **err) _warn_unused_;
/* Takes every entry without a name out of index.json; dry_run only counts them. */
int names_forget_untagged(Store *s, bool dry_run, uint64_t *ret_count, Err **err) _warn_unused_;
