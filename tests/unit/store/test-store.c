#include "store/store.h"

#include <sys/wait.h>

#include "store_test.h"

static void layout(void **state _unused_)
{
	Store *s = NULL;
	ok(store_open("new/deep/store", &s, err));
	assert_content("new/deep/store/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	_cleanup_free_ char *path = xasprintf("%s/new/deep/store", scratch_path);
	assert_string_equal(store_path(s), path);
	assert_int_equal(faccessat(store_fd(s), "blobs/sha256", F_OK, 0), 0);
	s = store_close(s);
	assert_null(store_close(NULL));
	/* half a layout, left by a process that was killed, is completed; names that are there stay */
	put("new/deep/store/index.json", "{\"schemaVersion\":2,\"manifests\":[]}");
	unlink("new/deep/store/oci-layout");
	assert_int_equal(system("rm -r new/deep/store/blobs new/deep/store/tmp"), 0);
	ok(store_open("new/deep/store", &s, err));
	assert_content("new/deep/store/index.json", "{\"schemaVersion\":2,\"manifests\":[]}");
	assert_int_equal(access("new/deep/store/blobs/sha256", F_OK), 0);
	assert_int_equal(access("new/deep/store/tmp", F_OK), 0);
	store_close(s);
}

static void refused(void **state _unused_)
{
	Store *s = NULL;
	_cleanup_err_ Err *e = NULL;
	put("file", "");
	assert_int_equal(store_open("file", &s, &e), -ERR_SYS);
	assert_non_null(strstr(e->message, "Opening the store 'file'"));
	assert_non_null(strstr(e->hint, "--root"));
	fails(ERR_SYS, "'file/below'", store_open("file/below", &s, err));
	assert_null(s);
}

static void places(void **state _unused_)
{
	Store *s = NULL;
	_cleanup_free_ char *path = xasprintf("%s/by-env", scratch_path);
	assert_int_equal(setenv("CRUET_ROOT", path, 1), 0);
	ok(store_open(NULL, &s, err));
	assert_string_equal(store_path(s), path);
	store_close(s);
	assert_int_equal(unsetenv("CRUET_ROOT"), 0);
}

/* Processes that find no store make one, all the same one. */
static void at_once(void **state _unused_)
{
	for (int p = 0; p < 6; p++)
		if (fork() == 0) {
			Store *s = NULL;
			_cleanup_free_ char *content = xasprintf("%d", p);
			_exit(store_open("shared", &s, NULL) < 0 ||
				store_blob_put(s, str_of(content), NULL, NULL) < 0);
		}
	for (int p = 0; p < 6; p++) {
		int status = -1;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	_cleanup_free_ char *left = names_in("shared");
	assert_string_equal(
		left, "blobs cache index.json layers locks mounts oci-layout tmp trees");
}

static void temps(void **state _unused_)
{
	_cleanup_(store_temp_freep) StoreTemp *a = NULL, *b = NULL;
	size_t files = open_files();
	ok(store_temp_new(store, &a, err));
	ok(store_temp_new(store, &b, err));
	assert_string_not_equal(store_temp_path(a), store_temp_path(b));
	assert_int_equal(mkdirat(store_temp_fd(a), "below", 0500), 0);
	_cleanup_free_ char *path = xstrdup(store_temp_path(a)), *lock = xasprintf("%s.lock", path);
	assert_int_equal(path[0], '/');
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(access(lock, F_OK), 0);
	a = store_temp_free(a);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(lock, F_OK), -1);
	assert_int_equal(access(store_temp_path(b), F_OK), 0);
	b = store_temp_free(b);
	assert_text(names_in("store/tmp"), "");
	assert_int_equal(open_files(), files);
}

static void usage(void **state _unused_)
{
	StoreUsage u;
	_cleanup_image_ TestImage x = put_image("one"), y = put_image("two");
	tag(&x.manifest, "docker.io/library/a:latest");
	ok(store_usage(store, &u, err));
	assert_int_equal(u.images, 1);
	assert_int_equal(u.blobs, 6);
	assert_true(u.blob_bytes > 0 && u.total_bytes >= u.blob_bytes);
	assert_true(u.reclaimable_bytes > 0 && u.reclaimable_bytes < u.blob_bytes);
	/* only counted */
	assert_true(store_blob_has(store, &y.layer.digest, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(layout),
		store_test(refused),
		store_test(places),
		store_test(at_once),
		store_test(temps),
		store_test(usage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
