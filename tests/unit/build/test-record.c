#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "build/record.h"

static char *root;
static Store *store;

static int setup(void **state _unused_)
{
	const char *tmp = getenv("TMPDIR");
	root = xasprintf("%s/cruet-record-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(root));
	assert_int_equal(store_open(root, &store, NULL), 0);
	return 0;
}

static int teardown(void **state _unused_)
{
	store = store_close(store);
	assert_int_equal(remove_tree(AT_FDCWD, root, NULL), 0);
	free(root);
	return 0;
}

static Digest digest_text(const char *text)
{
	Digest d;
	digest_of(text, strlen(text), &d);
	return d;
}

static Record record_with_blob(const char *content, const char *media_type)
{
	Record r = {.diff_id = digest_text("layer"), .created = xstrdup("2024-05-01T12:00:00Z")};
	assert_int_equal(store_blob_put(store, str_of(content), &r.layer.digest, NULL), 0);
	r.layer.media_type = xstrdup(media_type);
	r.layer.size = strlen(content);
	return r;
}

static void test_roundtrip(void **state _unused_)
{
	Digest key = digest_text("key 1"), op = digest_text("op 1");
	Record r = record_with_blob("gzip bytes", MT_OCI_LAYER_GZIP), got = {0};
	assert_false(record_op_seen(store, &op));
	assert_false(record_find(store, &key, COMPRESSION_GZIP, -1, &got));
	assert_int_equal(record_write(store, &key, &op, &r, -1, NULL), 0);
	assert_true(record_op_seen(store, &op));
	assert_true(record_find(store, &key, COMPRESSION_GZIP, -1, &got));
	assert_false(got.converted);
	assert_true(digest_eq(&got.diff_id, &r.diff_id));
	assert_true(digest_eq(&got.layer.digest, &r.layer.digest));
	assert_int_equal(got.layer.size, r.layer.size);
	assert_string_equal(got.created, r.created);
	record_done(&got);
	/* the other compression: the layer is known, its blob is not */
	assert_true(record_find(store, &key, COMPRESSION_ZSTD, -1, &got));
	assert_true(got.converted);
	record_done(&got);
	record_done(&r);
}

static void test_two_compressions(void **state _unused_)
{
	Digest key = digest_text("key 2"), op = digest_text("op 2");
	Record gzip = record_with_blob("as gzip", MT_OCI_LAYER_GZIP), got = {0};
	Record zstd = record_with_blob("as zstd", MT_OCI_LAYER_ZSTD);
	assert_int_equal(record_write(store, &key, &op, &gzip, -1, NULL), 0);
	assert_int_equal(record_write(store, &key, &op, &zstd, 3, NULL), 0);
	assert_true(record_find(store, &key, COMPRESSION_GZIP, -1, &got));
	assert_false(got.converted);
	assert_string_equal(got.layer.media_type, MT_OCI_LAYER_GZIP);
	record_done(&got);
	assert_true(record_find(store, &key, COMPRESSION_ZSTD, 3, &got));
	assert_false(got.converted);
	assert_string_equal(got.layer.media_type, MT_OCI_LAYER_ZSTD);
	record_done(&got);
	record_done(&gzip);
	record_done(&zstd);
}

static void test_missing_blob_is_a_miss(void **state _unused_)
{
	Digest key = digest_text("key 3"), op = digest_text("op 3");
	Record r = record_with_blob("will be gone", MT_OCI_LAYER), got = {0};
	assert_int_equal(record_write(store, &key, &op, &r, -1, NULL), 0);
	char *path = xasprintf("blobs/sha256/%s", digest_hex(&r.layer.digest).s);
	assert_int_equal(unlinkat(store_fd(store), path, 0), 0);
	assert_false(record_find(store, &key, COMPRESSION_NONE, -1, &got));
	free(path);
	record_done(&r);
}

static void test_damage_is_a_miss(void **state _unused_)
{
	static const char *const damage[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"created\":\"x\",\"diff_id\":\"sha256:00\",\"blobs\":[]}",
		"{\"created\":1,\"diff_id\":2,\"blobs\":3}",
		"null",
	};
	Digest key = digest_text("key 4"), op = digest_text("op 4");
	Record r = record_with_blob("fine", MT_OCI_LAYER), got = {0};
	char *path = xasprintf("cache/records/%.2s/%s", digest_hex(&key).s, digest_hex(&key).s);
	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		assert_int_equal(record_write(store, &key, &op, &r, -1, NULL), 0);
		assert_true(record_find(store, &key, COMPRESSION_NONE, -1, &got));
		record_done(&got);
		assert_int_equal(
			atomic_write(store_fd(store), path, str_of(damage[i]), 0644, false, NULL),
			0);
		assert_false(record_find(store, &key, COMPRESSION_NONE, -1, &got));
	}
	free(path);
	record_done(&r);
}

static void test_created(void **state _unused_)
{
	Digest key = digest_text("config");
	assert_null(record_created_find(store, &key));
	assert_int_equal(record_created_write(store, &key, "2024-05-01T12:00:00Z", NULL), 0);
	char *got = record_created_find(store, &key);
	assert_string_equal(got, "2024-05-01T12:00:00Z");
	free(got);
	assert_int_equal(record_created_write(store, &key, "yesterday", NULL), 0);
	assert_null(record_created_find(store, &key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roundtrip),
		cmocka_unit_test(test_two_compressions),
		cmocka_unit_test(test_missing_blob_is_a_miss),
		cmocka_unit_test(test_damage_is_a_miss),
		cmocka_unit_test(test_created),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
