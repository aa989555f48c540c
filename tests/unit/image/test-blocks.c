#include "image/blocks.h"

#include "image_test.h"

/* What a layer of this text alone would add: the text is its own compressed form. */
static void keep(const char *text, const char *key, uint64_t offset)
{
	_cleanup_(store_blocks_freep) StoreBlocks *b = store_blocks_new(store);
	Digest blob;
	ok(store_blob_put(store, str_of(text), &blob, err));
	CompressedBlock block = {.key = digest_text(key),
		.offset = offset,
		.len = (uint32_t)(strlen(text) - offset),
		.crc = compressed_block_crc(text + offset, strlen(text) - offset)};
	BlockCache *c = store_blocks_cache(b);
	c->add(c, &block);
	store_blocks_commit(b, &blob);
}

/* What is found under the key, "" if nothing; owned. room: bytes there are for it. */
static char *found(const char *key, size_t room)
{
	_cleanup_(store_blocks_freep) StoreBlocks *b = store_blocks_new(store);
	Digest d = digest_text(key);
	BlockCache *c = store_blocks_cache(b);
	_cleanup_free_ char *out = xmalloc(room + 1);
	size_t n = c->find(c, &d, out, room);
	assert_true(n <= room);
	return str_dup((Str){out, n});
}

static void finding(void **state _unused_)
{
	size_t files = open_files();
	assert_text(found("k", 99), "");
	keep("compressed", "k", 0);
	keep("0123456789", "l", 4);
	assert_text(found("k", 99), "compressed");
	assert_text(found("l", 99), "456789");
	assert_text(found("m", 99), "");
	assert_text(found("k", 9), ""); /* no room */
	assert_text(found("k", 10), "compressed");
	/* of equal keys the last holds */
	keep("newer", "k", 0);
	assert_text(found("k", 99), "newer");
	assert_int_equal(open_files(), files);
}

/* Blobs go and are damaged: misses. */
static void blobs(void **state _unused_)
{
	Digest d = digest_text("compressed");
	_cleanup_free_ char *path = blob_file(&d);
	keep("compressed", "k", 0);
	put(path, "COMPRESSED");
	assert_text(found("k", 99), "");
	put(path, "compr");
	assert_text(found("k", 99), "");
	unlink(path);
	assert_text(found("k", 99), "");
}

/* A process died while it wrote, or the file is nonsense. */
static void damaged(void **state _unused_)
{
	struct stat st;
	keep("compressed", "k", 0);
	assert_int_equal(stat("store/cache/blocks", &st), 0);
	assert_int_equal(truncate("store/cache/blocks", st.st_size + 7), 0);
	keep("other", "l", 0);
	assert_text(found("k", 99), "compressed");
	assert_text(found("l", 99), "other");
	assert_int_equal(truncate("store/cache/blocks", st.st_size - 1), 0);
	assert_text(found("k", 99), "");
	FILE *f = fopen("store/cache/blocks", "we");
	for (off_t i = 0; i < 3 * st.st_size; i++)
		assert_int_equal(fputc(0xff, f), 0xff);
	(void)fclose(f);
	assert_text(found("k", 99), "");
	keep("compressed", "k", 0);
	assert_text(found("k", 99), "compressed");
	unlink("store/cache/blocks");
	assert_int_equal(symlink("elsewhere", "store/cache/blocks"), 0);
	keep("compressed", "k", 0);
	assert_int_equal(access("elsewhere", F_OK), -1);
}

/* The layer is the same to the byte with and without what was kept. */
static void same_bytes(void **state _unused_)
{
	static const TestFile files[] = {{"a", "some text that is compressed"}};
	Descriptor first = {0}, again = {0};
	Digest diff_id;
	put_layer(files, 1, COMPRESSION_GZIP, &first, &diff_id);
	put_layer(files, 1, COMPRESSION_GZIP, &again, &diff_id);
	assert_true(digest_eq(&first.digest, &again.digest));
	descriptor_done(&again);
	unlink("store/cache/blocks");
	put_layer(files, 1, COMPRESSION_GZIP, &again, &diff_id);
	assert_true(digest_eq(&first.digest, &again.digest));
	descriptor_done(&again);
	descriptor_done(&first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(finding),
		store_test(blobs),
		store_test(damaged),
		store_test(same_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
