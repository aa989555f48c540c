#include "archive/compress.h"

#include "archive_test.h"

static void test_names(void **state _unused_)
{
	static const struct {
		const char *text;
		int result;
		Compression compression;
	} rows[] = {
		{"gzip", 0, COMPRESSION_GZIP},
		{"zstd", 0, COMPRESSION_ZSTD},
		{"none", 0, COMPRESSION_NONE},
		{"uncompressed", 0, COMPRESSION_NONE},
		{"xz", -ERR_USAGE, 0},
		{"bzip2", -ERR_USAGE, 0},
		{"GZIP", -ERR_USAGE, 0},
		{"", -ERR_USAGE, 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Compression c;
		assert_int_equal(compression_parse(str_of(rows[i].text), &c, NULL), rows[i].result);
		if (rows[i].result == 0)
			assert_int_equal(c, rows[i].compression);
	}
	assert_string_equal(compression_name(COMPRESSION_NONE), "none");
	assert_string_equal(compression_name(COMPRESSION_GZIP), "gzip");
	assert_string_equal(compression_name(COMPRESSION_ZSTD), "zstd");
	assert_string_equal(compression_name(COMPRESSION_BZIP2), "bzip2");
	assert_string_equal(compression_name(COMPRESSION_XZ), "xz");
}

static void test_levels(void **state _unused_)
{
	static const struct {
		Compression compression;
		int level, result;
	} rows[] = {
		{COMPRESSION_GZIP, COMPRESSION_LEVEL_DEFAULT, 0},
		{COMPRESSION_GZIP, 1, 0},
		{COMPRESSION_GZIP, 9, 0},
		{COMPRESSION_GZIP, 12, 0},
		{COMPRESSION_GZIP, 13, -ERR_USAGE},
		{COMPRESSION_GZIP, 0, -ERR_USAGE},
		{COMPRESSION_GZIP, -2, -ERR_USAGE},
		{COMPRESSION_ZSTD, 1, 0},
		{COMPRESSION_ZSTD, 19, 0},
		{COMPRESSION_ZSTD, 20, -ERR_USAGE},
		{COMPRESSION_ZSTD, 0, -ERR_USAGE},
		{COMPRESSION_NONE, COMPRESSION_LEVEL_DEFAULT, 0},
		{COMPRESSION_NONE, 1, -ERR_USAGE},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(compression_check_level(rows[i].compression, rows[i].level, NULL),
			rows[i].result);
}

static void test_sniff(void **state _unused_)
{
	static const struct {
		Str head;
		Compression compression;
	} rows[] = {
		{STR("\x1f\x8b\x08\0\0\0"), COMPRESSION_GZIP},
		{STR("\x1f\x8b\x09\0\0\0"), COMPRESSION_NONE},
		{STR("\x28\xb5\x2f\xfd\0\0"), COMPRESSION_ZSTD},
		{STR("\x50\x2a\x4d\x18\0\0"), COMPRESSION_ZSTD},
		{STR("\x5f\x2a\x4d\x18\0\0"), COMPRESSION_ZSTD},
		{STR("\x60\x2a\x4d\x18\0\0"), COMPRESSION_NONE},
		{STR("BZh91A"), COMPRESSION_BZIP2},
		{STR("\xfd"
		     "7zXZ\0"),
			COMPRESSION_XZ},
		{STR("\xfd"
		     "7zXZ"),
			COMPRESSION_NONE},
		{STR("\x1f\x8b"), COMPRESSION_NONE},
		{STR("plain."), COMPRESSION_NONE},
		{STR(""), COMPRESSION_NONE},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(
			compression_sniff(rows[i].head.ptr, rows[i].head.len), rows[i].compression);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_sniff),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
