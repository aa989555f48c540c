#include "archive/decompress_int.h"

#include "base/limits.h"
#include "stream_test.h"

#define MIB ((size_t)1 << 20)

static void test_auto_finds(void **state _unused_)
{
	static const Compression formats[] = {COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD};
	static const char *const contents[] = {"", "x", "hello hello hello"};
	for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
		for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
			_cleanup_buf_ Buf data = BUF_INIT(TEST_STREAM_MAX);
			Str content = str_of(contents[i]);
			compress_all(
				formats[f], COMPRESSION_LEVEL_DEFAULT, NULL, content, &data, NULL);
			Compression found = _COMPRESSION_MAX;
			Reader *r;
			assert_int_equal(
				decompress_reader_auto(piece_reader_new(buf_view(&data), 1), NULL,
					&found, &r, NULL),
				0);
			assert_int_equal(found, formats[f]);
			char buf[64];
			assert_int_equal(reader_read_up_to(r, buf, sizeof(buf), NULL), content.len);
			assert_true(content.len == 0 || memcmp(buf, content.ptr, content.len) == 0);
			reader_free(r);
		}
	}
}

static void test_none_passes_through(void **state _unused_)
{
	Reader *source = mem_reader_new("abc", 3);
	assert_ptr_equal(decompress_reader_new(COMPRESSION_NONE, source, NULL), source);
	reader_free(source);
}

static ssize_t broken_read(Reader *r _unused_, void *buf _unused_, size_t len _unused_, Err **err)
{
	return err_set(err, ERR_NET, "source broke");
}

static void broken_free(Reader *r)
{
	free(r);
}

static Reader *broken_reader_new(void)
{
	static const ReaderOps ops = {broken_read, broken_free};
	Reader *r = xnew(Reader);
	r->ops = &ops;
	return r;
}

/* The error of the source comes through as it is, again and again; nothing leaks. */
static void test_source_fails(void **state _unused_)
{
	static const Compression formats[] = {
		COMPRESSION_GZIP, COMPRESSION_ZSTD, COMPRESSION_BZIP2, COMPRESSION_XZ};
	char buf[16];
	Reader *r;
	assert_int_equal(
		decompress_reader_auto(broken_reader_new(), NULL, NULL, &r, NULL), -ERR_NET);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_err_ Err *err = NULL;
		r = decompress_reader_new(formats[i], broken_reader_new(), NULL);
		assert_int_equal(reader_read(r, buf, sizeof(buf), &err), -ERR_NET);
		assert_string_equal(err->message, "source broke");
		assert_int_equal(reader_read(r, buf, sizeof(buf), NULL), -ERR_NET);
		reader_free(r);
		reader_free(decompress_reader_new(formats[i], broken_reader_new(), NULL));
	}
}

static void test_not_what_was_said(void **state _unused_)
{
	static const Compression formats[] = {
		COMPRESSION_GZIP, COMPRESSION_ZSTD, COMPRESSION_BZIP2, COMPRESSION_XZ};
	static const char text[] = "neither of them, but long enough for any header";
	char buf[64];
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		Reader *r =
			decompress_reader_new(formats[i], mem_reader_new(text, sizeof(text)), NULL);
		assert_int_equal(reader_read_up_to(r, buf, sizeof(buf), NULL), -ERR_CORRUPT);
		reader_free(r);
	}
}

static ssize_t read_bounded(Compression c, Str data, uint64_t max_total, unsigned max_ratio)
{
	Reader *r = bounded_reader_new(
		c, mem_reader_new(data.ptr, data.len), NULL, max_total, max_ratio);
	_cleanup_free_ char *buf = xmalloc(16 * MIB);
	ssize_t n = reader_read_up_to(r, buf, 16 * MIB, NULL);
	reader_free(r);
	return n;
}

static void test_bounds(void **state _unused_)
{
	static const Compression formats[] = {COMPRESSION_GZIP, COMPRESSION_ZSTD};
	_cleanup_free_ char *zeros = xcalloc(1, 8 * MIB);
	for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
		_cleanup_buf_ Buf data = BUF_INIT(TEST_STREAM_MAX);
		compress_all(formats[f], 9, NULL, (Str){zeros, 8 * MIB}, &data, NULL);
		Str in = buf_view(&data);
		assert_int_equal(read_bounded(formats[f], in, 8 * MIB, 0), 8 * MIB);
		assert_int_equal(read_bounded(formats[f], in, 8 * MIB - 1, 0), -ERR_LIMIT);
		/* In all the input was taken: ratio of the whole, less the slack. */
		unsigned ratio = (unsigned)((8 * MIB - LIMIT_INFLATE_SLACK) / in.len);
		assert_int_equal(read_bounded(formats[f], in, 8 * MIB, 2 * ratio), 8 * MIB);
		assert_int_equal(read_bounded(formats[f], in, 8 * MIB, ratio / 2), -ERR_LIMIT);
	}
}

/* One point a stretch of POINT_DISTANCE, however small the members are. */
static void test_points_keep_apart(void **state _unused_)
{
	_cleanup_buf_ Buf member = BUF_INIT(TEST_STREAM_MAX);
	_cleanup_buf_ Buf data = BUF_INIT(TEST_STREAM_MAX);
	_cleanup_free_ char *content = make_content(1000);
	compress_all(COMPRESSION_GZIP, 1, NULL, (Str){content, 1000}, &member, NULL);
	for (int i = 0; i < 1000; i++)
		buf_append(&data, member.ptr, member.len);
	_cleanup_buf_ Buf out = BUF_INIT(TEST_STREAM_MAX);
	ResumePoints points = {0};
	assert_int_equal(decompress_all(buf_view(&data), 65536, 65536, &out, &points, NULL), 0);
	assert_int_equal(points.len, 4);
	vec_foreach (&points, p) {
		assert_int_equal(p->blob_offset, p->tar_offset / 1000 * member.len);
		assert_inflates(str_slice(buf_view(&data), p->blob_offset, data.len),
			str_slice(buf_view(&out), p->tar_offset, out.len), 65536, 65536);
	}
	vec_done(&points);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_auto_finds),
		cmocka_unit_test(test_none_passes_through),
		cmocka_unit_test(test_source_fails),
		cmocka_unit_test(test_not_what_was_said),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_points_keep_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
