#include "image_test.h"
#include "image/sizes.h"

#define A "docker.io/library/a:latest"

static const TestFile lower[] = {{"etc", NULL}, {"etc/name", "lower"}, {"etc/only", "below"}};

static void two_layers(LayerStack *k)
{
	_cleanup_(new_layer_freep) NewLayer *n = NULL;
	Descriptor d = {0};
	Digest diff_id;
	static const TestFile dir = {"etc", NULL}, file = {"etc/name", "upper!"};
	layer_stack_init(k);
	push_layer(k, lower, ARRAY_SIZE(lower), COMPRESSION_GZIP);
	ok(new_layer_begin(store, COMPRESSION_GZIP, -1, NULL, &n, err));
	write_file(new_layer_writer(n), &dir);
	ok(layer_writer_whiteout(new_layer_writer(n), STR("etc/only"), err));
	write_file(new_layer_writer(n), &file);
	ok(new_layer_commit(n, &d, &diff_id, err));
	ok(layer_stack_push(k, store, &d, &diff_id, err));
	descriptor_done(&d);
}

static void committed(void **state _unused_)
{
	_cleanup_stack_ LayerStack k, read;
	Descriptor made = {0}, again = {0};
	StoreImage image = {0};
	ImageSizes sizes;
	two_layers(&k);
	/* Docker's media types are translated: one manifest is all OCI */
	free(k.layers.items[0].media_type);
	k.layers.items[0].media_type = xstrdup(MT_DOCKER_LAYER);
	commit_image(&k, A, &made);
	commit_image(&k, A, &again);
	assert_true(digest_eq(&made.digest, &again.digest));
	ok(store_image(store, "a", NULL, &image, err));
	assert_true(digest_eq(&image.descriptor.digest, &made.digest));
	assert_int_equal(image.config.diff_ids.len, 2);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(image.manifest.layers.items[i].media_type, MT_OCI_LAYER_GZIP);
	ok(image_sizes(store, &image, &sizes, err));
	assert_int_equal(sizes.layers, 2);
	assert_int_equal(sizes.unpacked, strlen("lower") + strlen("below") + strlen("upper!"));
	assert_int_equal(sizes.compressed, k.layers.items[0].size + k.layers.items[1].size);
	layer_stack_init(&read);
	ok(layer_stack_push_image(&read, store, &image, err));
	assert_text(stack_text(&read, "etc/name"), "upper!");
	/* a config of another number of layers */
	image.config.diff_ids.len = 1;
	fails(ERR_CORRUPT, "diff_ids", image_sizes(store, &image, &sizes, err));
	fails(ERR_CORRUPT, "1 diff_ids for 2 layers",
		layer_stack_push_image(&read, store, &image, err));
	store_image_done(&image);
	descriptor_done(&made);
	descriptor_done(&again);
}

static void exported(void **state _unused_)
{
	_cleanup_stack_ LayerStack k;
	_cleanup_buf_ Buf tar = BUF_INIT(1 << 20);
	_cleanup_strvec_ StrVec paths = {0};
	two_layers(&k);
	_cleanup_(writer_freep) Writer *out = buf_writer_new(&tar);
	ok(layer_stack_export(&k, store, out, err));
	_cleanup_(reader_freep) Reader *in = mem_reader_new(tar.ptr, tar.len);
	_cleanup_(tar_reader_freep) TarReader *t = tar_reader_new(in);
	TarEntry *e = NULL;
	_cleanup_err_ Err *bad = NULL;
	while (tar_reader_next(t, &e, &bad) == 1) {
		char text[16] = "";
		if (e->type == TAR_FILE) {
			assert_int_equal(tar_reader_body(t, text, sizeof(text), NULL), e->size);
			assert_string_equal(text, "upper!");
		}
		if (*e->path)
			strvec_push(&paths, e->path);
	}
	assert_null(bad);
	assert_text(strvec_join(&paths, " "), "etc etc/name");
}

static void unpacked(void **state _unused_)
{
	_cleanup_stack_ LayerStack k;
	Descriptor made = {0};
	StoreImage image = {0};
	_cleanup_strvec_ StrVec warnings = {0};
	unsigned flags = geteuid() == 0 ? 0 : APPLY_KEEP_OWNER;
	two_layers(&k);
	commit_image(&k, A, &made);
	ok(store_image(store, "a", NULL, &image, err));
	ok(image_unpack(store, &image, "root", flags, &warnings, err));
	assert_content("root/etc/name", "upper!");
	assert_text(names_in("root/etc"), "name");
	_cleanup_err_ Err *e = NULL;
	assert_true(image_unpack(store, &image, "root", flags, &warnings, &e) < 0);
	assert_non_null(strstr(e->message, "root"));
	assert_content("root/etc/name", "upper!");
	store_image_done(&image);
	descriptor_done(&made);
}

/* Trees are there whole or not at all, and are made once. */
static void trees(void **state _unused_)
{
	_cleanup_stack_ LayerStack k, none;
	_cleanup_strvec_ StrVec lowers = {0}, empty = {0};
	layer_stack_init(&none);
	ok(layer_stack_trees(&none, store, NULL, NULL, &empty, err));
	assert_int_equal(empty.len, 1);
	assert_text(names_in(empty.items[0]), "");
	layer_stack_init(&k);
	push_layer(&k, lower, ARRAY_SIZE(lower), COMPRESSION_GZIP);
	_cleanup_free_ char *blob = blob_file(&k.layers.items[0].digest);
	assert_int_equal(rename(blob, "kept"), 0);
	fails(ERR_NOT_FOUND, "Unpacking layer",
		layer_stack_trees(&k, store, NULL, NULL, &lowers, err));
	assert_int_equal(lowers.len, 0);
	put(blob, "damaged");
	fails(ERR_CORRUPT, "Unpacking layer",
		layer_stack_trees(&k, store, NULL, NULL, &lowers, err));
	assert_text(names_in("store/tmp"), "");
	assert_int_equal(rename("kept", blob), 0);
	if (geteuid() != 0)
		return; /* owners cannot be given */
	ok(layer_stack_trees(&k, store, NULL, NULL, &lowers, err));
	assert_int_equal(lowers.len, 1);
	assert_int_equal(lowers.items[0][0], '/');
	assert_text(names_in(lowers.items[0]), "etc");
	unlink(blob); /* needed no more */
	ok(layer_stack_trees(&k, store, NULL, NULL, &lowers, err));
	assert_int_equal(lowers.len, 2);
	assert_text(stack_text(&k, "etc/name"), "lower");
	assert_text(names_in("store/tmp"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(committed),
		store_test(exported),
		store_test(unpacked),
		store_test(trees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
