#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/format.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void ids(void **state)
{
	(void)state;
	Digest d;
	assert_true(digest_parse_hex(STR(HEX), &d));
	_cleanup_free_ char *id = short_id(&d);
	assert_string_equal(id, "0123456789ab");
}

static void formats(void **state)
{
	(void)state;
	assert_true(format_is_json("json"));
	assert_false(format_is_json("table"));
	assert_false(format_is_json(NULL));
}

static void references(void **state)
{
	(void)state;
	_cleanup_strvec_ StrVec typed = {0}, full = {0};
	strvec_push(&typed, "app");
	strvec_push(&typed, "example.org:5000/a/b:v1");
	assert_int_equal(reference_arguments(&typed, &full, NULL), 0);
	assert_string_equal(full.items[0], "docker.io/library/app:latest");
	assert_string_equal(full.items[1], "example.org:5000/a/b:v1");
	strvec_push(&typed, "Not A Name");
	_cleanup_strvec_ StrVec none = {0};
	assert_int_equal(reference_arguments(&typed, &none, NULL), -ERR_PARSE);
	assert_int_equal(none.len, 0);
}

static void platforms(void **state)
{
	(void)state;
	Platform p = {0}, host = {0};
	assert_int_equal(platform_argument("linux/arm/v7", &p, NULL), 0);
	assert_string_equal(p.os, "linux");
	assert_string_equal(p.arch, "arm");
	assert_string_equal(p.variant, "v7");
	platform_done(&p);
	p = (Platform){0};
	platform_host(&host);
	assert_int_equal(platform_argument(NULL, &p, NULL), 0);
	assert_string_equal(p.arch, host.arch);
	platform_done(&p);
	platform_done(&host);
}

static void compressions(void **state)
{
	(void)state;
	Compression c;
	int level;
	assert_int_equal(compression_arguments(NULL, NULL, &c, &level, NULL), 0);
	assert_true(c == COMPRESSION_GZIP && level == COMPRESSION_LEVEL_DEFAULT);
	assert_int_equal(compression_arguments("zstd", "19", &c, &level, NULL), 0);
	assert_true(c == COMPRESSION_ZSTD && level == 19);
	assert_int_equal(compression_arguments(NULL, "12", &c, &level, NULL), 0);
	assert_true(c == COMPRESSION_GZIP && level == 12);
	assert_int_equal(compression_arguments("none", NULL, &c, &level, NULL), 0);
	assert_int_equal(c, COMPRESSION_NONE);
	static const char *const wrong[][2] = {{"none", "1"}, {"gzip", "13"}, {"gzip", "0"},
		{"zstd", "20"}, {"gzip", "x"}, {"gzip", "-1"}};
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(compression_arguments(wrong[i][0], wrong[i][1], &c, &level, NULL),
			-ERR_USAGE);
	assert_true(compression_arguments("lzma", NULL, &c, &level, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids),
		cmocka_unit_test(formats),
		cmocka_unit_test(references),
		cmocka_unit_test(platforms),
		cmocka_unit_test(compressions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
