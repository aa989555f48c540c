#include "stream_test.h"

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
	static const size_t blocks[] = {MIB, 4 * MIB};
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
	Writer *w = compress_writer_new(
		COMPRESSION_NONE, COMPRESSION_LEVEL_DEFAULT, NULL, buf_writer_new(&out), NULL);
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
		Writer *w = compress_writer_new(
			COMPRESSION_GZIP, 1, with_pool ? pool : NULL, buf_writer_new(&out), NULL);
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
	Writer *w = compress_writer_new(COMPRESSION_GZIP, 9, pool, buf_writer_new(&out), NULL);
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
