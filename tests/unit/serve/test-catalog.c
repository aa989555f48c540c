#include "serve/catalog.h"

#include <fcntl.h>
#include <stdio.h>

#include "../check.h"
#include "base/limits.h"
#include "store/kept.h"

#define A "docker.io/team/a"
#define B "docker.io/team/b"

static char top[] = "/tmp/cruet-test-catalog-XXXXXX";
static Store *store;
static Catalog *catalog;
static Descriptor image, child, list, signature;
static Digest config;

static Descriptor add(const char *media_type, char *text)
{
	Descriptor d = {.media_type = xstrdup(media_type), .size = strlen(text)};
	if (store_blob_put(store, str_of(text), &d.digest, NULL) < 0)
		abort();
	free(text);
	return d;
}

static char *artifact(const char *type, const Digest *subject)
{
	_cleanup_free_ char *more = subject
		? xasprintf(",\"subject\":{\"mediaType\":\"x\",\"size\":1,\"digest\":\"%s\"}",
			  digest_str(subject).s)
		: xstrdup("");
	return xasprintf(
		"{\"schemaVersion\":2,\"artifactType\":\"%s\",\"config\":{\"mediaType\":\"a/b\",\"size\":2,\"digest\":\"%s\"}%s}",
		type, digest_str(&config).s, more);
}

static void tag(const char *name, const Descriptor *d)
{
	_cleanup_strvec_ StrVec names = {0};
	strvec_push(&names, name);
	ok(store_tag(store, &names, d, err));
}

static int set_up(void **state _unused_)
{
	if (!mkdtemp(top) || store_open(top, &store, NULL) < 0 ||
		store_kept_prepare(store, NULL) < 0 ||
		store_blob_put(store, STR("{}"), &config, NULL) < 0)
		return -1;
	catalog = catalog_new(store);
	image = add(MT_OCI_MANIFEST, artifact("x/image", NULL));
	child = add(MT_OCI_MANIFEST, artifact("x/child", NULL));
	signature = add(MT_OCI_MANIFEST, artifact("x/sig", &image.digest));
	list = add(MT_OCI_INDEX,
		xasprintf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MT_OCI_MANIFEST
			  "\",\"size\":%llu,\"digest\":\"%s\"}]}",
			(unsigned long long)child.size, digest_str(&child.digest).s));
	return 0;
}

static int tear_down(void **state _unused_)
{
	catalog = catalog_free(catalog);
	store = store_close(store);
	descriptor_done(&image);
	descriptor_done(&child);
	descriptor_done(&list);
	descriptor_done(&signature);
	return remove_tree(AT_FDCWD, top, NULL);
}

static bool finds(const char *repository, const char *tag_name, const Digest *d)
{
	_cleanup_strvec_ StrVec one = {0};
	Descriptor found = {0};
	strvec_push(&one, repository);
	int r = catalog_manifest(catalog, &one, tag_name, d, &found, NULL, NULL);
	descriptor_done(&found);
	return r == 0;
}

/* Each change of the store is seen by the next question. */
static void follows(void **state _unused_)
{
	Digest user;
	assert_false(finds(A, "1", NULL));
	tag(A ":1", &image);
	assert_true(finds(A, "1", NULL));
	assert_true(finds(A, NULL, &image.digest));
	assert_false(finds(B, "1", NULL));
	ok(store_keep(store, A, &signature, err));
	assert_true(finds(A, NULL, &signature.digest));
	assert_false(finds(B, NULL, &signature.digest));
	tag(B ":all", &list);
	assert_true(finds(B, NULL, &child.digest));
	ok(store_hide(store, B, &child.digest, err));
	assert_false(finds(B, NULL, &child.digest));
	store_unhide(store, B, &child.digest);
	assert_true(finds(B, NULL, &child.digest));
	assert_int_equal(catalog_manifest_held(catalog, &child.digest, NULL), 1);
	assert_int_equal(catalog_blob_user(catalog, &config, &user, NULL), 1);
	assert_int_equal(catalog_blob_user(catalog, &child.digest, &user, NULL), 1);
	assert_true(digest_eq(&user, &list.digest));
	for (unsigned i = 0; i < 20; i++) { /* within one tick of the clock too */
		tag(A ":moved", i % 2 ? &image : &signature);
		_cleanup_strvec_ StrVec tags = {0};
		ok(catalog_tags_of(
			catalog, A, i % 2 ? &image.digest : &signature.digest, &tags, err));
		assert_true(strvec_has(&tags, "moved"));
	}
	ok(store_untag(store, B ":all", err));
	assert_false(finds(B, NULL, &child.digest));
}

static void lists(void **state _unused_)
{
	_cleanup_strvec_ StrVec both = {0}, tags = {0}, all = {0};
	Digests found = {0};
	strvec_push(&both, B);
	strvec_push(&both, A);
	tag(A ":z", &image);
	tag(A ":B", &image);
	tag(B ":z", &image);
	ok(catalog_tags(catalog, &both, &tags, err));
	assert_text(strvec_join(&tags, " "), "1 B moved z");
	ok(catalog_repositories(catalog, &all, err));
	assert_text(strvec_join(&all, " "), A " " B);
	ok(catalog_referrers(catalog, &both, &image.digest, NULL, &found, err));
	assert_int_equal(found.len, 1);
	assert_true(digest_eq(&found.items[0], &signature.digest));
	vec_clear(&found);
	ok(catalog_referrers(catalog, &both, &image.digest, "x/other", &found, err));
	ok(catalog_referrers(catalog, &both, &child.digest, NULL, &found, err));
	assert_int_equal(found.len, 0);
	vec_done(&found);
}

/* An index of so many manifests: the same one again and again, or (NULL) ones that are nowhere. */
static Descriptor add_index(const char *media_type, const Digest *d, unsigned count, unsigned seed)
{
	Buf b = BUF_INIT(LIMIT_MANIFEST_SIZE);
	buf_printf(&b, "{\"schemaVersion\":2,\"manifests\":[");
	for (unsigned i = 0; i < count; i++) {
		Digest other;
		uint32_t number[] = {seed, i};
		digest_of(number, sizeof(number), &other);
		buf_printf(&b, "%s{\"mediaType\":\"%s\",\"size\":1,\"digest\":\"%s\"}",
			i ? "," : "", media_type, digest_str(d ? d : &other).s);
	}
	buf_printf(&b, "]}");
	return add(MT_OCI_INDEX, buf_steal(&b));
}

/* 200^6 ways lead through these indexes. */
static void indexes_that_multiply(void **state _unused_)
{
	Digest nowhere, user;
	Digests found = {0};
	_cleanup_strvec_ StrVec one = {0};
	digest_of("nowhere", 7, &nowhere);
	strvec_push(&one, B);
	Descriptor top_one = add_index(MT_OCI_MANIFEST, &child.digest, 200, 0);
	for (unsigned depth = 0; depth < 5; depth++) {
		Descriptor next = add_index(MT_OCI_INDEX, &top_one.digest, 200, 0);
		descriptor_done(&top_one);
		top_one = next;
	}
	tag(B ":bomb", &top_one);
	assert_false(finds(B, NULL, &nowhere));
	assert_true(finds(B, NULL, &child.digest));
	assert_int_equal(catalog_blob_user(catalog, &nowhere, &user, NULL), 0);
	assert_int_equal(catalog_manifest_held(catalog, &nowhere, NULL), 0);
	ok(catalog_referrers(catalog, &one, &nowhere, NULL, &found, err));
	assert_int_equal(found.len, 0);
	ok(store_untag(store, B ":bomb", err));
	descriptor_done(&top_one);
}

/* What an index names is found from the moment it is there; what nobody holds any more is forgotten. */
static void indexes_of_what_is_elsewhere(void **state _unused_)
{
	Digest late_digest;
	char *text = artifact("x/late", NULL);
	digest_of(text, strlen(text), &late_digest);
	Descriptor sparse = add_index(MT_OCI_MANIFEST, &late_digest, 1, 0);
	tag(B ":sparse", &sparse);
	assert_false(finds(B, NULL, &late_digest));
	Descriptor late = add(MT_OCI_MANIFEST, text);
	assert_true(finds(B, NULL, &late_digest));
	for (unsigned i = 0; i < 20; i++) {
		Descriptor large = add_index(MT_OCI_MANIFEST, NULL, 2000, i);
		ok(store_keep(store, B, &large, err));
		assert_true(finds(B, NULL, &large.digest));
		assert_false(finds(B, NULL, &signature.digest));
		ok(store_unkeep(store, B, &large.digest, err));
		assert_false(finds(B, NULL, &large.digest));
		descriptor_done(&large);
	}
	assert_true(finds(B, NULL, &late_digest));
	ok(store_blob_remove(store, &late_digest, err));
	assert_false(finds(B, NULL, &late_digest));
	ok(store_untag(store, B ":sparse", err));
	descriptor_done(&sparse);
	descriptor_done(&late);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows),
		cmocka_unit_test(lists),
		cmocka_unit_test(indexes_that_multiply),
		cmocka_unit_test(indexes_of_what_is_elsewhere),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
