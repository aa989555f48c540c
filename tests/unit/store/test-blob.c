#include "store_test.h"

static void writing(void **state _unused_)
{
	size_t files = open_files();
	Digest want = digest_text("some bytes"), got;
	uint64_t size = 0;
	_cleanup_(blob_writer_freep) BlobWriter *b = NULL;
	ok(store_blob_begin(store, &b, err));
	ok(writer_write(blob_writer_stream(b), "some ", 5, err));
	ok(writer_write(blob_writer_stream(b), "bytes", 5, err));
	assert_false(store_blob_has(store, &want, NULL));
	ok(blob_writer_commit(b, &want, 10, &got, &size, err));
	assert_true(digest_eq(&got, &want));
	assert_int_equal(size, 10);
	b = blob_writer_free(b);
	assert_true(store_blob_has(store, &want, &size) && size == 10);
	assert_text(names_in("store/blobs/sha256"), digest_hex(&want).s);
	assert_int_equal(open_files(), files);
}

static void promises(void **state _unused_)
{
	Digest other = digest_text("other"), real = digest_text("x");
	for (int i = 0; i < 3; i++) {
		_cleanup_(blob_writer_freep) BlobWriter *b = NULL;
		ok(store_blob_begin(store, &b, err));
		ok(writer_write(blob_writer_stream(b), "x", 1, err));
		if (i == 0)
			fails(ERR_DIGEST, digest_str(&real).s,
				blob_writer_commit(b, &other, UINT64_MAX, NULL, NULL, err));
		else if (i == 1)
			fails(ERR_DIGEST, "has 1 bytes, not 2",
				blob_writer_commit(b, &real, 2, NULL, NULL, err));
		/* the third is abandoned */
	}
	assert_text(names_in("store/blobs/sha256"), "");
}

static void reading(void **state _unused_)
{
	Digest d, none = digest_text("none");
	Buf text = BUF_INIT(0);
	int fd = -1;
	ok(store_blob_put(store, STR("content"), &d, err));
	ok(store_blob_read(store, &d, 7, &text, err));
	assert_true(str_eq(buf_view(&text), STR("content")));
	/* what was there stays on failure */
	fails(ERR_LIMIT, "", store_blob_read(store, &d, 6, &text, err));
	fails(ERR_NOT_FOUND, "is not in the store", store_blob_read(store, &none, 9, &text, err));
	fails(ERR_NOT_FOUND, digest_str(&none).s, store_blob_open(store, &none, &fd, err));
	assert_int_equal(fd, -1);
	assert_true(str_eq(buf_view(&text), STR("content")));
	buf_done(&text);
	Digest empty;
	ok(store_blob_put(store, STR(""), &empty, err));
	ok(store_blob_read(store, &empty, 0, &text, err));
	assert_int_equal(text.len, 0);
	buf_done(&text);
}

/* Links and directories are no blobs, wherever they lead. */
static void strange(void **state _unused_)
{
	Digest d = digest_text("secret");
	_cleanup_free_ char *path = blob_file(&d);
	Buf text = BUF_INIT(0);
	put("secret", "secret");
	assert_int_equal(symlink("../../../secret", path), 0);
	assert_false(store_blob_has(store, &d, NULL));
	fails(ERR_SYS, "blob", store_blob_read(store, &d, 99, &text, err));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_false(store_blob_has(store, &d, NULL));
	fails(ERR_SYS, "", store_blob_read(store, &d, 99, &text, err));
}

/* What is damaged is found when it is read, and mended when it is written again. */
static void damaged(void **state _unused_)
{
	static const char *const damage[] = {"CONTENT", "conten", ""};
	Digest d, got;
	uint64_t size = 0;
	ok(store_blob_put(store, STR("content"), &d, err));
	_cleanup_free_ char *path = blob_file(&d);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(damage); i++) {
		Buf text = BUF_INIT(0);
		put(path, damage[i / 2]);
		fails(ERR_DIGEST, "is damaged", store_blob_read(store, &d, 99, &text, err));
		if (i % 2) {
			ok(store_blob_put(store, STR("content"), &got, err));
		} else {
			_cleanup_(blob_writer_freep) BlobWriter *b = NULL;
			ok(store_blob_begin(store, &b, err));
			ok(writer_write(blob_writer_stream(b), "content", 7, err));
			ok(blob_writer_commit(b, NULL, UINT64_MAX, &got, &size, err));
		}
		assert_true(digest_eq(&got, &d));
		assert_content(path, "content");
	}
	assert_text(names_in("store/blobs/sha256"), digest_hex(&d).s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(writing),
		store_test(promises),
		store_test(reading),
		store_test(strange),
		store_test(damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
