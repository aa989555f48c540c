#include "image/transfer.h"

#include "image_test.h"

#define A "docker.io/library/a:latest"

static const TestFile files[] = {{"etc", NULL}, {"etc/name", "value"}};

static void make(Descriptor *ret)
{
	_cleanup_stack_ LayerStack k;
	layer_stack_init(&k);
	push_layer(&k, files, ARRAY_SIZE(files), COMPRESSION_GZIP);
	commit_image(&k, A, ret);
}

static void save(SaveFormat format, const char *path)
{
	_cleanup_strvec_ StrVec names = {0};
	_cleanup_(named_images_done) NamedImages images = {0};
	strvec_push(&names, "a");
	ok(named_images_find(store, &names, &images, err));
	if (format == SAVE_OCI_DIR) {
		ok(image_save(store, &images, format, NULL, path, NULL, err));
		return;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	_cleanup_(writer_freep) Writer *out = fd_writer_new(fd, true, path);
	ok(image_save(store, &images, format, out, NULL, NULL, err));
}

static void other_store(const char *path)
{
	store_close(store);
	ok(store_open(path, &store, err));
}

/* Every form brings the same image, byte for byte. */
static void round_trips(void **state _unused_)
{
	static const char *const places[] = {"docker.tar", "oci.tar", "oci"};
	Descriptor made;
	make(&made);
	for (SaveFormat f = SAVE_DOCKER; f <= SAVE_OCI_DIR; f++)
		save(f, places[f]);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		NamedImages got = {0};
		_cleanup_free_ char *path = xasprintf("store-%zu", i);
		other_store(path);
		/* a second time changes nothing */
		for (int n = 0; n < 2; n++) {
			ok(image_load(store, places[i], true, NULL, NULL, &got, err));
			assert_int_equal(got.len, 1);
			assert_string_equal(got.items[0].name, A);
			assert_true(digest_eq(&got.items[0].descriptor.digest, &made.digest));
			named_images_done(&got);
		}
		_cleanup_free_ char *want = xasprintf(A "=%.8s", digest_hex(&made.digest).s);
		assert_text(names_now(), want);
	}
	descriptor_done(&made);
}

/* A manifest or config that is damaged in the store is mended by loading again. */
static void mended(void **state _unused_)
{
	Descriptor made;
	StoreImage image = {0};
	NamedImages got = {0};
	make(&made);
	save(SAVE_OCI, "oci.tar");
	_cleanup_free_ char *path = blob_file(&made.digest);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "!", 1, 3), 1);
	close(fd);
	fails(ERR_DIGEST, "damaged", store_image(store, "a", NULL, &image, err));
	ok(image_load(store, "oci.tar", true, NULL, NULL, &got, err));
	named_images_done(&got);
	ok(store_image(store, "a", NULL, &image, err));
	store_image_done(&image);
	descriptor_done(&made);
}

/* Nothing is named by what is not whole. */
static void damaged(void **state _unused_)
{
	Descriptor made;
	NamedImages got = {0};
	make(&made);
	save(SAVE_OCI_DIR, "oci");
	StoreImage image = {0};
	ok(store_image(store, "a", NULL, &image, err));
	const Digest parts[] = {image.descriptor.digest, image.manifest.config.digest,
		image.manifest.layers.items[0].digest};
	store_image_done(&image);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(parts); i++) {
		_cleanup_free_ char *path =
			xasprintf("oci/blobs/sha256/%s", digest_hex(&parts[i / 2]).s);
		_cleanup_free_ char *name = xasprintf("store-%zu", i);
		other_store(name);
		assert_int_equal(rename(path, "kept"), 0);
		if (i % 2) {
			put(path, "other content");
			fails(ERR_DIGEST, digest_str(&parts[i / 2]).s,
				image_load(store, "oci", true, NULL, NULL, &got, err));
		} else {
			fails(ERR_NOT_FOUND, digest_hex(&parts[i / 2]).s,
				image_load(store, "oci", true, NULL, NULL, &got, err));
		}
		assert_int_equal(rename("kept", path), 0);
		assert_int_equal(got.len, 0);
		assert_text(names_now(), "");
		_cleanup_free_ char *left = xasprintf("%s/tmp", name);
		assert_text(names_in(left), "");
	}
	descriptor_done(&made);
}

static void strange(void **state _unused_)
{
	NamedImages got = {0};
	put("text", "not an archive at all");
	fails(ERR_CORRUPT, "", image_load(store, "text", true, NULL, NULL, &got, err));
	put("empty", "");
	fails(ERR_CORRUPT, "", image_load(store, "empty", true, NULL, NULL, &got, err));
	fails(ERR_NOT_FOUND, "none", image_load(store, "none", true, NULL, NULL, &got, err));
	assert_int_equal(mkdir("dir", 0755), 0);
	fails(ERR_CORRUPT, "neither a docker-archive",
		image_load(store, "dir", true, NULL, NULL, &got, err));
	put("dir/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	put("dir/index.json", "{\"schemaVersion\":2,\"manifests\":[]}");
	fails(ERR_CORRUPT, "names no image", image_load(store, "dir", true, NULL, NULL, &got, err));
	assert_int_equal(unlink("dir/index.json"), 0);
	put("dir/manifest.json", "{}");
	fails(ERR_CORRUPT, "is not an array",
		image_load(store, "dir", true, NULL, NULL, &got, err));
	put("dir/manifest.json", "[]");
	fails(ERR_CORRUPT, "names no image", image_load(store, "dir", true, NULL, NULL, &got, err));
	/* names that lead out of it */
	put("secret.json", "{}");
	put("dir/manifest.json", "[{\"Config\":\"../secret.json\",\"Layers\":[]}]");
	fails(ERR_NOT_FOUND, "secret.json", image_load(store, "dir", true, NULL, NULL, &got, err));
	assert_text(names_now(), "");
}

static int refuse(void *arg _unused_, const char *change, ImageConfig *c _unused_, Err **err)
{
	return err_set(err, ERR_PARSE, "change '%s'", change);
}

static void imports(void **state _unused_)
{
	static const char zeros[1024];
	Descriptor d = {0};
	_cleanup_strvec_ StrVec names = {0}, changes = {0};
	ImportOptions o = {.compression = COMPRESSION_GZIP, .level = -1, .apply = refuse};
	StoreImage image = {0};
	strvec_push(&names, A);
	platform_host(&o.platform);
	ok(image_import(store, mem_reader_new(zeros, sizeof(zeros)), &o, &names, NULL, &d, err));
	ok(store_image(store, "a", NULL, &image, err));
	assert_int_equal(image.manifest.layers.len, 1);
	assert_int_equal(image.config.history.len, 1);
	assert_string_equal(image.config.history.items[0].comment, "Imported from -");
	assert_false(image.config.history.items[0].empty_layer);
	assert_true(digest_eq(&image.descriptor.digest, &d.digest));
	store_image_done(&image);
	descriptor_done(&d);
	ok(store_untag(store, A, err));
	fails(ERR_CORRUPT, "",
		image_import(store, mem_reader_new("junk", 4), &o, &names, NULL, &d, err));
	strvec_push(&changes, "NONSENSE");
	o.changes = &changes;
	fails(ERR_PARSE, "NONSENSE",
		image_import(store, mem_reader_new(zeros, 1024), &o, &names, NULL, &d, err));
	assert_text(names_now(), "");
	platform_done(&o.platform);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(round_trips),
		store_test(mended),
		store_test(damaged),
		store_test(strange),
		store_test(imports),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
