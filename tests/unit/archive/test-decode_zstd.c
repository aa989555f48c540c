#include "stream_test.h"

/* "hello\n" in a raw block; one segment, content size 6, no checksum. */
static const char frame[] = "\x28\xb5\x2f\xfd\x20\x06\x31\0\0hello\n";
#define FRAME     ((Str){frame, sizeof(frame) - 1})
#define SKIPPABLE STR("\x50\x2a\x4d\x18\x05\0\0\0other")
#define HELLO     STR("hello\n")

static void test_frames(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(1u << 20);
	_cleanup_buf_ Buf content = BUF_INIT(1u << 20);
	for (int i = 0; i < 20; i++) {
		if (i % 3 == 0)
			buf_str(&a, SKIPPABLE);
		buf_str(&a, FRAME);
		buf_str(&content, HELLO);
	}
	buf_str(&a, SKIPPABLE);
	for (size_t feed = 1; feed < 30; feed++)
		assert_inflates(buf_view(&a), buf_view(&content), feed, feed % 7 + 1);
}

static void test_truncated(void **state _unused_)
{
	for (size_t len = 4; len < FRAME.len; len++)
		assert_refused(str_slice(FRAME, 0, len), -ERR_CORRUPT,
			"zstd: data ends in the middle of a frame");
	for (size_t len = 4; len < SKIPPABLE.len; len++)
		assert_refused(str_slice(SKIPPABLE, 0, len), -ERR_CORRUPT,
			"zstd: data ends in the middle of a frame");
}

static void test_what_may_follow(void **state _unused_)
{
	static const struct {
		Str tail;
		bool good;
	} rows[] = {
		{STR("\0"), true},
		{STR("\0\0\0\0\0\0\0\0\0"), true},
		{STR("\0\0\0\0x"), false},
		{STR("garbage"), false},
		{STR("\x28"), false},
		{STR("\x28\xb5\x2f"), false},
		{STR("\x1f\x8b\x08\0\0\0\0"), false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf a = BUF_INIT(1u << 20);
		buf_str(&a, FRAME);
		buf_str(&a, rows[i].tail);
		if (rows[i].good)
			assert_inflates(buf_view(&a), HELLO, 3, 3);
		else
			assert_refused(
				buf_view(&a), -ERR_CORRUPT, "zstd: garbage behind the last frame");
	}
}

static void test_damage(void **state _unused_)
{
	size_t len = 100000;
	_cleanup_free_ char *content = make_content(len);
	_cleanup_buf_ Buf a = BUF_INIT(1u << 20);
	compress_all(COMPRESSION_ZSTD, 3, NULL, (Str){content, len}, &a, NULL);
	assert_inflates(buf_view(&a), (Str){content, len}, 1000, 1000);
	a.ptr[a.len - 1] ^= 1; /* the checksum */
	assert_refused(buf_view(&a), -ERR_CORRUPT, NULL);
	a.ptr[a.len - 1] ^= 1;
	a.ptr[4] |= 8; /* a reserved bit of the frame header */
	assert_refused(buf_view(&a), -ERR_CORRUPT, NULL);
}

/* A frame that promises 6 bytes and has an empty last block, in one piece and in many. */
static void test_length_mismatch(void **state _unused_)
{
	static const char data[] = "\x28\xb5\x2f\xfd\x20\x06\x01\0\0";
	for (size_t feed = 1; feed < 12; feed++) {
		_cleanup_buf_ Buf out = BUF_INIT(100);
		assert_int_equal(
			decompress_all((Str){data, sizeof(data) - 1}, feed, 1, &out, NULL, NULL),
			-ERR_CORRUPT);
	}
}

/* Frame header without a content size: the window is 2^(10 + the upper five bits). */
static void test_window_limit(void **state _unused_)
{
	char data[] = "\x28\xb5\x2f\xfd\0\0\x31\0\0hello\n";
	Str in = {data, sizeof(data) - 1};
	data[5] = (char)(17 << 3);
	assert_inflates(in, HELLO, 100, 100);
	data[5] = (char)(18 << 3);
	assert_refused(in, -ERR_LIMIT, "zstd: window is larger than 128 MiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_what_may_follow),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_length_mismatch),
		cmocka_unit_test(test_window_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
