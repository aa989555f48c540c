/* Pull-through over an upstream that is made up. */
#include "serve/mirror.h"

#include <stdio.h>
#include <time.h>

#include "../check.h"
#include "oci/manifest.h"
#include "store/kept.h"

#define REPOSITORY "docker.io/library/app"
#define LAYER      "not really a layer"
#define CONFIG     "{}"

static char top[] = "/tmp/cruet-test-mirror-XXXXXX";
static Store *store;
static char *manifest;
static Digest manifest_digest, layer_digest, config_digest;
static unsigned asked;
static bool corrupt, down;
/* "moving" is the first before it is the second; every "t…" is the first */
static char *image_text[2];
static Digest image_digest[2];
static unsigned moved;

static int upstream_manifest(void *arg _unused_, const char *repository, const char *target,
	Descriptor *ret, Buf *ret_bytes, Err **err)
{
	asked++;
	if (down)
		return err_set(err, ERR_NET, "nobody there");
	bool moving = strcmp(target, "moving") == 0;
	if (moving || target[0] == 't') {
		const char *text = image_text[moving ? moved : 0];
		*ret = (Descriptor){.media_type = xstrdup(MT_OCI_MANIFEST),
			.digest = image_digest[moving ? moved : 0],
			.size = strlen(text)};
		*ret_bytes = BUF_INIT(1 << 20);
		buf_cstr(ret_bytes, text);
		return 0;
	}
	if (strcmp(repository, REPOSITORY) != 0 || strcmp(target, "v1") != 0)
		return err_set(err, ERR_NOT_FOUND, "no such manifest");
	*ret = (Descriptor){.media_type = xstrdup(MT_OCI_MANIFEST),
		.digest = manifest_digest,
		.size = strlen(manifest)};
	*ret_bytes = BUF_INIT(1 << 20);
	buf_cstr(ret_bytes, manifest);
	return 0;
}

static const char *content(const Digest *d)
{
	return digest_eq(d, &layer_digest) ? LAYER : digest_eq(d, &config_digest) ? CONFIG : NULL;
}

static int upstream_size(void *arg _unused_, const char *repository _unused_, const Digest *d,
	uint64_t *ret_size, Err **err)
{
	const char *text = content(d);
	if (!text)
		return err_set(err, ERR_NOT_FOUND, "no such blob");
	*ret_size = strlen(text);
	return 0;
}

static int upstream_blob(void *arg _unused_, const char *repository _unused_, const Digest *d,
	uint64_t size, Writer *sink, Err **err)
{
	const char *text = content(d);
	for (uint64_t i = 0; i < size; i++) {
		struct timespec t = {.tv_nsec = 1000000};
		char c = corrupt ? 'x' : text[i];
		int r = writer_write(sink, &c, 1, err);
		if (r < 0)
			return r;
		nanosleep(&t, NULL);
	}
	return 0;
}

static const Upstream upstream = {
	"docker.io", NULL, upstream_manifest, upstream_size, upstream_blob};

static int set_up(void **state _unused_)
{
	if (!mkdtemp(top) || store_open(top, &store, NULL) < 0)
		return -1;
	digest_of(LAYER, strlen(LAYER), &layer_digest);
	digest_of(CONFIG, strlen(CONFIG), &config_digest);
	manifest = xasprintf(
		"{\"schemaVersion\":2,\"mediaType\":\"" MT_OCI_MANIFEST
		"\",\"config\":{\"mediaType\":\"application/x\",\"digest\":\"%s\",\"size\":%zu},"
		"\"layers\":[{\"mediaType\":\"application/y\",\"digest\":\"%s\",\"size\":%zu}]}",
		digest_str(&config_digest).s, strlen(CONFIG), digest_str(&layer_digest).s,
		strlen(LAYER));
	digest_of(manifest, strlen(manifest), &manifest_digest);
	return store_kept_prepare(store, NULL);
}

static int tear_down(void **state _unused_)
{
	store = store_close(store);
	free(manifest);
	return remove_tree(-100 /* AT_FDCWD */, top, NULL);
}

/* The body as a client gets it. */
static char *drain(BodySource *s, uint64_t size)
{
	Buf b = BUF_INIT(1 << 20);
	char chunk[5];
	ssize_t n = 1;
	while (b.len < size && (n = s->read(s, b.len, chunk, sizeof(chunk))) > 0)
		buf_append(&b, chunk, (size_t)n);
	s->free(s);
	return b.ptr ? buf_steal(&b) : xstrdup("");
}

static size_t names(void)
{
	StoreNames all = {0};
	ok(store_names(store, &all, err));
	size_t n = all.len;
	store_names_done(&all);
	return n;
}

static void get_manifest(Mirror *m, const char *target)
{
	Descriptor d = {0};
	Buf text = BUF_INIT(0);
	ok(mirror_manifest(m, REPOSITORY, target, &d, &text, err));
	assert_true(digest_eq(&d.digest, &manifest_digest));
	assert_string_equal(text.ptr, manifest);
	descriptor_done(&d);
	buf_done(&text);
}

static void wrong_bytes_never_land(void **state _unused_)
{
	Mirror *m = mirror_new(store, &upstream);
	BodySource *s = NULL;
	uint64_t size = 0;
	corrupt = true;
	ok(mirror_blob(m, REPOSITORY, &layer_digest, true, &size, &s, err));
	_cleanup_free_ char *got = drain(s, size);
	assert_true(strlen(got) < strlen(LAYER));
	mirror_free(m);
	assert_false(store_blob_has(store, &layer_digest, NULL));
	corrupt = false;
}

static void named_once_it_is_whole(void **state _unused_)
{
	Mirror *m = mirror_new(store, &upstream);
	BodySource *first = NULL, *second = NULL;
	Descriptor d = {0};
	Buf text = BUF_INIT(0);
	uint64_t size = 0;
	_cleanup_strvec_ StrVec repositories = {0};
	strvec_push(&repositories, "localhost:5000/app");
	assert_null(mirror_repository(m, &repositories));
	strvec_push(&repositories, REPOSITORY);
	assert_string_equal(mirror_repository(m, &repositories), REPOSITORY);
	fails(ERR_NOT_FOUND, "no such", mirror_manifest(m, REPOSITORY, "v2", &d, &text, err));
	assert_false(mirror_is_fresh(m, REPOSITORY, "v1"));
	get_manifest(m, "v1");
	assert_true(mirror_is_fresh(m, REPOSITORY, "v1"));
	asked = 0;
	get_manifest(m, digest_str(&manifest_digest).s);
	assert_int_equal(asked, 0);
	assert_false(store_blob_has(store, &manifest_digest, NULL));
	assert_int_equal(names(), 0);
	/* HEAD fetches nothing; two readers share one fetch */
	ok(mirror_blob(m, REPOSITORY, &layer_digest, false, &size, &first, err));
	assert_true(size == strlen(LAYER) && !first);
	ok(mirror_blob(m, REPOSITORY, &layer_digest, true, &size, &first, err));
	ok(mirror_blob(m, REPOSITORY, &layer_digest, true, &size, &second, err));
	assert_text(drain(first, size), LAYER);
	assert_text(drain(second, size), LAYER);
	assert_int_equal(names(), 0);
	ok(mirror_blob(m, REPOSITORY, &config_digest, true, &size, &first, err));
	assert_text(drain(first, size), CONFIG);
	mirror_free(m);
	assert_true(store_blob_has(store, &manifest_digest, NULL));
	assert_int_equal(names(), 1);
	GcReport report = {0};
	GcOptions check = {.check = true};
	ok(store_gc(store, &check, &report, err));
	assert_int_equal(report.problems.len, 0);
	gc_report_done(&report);
}

static void ask(Mirror *m, const char *tag, const Digest *want)
{
	Descriptor d = {0};
	Buf text = BUF_INIT(0);
	ok(mirror_manifest(m, REPOSITORY, tag, &d, &text, err));
	assert_true(digest_eq(&d.digest, want));
	descriptor_done(&d);
	buf_done(&text);
}

static void fetch(Mirror *m, const Digest *d, const char *want)
{
	BodySource *s = NULL;
	uint64_t size = 0;
	ok(mirror_blob(m, REPOSITORY, d, true, &size, &s, err));
	assert_text(drain(s, size), want);
}

static bool moving_is(const Digest *d)
{
	StoreNames all = {0};
	bool is = false;
	ok(store_names(store, &all, err));
	vec_foreach (&all, it)
		is = is ||
			(cstr_eq(it->name, REPOSITORY ":moving") &&
				digest_eq(&it->descriptor.digest, d));
	store_names_done(&all);
	return is;
}

/* The image a tag had before becomes whole later than the one it has now. */
static void a_tag_does_not_move_back(void **state _unused_)
{
	Mirror *m = mirror_new(store, &upstream);
	ok(store_blob_remove(store, &config_digest, err));
	ok(store_blob_remove(store, &layer_digest, err));
	image_text[0] = xstrdup(manifest);
	image_text[1] = xasprintf(
		"{\"schemaVersion\":2,\"mediaType\":\"" MT_OCI_MANIFEST
		"\",\"layers\":[],\"config\":{\"mediaType\":\"application/x\",\"digest\":\"%s\",\"size\":%zu}}",
		digest_str(&config_digest).s, strlen(CONFIG));
	for (unsigned i = 0; i < 2; i++)
		digest_of(image_text[i], strlen(image_text[i]), &image_digest[i]);
	ask(m, "moving", &image_digest[0]);
	moved = 1;
	ask(m, "moving", &image_digest[0]);    /* for a minute */
	for (unsigned i = 0; i <= 4096; i++) { /* more tags than are remembered */
		_cleanup_free_ char *tag = xasprintf("t%u", i);
		ask(m, tag, &image_digest[0]);
	}
	ask(m, "moving", &image_digest[1]);
	fetch(m, &config_digest, CONFIG);
	fetch(m, &layer_digest, LAYER);
	mirror_free(m);
	assert_true(store_blob_has(store, &image_digest[0], NULL));
	assert_true(moving_is(&image_digest[1]));
	free(image_text[0]);
	free(image_text[1]);
}

static void upstream_is_down(void **state _unused_)
{
	Mirror *m = mirror_new(store, &upstream);
	Descriptor d = {0};
	Buf text = BUF_INIT(0);
	down = true;
	fails(ERR_NET, "nobody", mirror_manifest(m, REPOSITORY, "v1", &d, &text, err));
	down = false;
	mirror_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_bytes_never_land),
		cmocka_unit_test(named_once_it_is_whole),
		cmocka_unit_test(a_tag_does_not_move_back),
		cmocka_unit_test(upstream_is_down),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
