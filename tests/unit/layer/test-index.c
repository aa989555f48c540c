#include "layer_test.h"

#include <time.h>

#include "layer/index_int.h"

static void test_order(_unused_ void **state)
{
	static const char *const sorted[] = {"", "a", "a/b", "a/b/c", "a/z", "a b", "a-b", "a.b",
		"a.b/c", "ab", "abcdefgh", "abcdefgh/i", "abcdefgh-i", "abcdefghi", "b", "\xff"};
	for (size_t i = 0; i < ARRAY_SIZE(sorted); i++)
		for (size_t k = 0; k < ARRAY_SIZE(sorted); k++) {
			int c = index_path_cmp(str_of(sorted[i]), str_of(sorted[k]));
			int expected = i < k ? -1 : i > k;
			if (c != expected)
				fail_msg("'%s' and '%s': %d", sorted[i], sorted[k], c);
		}
}

typedef struct BuildCase {
	const char *name;
	Raw entries[6];
	const char *expected;
} BuildCase;

/* What extracting the entries one after the other would leave. */
static const BuildCase cases[] = {
	{"parents are implied", {{"a/b/c"}},
		" dir implied\na dir implied\na/b dir implied\na/b/c file"},
	{"order does not matter", {{"b"}, {"a.x"}, {"a/y"}},
		" dir implied\na dir implied\na/y file\na.x file\nb file"},
	{"an entry replaces what was implied", {{"a/b"}, {"a", '5'}},
		" dir implied\na dir\na/b file"},
	{"the later one wins", {{"a"}, {"a", '2', .link = "t"}}, " dir implied\na link -> t"},
	{"a file removes the directory", {{"d", '5'}, {"d/x"}, {"d.x"}, {"d"}},
		" dir implied\nd file\nd.x file"},
	{"a directory replaces the file", {{"d"}, {"d", '5'}, {"d/x"}},
		" dir implied\nd dir opaque\nd/x file"},
	{"what a file removed stays away", {{"d/x/y"}, {"d"}, {"d", '5'}, {"d/x/z"}},
		" dir implied\nd dir opaque\nd/x dir implied\nd/x/z file"},
	{"and comes back only by itself", {{"d/x"}, {"d/y"}, {"d"}, {"d", '5'}, {"d/y"}},
		" dir implied\nd dir opaque\nd/y file"},
	{"whiteout", {{"d/.wh.x"}}, " dir implied\nd dir implied\nd/x whiteout"},
	{"a whiteout yields to an entry before it", {{"x"}, {".wh.x"}}, " dir implied\nx file"},
	{"a whiteout yields to an entry behind it", {{".wh.x"}, {"x"}}, " dir implied\nx file"},
	{"whiteout, then directory: opaque", {{".wh.x"}, {"x", '5'}}, " dir implied\nx dir opaque"},
	{"directory, then whiteout: opaque", {{"x", '5'}, {".wh.x"}}, " dir implied\nx dir opaque"},
	{"whiteout, then something below", {{".wh.x"}, {"x/y"}},
		" dir implied\nx dir opaque implied\nx/y file"},
	{"opaque before its directory", {{"d/.wh..wh..opq"}, {"d", '5'}},
		" dir implied\nd dir opaque"},
	{"opaque behind its directory", {{"d", '5'}, {"d/.wh..wh..opq"}},
		" dir implied\nd dir opaque"},
	{"opaque root", {{".wh..wh..opq"}}, " dir opaque implied"},
	{"book-keeping of aufs is ignored",
		{{".wh..wh.plnk", '5'}, {".wh..wh.plnk/1.2"}, {".wh..wh.aufs"}}, ""},
	{"hard link", {{"a"}, {"b", '1', .link = "./a"}}, " dir implied\na file\nb hardlink -> a"},
};

static void test_builder(_unused_ void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = 0;
		while (n < ARRAY_SIZE(cases[i].entries) && cases[i].entries[n].name)
			n++;
		_cleanup_buf_ Buf tar = raw_tar(cases[i].entries, n);
		_cleanup_(index_freep) Index *index = index_of_tar(&tar);
		_cleanup_free_ char *text = index_text(index);
		if (strcmp(text, cases[i].expected) != 0)
			fail_msg("%s:\n%s\nexpected:\n%s", cases[i].name, text, cases[i].expected);
	}
}

static Index *sample(const Temp *dir)
{
	_cleanup_(index_builder_freep) IndexBuilder *b = index_builder_new();
	TarXattr xattrs[] = {{(char[]){"security.capability"}, (char[]){"\1\0\2"}, 3},
		{(char[]){"user.empty"}, (char[]){""}, 0}};
	TarEntry file = {.path = (char[]){"usr/bin/env"},
		.mode = 04755,
		.uid = 70000,
		.gid = UINT32_MAX - 1,
		.size = UINT64_C(1) << 40,
		.mtime = -5,
		.xattrs = xattrs,
		.n_xattrs = 2,
		.body_offset = 1536};
	Digest digest, diff_id;
	digest_of("x", 1, &digest);
	digest_of("y", 1, &diff_id);
	index_builder_add(b, &file, 0, &digest);
	TarEntry device = {
		.path = (char[]){"dev/null"}, .type = TAR_CHAR, .dev_major = 1, .dev_minor = 3};
	index_builder_add(b, &device, 0, NULL);
	ok(index_builder_write(b, dir->fd, "index", &diff_id, 4096, err));
	Index *index = NULL;
	ok(index_open(dir->fd, "index", &index, err));
	return index;
}

static void test_fields(_unused_ void **state)
{
	_cleanup_temp_ Temp dir = temp_new();
	_cleanup_(index_freep) Index *index = sample(&dir);
	assert_int_equal(index_count(index), 6);
	assert_int_equal(index_tar_size(index), 4096);
	assert_int_equal(index_unpacked_size(index), UINT64_C(1) << 40);
	Digest digest, diff_id, expected;
	index_diff_id(index, &diff_id);
	digest_of("y", 1, &expected);
	assert_true(digest_eq(&diff_id, &expected));
	IndexEntry e;
	ssize_t n = index_find(index, STR("usr/bin/env"));
	assert_int_equal(n, 5);
	index_get(index, (size_t)n, &e);
	assert_int_equal(e.mode, 04755);
	assert_int_equal(e.uid, 70000);
	assert_int_equal(e.gid, UINT32_MAX - 1);
	assert_int_equal(e.mtime, -5);
	assert_int_equal(e.body_offset, 1536);
	digest_of("x", 1, &digest);
	assert_true(digest_eq(&e.digest, &digest));
	assert_int_equal(e.n_xattrs, 2);
	Str name, value;
	index_xattr(index, &e, 0, &name, &value);
	assert_true(str_eq_cstr(name, "security.capability"));
	assert_int_equal(value.len, 3);
	assert_memory_equal(value.ptr, "\1\0\2", 3);
	index_xattr(index, &e, 1, &name, &value);
	assert_true(str_eq_cstr(name, "user.empty") && value.len == 0);
	index_xattr(index, &e, 2, &name, &value);
	assert_true(name.len == 0 && value.len == 0);
	n = index_find(index, STR("dev/null"));
	index_get(index, (size_t)n, &e);
	assert_true(e.type == TAR_CHAR && e.dev_major == 1 && e.dev_minor == 3);
	assert_int_equal(index_find(index, STR("usr/bin/en")), -1);
	assert_int_equal(index_find(index, STR("zzz")), -1);
}

static void test_subtrees(_unused_ void **state)
{
	_cleanup_buf_ Buf tar = RAW_TAR({"a/b/c"}, {"a/b/d"}, {"a/x"}, {"a.y"}, {"b"});
	_cleanup_(index_freep) Index *index = index_of_tar(&tar);
	/* "" a a/b a/b/c a/b/d a/x a.y b */
	static const size_t ends[] = {8, 6, 5, 4, 5, 6, 7, 8};
	assert_int_equal(index_count(index), ARRAY_SIZE(ends));
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		assert_int_equal(index_subtree_end(index, i), ends[i]);
	assert_int_equal(index_subtree_end(index, 100), 8);
}

static void test_empty(_unused_ void **state)
{
	_cleanup_buf_ Buf tar = raw_tar(NULL, 0);
	_cleanup_(index_freep) Index *index = index_of_tar(&tar);
	assert_int_equal(index_count(index), 0);
	assert_int_equal(index_find(index, STR("")), -1);
	assert_int_equal(index_tar_size(index), 1024);
}

/* Reads everything there is: any wild read is the sanitizer's to find. */
static void read_all(const Index *index)
{
	for (size_t i = 0; i <= index_count(index); i++) {
		IndexEntry e;
		Str name, value;
		index_get(index, i, &e);
		assert_true(index_subtree_end(index, i) <= index_count(index));
		for (uint32_t x = 0; x < e.n_xattrs; x++)
			index_xattr(index, &e, x, &name, &value);
		(void)index_find(index, e.path);
	}
}

static void test_damaged(_unused_ void **state)
{
	_cleanup_temp_ Temp dir = temp_new();
	index_free(sample(&dir));
	_cleanup_buf_ Buf good = BUF_INIT(1u << 20);
	ok(file_read(dir.fd, "index", 1u << 20, &good, err));
	for (size_t len = 0; len < good.len; len++) {
		ok(atomic_write(dir.fd, "cut", (Str){good.ptr, len}, 0644, false, err));
		Index *index = NULL;
		fails(ERR_CORRUPT, index_open(dir.fd, "cut", &index, err));
	}
	buf_char(&good, 'x');
	ok(atomic_write(dir.fd, "long", buf_view(&good), 0644, false, err));
	Index *longer = NULL;
	fails(ERR_CORRUPT, index_open(dir.fd, "long", &longer, err));
	good.len--;
	for (size_t at = 0; at < good.len; at++) {
		char *copy = xmemdup(good.ptr, good.len);
		copy[at] = (char)~copy[at];
		Index *index = NULL;
		if (index_from_memory(copy, good.len, "test", &index, NULL) < 0) {
			free(copy);
			continue;
		}
		read_all(index);
		index_free(index);
	}
}

static void test_absent(_unused_ void **state)
{
	_cleanup_temp_ Temp dir = temp_new();
	Index *index = NULL;
	fails(ERR_NOT_FOUND, index_open(dir.fd, "none", &index, err));
	assert_int_equal(mkdirat(dir.fd, "dir", 0755), 0);
	fails(ERR_CORRUPT, index_open(dir.fd, "dir", &index, err));
}

static void test_many(_unused_ void **state)
{
	/* Backwards, so that sorting has work to do. */
	enum { N = 50000 };
	_cleanup_temp_ Temp dir = temp_new();
	_cleanup_(index_builder_freep) IndexBuilder *b = index_builder_new();
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (unsigned i = N; i-- > 0;) {
		char path[64];
		snprintf(path, sizeof(path), "node_modules/package%u/lib/file%05u.js", i / 50, i);
		index_builder_add(b, &(TarEntry){.path = path, .size = 10}, 0, NULL);
	}
	ok(index_builder_write(b, dir.fd, "index", &(Digest){0}, 0, err));
	clock_gettime(CLOCK_MONOTONIC, &to);
	print_message("%d entries: %ld ms\n", N,
		(to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000);
	_cleanup_(index_freep) Index *index = NULL;
	ok(index_open(dir.fd, "index", &index, err));
	assert_int_equal(index_count(index), N + 2 + 2 * N / 50);
	assert_int_equal(index_unpacked_size(index), N * 10);
	IndexEntry last = {0}, e;
	for (size_t i = 0; i < index_count(index); i++, last = e) {
		index_get(index, i, &e);
		assert_true(i == 0 || index_path_cmp(last.path, e.path) < 0);
	}
}

/* A few kilobytes of names that would become millions of directories. */
static void test_implied_limit(_unused_ void **state)
{
	_cleanup_(index_builder_freep) IndexBuilder *b = index_builder_new();
	_cleanup_free_ char *path = xcalloc(1, 4096);
	_cleanup_err_ Err *error = NULL;
	unsigned added = 0;
	for (; added < 2000 && index_builder_check(b, &error) == 0; added++) {
		memset(path, '/', 4000);
		for (size_t i = 0; i < 4000; i += 2)
			path[i] = 'a';
		path[0] = (char)('A' + added % 64);
		path[2] = (char)('A' + added / 64);
		path[4000] = 'f';
		index_builder_add(b, &(TarEntry){.path = path}, 0, NULL);
	}
	assert_true(err_is(error, ERR_LIMIT));
	assert_true(added > 400 && added < 700);
	Index *index = NULL;
	fails(ERR_LIMIT, index_builder_index(b, &(Digest){0}, 0, &index, err));
}

static void test_cleared_limit(_unused_ void **state)
{
	_cleanup_(index_builder_freep) IndexBuilder *b = index_builder_new();
	_cleanup_err_ Err *error = NULL;
	unsigned added = 0;
	for (; added < 1000 && index_builder_check(b, &error) == 0; added++) {
		char path[16];
		snprintf(path, sizeof(path), "d%u", added);
		index_builder_add(b, &(TarEntry){.path = path, .type = TAR_DIR}, 0, NULL);
		index_builder_add(b, &(TarEntry){.path = path}, 0, NULL);
	}
	assert_true(err_is(error, ERR_LIMIT));
	assert_int_equal(added, INDEX_CLEARED_MAX + 1);
}

static void test_strings_limit(_unused_ void **state)
{
	_cleanup_(index_builder_freep) IndexBuilder *b = index_builder_new();
	size_t len = 48u << 20;
	_cleanup_free_ char *value = xcalloc(1, len);
	TarXattr x = {.name = (char[]){"user.large"}, .value = value, .value_len = len};
	_cleanup_err_ Err *error = NULL;
	unsigned added = 0;
	for (; added < 20 && index_builder_check(b, &error) == 0; added++) {
		char path[16];
		snprintf(path, sizeof(path), "f%u", added);
		index_builder_add(
			b, &(TarEntry){.path = path, .xattrs = &x, .n_xattrs = 1}, 0, NULL);
	}
	assert_true(err_is(error, ERR_LIMIT));
	assert_int_equal(added, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_builder),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_subtrees),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_implied_limit),
		cmocka_unit_test(test_cleared_limit),
		cmocka_unit_test(test_strings_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
