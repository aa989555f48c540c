/*
 * Blobs are written to blobs/sha256/.tmp-* and renamed to their digest once it is known. Nobody waits for the disk: a
 * process that is killed loses nothing that was renamed, and what a power failure cuts off is seen by its size wherever
 * it would be used again, and by its digest in "gc --check" (image data can be built or pulled again; a sync takes as long
 * as a small build). Only a server, whose clients may delete what they have pushed, calls store_sync.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "store/store_int.h"

struct BlobWriter {
	Store *store;
	AtomicFile *file;
	Writer *stream; /* digest over the file */
};

BlobPath blob_path(const Digest *d)
{
	BlobPath p;
	snprintf(p.s, sizeof(p.s), "blobs/sha256/%s", digest_hex(d).s);
	return p;
}

int store_blob_begin(Store *s, BlobWriter **ret, Err **err)
{
	_cleanup_(blob_writer_freep) BlobWriter *b = xnew(BlobWriter);
	b->store = s;
	int r = atomic_file_open(s->fd, "blobs/sha256/new", 0644, &b->file, err);
	if (r < 0)
		return r;
	b->stream = digest_writer_new(atomic_file_writer(b->file));
	*ret = TAKE_PTR(b);
	return 0;
}

Writer *blob_writer_stream(BlobWriter *b)
{
	return b->stream;
}

int blob_writer_commit(BlobWriter *b, const Digest *expected, uint64_t expected_size,
	Digest *ret_digest, uint64_t *ret_size, Err **err)
{
	Digest digest;
	uint64_t size = 0;
	int r = writer_finish(b->stream, err);
	if (r < 0)
		return r;
	digest_writer_result(b->stream, &digest, &size);
	if (expected && expected_size != UINT64_MAX && size != expected_size)
		return err_set(err, ERR_DIGEST, "blob %s has %llu bytes, not %llu",
			digest_str(expected).s, (unsigned long long)size,
			(unsigned long long)expected_size);
	if (expected && !digest_eq(&digest, expected))
		return err_set(err, ERR_DIGEST, "blob %s really has the digest %s",
			digest_str(expected).s, digest_str(&digest).s);
	/* over one that is there as well: it costs nothing, and mends one whose content is damaged */
	r = atomic_file_commit(b->file, blob_path(&digest).s, false, err);
	if (r < 0)
		return r;
	if (ret_digest)
		*ret_digest = digest;
	if (ret_size)
		*ret_size = size;
	return 0;
}

BlobWriter *blob_writer_free(BlobWriter *b)
{
	if (b) {
		writer_free(b->stream);
		atomic_file_free(b->file);
		free(b);
	}
	return NULL;
}

int store_blob_put(Store *s, Str content, Digest *ret_digest, Err **err)
{
	Digest d;
	_cleanup_buf_ Buf have = BUF_INIT(0);
	digest_of(content.ptr, content.len, &d);
	if (ret_digest)
		*ret_digest = d;
	/* one that is damaged is written anew */
	if (store_blob_read(s, &d, content.len, &have, NULL) == 0)
		return 0;
	return atomic_write(s->fd, blob_path(&d).s, content, 0644, false, err);
}

bool store_blob_has(Store *s, const Digest *d, uint64_t *ret_size)
{
	struct stat st;
	if (fstatat(s->fd, blob_path(d).s, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return false;
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return true;
}

int store_blob_open(Store *s, const Digest *d, int *ret_fd, Err **err)
{
	int fd = openat(s->fd, blob_path(d).s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "blob %s is not in the store", digest_str(d).s);
	if (fd < 0)
		return err_sys(err, "open the blob %s", digest_str(d).s);
	*ret_fd = fd;
	return 0;
}

int store_blob_reader(Store *s, const Digest *d, uint64_t offset, Reader **ret, Err **err)
{
	int fd = -1;
	int r = store_blob_open(s, d, &fd, err);
	if (r < 0)
		return r;
	if (lseek(fd, (off_t)offset, SEEK_SET) < 0) {
		close(fd);
		return err_sys(err, "read the blob %s", digest_str(d).s);
	}
	*ret = fd_reader_new(fd, true, blob_path(d).s);
	return 0;
}

int store_blob_verify(Store *s, const Digest *d, Digest *ret_real, Err **err)
{
	_cleanup_close_ int fd = -1;
	int r = store_blob_open(s, d, &fd, err);
	if (r < 0)
		return r;
	_cleanup_(reader_freep) Reader *body =
		digest_reader_new(fd_reader_new(fd, false, blob_path(d).s));
	char chunk[65536];
	ssize_t n = 0;
	do
		n = reader_read(body, chunk, sizeof(chunk), err);
	while (n > 0);
	if (n == 0)
		digest_reader_result(body, ret_real, NULL);
	return (int)n;
}

int store_blob_read(Store *s, const Digest *d, size_t max, Buf *ret, Err **err)
{
	_cleanup_close_ int fd = -1;
	Digest real;
	Buf content = BUF_INIT(max);
	int r = store_blob_open(s, d, &fd, err);
	if (r < 0)
		return r;
	_cleanup_(reader_freep) Reader *reader = fd_reader_new(fd, false, blob_path(d).s);
	r = reader_read_all(reader, &content, err);
	if (r == 0) {
		digest_of(content.ptr, content.len, &real);
		if (!digest_eq(&real, d)) {
			r = err_set(err, ERR_DIGEST,
				"blob %s of the store is damaged: its content has the digest %s",
				digest_str(d).s, digest_str(&real).s);
			err_hint(err,
				"'cruet gc --check' finds all damage; load or build the image again");
		}
	}
	if (r < 0) {
		buf_done(&content);
		return r;
	}
	buf_done(ret);
	*ret = content;
	return 0;
}
