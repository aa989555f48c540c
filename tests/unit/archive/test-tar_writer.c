#include "archive/tar.h"

#include "archive_test.h"
#include "base/digest.h"

static char text_c[] = "value\0x", name_cap[] = "security.capability", name_eq[] = "user.a=b";

static TarEntry entry(TarType type, const char *path)
{
	return (TarEntry){.path = xstrdup(path), .type = type, .mode = 0644, .mtime = 1700000000};
}

static TarEntry link_to(TarType type, const char *path, const char *target)
{
	TarEntry e = entry(type, path);
	e.link = xstrdup(target);
	return e;
}

static void write_entry(TarWriter *t, TarEntry e, const char *body)
{
	if (body)
		e.size = strlen(body);
	assert_int_equal(tar_writer_entry(t, &e, NULL), 0);
	if (body)
		assert_int_equal(tar_writer_body(t, body, strlen(body), NULL), 0);
	free(e.path);
	free(e.link);
}

static void assert_digest(const Buf *out, const char *expected)
{
	Digest d;
	digest_of(out->ptr, out->len, &d);
	assert_string_equal(digest_str(&d).s, expected);
}

static void test_empty_layer(void **state _unused_)
{
	_cleanup_buf_ Buf out = BUF_INIT(TEST_TAR_MAX);
	Writer *sink = buf_writer_new(&out);
	TarWriter *t = tar_writer_new(sink);
	assert_int_equal(tar_writer_end(t, NULL), 0);
	assert_int_equal(tar_writer_offset(t), 1024);
	/* The one every registry knows. */
	assert_digest(
		&out, "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
	tar_writer_free(t);
	writer_free(sink);
}

/* Every kind of entry, and every reason for a PAX record. The bytes were read back by GNU tar 1.34 and
 * Python's tarfile (names, owners, times, link targets and attributes all equal) before they were frozen
 * here: a change of them changes the digest of everybody's layers. */
static void write_golden(TarWriter *t)
{
	char long_name[121], deep[242];
	memset(long_name, 'n', 120);
	long_name[120] = '\0';
	snprintf(deep, sizeof(deep), "%.100s/%.120s", long_name, long_name);
	TarEntry e = entry(TAR_DIR, "");
	e.mode = 0755;
	write_entry(t, e, NULL);
	write_entry(t, entry(TAR_FILE, "file"), "hello\n");
	write_entry(t, entry(TAR_FILE, "empty"), "");
	write_entry(t, link_to(TAR_HARDLINK, "hard", "file"), NULL);
	write_entry(t, link_to(TAR_SYMLINK, "soft", "../file"), NULL);
	write_entry(t, link_to(TAR_SYMLINK, "far", deep), NULL);
	write_entry(t, link_to(TAR_SYMLINK, "foreign", "\xc3\xbc"), NULL);
	e = entry(TAR_CHAR, "null");
	e.dev_major = 1;
	e.dev_minor = 3;
	write_entry(t, e, NULL);
	e = entry(TAR_BLOCK, "disk");
	e.dev_major = 259;
	e.dev_minor = 1048575;
	write_entry(t, e, NULL);
	write_entry(t, entry(TAR_FIFO, "pipe"), NULL);
	write_entry(t, entry(TAR_DIR, "d"), NULL);
	write_entry(t, entry(TAR_FILE, deep), "deep");
	write_entry(t, entry(TAR_DIR, long_name), NULL);
	write_entry(t, entry(TAR_FILE, "\xc3\xbcml\xff"), "x");
	write_entry(t, entry(TAR_FILE, "new\nline"), "x");
	e = entry(TAR_FILE, "owned");
	e.uid = 2097152;
	e.gid = 4294967294;
	e.mode = 04755;
	write_entry(t, e, "x");
	e = entry(TAR_FILE, "old");
	e.mtime = -1;
	e.mtime_nsec = 999999999; /* not written */
	write_entry(t, e, "x");
	e = entry(TAR_FILE, "late");
	e.mtime = 8589934592;
	write_entry(t, e, "x");
	e = entry(TAR_FILE, "capable");
	TarXattr xattrs[] = {{name_cap, text_c, 7}, {name_eq, text_c, 0}};
	e.xattrs = xattrs;
	e.n_xattrs = ARRAY_SIZE(xattrs);
	write_entry(t, e, "x");
	assert_int_equal(tar_writer_end(t, NULL), 0);
}

static void golden(Buf *out)
{
	Writer *sink = buf_writer_new(out);
	TarWriter *t = tar_writer_new(sink);
	write_golden(t);
	assert_int_equal(tar_writer_offset(t), out->len);
	tar_writer_free(t);
	writer_free(sink);
}

static void test_golden(void **state _unused_)
{
	_cleanup_buf_ Buf out = BUF_INIT(TEST_TAR_MAX);
	golden(&out);
	const char *dump = getenv("CRUET_DUMP_GOLDEN");
	if (dump) {
		FILE *f = fopen(dump, "we");
		assert_non_null(f);
		assert_int_equal(fwrite(out.ptr, 1, out.len, f), out.len);
		assert_int_equal(fclose(f), 0);
	}
	assert_digest(
		&out, "sha256:3e1cdd928f626f7e1d1f7aa89b0a65d6563984080f493ae09bf577133278c759");
}

/* Reader and writer are inverse: writing what was read gives the same bytes. */
static void test_round_trip(void **state _unused_)
{
	_cleanup_buf_ Buf first = BUF_INIT(TEST_TAR_MAX);
	_cleanup_buf_ Buf second = BUF_INIT(TEST_TAR_MAX);
	golden(&first);
	Reader *source = mem_reader_new(first.ptr, first.len);
	Writer *sink = buf_writer_new(&second);
	TarReader *in = tar_reader_new(source);
	TarWriter *out = tar_writer_new(sink);
	TarEntry *e;
	size_t entries = 0;
	while (tar_reader_next(in, &e, NULL) == 1) {
		char body[64];
		assert_int_equal(tar_writer_entry(out, e, NULL), 0);
		assert_int_equal(tar_writer_offset(out), e->body_offset);
		ssize_t n = tar_reader_body(in, body, sizeof(body), NULL);
		assert_int_equal(n, e->size);
		assert_int_equal(tar_writer_body(out, body, (size_t)n, NULL), 0);
		entries++;
	}
	assert_int_equal(entries, 19);
	assert_int_equal(tar_writer_end(out, NULL), 0);
	assert_int_equal(second.len, first.len);
	assert_memory_equal(second.ptr, first.ptr, first.len);
	tar_reader_free(in);
	tar_writer_free(out);
	reader_free(source);
	writer_free(sink);
}

/* What goes into ustar, what needs a PAX header: told by the size of the headers. */
static void test_ustar_where_it_fits(void **state _unused_)
{
	char n100[101], p155[156];
	memset(n100, 'n', 100);
	memset(p155, 'p', 155);
	n100[100] = p155[155] = '\0';
	_cleanup_free_ char *full = xasprintf("%s/%s", p155, n100);
	_cleanup_free_ char *prefix_long = xasprintf("%sp/%s", p155, n100);
	_cleanup_free_ char *name_long = xasprintf("%s/%sn", p155, n100);
	_cleanup_free_ char *slash_first = xasprintf("%s%.20s", n100, p155);
	const struct {
		TarEntry e;
		bool pax;
	} rows[] = {
		{{.path = n100, .type = TAR_FILE}, false},
		{{.path = n100, .type = TAR_DIR}, true}, /* 101 with the slash, nowhere to split */
		{{.path = full, .type = TAR_FILE}, false},
		{{.path = full, .type = TAR_DIR}, true},
		{{.path = prefix_long, .type = TAR_FILE}, true},
		{{.path = name_long, .type = TAR_FILE}, true},
		{{.path = slash_first, .type = TAR_FILE}, true},
		{{.path = n100, .link = n100, .type = TAR_SYMLINK}, false},
		{{.path = n100, .link = slash_first, .type = TAR_SYMLINK}, true},
		{{.path = n100, .link = slash_first, .type = TAR_HARDLINK}, true},
		{{.path = n100, .type = TAR_FILE, .uid = 2097151, .gid = 2097151}, false},
		{{.path = n100, .type = TAR_FILE, .uid = 2097152}, true},
		{{.path = n100, .type = TAR_FILE, .gid = 2097152}, true},
		{{.path = n100, .type = TAR_FILE, .mtime = 8589934591}, false},
		{{.path = n100, .type = TAR_FILE, .mtime = 8589934592}, true},
		{{.path = n100, .type = TAR_FILE, .mtime = -1}, true},
		{{.path = n100, .type = TAR_FILE, .mtime_nsec = 1}, false},
		{{.path = n100, .type = TAR_FILE, .size = 8589934591}, false},
		{{.path = n100, .type = TAR_FILE, .size = 8589934592}, true},
		{{.path = n100, .type = TAR_DIR, .size = 8589934592, .uid = 1}, true},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf out = BUF_INIT(TEST_TAR_MAX);
		Writer *sink = buf_writer_new(&out);
		TarWriter *t = tar_writer_new(sink);
		assert_int_equal(tar_writer_entry(t, &rows[i].e, NULL), 0);
		assert_int_equal(out.len > TAR_BLOCK_SIZE, rows[i].pax);
		Reader *source = mem_reader_new(out.ptr, out.len);
		TarReader *in = tar_reader_new(source);
		TarEntry *e;
		assert_int_equal(tar_reader_next(in, &e, NULL), 1);
		assert_string_equal(e->path, rows[i].e.path);
		assert_int_equal(e->uid, rows[i].e.uid);
		assert_int_equal(e->gid, rows[i].e.gid);
		assert_true(e->mtime == rows[i].e.mtime);
		assert_int_equal(e->size, e->type == TAR_FILE ? rows[i].e.size : 0);
		if (e->link)
			assert_string_equal(e->link, rows[i].e.link);
		tar_reader_free(in);
		reader_free(source);
		tar_writer_free(t);
		writer_free(sink);
	}
}

static void test_misuse(void **state _unused_)
{
	static char name[] = "f", none[] = "";
	_cleanup_free_ char *too_long = xcalloc(1, LIMIT_PATH + 2);
	memset(too_long, 'x', LIMIT_PATH + 1);
	_cleanup_free_ char *value = xcalloc(1, LIMIT_PAX_RECORDS);
	TarXattr big = {name, value, LIMIT_PAX_RECORDS};
	const struct {
		TarEntry e;
		int result;
	} rows[] = {
		{{.path = none, .type = TAR_FILE}, -ERR_CORRUPT},
		{{.path = name, .type = TAR_SYMLINK}, -ERR_CORRUPT},
		{{.path = name, .link = none, .type = TAR_HARDLINK}, -ERR_CORRUPT},
		{{.path = too_long, .type = TAR_FILE}, -ERR_LIMIT},
		{{.path = name, .link = too_long, .type = TAR_SYMLINK}, -ERR_LIMIT},
		{{.path = name, .type = TAR_CHAR, .dev_major = 1u << 21}, -ERR_UNSUPPORTED},
		{{.path = name, .type = TAR_FILE, .size = UINT64_MAX}, -ERR_CORRUPT},
		{{.path = name, .type = TAR_FILE, .xattrs = &big, .n_xattrs = 1}, -ERR_LIMIT},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ Buf out = BUF_INIT(TEST_TAR_MAX);
		Writer *sink = buf_writer_new(&out);
		TarWriter *t = tar_writer_new(sink);
		assert_int_equal(tar_writer_entry(t, &rows[i].e, NULL), rows[i].result);
		assert_int_equal(out.len, 0);
		tar_writer_free(t);
		writer_free(sink);
	}
}

static void test_body_must_match_size(void **state _unused_)
{
	static char name[] = "f";
	_cleanup_buf_ Buf out = BUF_INIT(TEST_TAR_MAX);
	Writer *sink = buf_writer_new(&out);
	TarWriter *t = tar_writer_new(sink);
	TarEntry e = {.path = name, .type = TAR_FILE, .size = 3};
	assert_int_equal(tar_writer_body(t, "a", 1, NULL), -ERR_CORRUPT);
	assert_int_equal(tar_writer_entry(t, &e, NULL), 0);
	assert_int_equal(tar_writer_body(t, "ab", 2, NULL), 0);
	assert_int_equal(tar_writer_entry(t, &e, NULL), -ERR_CORRUPT);
	assert_int_equal(tar_writer_end(t, NULL), -ERR_CORRUPT);
	assert_int_equal(tar_writer_body(t, "cd", 2, NULL), -ERR_CORRUPT);
	assert_int_equal(tar_writer_body(t, "c", 1, NULL), 0);
	assert_int_equal(out.len, 1024);
	assert_int_equal(tar_writer_end(t, NULL), 0);
	tar_writer_free(t);
	writer_free(sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_layer),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_ustar_where_it_fits),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_body_must_match_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
