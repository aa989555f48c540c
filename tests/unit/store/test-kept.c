#include "store/kept.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "store/reach.h"

static char top[] = "/tmp/cruet-test-kept-XXXXXX";
static Store *store;

static int set_up(void **state _unused_)
{
	if (!mkdtemp(top) || store_open(top, &store, NULL) < 0)
		return -1;
	return store_kept_prepare(store, NULL);
}

static int tear_down(void **state _unused_)
{
	store = store_close(store);
	return remove_tree(AT_FDCWD, top, NULL);
}

/* As another process does it. */
static int collect(bool untagged, GcReport *ret)
{
	_cleanup_(store_closep) Store *other = NULL;
	GcOptions o = {.untagged = untagged};
	int r = store_open(top, &other, NULL);
	return r < 0 ? r : store_gc(other, &o, ret, NULL);
}

static void put(const char *text, Digest *ret)
{
	ok(store_blob_put(store, str_of(text), ret, err));
}

static Descriptor manifest(const char *media_type, char *text)
{
	Descriptor d = {.media_type = xstrdup(media_type), .size = strlen(text)};
	put(text, &d.digest);
	free(text);
	return d;
}

static void turns(void **state _unused_)
{
	GcReport report = {0};
	store_rest(store);
	assert_int_equal(collect(false, &report), 0);
	gc_report_done(&report);
	ok(store_turn_begin(store, err));
	_cleanup_(store_closep) Store *other = NULL;
	ok(store_open(top, &other, err)); /* turns do not keep others out */
	store_turn_end(store);
}

typedef struct Waiting {
	int result;
	bool done;
} Waiting;

static void *collect_thread(void *arg)
{
	Waiting *w = arg;
	GcReport report = {0};
	w->result = collect(false, &report);
	gc_report_done(&report);
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void gc_waits_for_a_turn(void **state _unused_)
{
	pthread_t thread;
	Waiting w = {0};
	struct timespec t = {.tv_nsec = 200000000};
	ok(store_turn_begin(store, err));
	assert_int_equal(pthread_create(&thread, NULL, collect_thread, &w), 0);
	nanosleep(&t, NULL);
	assert_false(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE));
	store_turn_end(store);
	pthread_join(thread, NULL);
	assert_int_equal(w.result, 0);
	ok(store_turn_begin(store, err)); /* the gate is open again */
	store_turn_end(store);
}

static void pending(void **state _unused_)
{
	Digest wanted, old, garbage;
	GcReport report = {0};
	put("wanted", &wanted);
	put("old", &old);
	put("garbage", &garbage);
	ok(store_pending(store, &wanted, err));
	ok(store_pending(store, &old, err));
	_cleanup_free_ char *path = xasprintf(STORE_PENDING "/%s", digest_hex(&old).s);
	struct timespec long_ago[2] = {{time(NULL) - STORE_PENDING_SECONDS - 5, 0},
		{time(NULL) - STORE_PENDING_SECONDS - 5, 0}};
	assert_int_equal(utimensat(store_fd(store), path, long_ago, 0), 0);
	assert_int_equal(collect(true, &report), 0);
	gc_report_done(&report);
	assert_true(store_blob_has(store, &wanted, NULL));
	assert_false(store_blob_has(store, &old, NULL));
	assert_false(store_blob_has(store, &garbage, NULL));
	assert_int_equal(faccessat(store_fd(store), path, F_OK, 0), -1);
	store_pending_end(store, &wanted);
	assert_int_equal(collect(false, &report), 0);
	gc_report_done(&report);
	assert_false(store_blob_has(store, &wanted, NULL));
}

static char *artifact(const char *config, const Digest *subject)
{
	Digest d;
	put(config, &d);
	_cleanup_free_ char *more = subject
		? xasprintf(",\"subject\":{\"mediaType\":\"x\",\"size\":1,\"digest\":\"%s\"}",
			  digest_str(subject).s)
		: xstrdup("");
	return xasprintf(
		"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\",\"size\":%zu,\"digest\":\"%s\"}%s}",
		strlen(config), digest_str(&d).s, more);
}

static void kept(void **state _unused_)
{
	StrVec names = {0};
	GcReport report = {0};
	Descriptor named = manifest(MT_OCI_MANIFEST, artifact("one", NULL));
	Descriptor signature = manifest(MT_OCI_MANIFEST, artifact("two", &named.digest));
	Descriptor of_signature = manifest(MT_OCI_MANIFEST, artifact("three", &signature.digest));
	Descriptor alone = manifest(MT_OCI_MANIFEST, artifact("four", NULL));
	strvec_push(&names, "docker.io/a/b:1");
	ok(store_tag(store, &names, &named, err));
	ok(store_keep(store, "docker.io/a/b", &of_signature, err));
	ok(store_keep(store, "docker.io/a/b", &signature, err));
	ok(store_keep(store, "docker.io/a/b", &alone, err));
	ok(store_keep(store, "docker.io/a/b", &alone, err));
	_cleanup_free_ char *file = store_kept_file("docker.io/a/b", &alone.digest);
	KeptManifest k = {0};
	ok(store_kept_read(store, file, &k, err));
	assert_string_equal(k.repository, "docker.io/a/b");
	assert_string_equal(k.descriptor.media_type, MT_OCI_MANIFEST);
	assert_true(digest_eq(&k.descriptor.digest, &alone.digest));
	kept_manifest_done(&k);
	assert_int_equal(collect(false, &report), 0);
	gc_report_done(&report);
	assert_true(store_blob_has(store, &alone.digest, NULL));
	assert_int_equal(collect(true, &report), 0);
	assert_int_equal(report.images_removed, 1);
	gc_report_done(&report);
	assert_false(store_blob_has(store, &alone.digest, NULL));
	assert_true(store_blob_has(store, &of_signature.digest, NULL));
	fails(ERR_NOT_FOUND, "does not exist", store_kept_read(store, file, &k, err));
	GcOptions check = {.check = true};
	ok(store_gc(store, &check, &report, err));
	assert_int_equal(report.problems.len, 0);
	gc_report_done(&report);
	ok(store_unkeep(store, "docker.io/a/b", &signature.digest, err));
	ok(store_unkeep(store, "docker.io/a/b", &signature.digest, err));
	ok(store_hide(store, "docker.io/a/b", &signature.digest, err));
	assert_int_equal(collect(true, &report), 0);
	gc_report_done(&report);
	assert_false(store_blob_has(store, &of_signature.digest, NULL));
	strvec_done(&names);
	descriptor_done(&named);
	descriptor_done(&signature);
	descriptor_done(&of_signature);
	descriptor_done(&alone);
}

static void malformed_records(void **state _unused_)
{
	static const char *const bad[] = {"", "{}", "[]", "{\"repository\":\"x\"}",
		"{\"repository\":\"x\",\"digest\":\"y\",\"mediaType\":\"z\",\"size\":1}"};
	GcReport report = {0};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		KeptManifest k = {0};
		ok(atomic_write(
			store_fd(store), STORE_KEPT "/bad", str_of(bad[i]), 0644, false, err));
		assert_true(store_kept_read(store, "bad", &k, NULL) < 0);
		assert_null(k.repository);
	}
	GcOptions check = {.check = true};
	ok(store_gc(store, &check, &report, err));
	assert_int_equal(report.problems.len, 1);
	gc_report_done(&report);
	assert_int_equal(unlinkat(store_fd(store), STORE_KEPT "/bad", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns),
		cmocka_unit_test(gc_waits_for_a_turn),
		cmocka_unit_test(pending),
		cmocka_unit_test(kept),
		cmocka_unit_test(malformed_records),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
