#include "build/build_int.h"

static Compression compression_of(const char *media_type)
{
	Str mt = str_of(media_type);
	return str_ends(mt, "zstd")    ? COMPRESSION_ZSTD
		: str_ends(mt, "gzip") ? COMPRESSION_GZIP
				       : COMPRESSION_NONE;
}

static int copy(Reader *in, Writer *out, Err **err)
{
	int r = stream_copy(in, out, NULL, err);
	return r < 0 ? r : writer_finish(out, err);
}

/* No resume points are kept: they only make reading out of the middle of the blob faster. */
int layer_convert(Store *s, const Descriptor *layer, Compression c, int level, Pool *pool,
	Descriptor *ret, Err **err)
{
	_cleanup_close_ int fd = -1;
	_cleanup_(blob_writer_freep) BlobWriter *blob = NULL;
	_cleanup_(reader_freep) Reader *in = NULL;
	_cleanup_(writer_freep) Writer *out = NULL;
	Descriptor made = {0};
	int r = store_blob_open(s, &layer->digest, &fd, err);
	if (r == 0)
		r = store_blob_begin(s, &blob, err);
	if (r < 0)
		return r;
	in = decompress_reader_new(
		compression_of(layer->media_type), fd_reader_new(TAKE_FD(fd), true, "layer"), NULL);
	out = compress_writer_new(
		c, level, pool, writer_borrow(blob_writer_stream(blob)), NULL, NULL);
	r = copy(in, out, err);
	if (r == 0)
		r = blob_writer_commit(blob, NULL, UINT64_MAX, &made.digest, &made.size, err);
	if (r < 0)
		return r;
	made.media_type = xstrdup(record_media_type(c));
	*ret = made;
	return 0;
}
