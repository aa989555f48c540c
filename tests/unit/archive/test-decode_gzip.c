#include "stream_test.h"

#include <isa-l/crc.h>

/* "hello\n" as a fixed Huffman block. */
static const char hello_deflate[] = {
	(char)0xcb, 0x48, (char)0xcd, (char)0xc9, (char)0xc9, (char)0xe7, 0x02, 0x00};
#define HELLO STR("hello\n")

enum {
	HCRC = 2,
	EXTRA = 4,
	NAME = 8,
	COMMENT = 16,
};

/* A member with optional parts; damage is for the caller. */
static void put_member(Buf *out, int flags, size_t extra_len, size_t name_len)
{
	size_t start = out->len;
	char header[10] = {0x1f, (char)0x8b, 8, (char)flags, 0, 0, 0, 0, 0, (char)0xff};
	buf_append(out, header, sizeof(header));
	if (flags & EXTRA) {
		buf_char(out, (char)(extra_len & 0xff));
		buf_char(out, (char)(extra_len >> 8));
		for (size_t i = 0; i < extra_len; i++)
			buf_char(out, 'e');
	}
	for (int flag = NAME; flag <= COMMENT; flag <<= 1) {
		if (!(flags & flag))
			continue;
		for (size_t i = 0; i < name_len; i++)
			buf_char(out, 'n');
		buf_char(out, '\0');
	}
	if (flags & HCRC) {
		uint32_t crc =
			crc32_gzip_refl(0, (const uint8_t *)out->ptr + start, out->len - start);
		buf_append(out, &crc, 2);
	}
	buf_append(out, hello_deflate, sizeof(hello_deflate));
	uint32_t trailer[2] = {crc32_gzip_refl(0, (const uint8_t *)HELLO.ptr, HELLO.len), 6};
	buf_append(out, trailer, sizeof(trailer));
}

static void test_header_parts(void **state _unused_)
{
	for (int flags = 0; flags < 32; flags++) {
		_cleanup_buf_ Buf a = BUF_INIT(1u << 20);
		put_member(&a, flags, 300, 20);
		assert_inflates(buf_view(&a), HELLO, 1, 1);
		assert_inflates(buf_view(&a), HELLO, 4096, 4096);
		for (size_t len = 6; len < a.len; len++) /* shorter: not even sniffed as gzip */
			assert_refused((Str){a.ptr, len}, -ERR_CORRUPT,
				"gzip: data ends in the middle of a member");
	}
}

static void test_long_header(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(1u << 20);
	put_member(&a, EXTRA | NAME | COMMENT, 65535, 20000);
	assert_inflates(buf_view(&a), HELLO, 1000, 1000);
	buf_clear(&a);
	put_member(&a, NAME, 0, 128u << 10);
	assert_refused(buf_view(&a), -ERR_CORRUPT, "gzip: header is longer than 131072 bytes");
}

/* Offsets into the plain member: 10 bytes of header, 8 of data, 4 CRC, 4 length. */
static void test_damage(void **state _unused_)
{
	static const struct {
		size_t at;
		char with;
		const char *message;
	} rows[] = {
		{3, 0x20, "gzip: unknown method or flags"},
		{3, (char)0x80, "gzip: unknown method or flags"},
		{10, 0x07, "gzip: invalid block in the deflate data"},
		{18, 0x00, "gzip: content does not match its CRC"},
		{22, 0x07, "gzip: content does not match its length"},
		{25, 0x01, "gzip: content does not match its length"},
		{11, 0x49, NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf a = BUF_INIT(1u << 20);
		put_member(&a, 0, 0, 0);
		a.ptr[rows[i].at] = rows[i].with;
		assert_refused(buf_view(&a), -ERR_CORRUPT, rows[i].message);
		/* Also in a member behind a good one. */
		_cleanup_buf_ Buf two = BUF_INIT(1u << 20);
		put_member(&two, 0, 0, 0);
		buf_append(&two, a.ptr, a.len);
		assert_refused(buf_view(&two), -ERR_CORRUPT, rows[i].message);
	}
	_cleanup_buf_ Buf a = BUF_INIT(1u << 20);
	put_member(&a, HCRC | NAME, 0, 3);
	a.ptr[11] ^= 1;
	assert_refused(buf_view(&a), -ERR_CORRUPT, "gzip: header does not match its CRC");
}

static void test_members(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(1u << 20);
	_cleanup_buf_ Buf content = BUF_INIT(1u << 20);
	for (int i = 0; i < 50; i++) {
		put_member(&a, i & 31, (size_t)i, (size_t)i);
		buf_str(&content, HELLO);
	}
	/* Members end at every place relative to the pieces that come in. */
	for (size_t feed = 1; feed < 70; feed++)
		assert_inflates(buf_view(&a), buf_view(&content), feed, feed % 9 + 1);
	assert_inflates(buf_view(&a), buf_view(&content), 1u << 20, 1u << 20);
}

static void test_what_may_follow(void **state _unused_)
{
	static const struct {
		const char *tail;
		size_t len;
		bool good;
	} rows[] = {
		{"\0", 1, true},
		{"\0\0\0\0\0\0\0\0\0\0\0", 11, true},
		{"\0\0\0x", 4, false},
		{"x", 1, false},
		{"garbage", 7, false},
		{"\x1f", 1, false},
		{"\x1f\x8b", 2, false},
		{"\x1f\x8c", 2, false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf a = BUF_INIT(1u << 20);
		put_member(&a, 0, 0, 0);
		buf_append(&a, rows[i].tail, rows[i].len);
		if (rows[i].good)
			assert_inflates(buf_view(&a), HELLO, 5, 5);
		else
			assert_refused(buf_view(&a), -ERR_CORRUPT, NULL);
	}
}

/* Across the window, in steps that leave ISA-L in the middle of copies. */
static void test_large_content(void **state _unused_)
{
	size_t len = 3u << 20;
	_cleanup_free_ char *content = make_content(len);
	_cleanup_buf_ Buf a = BUF_INIT(TEST_STREAM_MAX);
	compress_all(COMPRESSION_GZIP, 6, NULL, (Str){content, len}, &a, NULL);
	static const size_t sizes[] = {100, 4096, 32768, 65537, 262144, 1u << 20};
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(sizes); k++)
			assert_inflates(buf_view(&a), (Str){content, len}, sizes[i], sizes[k]);
	}
}

/* The densest deflate there is, far from the limit; a thousandfold it is no error. */
static void test_dense_content(void **state _unused_)
{
	size_t len = 40u << 20;
	_cleanup_free_ char *content = xcalloc(1, len);
	_cleanup_buf_ Buf a = BUF_INIT(TEST_STREAM_MAX);
	compress_all(COMPRESSION_GZIP, 12, NULL, (Str){content, len}, &a, NULL);
	assert_true(len / a.len > 900);
	assert_inflates(buf_view(&a), (Str){content, len}, 1u << 20, 1u << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_parts),
		cmocka_unit_test(test_long_header),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_what_may_follow),
		cmocka_unit_test(test_large_content),
		cmocka_unit_test(test_dense_content),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
