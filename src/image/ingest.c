#include "image/ingest.h"

#include <fcntl.h>

#include "base/readahead.h"
#include "image/blocks.h"
#include "sys/atomic.h"

const char *layer_media_type(Compression c)
{
	return c == COMPRESSION_GZIP    ? MT_OCI_LAYER_GZIP
		: c == COMPRESSION_ZSTD ? MT_OCI_LAYER_ZSTD
					: MT_OCI_LAYER;
}

/* Gives what it reads to a writer as well. */
typedef struct TeeReader {
	Reader reader;
	Reader *source; /* borrowed */
	Writer *copy;   /* borrowed */
} TeeReader;

static ssize_t tee_read(Reader *r, void *buf, size_t len, Err **err)
{
	TeeReader *t = (TeeReader *)r;
	ssize_t n = reader_read(t->source, buf, len, err);
	if (n <= 0)
		return n;
	int rc = writer_write(t->copy, buf, (size_t)n, err);
	return rc < 0 ? rc : n;
}

static void tee_free(Reader *r _unused_)
{
}

static int save_index(Store *s, IndexBuilder *builder, const Digest *diff_id, uint64_t tar_size,
	const Digest *blob, const ResumePoints *points, Err **err)
{
	_cleanup_free_ char *dir = store_layer_dir(diff_id);
	_cleanup_free_ char *path = xasprintf("%s/index", dir);
	int r = mkdir_p(store_fd(s), dir, 0755, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd =
		openat(store_fd(s), dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(err, "open '%s'", dir);
	r = layer_points_write(fd, blob, points, err);
	return r < 0 ? r : index_builder_write(builder, store_fd(s), path, diff_id, tar_size, err);
}

int ingest_tar(Store *s, Reader *plain, Compression c, int level, Pool *pool,
	const Digest *expected, Descriptor *ret, Digest *ret_diff_id, Err **err)
{
	static const ReaderOps ops = {tee_read, tee_free};
	_cleanup_(blob_writer_freep) BlobWriter *blob = NULL;
	_cleanup_(index_builder_freep) IndexBuilder *builder = index_builder_new();
	_cleanup_(store_blocks_freep) StoreBlocks *blocks = store_blocks_new(s);
	ResumePoints points = {0};
	Digest diff_id, digest;
	uint64_t tar_size = 0, size = 0;
	int r = store_blob_begin(s, &blob, err);
	if (r < 0)
		return r;
	_cleanup_(writer_freep) Writer *compressed = compress_writer_new(c, level, pool,
		writer_borrow(blob_writer_stream(blob)), &points, store_blocks_cache(blocks));
	TeeReader tee = {.reader = {&ops}, .source = plain, .copy = compressed};
	Reader *ahead = read_ahead_new(&tee.reader);
	r = layer_index_tar(ahead, builder, &diff_id, &tar_size, err);
	reader_free(ahead);
	if (r == 0 && expected && !digest_eq(expected, &diff_id))
		r = err_set(err, ERR_DIGEST, "the layer has the diffID %s, its config says %s",
			digest_str(&diff_id).s, digest_str(expected).s);
	if (r == 0)
		r = writer_finish(compressed, err);
	if (r == 0)
		r = blob_writer_commit(blob, NULL, UINT64_MAX, &digest, &size, err);
	if (r == 0)
		r = save_index(s, builder, &diff_id, tar_size, &digest, &points, err);
	vec_done(&points);
	if (r < 0)
		return r;
	store_blocks_commit(blocks, &digest);
	*ret = (Descriptor){
		.media_type = xstrdup(layer_media_type(c)), .digest = digest, .size = size};
	if (ret_diff_id)
		*ret_diff_id = diff_id;
	return 0;
}

int ingest_blob(Store *s, Reader *source, const Digest *expected, uint64_t size, Digest *ret_digest,
	uint64_t *ret_size, Err **err)
{
	_cleanup_(blob_writer_freep) BlobWriter *blob = NULL;
	int r = store_blob_begin(s, &blob, err);
	if (r == 0)
		r = stream_copy(source, blob_writer_stream(blob), NULL, err);
	if (r == 0)
		r = blob_writer_commit(blob, expected, size, ret_digest, ret_size, err);
	return r;
}
