#include "store_test.h"

#define A "docker.io/library/a:latest"

/* Looks it up and compares with the image that should be found. */
static void finds(const char *what, const TestImage *t)
{
	StoreImage image = {0};
	ok(store_image(store, what, NULL, &image, err));
	assert_true(digest_eq(&image.descriptor.digest, &t->manifest.digest));
	assert_true(digest_eq(&image.manifest.config.digest, &t->config.digest));
	assert_int_equal(image.config.diff_ids.len, 1);
	store_image_done(&image);
}

static void forms(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("one"), y = put_image("two");
	StoreImage image = {0};
	tag(&x.manifest, A);
	tag(&y.manifest, NULL);
	finds("a", &x);
	finds("a:latest", &x);
	finds(A, &x);
	const Digest *ids[] = {&y.manifest.digest, &y.config.digest};
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		_cleanup_free_ char *prefix = xasprintf("%.12s", digest_hex(ids[i]).s),
				    *with_type = xasprintf("sha256:%s", prefix);
		finds(digest_str(ids[i]).s, &y);
		finds(digest_hex(ids[i]).s, &y);
		finds(prefix, &y);
		finds(with_type, &y);
	}
	/* the digest decides, not the name before it */
	_cleanup_free_ char *at = xasprintf("a@%s", digest_str(&y.manifest.digest).s);
	finds(at, &y);
	/* three digits are too few to be an ID */
	_cleanup_free_ char *three = xasprintf("%.3s", digest_hex(&y.config.digest).s);
	fails(ERR_NOT_FOUND, "is not in the store", store_image(store, three, NULL, &image, err));
	fails(ERR_PARSE, "", store_image(store, "A B", NULL, &image, err));
}

static void near_names(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("one");
	_cleanup_err_ Err *e = NULL;
	StoreImage image = {0};
	tag(&x.manifest, "docker.io/library/debian:latest");
	assert_int_equal(store_image(store, "debain", NULL, &image, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e->hint, "did you mean 'debian"));
	e = err_free(e);
	/* names longer than any look-up wants to compare */
	char name[200];
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(store_image(store, name, NULL, &image, &e), -ERR_NOT_FOUND);
	assert_non_null(e->hint);
}

static void ambiguous(void **state _unused_)
{
	TestImage all[40];
	StoreImage image = {0};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_free_ char *content = xasprintf("content %zu", i);
		all[i] = put_image(content);
		tag(&all[i].manifest, NULL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_free_ char *prefix =
			xasprintf("%.16s", digest_hex(&all[i].config.digest).s);
		finds(prefix, &all[i]);
	}
	/* two images over one config: its ID means both */
	Descriptor twin;
	_cleanup_buf_ Buf text = BUF_INIT(0);
	ok(store_blob_read(store, &all[0].manifest.digest, 1 << 16, &text, err));
	_cleanup_free_ char *spaced = xasprintf("%s\n", text.ptr);
	put_blob(spaced, MT_OCI_MANIFEST, &twin);
	tag(&twin, NULL);
	_cleanup_err_ Err *e = NULL;
	assert_int_equal(store_image(store, digest_hex(&all[0].config.digest).s, NULL, &image, &e),
		-ERR_USAGE);
	assert_non_null(strstr(e->message, "more than one image"));
	assert_string_equal(e->hint, "give more digits");
	finds(digest_hex(&all[0].manifest.digest).s, &all[0]);
	descriptor_done(&twin);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		test_image_done(&all[i]);
}

static void damaged(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("one"), y = put_image("two");
	StoreImage image = {0};
	tag(&x.manifest, A);
	tag(&y.manifest, "docker.io/library/b:latest");
	_cleanup_free_ char *manifest = blob_file(&x.manifest.digest),
			    *config = blob_file(&x.config.digest);
	assert_int_equal(rename(config, "kept"), 0);
	fails(ERR_NOT_FOUND, digest_str(&x.config.digest).s,
		store_image(store, "a", NULL, &image, err));
	put(config, "{}");
	fails(ERR_DIGEST, "is damaged", store_image(store, "a", NULL, &image, err));
	put(manifest, "{}");
	fails(ERR_DIGEST, "is damaged", store_image(store, "a", NULL, &image, err));
	/* others are found all the same */
	finds("b", &y);
	finds(digest_hex(&y.config.digest).s, &y);
}

static void platforms(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("one");
	StoreImage image = {0};
	Platform arm = {0};
	Descriptor index = {0};
	_cleanup_free_ char *text =
		xasprintf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MT_OCI_MANIFEST
			  "\",\"digest\":\"%s\",\"size\":%llu,\"platform\":{\"os\":\"linux\","
			  "\"architecture\":\"s390x\"}}]}",
			digest_str(&x.manifest.digest).s, (unsigned long long)x.manifest.size);
	put_blob(text, MT_OCI_INDEX, &index);
	tag(&index, A);
	ok(platform_parse(STR("linux/arm64"), &arm, err));
	fails(ERR_NOT_FOUND, "no image for the platform linux/arm64",
		store_image(store, "a", &arm, &image, err));
	platform_done(&arm);
	ok(platform_parse(STR("linux/s390x"), &arm, err));
	ok(store_image(store, "a", &arm, &image, err));
	assert_true(digest_eq(&image.index_digest, &index.digest));
	assert_true(digest_eq(&image.descriptor.digest, &x.manifest.digest));
	assert_string_equal(image.name, A);
	store_image_done(&image);
	platform_done(&arm);
	descriptor_done(&index);
	/* an endless chain of indexes is none */
	Descriptor below = {0}, above = {0};
	descriptor_copy(&x.manifest, &below);
	for (int i = 0; i < 6; i++) {
		put_index(&below, &above);
		descriptor_done(&below);
		below = above;
	}
	tag(&above, A);
	fails(ERR_LIMIT, "nested too deeply", store_image(store, "a", NULL, &image, err));
	descriptor_done(&above);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(forms),
		store_test(near_names),
		store_test(ambiguous),
		store_test(damaged),
		store_test(platforms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
