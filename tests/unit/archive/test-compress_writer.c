#include <pthread.h>

#include "stream_test.h"

#include "archive/tar.h"

#define MIB ((size_t)1 << 20)

static const Compression formats[] = {COMPRESSION_GZIP, COMPRESSION_ZSTD};

static void test_round_trip_at_block_edges(void **state _unused_)
{
	static const size_t sizes[] = {
		0, 1, 100, MIB - 1, MIB, MIB + 1, 4 * MIB, 4 * MIB + 1, 9 * MIB + 7};
	_cleanup_free_ char *content = make_content(10 * MIB);
	_cleanup_(pool_freep) Pool *pool = pool_new(2);
	for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			_cleanup_buf_ Buf out = BUF_INIT(TEST_STREAM_MAX);
			Str in = {content, sizes[i]};
			compress_all(formats[f], COMPRESSION_LEVEL_DEFAULT, pool, in, &out, NULL);
			assert_true(out.len > 0);
			assert_int_equal(compression_sniff(out.ptr, out.len), formats[f]);
			assert_inflates(buf_view(&out), in, 1 * MIB, 100000);
		}
	}
}

static void test_bytes_do_not_depend_on_threads(void **state _unused_)
{
	_cleanup_free_ char *content = make_content(13 * MIB + 5);
	Str in = {content, 13 * MIB + 5};
	for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
		_cleanup_buf_ Buf reference = BUF_INIT(TEST_STREAM_MAX);
		compress_all(formats[f], 1, NULL, in, &reference, NULL);
		for (unsigned threads = 1; threads <= 5; threads += 2) {
			_cleanup_(pool_freep) Pool *pool = pool_new(threads);
			_cleanup_buf_ Buf out = BUF_INIT(TEST_STREAM_MAX);
			compress_all(formats[f], 1, pool, in, &out, NULL);
			assert_int_equal(out.len, reference.len);
			assert_memory_equal(out.ptr, reference.ptr, out.len);
		}
	}
}

static void test_levels_differ(void **state _unused_)
{
	_cleanup_free_ char *content = make_content(2 * MIB);
	Str in = {content, 2 * MIB};
	for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
		_cleanup_buf_ Buf fast = BUF_INIT(TEST_STREAM_MAX);
		_cleanup_buf_ Buf dense = BUF_INIT(TEST_STREAM_MAX);
		compress_all(formats[f], 1, NULL, in, &fast, NULL);
		compress_all(formats[f], 9, NULL, in, &dense, NULL);
		assert_true(dense.len < fast.len);
		assert_inflates(buf_view(&dense), in, MIB, MIB);
	}
}

static void test_gzip_header(void **state _unused_)
{
	_cleanup_buf_ Buf out = BUF_INIT(TEST_STREAM_MAX);
	compress_all(COMPRESSION_GZIP, COMPRESSION_LEVEL_DEFAULT, NULL, STR(""), &out, NULL);
	/* Method 8, no flags, mtime 0, OS 255; one empty block; CRC and length 0. */
	static const char expected[] = "\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\0\0\xff\xff\0\0\0\0\0\0\0";
	assert_int_equal(out.len, sizeof(expected));
	assert_memory_equal(out.ptr, expected, sizeof(expected));
}

/* From every point the rest of the content can be read. */
static void test_points(void **state _unused_)
{
	static const size_t blocks[] = {MIB, 2 * MIB};
	size_t len = 9 * MIB + 100;
	_cleanup_free_ char *content = make_content(len);
	for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
		_cleanup_(pool_freep) Pool *pool = pool_new(2);
		_cleanup_buf_ Buf out = BUF_INIT(TEST_STREAM_MAX);
		ResumePoints points = {0}, seen = {0};
		compress_all(formats[f], 1, pool, (Str){content, len}, &out, &points);
		assert_int_equal(points.len, (len + blocks[f] - 1) / blocks[f]);
		for (size_t i = 0; i < points.len; i++) {
			ResumePoint p = points.items[i];
			assert_int_equal(p.tar_offset, i * blocks[f]);
			assert_inflates(str_slice(buf_view(&out), p.blob_offset, out.len),
				(Str){content + p.tar_offset, len - p.tar_offset}, MIB, MIB);
		}
		_cleanup_buf_ Buf back = BUF_INIT(TEST_STREAM_MAX);
		assert_int_equal(
			decompress_all(buf_view(&out), 10000, 10000, &back, &seen, NULL), 0);
		assert_int_equal(seen.len, points.len);
		assert_memory_equal(seen.items, points.items, seen.len * sizeof(*seen.items));
		vec_done(&points);
		vec_done(&seen);
	}
}

static void test_none_passes_through(void **state _unused_)
{
	_cleanup_buf_ Buf out = BUF_INIT(100);
	Writer *w = compress_writer_new(COMPRESSION_NONE, COMPRESSION_LEVEL_DEFAULT, NULL,
		buf_writer_new(&out), NULL, NULL);
	assert_int_equal(writer_write(w, "abc", 3, NULL), 0);
	assert_int_equal(writer_finish(w, NULL), 0);
	assert_string_equal(out.ptr, "abc");
	writer_free(w);
}

/* The sink fails while blocks are in flight: the error comes out, and nothing hangs or leaks. */
static void test_sink_fails(void **state _unused_)
{
	_cleanup_free_ char *content = make_content(MIB);
	_cleanup_(pool_freep) Pool *pool = pool_new(2);
	for (int with_pool = 0; with_pool < 2; with_pool++) {
		_cleanup_buf_ Buf out = BUF_INIT(10000);
		Writer *w = compress_writer_new(COMPRESSION_GZIP, 1, with_pool ? pool : NULL,
			buf_writer_new(&out), NULL, NULL);
		int r = 0;
		for (int i = 0; i < 20 && r == 0; i++)
			r = writer_write(w, content, MIB, NULL);
		assert_int_equal(r, -ERR_LIMIT);
		assert_int_equal(writer_write(w, content, 1, NULL), -ERR_LIMIT);
		assert_int_equal(writer_finish(w, NULL), -ERR_LIMIT);
		writer_free(w);
	}
}

static void test_abandon(void **state _unused_)
{
	_cleanup_free_ char *content = make_content(MIB);
	_cleanup_(pool_freep) Pool *pool = pool_new(2);
	_cleanup_buf_ Buf out = BUF_INIT(TEST_STREAM_MAX);
	Writer *w =
		compress_writer_new(COMPRESSION_GZIP, 9, pool, buf_writer_new(&out), NULL, NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(writer_write(w, content, MIB - 1, NULL), 0);
	writer_free(w);
}

/* A pool whose only worker is the one that writes. */
static int compress_job(void *arg, Err **err _unused_)
{
	Pool *pool = arg;
	_cleanup_free_ char *content = make_content(5 * MIB);
	_cleanup_buf_ Buf out = BUF_INIT(TEST_STREAM_MAX);
	compress_all(COMPRESSION_GZIP, 1, pool, (Str){content, 5 * MIB}, &out, NULL);
	assert_inflates(buf_view(&out), (Str){content, 5 * MIB}, MIB, MIB);
	return 0;
}

static void test_inside_a_pool_job(void **state _unused_)
{
	_cleanup_(pool_freep) Pool *pool = pool_new(1);
	assert_int_equal(job_wait(pool_submit(pool, compress_job, pool), NULL), 0);
}

/* ---- blocks of a tar, found again ---- */

/* Keeps what the streams before had, as the store does. */
typedef struct TestCache {
	BlockCache cache;
	pthread_mutex_t lock;
	VEC(CompressedBlock) blocks; /* of the streams before: [0, known); offsets into bytes */
	size_t known, hits, stream_start;
	Buf bytes;
} TestCache;

static size_t test_find(BlockCache *c, const Digest *key, void *out, size_t out_size)
{
	TestCache *t = (TestCache *)c;
	size_t ret = 0;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->known && !ret; i++) {
		const CompressedBlock *b = &t->blocks.items[i];
		if (!digest_eq(&b->key, key))
			continue;
		assert_true(b->len <= out_size);
		assert_int_equal(compressed_block_crc(t->bytes.ptr + b->offset, b->len), b->crc);
		memcpy(out, t->bytes.ptr + b->offset, b->len);
		t->hits++;
		ret = b->len;
	}
	pthread_mutex_unlock(&t->lock);
	return ret;
}

static void test_add(BlockCache *c, const CompressedBlock *block)
{
	TestCache *t = (TestCache *)c;
	CompressedBlock b = *block;
	b.offset += t->stream_start;
	pthread_mutex_lock(&t->lock); /* workers look through it all the while */
	vec_push(&t->blocks, b);
	pthread_mutex_unlock(&t->lock);
}

/* A tar of small files with two large ones between them; the file `grown` is `more` bytes longer. */
static void make_tar(Buf *out, size_t grown, size_t more)
{
	_cleanup_free_ char *content = make_content(4 * MIB);
	Writer *sink = buf_writer_new(out);
	TarWriter *t = tar_writer_new(sink);
	for (size_t i = 0; i < 2000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "dir/file%zu", i);
		size_t size = i % 900 == 500 ? 3 * MIB : 100 + i * 7919 % 9000;
		TarEntry e = {.path = name, .type = TAR_FILE, .mode = 0644};
		e.size = size + (i == grown ? more : 0);
		assert_int_equal(tar_writer_entry(t, &e, NULL), 0);
		assert_int_equal(tar_writer_body(t, content + i * 11, e.size, NULL), 0);
	}
	assert_int_equal(tar_writer_end(t, NULL), 0);
	tar_writer_free(t);
	writer_free(sink);
}

static size_t compress_cached(
	Compression c, Pool *pool, Str in, size_t piece, TestCache *cache, Buf *out)
{
	ResumePoints points = {0};
	Writer *w = compress_writer_new(
		c, 1, pool, buf_writer_new(out), &points, cache ? &cache->cache : NULL);
	for (size_t at = 0; at < in.len; at += piece)
		assert_int_equal(writer_write(w, in.ptr + at, MIN(piece, in.len - at), NULL), 0);
	assert_int_equal(writer_finish(w, NULL), 0);
	writer_free(w);
	size_t blocks = points.len;
	vec_done(&points);
	return blocks;
}

static void test_grown_file_changes_few_blocks(void **state _unused_)
{
	_cleanup_(pool_freep) Pool *pool = pool_new(2);
	_cleanup_buf_ Buf before = BUF_INIT(TEST_STREAM_MAX), after = BUF_INIT(TEST_STREAM_MAX);
	make_tar(&before, 100, 0);
	make_tar(&after, 100, 1000);
	for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
		TestCache cache = {
			.cache = {test_find, test_add}, .bytes = BUF_INIT(TEST_STREAM_MAX)};
		pthread_mutex_init(&cache.lock, NULL);
		(void)compress_cached(
			formats[f], pool, buf_view(&before), MIB / 4, &cache, &cache.bytes);
		cache.known = cache.blocks.len;
		cache.stream_start = cache.bytes.len;
		_cleanup_buf_ Buf fresh = BUF_INIT(TEST_STREAM_MAX),
				  reused = BUF_INIT(TEST_STREAM_MAX);
		size_t blocks =
			compress_cached(formats[f], NULL, buf_view(&after), 777777, NULL, &fresh);
		assert_int_equal(compress_cached(formats[f], pool, buf_view(&after), MIB / 4,
					 &cache, &reused),
			blocks);
		/* the same bytes, whether they were compressed or found, and however they were written */
		assert_int_equal(fresh.len, reused.len);
		assert_memory_equal(fresh.ptr, reused.ptr, fresh.len);
		assert_true(blocks >= 8);
		assert_true(cache.hits + 3 >= blocks);
		assert_true(cache.hits < blocks);
		assert_inflates(buf_view(&reused), buf_view(&after), MIB, MIB);
		vec_done(&cache.blocks);
		buf_done(&cache.bytes);
		pthread_mutex_destroy(&cache.lock);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip_at_block_edges),
		cmocka_unit_test(test_bytes_do_not_depend_on_threads),
		cmocka_unit_test(test_levels_differ),
		cmocka_unit_test(test_gzip_header),
		cmocka_unit_test(test_points),
		cmocka_unit_test(test_none_passes_through),
		cmocka_unit_test(test_sink_fails),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_inside_a_pool_job),
		cmocka_unit_test(test_grown_file_changes_few_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
