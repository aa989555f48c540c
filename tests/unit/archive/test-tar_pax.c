#include "archive_test.h"

static void test_record_length_counts_itself(void **state _unused_)
{
	static const struct {
		size_t value_len; /* with the key "k": 4 bytes more, and the digits */
		size_t total;
	} rows[] = {{0, 5}, {4, 9}, {5, 11}, {6, 12}, {93, 99}, {94, 101}, {95, 102}, {992, 999},
		{993, 1001}};
	char value[1000];
	memset(value, 'v', sizeof(value));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf out = BUF_INIT(4096);
		tar_pax_record(&out, STR("k"), (Str){value, rows[i].value_len});
		assert_int_equal(out.len, rows[i].total);
		assert_int_equal(strtoul(out.ptr, NULL, 10), rows[i].total);
		TarPax p = {0};
		assert_int_equal(tar_pax_parse(&p, buf_view(&out), NULL), 0);
		tar_pax_done(&p);
	}
}

static void test_malformed(void **state _unused_)
{
	static const struct {
		Str body;
		int result;
	} rows[] = {
		{STR(""), 0},
		{STR("9 path=a\n"), 0},
		{STR("5 k=\n"), 0},
		{STR("9 path=a\n9 path=b\n"), 0},
		{STR("11 path=a\n"), -ERR_CORRUPT},
		{STR("8 path=a\n"), -ERR_CORRUPT},
		{STR("9 path=a "), -ERR_CORRUPT},
		{STR("9 path=a\n\0\0"), -ERR_CORRUPT},
		{STR("path=a\n"), -ERR_CORRUPT},
		{STR(" path=a\n"), -ERR_CORRUPT},
		{STR("-9 path=a\n"), -ERR_CORRUPT},
		{STR("0 path=a\n"), -ERR_CORRUPT},
		{STR("2 path=a\n"), -ERR_CORRUPT},
		{STR("99999999999999999999 path=a\n"), -ERR_CORRUPT},
		{STR("18446744073709551615 path=a\n"), -ERR_CORRUPT},
		{STR("8 =value\n"), -ERR_CORRUPT},
		{STR("9 novalue\n"), -ERR_CORRUPT},
		{STR("10 novalue\n"), -ERR_CORRUPT},
		{STR("11 path=a\0b\n"), -ERR_CORRUPT},
		{STR("9 size=x\n"), -ERR_CORRUPT},
		{STR("10 size=-1\n"), -ERR_CORRUPT},
		{STR("10 size=1\0\n"), -ERR_CORRUPT},
		{STR("28 size=9223372036854775807\n"), 0},
		{STR("28 size=9223372036854775808\n"), -ERR_CORRUPT},
		{STR("18 uid=4294967294\n"), 0},
		{STR("18 uid=4294967295\n"), -ERR_CORRUPT},
		{STR("18 gid=4294967295\n"), -ERR_CORRUPT},
		{STR("11 mtime=1.\n"), -ERR_CORRUPT},
		{STR("12 mtime=1.\n"), 0},
		{STR("12 mtime=.5\n"), -ERR_CORRUPT},
		{STR("13 mtime=1.x\n"), -ERR_CORRUPT},
		{STR("13 mtime=--1\n"), -ERR_CORRUPT},
		{STR("22 GNU.sparse.major=1\n"), -ERR_UNSUPPORTED},
		{STR("18 SCHILY.xattr.=\n"), -ERR_CORRUPT},
		{STR("20 SCHILY.xattr.a\0=\n"), -ERR_CORRUPT},
		{STR("18 unknown=\xff\xfe\0\1\n"), -ERR_CORRUPT},
		{STR("16 unknown=\xff\xfe\0\1\n"), 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		TarPax p = {0};
		int r = tar_pax_parse(&p, rows[i].body, NULL);
		if (r != rows[i].result)
			print_error("row %zu\n", i);
		assert_int_equal(r, rows[i].result);
		tar_pax_done(&p);
	}
}

static void test_times(void **state _unused_)
{
	static const struct {
		const char *text;
		int64_t seconds;
		uint32_t nsec;
	} rows[] = {
		{"0", 0, 0},
		{"1.5", 1, 500000000},
		{"1.000000001", 1, 1},
		{"1.0000000019", 1, 1},
		{"-1", -1, 0},
		{"-0.25", -1, 750000000},
		{"-1.5", -2, 500000000},
		{"-1.0", -1, 0},
		{"9223372036854775806", INT64_MAX - 1, 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf record = BUF_INIT(4096);
		tar_pax_record(&record, STR("mtime"), str_of(rows[i].text));
		TarPax p = {0};
		assert_int_equal(tar_pax_parse(&p, buf_view(&record), NULL), 0);
		assert_true(p.has_mtime);
		assert_true(p.mtime == rows[i].seconds);
		assert_int_equal(p.mtime_nsec, rows[i].nsec);
		tar_pax_done(&p);
	}
}

static void test_last_wins_and_empty_takes_back(void **state _unused_)
{
	TarPax p = {0};
	Str body = STR("9 path=a\n9 path=b\n9 uid=77\n9 gid=77\n7 gid=\n");
	assert_int_equal(tar_pax_parse(&p, body, NULL), 0);
	assert_true(p.has_path);
	assert_string_equal(p.path.ptr, "b");
	assert_true(p.has_uid);
	assert_int_equal(p.uid, 77);
	assert_false(p.has_gid);
	tar_pax_clear(&p);
	assert_false(p.has_path || p.has_uid);
	tar_pax_done(&p);
}

static void test_xattr_names(void **state _unused_)
{
	static const struct {
		const char *name, *encoded;
	} rows[] = {
		{"user.plain", "SCHILY.xattr.user.plain"},
		{"user.a=b", "SCHILY.xattr.user.a%3Db"},
		{"user.%3D", "SCHILY.xattr.user.%253D"},
		{"user.50%", "SCHILY.xattr.user.50%25"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *name = xstrdup(rows[i].name);
		TarXattr x = {name, name, 3};
		_cleanup_buf_ Buf record = BUF_INIT(4096);
		tar_pax_xattr(&record, &x);
		assert_non_null(strstr(record.ptr, rows[i].encoded));
		TarPax p = {0};
		assert_int_equal(tar_pax_parse(&p, buf_view(&record), NULL), 0);
		assert_int_equal(p.xattrs.len, 1);
		assert_string_equal(p.xattrs.items[0].name, rows[i].name);
		assert_int_equal(p.xattrs.items[0].value_len, 3);
		tar_pax_done(&p);
		p = (TarPax){.ignore_xattrs = true};
		assert_int_equal(tar_pax_parse(&p, buf_view(&record), NULL), 0);
		assert_int_equal(p.xattrs.len, 0);
		tar_pax_done(&p);
	}
}

static void test_xattr_name_limit(void **state _unused_)
{
	char name[257];
	memset(name, 'n', sizeof(name));
	for (size_t len = 255; len <= 256; len++) {
		name[len] = '\0';
		TarXattr x = {name, NULL, 0};
		_cleanup_buf_ Buf record = BUF_INIT(4096);
		tar_pax_xattr(&record, &x);
		TarPax p = {0};
		assert_int_equal(
			tar_pax_parse(&p, buf_view(&record), NULL), len == 255 ? 0 : -ERR_LIMIT);
		tar_pax_done(&p);
		name[len] = 'n';
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_length_counts_itself),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_last_wins_and_empty_takes_back),
		cmocka_unit_test(test_xattr_names),
		cmocka_unit_test(test_xattr_name_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
