#include "layer_test.h"

#include "base/limits.h"

typedef struct Written {
	Buf blob;
	LayerResult result;
	Index *index;
} Written;

static void written_done(Written *w)
{
	buf_done(&w->blob);
	vec_done(&w->result.points);
	index_free(w->index);
}
#define _cleanup_written_ _cleanup_(written_done)

static void add_file(LayerWriter *w, const char *path, const char *body)
{
	_cleanup_free_ char *copy = xstrdup(path);
	TarEntry e = {.path = copy, .mode = 0644, .size = strlen(body), .mtime = 1};
	ok(layer_writer_add_bytes(w, &e, str_of(body), err));
}

static void finish(LayerWriter *w, Written *ret)
{
	ok(layer_writer_finish(w, &ret->result, err));
	ok(layer_writer_index(w, &ret->index, err));
}

/* A few entries of each kind, and a body of several megabytes that compresses badly enough. */
static Written write_sample(Compression c, Pool *pool, char *large, size_t large_len)
{
	Written ret = {.blob = BUF_INIT(64u << 20)};
	_cleanup_(writer_freep) Writer *sink = buf_writer_new(&ret.blob);
	_cleanup_(layer_writer_freep) LayerWriter *w =
		layer_writer_new(c, COMPRESSION_LEVEL_DEFAULT, pool, sink, NULL);
	TarEntry dir = {.path = (char[]){"d"}, .type = TAR_DIR, .mode = 0755};
	ok(layer_writer_add(w, &dir, NULL, err));
	ok(layer_writer_whiteout(w, STR("d/gone"), err));
	add_file(w, "d/a", "content of a");
	uint64_t seed = 1;
	for (size_t i = 0; i < large_len; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		large[i] = (char)('a' + (seed >> 60));
	}
	_cleanup_(reader_freep) Reader *body = mem_reader_new(large, large_len);
	TarEntry big = {.path = (char[]){"d/large"}, .mode = 0600, .size = large_len};
	ok(layer_writer_add(w, &big, body, err));
	TarEntry link = {.path = (char[]){"d/link"}, .type = TAR_HARDLINK, .link = (char[]){"d/a"}};
	ok(layer_writer_add(w, &link, NULL, err));
	add_file(w, "z", "");
	finish(w, &ret);
	return ret;
}

static void assert_same_index(const Index *a, const Index *b)
{
	assert_int_equal(index_count(a), index_count(b));
	assert_int_equal(index_tar_size(a), index_tar_size(b));
	assert_int_equal(index_unpacked_size(a), index_unpacked_size(b));
	for (size_t i = 0; i < index_count(a); i++) {
		IndexEntry x, y;
		index_get(a, i, &x);
		index_get(b, i, &y);
		assert_true(str_eq(x.path, y.path) && str_eq(x.link, y.link));
		assert_int_equal(x.type, y.type);
		assert_int_equal(x.flags, y.flags);
		assert_int_equal(x.size, y.size);
		assert_int_equal(x.body_offset, y.body_offset);
		assert_true(digest_eq(&x.digest, &y.digest));
	}
}

static void read_bodies(const Written *w, Compression c, const Temp *dir, int points_dirfd)
{
	Digest blob;
	digest_of(w->blob.ptr, w->blob.len, &blob);
	for (size_t i = 0; i < index_count(w->index); i++) {
		IndexEntry e;
		index_get(w->index, i, &e);
		if (e.type != TAR_FILE || (e.flags & INDEX_WHITEOUT))
			continue;
		int fd = openat(dir->fd, "blob", O_RDONLY | O_CLOEXEC);
		_cleanup_(reader_freep) Reader *body = NULL;
		ok(layer_body_open(fd, c, points_dirfd, &blob, e.body_offset, e.size, &body, err));
		_cleanup_(writer_freep) Writer *hash = digest_writer_new(NULL);
		ok(stream_copy(body, hash, NULL, err));
		ok(writer_finish(hash, err));
		Digest digest;
		uint64_t size;
		digest_writer_result(hash, &digest, &size);
		assert_int_equal(size, e.size);
		assert_true(digest_eq(&digest, &e.digest));
	}
}

static void check_compression(Compression c)
{
	size_t large_len = 9u << 20;
	_cleanup_free_ char *large = xmalloc(large_len);
	_cleanup_(pool_freep) Pool *pool = pool_new(2);
	_cleanup_written_ Written w = write_sample(c, pool, large, large_len);
	_cleanup_written_ Written alone = write_sample(c, NULL, large, large_len);
	assert_int_equal(w.blob.len, alone.blob.len);
	assert_memory_equal(w.blob.ptr, alone.blob.ptr, w.blob.len);
	assert_int_equal(w.result.entries, 6);
	/* What we noted while writing is what one sees reading it. */
	_cleanup_(reader_freep) Reader *in =
		decompress_reader_new(c, mem_reader_new(w.blob.ptr, w.blob.len), NULL);
	_cleanup_(index_builder_freep) IndexBuilder *b = index_builder_new();
	Digest diff_id;
	uint64_t tar_size;
	ok(layer_index_tar(in, b, &diff_id, &tar_size, err));
	assert_true(digest_eq(&diff_id, &w.result.diff_id));
	assert_int_equal(tar_size, w.result.tar_size);
	_cleanup_(index_freep) Index *again = NULL;
	ok(index_builder_index(b, &diff_id, tar_size, &again, err));
	assert_same_index(w.index, again);
	_cleanup_free_ char *text = index_text(w.index);
	assert_string_equal(text,
		" dir implied\nd dir\nd/a file\nd/gone whiteout\nd/large file\n"
		"d/link hardlink -> d/a\nz file");

	_cleanup_temp_ Temp dir = temp_new();
	ok(atomic_write(dir.fd, "blob", buf_view(&w.blob), 0644, false, err));
	read_bodies(&w, c, &dir, -1);
	Digest blob;
	digest_of(w.blob.ptr, w.blob.len, &blob);
	ok(layer_points_write(dir.fd, &blob, &w.result.points, err));
	if (c != COMPRESSION_NONE)
		assert_true(w.result.points.len > 2);
	read_bodies(&w, c, &dir, dir.fd);
}

static void test_none(_unused_ void **state)
{
	check_compression(COMPRESSION_NONE);
}

static void test_gzip(_unused_ void **state)
{
	check_compression(COMPRESSION_GZIP);
}

static void test_zstd(_unused_ void **state)
{
	check_compression(COMPRESSION_ZSTD);
}

static void test_points_damaged(_unused_ void **state)
{
	size_t large_len = 3u << 20;
	_cleanup_free_ char *large = xmalloc(large_len);
	_cleanup_written_ Written w = write_sample(COMPRESSION_GZIP, NULL, large, large_len);
	_cleanup_temp_ Temp dir = temp_new();
	ok(atomic_write(dir.fd, "blob", buf_view(&w.blob), 0644, false, err));
	Digest blob;
	digest_of(w.blob.ptr, w.blob.len, &blob);
	ok(layer_points_write(dir.fd, &blob, &w.result.points, err));
	_cleanup_free_ char *name = xasprintf("%s.points", digest_hex(&blob).s);
	_cleanup_buf_ Buf good = BUF_INIT(1u << 20);
	ok(file_read(dir.fd, name, 1u << 20, &good, err));
	assert_int_equal(good.len, 16 + 16 * w.result.points.len);
	/* Cut short anywhere: reading starts at the front, and gives the right bytes. */
	for (size_t len = 0; len < good.len; len += 7) {
		ok(atomic_write(dir.fd, name, (Str){good.ptr, len}, 0644, false, err));
		read_bodies(&w, COMPRESSION_GZIP, &dir, dir.fd);
	}
	for (size_t at = 0; at < 16; at++) { /* header */
		good.ptr[at] = (char)~good.ptr[at];
		ok(atomic_write(dir.fd, name, buf_view(&good), 0644, false, err));
		read_bodies(&w, COMPRESSION_GZIP, &dir, dir.fd);
		good.ptr[at] = (char)~good.ptr[at];
	}
}

static void test_body_past_end(_unused_ void **state)
{
	_cleanup_temp_ Temp dir = temp_new();
	_cleanup_buf_ Buf tar = RAW_TAR({"a", .body = "hello"});
	ok(atomic_write(dir.fd, "blob", buf_view(&tar), 0644, false, err));
	int fd = openat(dir.fd, "blob", O_RDONLY | O_CLOEXEC);
	Digest blob = {0};
	_cleanup_(reader_freep) Reader *body = NULL;
	ok(layer_body_open(fd, COMPRESSION_NONE, -1, &blob, tar.len - 4, 10, &body, err));
	char bytes[16];
	fails(ERR_CORRUPT, reader_read_full(body, bytes, 10, err));
}

static LayerWriter *plain_writer(Buf *blob, Writer **sink)
{
	*blob = BUF_INIT(1u << 20);
	*sink = buf_writer_new(blob);
	return layer_writer_new(COMPRESSION_NONE, COMPRESSION_LEVEL_DEFAULT, NULL, *sink, NULL);
}

static void test_empty_layer(_unused_ void **state)
{
	_cleanup_written_ Written w = {0};
	_cleanup_(writer_freep) Writer *sink = NULL;
	_cleanup_(layer_writer_freep) LayerWriter *writer = plain_writer(&w.blob, &sink);
	finish(writer, &w);
	assert_int_equal(w.blob.len, 1024);
	assert_string_equal(digest_hex(&w.result.diff_id).s,
		"5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
	assert_int_equal(index_count(w.index), 0);
}

static void test_refused(_unused_ void **state)
{
	static const char *const names[] = {
		".wh.a", "d/.wh.a", ".wh..wh..opq", "d/.wh.x/y", ".wh."};
	_cleanup_buf_ Buf blob;
	_cleanup_(writer_freep) Writer *sink = NULL;
	_cleanup_(layer_writer_freep) LayerWriter *w = plain_writer(&blob, &sink);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = xstrdup(names[i]);
		TarEntry e = {.path = path};
		fails(ERR_UNSUPPORTED, layer_writer_add(w, &e, NULL, err));
		fails(ERR_UNSUPPORTED, layer_writer_whiteout(w, str_of(path), err));
	}
	fails(ERR_UNSUPPORTED, layer_writer_whiteout(w, STR(""), err));
	TarEntry far = {.path = (char[]){"a"}, .uid = UINT32_MAX};
	fails(ERR_CORRUPT, layer_writer_add(w, &far, NULL, err));
	_cleanup_free_ char *longest = xcalloc(1, LIMIT_PATH + 2);
	memset(longest, 'a', LIMIT_PATH + 1);
	TarEntry deep = {.path = longest};
	fails(ERR_LIMIT, layer_writer_add(w, &deep, NULL, err));
}

static void test_short_body(_unused_ void **state)
{
	_cleanup_buf_ Buf blob;
	_cleanup_(writer_freep) Writer *sink = NULL;
	_cleanup_(layer_writer_freep) LayerWriter *w = plain_writer(&blob, &sink);
	_cleanup_(reader_freep) Reader *body = mem_reader_new("abc", 3);
	TarEntry e = {.path = (char[]){"a"}, .size = 4};
	fails(ERR_CORRUPT, layer_writer_add(w, &e, body, err));
}

static void test_has(_unused_ void **state)
{
	_cleanup_buf_ Buf blob;
	_cleanup_(writer_freep) Writer *sink = NULL;
	_cleanup_(layer_writer_freep) LayerWriter *w = plain_writer(&blob, &sink);
	add_file(w, "d/e/f", "x");
	ok(layer_writer_whiteout(w, STR("d/gone"), err));
	assert_true(layer_writer_has(w, STR("d/e/f")));
	assert_false(layer_writer_has(w, STR("d/e"))); /* implied, not added */
	assert_false(layer_writer_has(w, STR("d/gone")));
	assert_false(layer_writer_has(w, STR("none")));
}

static void test_hostile_tars(_unused_ void **state)
{
	static const Raw table[][3] = {
		{{"/../a"}},
		{{"a/../../b"}},
		{{".wh."}},
		{{"d/.wh..."}},
		{{"a"}, {"a/b"}},
		{{"l", '2', .link = "/etc"}, {"l/passwd"}},
		{{"l", '2', .link = "/etc"}, {"l/.wh.passwd"}},
		{{"f"}, {"f/.wh..wh..opq"}},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t n = 0;
		while (n < 3 && table[i][n].name)
			n++;
		_cleanup_buf_ Buf tar = raw_tar(table[i], n);
		_cleanup_(reader_freep) Reader *in = mem_reader_new(tar.ptr, tar.len);
		_cleanup_(index_builder_freep) IndexBuilder *b = index_builder_new();
		Digest diff_id;
		uint64_t size;
		_cleanup_err_ Err *error = NULL;
		if (layer_index_tar(in, b, &diff_id, &size, &error) != -ERR_CORRUPT)
			fail_msg("tar %zu was accepted", i);
	}
}

static void test_truncated(_unused_ void **state)
{
	_cleanup_buf_ Buf tar = RAW_TAR({"a", .body = "hello", .xattr = "user.a=b"}, {"b", '5'});
	for (size_t len = 1; len < tar.len - 1024; len++) {
		if (len == 2048)
			continue; /* between two entries: as if the end marker were missing */
		_cleanup_(reader_freep) Reader *in = mem_reader_new(tar.ptr, len);
		_cleanup_(index_builder_freep) IndexBuilder *b = index_builder_new();
		Digest diff_id;
		uint64_t size;
		_cleanup_err_ Err *error = NULL;
		if (layer_index_tar(in, b, &diff_id, &size, &error) >= 0)
			fail_msg("%zu of %zu bytes were accepted", len, tar.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_zstd),
		cmocka_unit_test(test_points_damaged),
		cmocka_unit_test(test_body_past_end),
		cmocka_unit_test(test_empty_layer),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_short_body),
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_hostile_tars),
		cmocka_unit_test(test_truncated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
