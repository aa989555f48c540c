/*
 * Any bytes as a compressed stream, format found by content: no crash, and neither the pieces in which
 * input arrives nor those in which output is asked for change what comes out or the final verdict.
 */
#include <assert.h>

#include "archive/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_OUTPUT (1u << 20)

typedef struct PieceReader {
	Reader reader;
	const uint8_t *data;
	size_t len, feed;
} PieceReader;

static ssize_t piece_read(Reader *r, void *buf, size_t len, Err **err _unused_)
{
	PieceReader *p = (PieceReader *)r;
	size_t n = MIN(MIN(len, p->feed), p->len);
	if (n)
		memcpy(buf, p->data, n);
	p->data += n;
	p->len -= n;
	return (ssize_t)n;
}

static void piece_free(Reader *r)
{
	free(r);
}

static int inflate_all(const uint8_t *data, size_t size, size_t feed, size_t step, Buf *out)
{
	static const ReaderOps ops = {piece_read, piece_free};
	PieceReader *p = xnew(PieceReader);
	*p = (PieceReader){{&ops}, data, size, feed};
	ResumePoints points = {0};
	Reader *r;
	if (decompress_reader_auto(&p->reader, &points, NULL, &r, NULL) < 0)
		abort();
	char chunk[65536];
	ssize_t n = 0;
	while (!out->overflow && (n = reader_read(r, chunk, MIN(step, sizeof(chunk)), NULL)) > 0)
		buf_append(out, chunk, (size_t)n);
	vec_foreach (&points, at)
		assert(at->blob_offset <= size);
	vec_done(&points);
	reader_free(r);
	return out->overflow ? 1 : (int)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ Buf large = BUF_INIT(MAX_OUTPUT);
	_cleanup_buf_ Buf small = BUF_INIT(MAX_OUTPUT);
	int r = inflate_all(data, size, 1u << 20, 65536, &large);
	if (r == 1)
		return 0;
	/* How much comes out before an error, and which of several it is, is up to the decoder (zstd has a
	 * short cut for frames that are there as a whole); a good stream is whole. */
	int again = inflate_all(data, size, 1 + size % 13, 1 + size % 1021, &small);
	assert((r < 0) == (again < 0));
	assert(r < 0 ||
		(large.len == small.len &&
			(large.len == 0 || memcmp(large.ptr, small.ptr, large.len) == 0)));
	return 0;
}
