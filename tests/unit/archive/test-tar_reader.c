#include "archive/tar.h"

#include "archive_test.h"

/* Reads the archive to its end: what next returned last. */
static int read_through(const Buf *archive, size_t *ret_entries, Err **err)
{
	Reader *source = mem_reader_new(archive->ptr, archive->len);
	TarReader *t = tar_reader_new(source);
	TarEntry *e;
	int r;
	*ret_entries = 0;
	while ((r = tar_reader_next(t, &e, err)) == 1) {
		assert_non_null(e->path);
		(*ret_entries)++;
	}
	if (r < 0)
		assert_int_equal(tar_reader_next(t, &e, NULL), r);
	tar_reader_free(t);
	reader_free(source);
	return r;
}

static void assert_result(const Buf *archive, int result, size_t entries)
{
	Err *err = NULL;
	size_t seen;
	int r = read_through(archive, &seen, &err);
	if (r != result)
		print_error("%s\n", err ? err->message : "no error");
	assert_int_equal(r, result);
	assert_int_equal(seen, entries);
	err_free(err);
}

typedef struct One {
	Reader *source;
	TarReader *tar;
	TarEntry *entry;
} One;

/* The first entry, which must be readable. */
static One read_one(const Buf *archive)
{
	One one = {.source = mem_reader_new(archive->ptr, archive->len)};
	one.tar = tar_reader_new(one.source);
	Err *err = NULL;
	int r = tar_reader_next(one.tar, &one.entry, &err);
	if (r != 1)
		print_error("%s\n", err ? err->message : "no entry");
	assert_int_equal(r, 1);
	return one;
}

static void one_done(One *one)
{
	tar_reader_free(one->tar);
	reader_free(one->source);
}

static void test_ends(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	buf_cstr(&a, "");
	assert_result(&a, 0, 0); /* nothing at all */
	raw_put(&a, raw_header('0', "a", "0"));
	assert_result(&a, 0, 1); /* no end marker */
	buf_append(&a, (char[512]){0}, 512);
	assert_result(&a, 0, 1); /* half an end marker */
	raw_put(&a, raw_header('0', "b", "0"));
	assert_result(&a, -ERR_CORRUPT, 1); /* data behind it */
	buf_clear(&a);
	raw_put(&a, raw_header('0', "a", "0"));
	raw_end(&a);
	raw_put(&a, raw_header('0', "b", "0"));
	assert_result(&a, 0, 1); /* what follows a whole marker is not looked at */
}

static void test_truncation_anywhere(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	raw_pax(&a, "path", "long", 4);
	raw_put(&a, raw_header('0', "short", "00000000700"));
	raw_body(&a, (char[448]){0}, 448);
	for (size_t len = 1; len < a.len; len++) {
		Buf part = {.ptr = a.ptr, .len = len, .max = len};
		size_t seen;
		Err *err = NULL;
		int r = read_through(&part, &seen, &err);
		assert_int_equal(r, -ERR_CORRUPT);
		assert_string_equal(err->message,
			len < 512 ? "tar: not a tar archive"
				  : "tar: archive ends in the middle of an entry");
		err_free(err);
	}
	assert_result(&a, 0, 1);
}

static void test_bad_checksum(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	raw_put(&a, raw_header('0', "a", "0"));
	raw_put(&a, raw_header('0', "b", "0"));
	a.ptr[512 + 300] ^= 1;
	assert_result(&a, -ERR_CORRUPT, 1);
	a.ptr[300] ^= 1;
	Err *err = NULL;
	size_t seen;
	assert_int_equal(read_through(&a, &seen, &err), -ERR_CORRUPT);
	assert_string_equal(err->message, "tar: not a tar archive");
	err_free(err);
}

/* Some old writers summed signed characters. */
static void test_signed_checksum(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	TarHeader h = raw_header('0', "\xe9\xe8\xe7", "0");
	char text[8];
	snprintf(text, sizeof(text), "%06o", (unsigned)(tar_checksum(&h) - 3 * 256) & 0777777);
	memcpy(h.checksum, text, 8);
	buf_append(&a, &h, sizeof(h));
	assert_result(&a, 0, 1);
}

static void test_names(void **state _unused_)
{
	static const struct {
		const char *raw, *path; /* NULL: refused */
		char type;
	} rows[] = {
		{"a", "a", '0'},
		{"./a", "a", '0'},
		{"/a", "a", '0'},
		{"//./a//b/./c", "a/b/c", '0'},
		{"d/", "d", '5'},
		{"d", "d", '5'},
		{"./", "", '5'},
		{".", "", '5'},
		{"/", "", '5'},
		{"", "", '5'},
		{"..a", "..a", '0'},
		{"a..", "a..", '0'},
		{"...", "...", '0'},
		{"a\nb", "a\nb", '0'},
		{"\xff\xfe", "\xff\xfe", '0'},
		{"..", NULL, '5'},
		{"../a", NULL, '0'},
		{"/../a", NULL, '0'},
		{"a/../b", NULL, '0'},
		{"a/..", NULL, '5'},
		{"a/b/../", NULL, '5'},
		{"", NULL, '0'},
		{"./", NULL, '2'},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
		TarHeader h = raw_header(rows[i].type, rows[i].raw, "0");
		h.linkname[0] = 'x';
		raw_put(&a, h);
		if (!rows[i].path) {
			assert_result(&a, -ERR_CORRUPT, 0);
			continue;
		}
		One one = read_one(&a);
		assert_string_equal(one.entry->path, rows[i].path);
		one_done(&one);
	}
}

static void test_types(void **state _unused_)
{
	static const struct {
		char flag;
		const char *name;
		TarType type;
	} rows[] = {
		{'0', "f", TAR_FILE},
		{'\0', "f", TAR_FILE},
		{'7', "f", TAR_FILE},
		{'\0', "d/", TAR_DIR},
		{'0', "d/", TAR_DIR},
		{'1', "l", TAR_HARDLINK},
		{'2', "l", TAR_SYMLINK},
		{'3', "c", TAR_CHAR},
		{'4', "b", TAR_BLOCK},
		{'5', "d", TAR_DIR},
		{'6', "p", TAR_FIFO},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
		TarHeader h = raw_header(rows[i].flag, rows[i].name, "0");
		memcpy(h.linkname, "./t/", 4);
		memcpy(h.devmajor, "0000010", 8);
		memcpy(h.devminor, "0000003", 8);
		raw_put(&a, h);
		One one = read_one(&a);
		TarType type = rows[i].type;
		assert_int_equal(one.entry->type, type);
		bool device = type == TAR_CHAR || type == TAR_BLOCK;
		assert_int_equal(one.entry->dev_major, device ? 8 : 0);
		assert_int_equal(one.entry->dev_minor, device ? 3 : 0);
		if (type == TAR_SYMLINK)
			assert_string_equal(one.entry->link, "./t/");
		else if (type == TAR_HARDLINK)
			assert_string_equal(one.entry->link, "t");
		else
			assert_null(one.entry->link);
		one_done(&one);
	}
}

static void test_refused_types(void **state _unused_)
{
	static const struct {
		char flag;
		const char *link;
		int result;
	} rows[] = {
		{'S', "", -ERR_UNSUPPORTED},
		{'M', "", -ERR_UNSUPPORTED},
		{'9', "", -ERR_UNSUPPORTED},
		{'z', "", -ERR_UNSUPPORTED},
		{'1', "", -ERR_CORRUPT},
		{'1', "../x", -ERR_CORRUPT},
		{'1', "/", -ERR_CORRUPT},
		{'2', "", -ERR_CORRUPT},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
		TarHeader h = raw_header(rows[i].flag, "x", "0");
		memcpy(h.linkname, rows[i].link, strlen(rows[i].link));
		raw_put(&a, h);
		assert_result(&a, rows[i].result, 0);
	}
}

/* Only files have a body, whatever the size field says. */
static void test_sizes_without_body(void **state _unused_)
{
	for (const char *flag = "123456"; *flag; flag++) {
		_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
		TarHeader h = raw_header(*flag, "x", "00000001000");
		h.linkname[0] = 't';
		raw_put(&a, h);
		raw_put(&a, raw_header('0', "y", "0"));
		raw_end(&a);
		assert_result(&a, 0, 2);
		One one = read_one(&a);
		assert_int_equal(one.entry->size, 0);
		assert_int_equal(tar_reader_body(one.tar, (char[1]){0}, 1, NULL), 0);
		one_done(&one);
	}
}

static void test_hidden_bodies(void **state _unused_)
{
	static const char flags[] = {'1', 'D', 'V', 'A', '\0'};
	for (size_t i = 0; i < sizeof(flags); i++) {
		_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
		TarHeader h = raw_header(flags[i], "x/", "00000000003");
		h.linkname[0] = 't';
		raw_put(&a, h);
		raw_body(&a, "abc", 3);
		raw_put(&a, raw_header('0', "y", "0"));
		raw_end(&a);
		assert_result(&a, 0, flags[i] == 'V' || flags[i] == 'A' ? 1 : 2);
	}
}

static void test_body(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	static char content[300000];
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (char)(i * 7 + i / 256);
	raw_put(&a, raw_header('0', "first", "00001111740")); /* 300000 */
	raw_body(&a, content, sizeof(content));
	raw_put(&a, raw_header('0', "second", "3"));
	raw_body(&a, "abc", 3);
	raw_end(&a);
	buf_append(&a, content, 1000);
	static const size_t steps[] = {1, 511, 512, 4096, 65536, 400000};
	static char back[400000];
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		One one = read_one(&a);
		assert_int_equal(one.entry->size, sizeof(content));
		assert_int_equal(one.entry->body_offset, 512);
		size_t got = 0;
		ssize_t n;
		while ((n = tar_reader_body(one.tar, back + got, steps[i], NULL)) > 0)
			got += (size_t)n;
		assert_int_equal(n, 0);
		assert_int_equal(got, sizeof(content));
		assert_memory_equal(back, content, sizeof(content));
		assert_int_equal(tar_reader_next(one.tar, &one.entry, NULL), 1);
		assert_string_equal(one.entry->path, "second");
		assert_int_equal(one.entry->body_offset, 512 + 300032 + 512);
		assert_int_equal(tar_reader_offset(one.tar), one.entry->body_offset);
		assert_int_equal(tar_reader_body(one.tar, back, 2, NULL), 2); /* leaves one */
		assert_int_equal(tar_reader_next(one.tar, &one.entry, NULL), 0);
		assert_int_equal(tar_reader_next(one.tar, &one.entry, NULL), 0);
		assert_int_equal(tar_reader_drain(one.tar, NULL), 0);
		assert_int_equal(tar_reader_offset(one.tar), a.len);
		one_done(&one);
	}
}

static void put_field(char *field, size_t size, const char *text)
{
	memset(field, 0, size);
	memcpy(field, text, size);
}

static void test_numbers(void **state _unused_)
{
	static const struct {
		const char *text; /* 12 bytes */
		int64_t value;    /* -1000000: refused */
	} rows[] = {
		{"00000000000\0", 0},
		{"           \0", 0},
		{"\0\0\0\0\0\0\0\0\0\0\0\0", 0},
		{"12345670123\0", 01234567012 * 8ll + 3},
		{"777777777777", 0777777777777},
		{"    123 \0\0\0\0", 0123},
		{"123 \0garbage", 0123},
		{"123x\0\0\0\0\0\0\0\0", -1000000},
		{"-1\0\0\0\0\0\0\0\0\0\0", -1000000},
		{"8\0\0\0\0\0\0\0\0\0\0\0", -1000000},
		{"12 34\0\0\0\0\0\0\0", -1000000},
		{"\x80\0\0\0\0\0\0\0\0\0\1\2", 258},
		{"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", INT64_MAX},
		{"\x80\0\0\0\x80\0\0\0\0\0\0\0", -1000000},
		{"\x80\0\0\1\0\0\0\0\0\0\0\0", -1000000},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", -2},
		{"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", INT64_MIN},
		{"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", -1000000},
		{"\xc0\0\0\0\0\0\0\0\0\0\0\0", -1000000},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
		TarHeader h = raw_header('5', "x", "0");
		put_field(h.mtime, sizeof(h.mtime), rows[i].text);
		raw_put(&a, h);
		if (rows[i].value == -1000000) {
			assert_result(&a, -ERR_CORRUPT, 0);
			continue;
		}
		One one = read_one(&a);
		assert_true(one.entry->mtime == rows[i].value);
		one_done(&one);
	}
}

static void test_owner_and_mode(void **state _unused_)
{
	static const struct {
		const char *uid; /* 8 bytes */
		uint64_t value;  /* UINT64_MAX: refused */
	} rows[] = {
		{"0001750\0", 1000},
		{"7777777\0", 2097151},
		{"77777777", 16777215},
		{"\x80\0\0\0\0\x20\0\0", 2097152},
		{"\x80\0\0\0\xff\xff\xff\xfe", 4294967294},
		{"\x80\0\0\0\xff\xff\xff\xff", UINT64_MAX},
		{"\xff\xff\xff\xff\xff\xff\xff\xff", UINT64_MAX},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
		TarHeader h = raw_header('5', "x", "0");
		put_field(h.uid, sizeof(h.uid), rows[i].uid);
		put_field(h.mode, sizeof(h.mode), "0107755\0");
		raw_put(&a, h);
		if (rows[i].value == UINT64_MAX) {
			assert_result(&a, -ERR_CORRUPT, 0);
			continue;
		}
		One one = read_one(&a);
		assert_int_equal(one.entry->uid, rows[i].value);
		assert_int_equal(one.entry->gid, 0);
		assert_int_equal(one.entry->mode, 07755);
		one_done(&one);
	}
}

/* v7 has no magic, and garbage where ustar has devices and the prefix. */
static void test_dialects(void **state _unused_)
{
	static const struct {
		const char *magic; /* 8 bytes */
		const char *path;
		uint32_t major;
	} rows[] = {
		{"ustar\00000", "p/n", 1},
		{"ustar  \0", "n", 1},
		{"\0\0\0\0\0\0\0\0", "n", 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
		TarHeader h = raw_header('3', "n", "0");
		memcpy(h.magic, rows[i].magic, 8);
		memcpy(h.prefix, "p", 1);
		memcpy(h.devmajor, "0000001", 8);
		raw_put(&a, h);
		One one = read_one(&a);
		assert_string_equal(one.entry->path, rows[i].path);
		assert_int_equal(one.entry->dev_major, rows[i].major);
		one_done(&one);
	}
}

static void test_full_fields(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	TarHeader h = raw_header('2', "", "0");
	memset(h.name, 'n', sizeof(h.name));
	memset(h.prefix, 'p', sizeof(h.prefix));
	memset(h.linkname, 'l', sizeof(h.linkname));
	raw_put(&a, h);
	One one = read_one(&a);
	assert_int_equal(strlen(one.entry->path), 256);
	assert_int_equal(strlen(one.entry->link), 100);
	one_done(&one);
}

static void test_gnu_long_names(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	static char name[302];
	memset(name, 'n', 300);
	raw_extension(&a, 'L', name, 301);
	name[0] = 'k';
	raw_extension(&a, 'K', name, 300); /* without the NUL */
	raw_pax(&a, "path", "not me", 6);
	raw_put(&a, raw_header('2', "short", "0"));
	raw_put(&a, raw_header('0', "next", "0"));
	One one = read_one(&a);
	assert_int_equal(strlen(one.entry->path), 300);
	assert_int_equal(one.entry->path[0], 'n');
	assert_int_equal(strlen(one.entry->link), 300);
	assert_int_equal(one.entry->link[0], 'k');
	assert_int_equal(tar_reader_next(one.tar, &one.entry, NULL), 1);
	assert_string_equal(one.entry->path, "next");
	one_done(&one);
}

static void test_pax_overrides(void **state _unused_)
{
	static const char good[] = "14 path=./p/q\n14 linkpath=l\n15 uid=3000000\n15 gid=4000000\n"
				   "14 mtime=-1.5\n9 size=9\n";
	static const char bad[] = "15 path=a/../b\n";
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	raw_extension(&a, 'g', "20 comment=whatever\n11 gid=500\n12 mtime=77\n", 43);
	raw_extension(&a, 'x', good, sizeof(good) - 1);
	raw_put(&a, raw_header('2', "short", "00000000001"));
	raw_put(&a, raw_header('0', "next", "0"));
	raw_extension(&a, 'x', "7 gid=\n", 7); /* taken back */
	raw_put(&a, raw_header('0', "last", "0"));
	raw_extension(&a, 'x', bad, sizeof(bad) - 1);
	raw_put(&a, raw_header('0', "bad", "0"));
	One one = read_one(&a);
	TarEntry *e = one.entry;
	assert_string_equal(e->path, "p/q");
	assert_string_equal(e->link, "l");
	assert_int_equal(e->uid, 3000000);
	assert_int_equal(e->gid, 4000000);
	assert_int_equal(e->mtime, -2);
	assert_int_equal(e->mtime_nsec, 500000000);
	assert_int_equal(tar_reader_next(one.tar, &e, NULL), 1);
	assert_string_equal(e->path, "next");
	assert_int_equal(e->uid, 0);
	assert_int_equal(e->gid, 500);
	assert_int_equal(e->mtime, 77);
	assert_int_equal(tar_reader_next(one.tar, &e, NULL), 1);
	assert_int_equal(e->gid, 500);
	assert_int_equal(tar_reader_next(one.tar, &e, NULL), -ERR_CORRUPT);
	one_done(&one);
}

static void test_pax_size(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	raw_pax(&a, "size", "3", 1);
	raw_put(&a, raw_header('0', "f", "0"));
	raw_body(&a, "abc", 3);
	raw_put(&a, raw_header('0', "g", "0"));
	raw_end(&a);
	assert_result(&a, 0, 2);
	One one = read_one(&a);
	assert_int_equal(one.entry->size, 3);
	one_done(&one);
}

static void test_xattrs(void **state _unused_)
{
	_cleanup_buf_ Buf records = BUF_INIT(TEST_TAR_MAX);
	static const TarXattr in[] = {
		{(char *)(uintptr_t) "user.b", (char *)(uintptr_t) "old", 3},
		{(char *)(uintptr_t) "user.a=%3D", (char *)(uintptr_t) "\0\n=", 3},
		{(char *)(uintptr_t) "user.b", (char *)(uintptr_t) "newer", 5},
		{(char *)(uintptr_t) "user.c", (char *)(uintptr_t) "", 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(in); i++)
		tar_pax_xattr(&records, &in[i]);
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	raw_extension(&a, 'g', "27 SCHILY.xattr.user.g=all\n", 27);
	raw_extension(&a, 'x', "27 SCHILY.xattr.user.z=all\n", 27); /* replaced as a whole */
	raw_extension(&a, 'x', records.ptr, records.len);
	raw_put(&a, raw_header('0', "f", "0"));
	raw_put(&a, raw_header('0', "g", "0"));
	One one = read_one(&a);
	TarEntry *e = one.entry;
	assert_int_equal(e->n_xattrs, 3);
	assert_string_equal(e->xattrs[0].name, "user.a=%3D");
	assert_int_equal(e->xattrs[0].value_len, 3);
	assert_memory_equal(e->xattrs[0].value, "\0\n=", 3);
	assert_string_equal(e->xattrs[1].name, "user.b");
	assert_int_equal(e->xattrs[1].value_len, 5);
	assert_memory_equal(e->xattrs[1].value, "newer", 5);
	assert_string_equal(e->xattrs[2].name, "user.c");
	assert_int_equal(e->xattrs[2].value_len, 0);
	assert_int_equal(tar_reader_next(one.tar, &e, NULL), 1);
	assert_int_equal(e->n_xattrs, 0);
	one_done(&one);
}

static void test_limits(void **state _unused_)
{
	_cleanup_free_ char *big = xmalloc(LIMIT_PAX_RECORDS + 1);
	memset(big, 'a', LIMIT_PAX_RECORDS + 1);
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	raw_pax(&a, "path", big, LIMIT_PATH);
	raw_put(&a, raw_header('0', "f", "0"));
	assert_result(&a, 0, 1);
	buf_clear(&a);
	raw_pax(&a, "path", big, LIMIT_PATH + 1);
	raw_put(&a, raw_header('0', "f", "0"));
	assert_result(&a, -ERR_LIMIT, 0);
	buf_clear(&a);
	raw_pax(&a, "linkpath", big, LIMIT_PATH + 1);
	raw_put(&a, raw_header('2', "f", "0"));
	assert_result(&a, -ERR_LIMIT, 0);
	buf_clear(&a);
	raw_extension(&a, 'L', big, LIMIT_PATH + 1);
	raw_put(&a, raw_header('0', "f", "0"));
	assert_result(&a, -ERR_LIMIT, 0);
	buf_clear(&a);
	raw_extension(&a, 'x', big, LIMIT_PAX_RECORDS + 1);
	assert_result(&a, -ERR_LIMIT, 0);
	buf_clear(&a);
	raw_pax(&a, "SCHILY.xattr.user.x", big, LIMIT_XATTR_SIZE);
	raw_put(&a, raw_header('0', "f", "0"));
	assert_result(&a, 0, 1);
	buf_clear(&a);
	raw_pax(&a, "SCHILY.xattr.user.x", big, LIMIT_XATTR_SIZE + 1);
	raw_put(&a, raw_header('0', "f", "0"));
	assert_result(&a, -ERR_LIMIT, 0);
}

/* Endless headers out of a source that costs nothing. */
static ssize_t headers_read(Reader *r _unused_, void *buf, size_t len, Err **err _unused_)
{
	static TarHeader h;
	if (h.name[0] == '\0') {
		h = raw_header('5', "d", "0");
		raw_sign(&h);
	}
	size_t n = len / sizeof(h);
	for (size_t i = 0; i < n; i++)
		memcpy((char *)buf + i * sizeof(h), &h, sizeof(h));
	return (ssize_t)(n * sizeof(h));
}

static void headers_free(Reader *r _unused_)
{
}

static void test_entry_limit(void **state _unused_)
{
	static const ReaderOps ops = {headers_read, headers_free};
	Reader source = {&ops};
	TarReader *t = tar_reader_new(&source);
	tar_reader_limit_entries(t, 5000);
	TarEntry *e;
	int r;
	uint64_t entries = 0;
	while ((r = tar_reader_next(t, &e, NULL)) == 1)
		entries++;
	assert_int_equal(r, -ERR_LIMIT);
	assert_int_equal(entries, 5000);
	tar_reader_free(t);
}

static void test_huge_claim(void **state _unused_)
{
	_cleanup_buf_ Buf a = BUF_INIT(TEST_TAR_MAX);
	TarHeader h = raw_header('0', "f", "");
	put_field(h.size, sizeof(h.size), "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
	raw_put(&a, h);
	raw_body(&a, "abc", 3);
	assert_result(&a, -ERR_CORRUPT, 1);
	One one = read_one(&a);
	assert_true(one.entry->size == INT64_MAX);
	char buf[2000];
	assert_int_equal(tar_reader_body(one.tar, buf, sizeof(buf), NULL), 512);
	assert_int_equal(tar_reader_body(one.tar, buf, sizeof(buf), NULL), -ERR_CORRUPT);
	one_done(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_truncation_anywhere),
		cmocka_unit_test(test_bad_checksum),
		cmocka_unit_test(test_signed_checksum),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_refused_types),
		cmocka_unit_test(test_sizes_without_body),
		cmocka_unit_test(test_hidden_bodies),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_owner_and_mode),
		cmocka_unit_test(test_dialects),
		cmocka_unit_test(test_full_fields),
		cmocka_unit_test(test_gnu_long_names),
		cmocka_unit_test(test_pax_overrides),
		cmocka_unit_test(test_pax_size),
		cmocka_unit_test(test_xattrs),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_entry_limit),
		cmocka_unit_test(test_huge_claim),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
