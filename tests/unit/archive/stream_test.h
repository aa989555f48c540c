/* Content to compress, and streams compressed and decompressed at once. */
#pragma once

#include "archive/compress.h"

#include "archive_test.h"

#define TEST_STREAM_MAX (64u << 20)

/* Words and noise in turns, the same for the same length. Owned. */
static inline char *make_content(size_t len)
{
	static const char words[] = "the quick brown fox jumps over the lazy dog ";
	char *content = xmalloc(len);
	uint32_t x = 12345;
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		bool noise = (i >> 12) % 5 == 0;
		content[i] = noise ? (char)(x >> 24) : words[(i + (x >> 28)) % (sizeof(words) - 1)];
	}
	return content;
}

static inline void compress_all(
	Compression c, int level, Pool *pool, Str content, Buf *out, ResumePoints *points)
{
	Writer *w = compress_writer_new(c, level, pool, buf_writer_new(out), points, NULL);
	/* Uneven pieces, so that they cross block boundaries. */
	for (size_t at = 0, step = 1; at < content.len; step = step * 3 % 1000003) {
		size_t n = MIN(step, content.len - at);
		assert_int_equal(writer_write(w, content.ptr + at, n, NULL), 0);
		at += n;
	}
	assert_int_equal(writer_finish(w, NULL), 0);
	writer_free(w);
}

/* Result of the last read; out receives what came before. Input arrives in pieces of `feed` bytes. */
typedef struct PieceReader {
	Reader reader;
	Str rest;
	size_t feed;
} PieceReader;

static ssize_t piece_read(Reader *r, void *buf, size_t len, Err **err _unused_)
{
	PieceReader *p = (PieceReader *)r;
	size_t n = MIN(MIN(len, p->feed), p->rest.len);
	if (n)
		memcpy(buf, p->rest.ptr, n);
	p->rest = str_slice(p->rest, n, p->rest.len);
	return (ssize_t)n;
}

static void piece_free(Reader *r)
{
	free(r);
}

static inline Reader *piece_reader_new(Str data, size_t feed)
{
	static const ReaderOps ops = {piece_read, piece_free};
	PieceReader *p = xnew(PieceReader);
	p->reader.ops = &ops;
	p->rest = data;
	p->feed = feed;
	return &p->reader;
}

static inline int decompress_all(
	Str data, size_t feed, size_t step, Buf *out, ResumePoints *points, Err **err)
{
	Reader *r;
	int rc = decompress_reader_auto(piece_reader_new(data, feed), points, NULL, &r, err);
	if (rc < 0)
		return rc;
	_cleanup_free_ char *chunk = xmalloc(step);
	ssize_t n;
	while ((n = reader_read(r, chunk, step, err)) > 0)
		buf_append(out, chunk, (size_t)n);
	if (n < 0)
		assert_int_equal(reader_read(r, chunk, step, NULL), n);
	reader_free(r);
	return (int)n;
}

static inline void assert_inflates(Str data, Str content, size_t feed, size_t step)
{
	_cleanup_buf_ Buf out = BUF_INIT(TEST_STREAM_MAX);
	Err *err = NULL;
	int r = decompress_all(data, feed, step, &out, NULL, &err);
	if (r < 0)
		print_error("%s\n", err->message);
	assert_int_equal(r, 0);
	assert_int_equal(out.len, content.len);
	assert_true(content.len == 0 || memcmp(out.ptr, content.ptr, content.len) == 0);
}

static inline void assert_refused(Str data, int result, const char *message)
{
	_cleanup_buf_ Buf out = BUF_INIT(TEST_STREAM_MAX);
	_cleanup_err_ Err *err = NULL;
	assert_int_equal(decompress_all(data, 4096, 65536, &out, NULL, &err), result);
	if (message)
		assert_string_equal(err->message, message);
}
