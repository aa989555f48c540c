/*
 * A blob that is still arriving: tmp/partial-<hex>, under the lock partial-<hex>. Its bytes may come in any order; what
 * was never written is a hole of the file, so that another process sees what is missing (sys/gaps.h).
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_int.h"
#include "sys/lock.h"

struct PartialBlob {
	Store *store;
	Digest digest;
	char *name;
	int fd, lock;
};

int store_partial_open(Store *s, const Digest *d, PartialBlob **ret, Err **err)
{
	_cleanup_(partial_blob_freep) PartialBlob *p = xnew(PartialBlob);
	_cleanup_free_ char *lock = xasprintf("locks/partial-%s", digest_hex(d).s);
	*p = (PartialBlob){.store = s,
		.digest = *d,
		.name = xasprintf("tmp/partial-%s", digest_hex(d).s),
		.fd = -1,
		.lock = -1};
	int r = lock_take(s->fd, lock, LOCK_EXCLUSIVE, &p->lock, err);
	if (r == 0)
		r = mkdir_p(s->fd, "tmp", 0700, err);
	if (r < 0)
		return r;
	p->fd = openat(s->fd, p->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (p->fd < 0)
		return err_sys(err, "create '%s'", p->name);
	*ret = TAKE_PTR(p);
	return 0;
}

int partial_blob_fd(const PartialBlob *p)
{
	return p->fd;
}

int partial_blob_commit(PartialBlob *p, uint64_t size, Err **err)
{
	_cleanup_free_ char *final = xasprintf("blobs/sha256/%s", digest_hex(&p->digest).s);
	if (ftruncate(p->fd, (off_t)size) < 0 || fchmod(p->fd, 0644) < 0)
		return err_sys(err, "finish '%s'", p->name);
	if (renameat(p->store->fd, p->name, p->store->fd, final) < 0)
		return err_sys(err, "name the blob '%s'", final);
	return 0;
}

void partial_blob_discard(PartialBlob *p)
{
	(void)unlinkat(p->store->fd, p->name, 0);
}

PartialBlob *partial_blob_free(PartialBlob *p)
{
	if (p) {
		closep(&p->fd);
		closep(&p->lock);
		free(p->name);
		free(p);
	}
	return NULL;
}
