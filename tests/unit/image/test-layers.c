#include "image/layers.h"

#include "image_test.h"

static const TestFile base[] = {{"etc", NULL}, {"etc/name", "lower"}, {"etc/only", "below"}};
static const TestFile upper[] = {{"etc", NULL}, {"etc/name", "upper"}};

static void reading(void **state _unused_)
{
	static const Compression kinds[] = {COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD};
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_stack_ LayerStack k;
		Buf text = BUF_INIT(0);
		layer_stack_init(&k);
		push_layer(&k, base, ARRAY_SIZE(base), kinds[i]);
		push_layer(&k, upper, ARRAY_SIZE(upper), kinds[i]);
		assert_string_equal(k.layers.items[0].media_type, layer_media_type(kinds[i]));
		assert_text(stack_text(&k, "etc/name"), "upper");
		assert_text(stack_text(&k, "/etc/only"), "below");
		fails(ERR_NOT_FOUND, "'etc/none' is not in the image",
			layer_stack_read_file(&k, store, "etc/none", 99, &text, err));
		fails(ERR_NOT_FOUND, "'etc'",
			layer_stack_read_file(&k, store, "etc", 99, &text, err));
		fails(ERR_LIMIT, "", layer_stack_read_file(&k, store, "etc/name", 4, &text, err));
		assert_null(text.ptr);
	}
}

/* Whatever happens to an index, it is made again from the blob; a blob that is damaged is refused. */
static void index_again(void **state _unused_)
{
	static const char *const damage[] = {"", "CRUET", NULL};
	Descriptor d = {0};
	Digest diff_id, other = digest_text("other");
	put_layer(base, ARRAY_SIZE(base), COMPRESSION_GZIP, &d, &diff_id);
	_cleanup_free_ char *path = xasprintf("store/layers/%s/index", digest_hex(&diff_id).s),
			    *dir = xasprintf("store/layers/%s", digest_hex(&other).s),
			    *blob = blob_file(&d.digest);
	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		_cleanup_(index_freep) Index *index = NULL;
		unlink(path);
		if (damage[i])
			put(path, damage[i]);
		ok(layers_index(store, &d, &diff_id, NULL, &index, err));
		assert_true(index_count(index) >= ARRAY_SIZE(base));
		assert_true(index_find(index, STR("etc/only")) >= 0);
	}
	Index *none = NULL;
	fails(ERR_DIGEST, digest_str(&other).s, layers_index(store, &d, &other, NULL, &none, err));
	assert_int_equal(access(dir, F_OK), -1);
	/* the index of one layer under the name of another is none */
	_cleanup_free_ char *there = xasprintf("%s/index", dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(link(path, there), 0);
	fails(ERR_DIGEST, "", layers_index(store, &d, &other, NULL, &none, err));
	unlink(path);
	put(blob, "not what it was");
	fails(ERR_CORRUPT, digest_str(&d.digest).s,
		layers_index(store, &d, &diff_id, NULL, &none, err));
	unlink(blob);
	fails(ERR_NOT_FOUND, digest_str(&d.digest).s,
		layers_index(store, &d, &diff_id, NULL, &none, err));
	assert_int_equal(access(path, F_OK), -1);
	assert_null(none);
	descriptor_done(&d);
}

static void abandoned(void **state _unused_)
{
	size_t files = open_files();
	_cleanup_(new_layer_freep) NewLayer *n = NULL;
	ok(new_layer_begin(store, COMPRESSION_GZIP, -1, NULL, &n, err));
	write_file(new_layer_writer(n), &base[0]);
	n = new_layer_free(n);
	assert_text(names_in("store/blobs/sha256"), "");
	assert_text(names_in("store/layers"), "");
	assert_int_equal(open_files(), files);
}

static void empty(void **state _unused_)
{
	static const char zeros[1024];
	Descriptor d = {0};
	Digest diff_id, want;
	digest_of(zeros, sizeof(zeros), &want);
	ok(layers_empty(store, COMPRESSION_NONE, -1, &d, &diff_id, err));
	assert_true(digest_eq(&diff_id, &want) && digest_eq(&d.digest, &want));
	assert_int_equal(d.size, sizeof(zeros));
	descriptor_done(&d);
}

static void copies(void **state _unused_)
{
	LayerStack k, copy;
	layer_stack_init(&k);
	push_layer(&k, base, ARRAY_SIZE(base), COMPRESSION_GZIP);
	ok(layer_stack_copy(&k, store, &copy, err));
	push_layer(&k, upper, ARRAY_SIZE(upper), COMPRESSION_GZIP);
	assert_int_equal(copy.layers.len, 1);
	Digest one, lower, zero;
	layer_stack_chain(&copy, 1, &one);
	layer_stack_chain(&k, 1, &lower);
	layer_stack_chain(&k, 0, &zero);
	assert_true(digest_eq(&one, &lower) && digest_eq(&one, &k.diff_ids.items[0]));
	assert_true(digest_is_zero(&zero));
	layer_stack_done(&k);
	assert_text(stack_text(&copy, "etc/name"), "lower");
	layer_stack_done(&copy);
}

/* An unpacked tree is taken when its file is the right one, else the blob is. */
static void adopted(void **state _unused_)
{
	_cleanup_stack_ LayerStack k;
	layer_stack_init(&k);
	push_layer(&k, base, ARRAY_SIZE(base), COMPRESSION_GZIP);
	for (int i = 0; i < 2; i++) { /* the second finds one there, and is removed */
		assert_int_equal(mkdir("store/tmp/up", 0755), 0);
		assert_int_equal(mkdir("store/tmp/up/etc", 0755), 0);
		put("store/tmp/up/etc/name", i ? "other" : "LOWER");
		put("store/tmp/up/etc/only", "of another length");
		ok(layer_stack_adopt_tree(&k, store, store_fd(store), "tmp/up", err));
		assert_int_equal(access("store/tmp/up", F_OK), -1);
		/* it is read from there, and what it says is checked */
		_cleanup_buf_ Buf text = BUF_INIT(0);
		fails(ERR_DIGEST, "is damaged",
			layer_stack_read_file(&k, store, "etc/name", 4096, &text, err));
		assert_text(stack_text(&k, "etc/only"), "below");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(reading),
		store_test(index_again),
		store_test(abandoned),
		store_test(empty),
		store_test(copies),
		store_test(adopted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
