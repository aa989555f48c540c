#include <signal.h>
#include <sys/wait.h>

#include "store_test.h"

#define A "docker.io/library/a:latest"

static const GcOptions usual = {.keep_cache = true, .keep_logs = true};

static bool is_there(const Descriptor *d)
{
	return store_blob_has(store, &d->digest, NULL);
}

static bool all_there(const TestImage *t)
{
	return is_there(&t->manifest) && is_there(&t->config) && is_there(&t->layer);
}

static void put_in(const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	ok(mkdir_p(AT_FDCWD, dir, 0755, err));
	put(path, "x");
}

static void unreachable(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("named"), y = put_image("not named"),
				  z = put_image("untagged");
	GcReport report = {0};
	GcOptions o = usual;
	tag(&x.manifest, A);
	tag(&z.manifest, NULL);
	_cleanup_free_ char *kept = store_layer_dir(&x.layer.digest),
			    *gone = store_layer_dir(&y.layer.digest);
	ok(mkdir_p(store_fd(store), kept, 0755, err));
	ok(mkdir_p(store_fd(store), gone, 0755, err));
	o.dry_run = true;
	ok(store_gc(store, &o, &report, err));
	assert_int_equal(report.blobs_removed, 3);
	assert_int_equal(report.layers_removed, 1);
	assert_true(report.bytes_freed > 0);
	assert_true(all_there(&y));
	gc_report_done(&report);
	o.dry_run = false;
	ok(store_gc(store, &o, &report, err));
	assert_int_equal(report.blobs_removed, 3);
	assert_int_equal(report.layers_removed, 1);
	assert_true(all_there(&x) && all_there(&z));
	assert_false(is_there(&y.manifest) || is_there(&y.config) || is_there(&y.layer));
	assert_text(names_in("store/layers"), digest_hex(&x.layer.digest).s);
	gc_report_done(&report);
	o.untagged = true;
	ok(store_gc(store, &o, &report, err));
	assert_int_equal(report.images_removed, 1);
	assert_int_equal(report.blobs_removed, 3);
	assert_true(all_there(&x) && !is_there(&z.layer));
	gc_report_done(&report);
}

/* A digest that an image names as a layer is an image all the same when a name leads to it. */
static void both_layer_and_image(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("inner");
	GcReport report = {0};
	Descriptor outer;
	_cleanup_free_ char *text = xasprintf(
		"{\"schemaVersion\":2,\"mediaType\":\"" MT_OCI_MANIFEST "\","
		"\"config\":{\"mediaType\":\"" MT_OCI_CONFIG "\",\"digest\":\"%s\",\"size\":%llu},"
		"\"layers\":[{\"mediaType\":\"application/x\",\"digest\":\"%s\",\"size\":%llu}]}",
		digest_str(&x.config.digest).s, (unsigned long long)x.config.size,
		digest_str(&x.manifest.digest).s, (unsigned long long)x.manifest.size);
	put_blob(text, MT_OCI_MANIFEST, &outer);
	tag(&outer, A);
	tag(&x.manifest, "docker.io/library/b:latest");
	ok(store_gc(store, &usual, &report, err));
	assert_int_equal(report.blobs_removed, 0);
	assert_true(all_there(&x) && is_there(&outer));
	gc_report_done(&report);
	descriptor_done(&outer);
}

static void indexes(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("below");
	GcReport report = {0};
	Descriptor at[12] = {0};
	descriptor_copy(&x.manifest, &at[0]);
	for (size_t i = 1; i < ARRAY_SIZE(at); i++)
		put_index(&at[i - 1], &at[i]);
	tag(&at[3], A);
	ok(store_gc(store, &usual, &report, err));
	assert_int_equal(report.blobs_removed, 8);
	assert_true(all_there(&x));
	gc_report_done(&report);
	/* deeper than anybody follows: what may be below stays */
	for (size_t i = 4; i < ARRAY_SIZE(at); i++) {
		descriptor_done(&at[i]);
		put_index(&at[i - 1], &at[i]);
	}
	ok(store_untag(store, A, err));
	tag(&at[11], A);
	fails(ERR_CORRUPT, "nested too deeply", store_gc(store, &usual, &report, err));
	assert_true(all_there(&x));
	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		descriptor_done(&at[i]);
}

/* Nothing is removed while it is unknown what a damaged image names. */
static void damaged(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("damaged"), y = put_image("garbage");
	const Descriptor *parts[] = {&x.manifest, &x.config};
	GcReport report = {0};
	tag(&x.manifest, A);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(parts); i++) {
		_cleanup_free_ char *path = blob_file(&parts[i / 2]->digest);
		assert_int_equal(rename(path, "kept"), 0);
		if (i % 2)
			put(path, "{}");
		fails(ERR_CORRUPT, "the store is damaged", store_gc(store, &usual, &report, err));
		assert_true(all_there(&y) && is_there(&x.layer));
		assert_int_equal(rename("kept", path), 0);
	}
	ok(store_gc(store, &usual, &report, err));
	assert_int_equal(report.blobs_removed, 3);
	gc_report_done(&report);
}

static void checking(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("checked"), y = put_image("not reached");
	GcOptions o = {.check = true};
	GcReport report = {0};
	_cleanup_free_ char *layer = blob_file(&x.layer.digest),
			    *other = blob_file(&y.layer.digest);
	tag(&x.manifest, A);
	ok(store_gc(store, &o, &report, err));
	assert_int_equal(report.problems.len, 0);
	put(layer, "CHECKED");
	put(other, "garbage may be damaged");
	ok(store_gc(store, &o, &report, err));
	assert_int_equal(report.problems.len, 1);
	assert_non_null(strstr(report.problems.items[0], digest_str(&x.layer.digest).s));
	assert_true(is_there(&y.manifest));
	gc_report_done(&report);
	unlink(layer);
	ok(store_gc(store, &o, &report, err));
	assert_int_equal(report.problems.len, 1);
	assert_non_null(strstr(report.problems.items[0], "is missing"));
	gc_report_done(&report);
}

/* What processes leave that were killed at work. */
static void leftovers(void **state _unused_)
{
	static const char *const dirs[] = {"store/blobs/sha256", "store/layers", "store/trees",
		"store/cache", "store/cache/context", "store/cache/records/ab", "store"};
	GcReport report = {0};
	_cleanup_image_ TestImage x = put_image("named");
	_cleanup_free_ char *layer = xasprintf("store/layers/%s", digest_hex(&x.layer.digest).s);
	tag(&x.manifest, A);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		put_in(dirs[i], ".tmp-1-abc");
	put_in(layer, ".tmp-1-abc");
	put_in(layer, "index");
	put_in("store/tmp/work", "file");
	put_in("store/locks", "step-1");
	put_in("store/locks", "else");
	pid_t pid = fork();
	if (pid == 0) {
		StoreTemp *temp = NULL;
		BlobWriter *blob = NULL;
		Store *own = NULL;
		if (store_open("store", &own, NULL) < 0 || store_temp_new(own, &temp, NULL) < 0 ||
			store_blob_begin(own, &blob, NULL) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	ok(store_gc(store, &usual, &report, err));
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_cleanup_free_ char *left = names_in(dirs[i]);
		assert_null(strstr(left, ".tmp-"));
	}
	assert_text(names_in(layer), "index");
	assert_text(names_in("store/tmp"), "");
	assert_text(names_in("store/locks"), "else gate index store");
	assert_int_equal(report.locks_removed, 1);
	assert_int_equal(report.blobs_removed, 0);
	assert_true(report.temps_removed >= ARRAY_SIZE(dirs) + 3);
	gc_report_done(&report);
}

/* Whoever works on the store holds it: gc waits. */
static void waits(void **state _unused_)
{
	GcReport report = {0};
	GcOptions check = {.check = true};
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		Store *own = NULL;
		Digest d = digest_text("late"), kept;
		if (store_open("store", &own, NULL) < 0 ||
			store_blob_put(own, STR("late"), &kept, NULL) < 0 ||
			write(ready[1], "x", 1) != 1)
			_exit(1);
		usleep(150000);
		/* it must still be there */
		bool there = store_blob_has(own, &d, NULL);
		_exit(there ? 0 : 2);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	ok(store_gc(store, &check, &report, err)); /* waits for nobody */
	gc_report_done(&report);
	ok(store_gc(store, &usual, &report, err));
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(report.blobs_removed, 1);
	gc_report_done(&report);
	/* and its own lock is shared again */
	Store *second = NULL;
	ok(store_open("store", &second, err));
	store_close(second);
}

static void logs(void **state _unused_)
{
	GcReport report = {0};
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	for (int i = 0; i < GC_KEEP_LOGS + 5; i++) {
		_cleanup_free_ char *name = xasprintf("%d.log", i);
		put_in("store/logs", name);
	}
	put_in("store/logs", "old.log");
	assert_int_equal(utimensat(AT_FDCWD, "store/logs/old.log", old, 0), 0);
	ok(store_gc(store, &usual, &report, err));
	assert_int_equal(report.logs_removed, 6);
	assert_int_equal(access("store/logs/old.log", F_OK), -1);
	gc_report_done(&report);
	GcOptions o = {.keep_cache = true};
	ok(store_gc(store, &o, &report, err));
	assert_int_equal(report.logs_removed, GC_KEEP_LOGS);
	gc_report_done(&report);
}

static void records(void **state _unused_)
{
	Descriptor layer;
	GcReport report = {0};
	put_blob("of a record", MT_OCI_LAYER, &layer);
	_cleanup_free_ char *text =
		xasprintf("{\"diff_id\":\"%s\",\"blobs\":[{\"digest\":\"%s\"}]}",
			digest_str(&layer.digest).s, digest_str(&layer.digest).s);
	ok(mkdir_p(AT_FDCWD, "store/cache/records/aa", 0755, err));
	put("store/cache/records/aa/good", text);
	put("store/cache/records/aa/bad", "{");
	put("store/cache/records/aa/dead",
		"{\"blobs\":[{\"digest\":\"sha256:"
		"0000000000000000000000000000000000000000000000000000000000000000\"}]}");
	ok(store_gc(store, &usual, &report, err));
	assert_int_equal(report.records_removed, 2);
	assert_text(names_in("store/cache/records/aa"), "good");
	assert_true(is_there(&layer));
	gc_report_done(&report);
	GcOptions o = {.keep_logs = true};
	ok(store_gc(store, &o, &report, err));
	assert_false(is_there(&layer));
	assert_text(names_in("store/cache"), "");
	gc_report_done(&report);
	descriptor_done(&layer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(unreachable),
		store_test(both_layer_and_image),
		store_test(indexes),
		store_test(damaged),
		store_test(checking),
		store_test(leftovers),
		store_test(waits),
		store_test(logs),
		store_test(records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
