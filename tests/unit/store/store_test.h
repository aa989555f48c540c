/* A store of its own for each test, and images to put into it. */
#pragma once

#include "../sys/scratch.h"
#include "store/store.h"

static Store *store;

static inline int store_begin(void **state)
{
	return scratch_begin(state) == 0 && store_open("store", &store, NULL) == 0 ? 0 : -1;
}

static inline int store_end(void **state)
{
	store = store_close(store);
	return scratch_end(state);
}

static inline Digest digest_text(const char *text)
{
	Digest d;
	digest_of(text, strlen(text), &d);
	return d;
}

/* "store/blobs/sha256/…"; owned. */
static inline char *blob_file(const Digest *d)
{
	return xasprintf("store/blobs/sha256/%s", digest_hex(d).s);
}

static inline void put_blob(const char *text, const char *media_type, Descriptor *ret)
{
	*ret = (Descriptor){.media_type = xstrdup(media_type), .size = strlen(text)};
	ok(store_blob_put(store, str_of(text), &ret->digest, err));
}

/* An image of one layer, which is no real one. */
typedef struct TestImage {
	Descriptor manifest, config, layer;
} TestImage;

static inline TestImage put_image(const char *content)
{
	TestImage t;
	put_blob(content, MT_OCI_LAYER, &t.layer);
	_cleanup_free_ char *config = xasprintf(
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\","
		"\"diff_ids\":[\"%s\"]}}",
		digest_str(&t.layer.digest).s);
	put_blob(config, MT_OCI_CONFIG, &t.config);
	Manifest m = {.media_type = xstrdup(MT_OCI_MANIFEST)};
	descriptor_copy(&t.config, &m.config);
	descriptor_copy(&t.layer, vec_add(&m.layers));
	_cleanup_free_ char *text = manifest_text(&m);
	manifest_done(&m);
	put_blob(text, MT_OCI_MANIFEST, &t.manifest);
	return t;
}

static inline void test_image_done(TestImage *t)
{
	descriptor_done(&t->manifest);
	descriptor_done(&t->config);
	descriptor_done(&t->layer);
}
#define _cleanup_image_ _cleanup_(test_image_done)

/* An index over one manifest or index. */
static inline void put_index(const Descriptor *below, Descriptor *ret)
{
	_cleanup_free_ char *text = xasprintf(
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\","
		"\"size\":%llu}]}",
		below->media_type, digest_str(&below->digest).s, (unsigned long long)below->size);
	put_blob(text, MT_OCI_INDEX, ret);
}

static inline void tag(const Descriptor *d, const char *name)
{
	_cleanup_strvec_ StrVec names = {0};
	if (name)
		strvec_push(&names, name);
	ok(store_tag(store, &names, d, err));
}

/* "name=first digits of the digest", in order; "-" is untagged. Owned. */
static inline char *names_now(void)
{
	StoreNames all = {0};
	_cleanup_strvec_ StrVec shown = {0};
	ok(store_names(store, &all, err));
	vec_foreach (&all, n)
		strvec_pushf(&shown, "%s=%.8s", n->name ? n->name : "-",
			digest_hex(&n->descriptor.digest).s);
	store_names_done(&all);
	return strvec_join(&shown, " ");
}

#define store_test(f) cmocka_unit_test_setup_teardown(f, store_begin, store_end)
