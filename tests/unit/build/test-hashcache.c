#include "build/hashcache.h"

#include "../sys/scratch.h"

static const struct timespec later = {.tv_sec = 2000};

static struct stat stat_of(unsigned n)
{
	struct stat st = {.st_dev = 1, .st_ino = n, .st_size = 10 + n};
	st.st_mtim.tv_sec = 900;
	st.st_ctim.tv_sec = 1000;
	st.st_ctim.tv_nsec = n;
	return st;
}

static Digest digest_number(unsigned n)
{
	Digest d;
	digest_of(&n, sizeof(n), &d);
	return d;
}

static void add(HashCache *h, const char *path, unsigned n)
{
	struct stat st = stat_of(n);
	Digest d = digest_number(n);
	hashcache_add(h, str_of(path), &st, &later, &d, n % 2);
}

static bool has(const HashCache *h, const char *path, unsigned n)
{
	struct stat st = stat_of(n);
	Digest d = {0}, want = digest_number(n);
	bool xattrs = false;
	if (!hashcache_find(h, str_of(path), &st, &d, &xattrs))
		return false;
	assert_true(digest_eq(&d, &want));
	assert_int_equal(xattrs, n % 2);
	return true;
}

static HashCache *again(HashCache *h)
{
	ok(hashcache_save(h, err));
	hashcache_free(h);
	return hashcache_load(AT_FDCWD, "cache");
}

static void keeping(void **state _unused_)
{
	HashCache *h = hashcache_load(AT_FDCWD, "cache");
	assert_false(has(h, "a", 1));
	ok(hashcache_save(h, err));
	assert_int_equal(access("cache", F_OK), -1); /* nothing was added */
	add(h, "b", 1);
	add(h, "a", 2);
	add(h, "a/b", 3);
	h = again(h);
	assert_true(has(h, "b", 1) && has(h, "a", 2) && has(h, "a/b", 3));
	assert_false(has(h, "", 1));
	assert_false(has(h, "a/", 2));
	assert_false(has(h, "c", 1));
	/* added to what is there, and in the place of it */
	add(h, "a", 4);
	add(h, "z", 5);
	h = again(h);
	assert_true(has(h, "b", 1) && has(h, "a", 4) && has(h, "a/b", 3) && has(h, "z", 5));
	assert_false(has(h, "a", 2));
	assert_null(hashcache_free(h));
	assert_null(hashcache_free(NULL));
}

static void rising(void **state _unused_)
{
	enum { N = 300 };
	HashCache *h = hashcache_load(AT_FDCWD, "cache");
	char path[16];
	for (unsigned i = 0; i < N; i += 2) {
		snprintf(path, sizeof(path), "%05u", i * 7 % N / 2 * 2);
		add(h, path, i * 7 % N / 2 * 2);
	}
	h = again(h);
	for (unsigned step = 1; step < 40; step += 3) {
		size_t at = 0;
		for (unsigned i = 0; i < N + 50; i += step) {
			struct stat st = stat_of(i);
			Digest d, want = digest_number(i);
			bool xattrs;
			snprintf(path, sizeof(path), "%05u", i);
			bool found = hashcache_find_next(h, &at, str_of(path), &st, &d, &xattrs);
			assert_int_equal(found, has(h, path, i));
			assert_true(!found || digest_eq(&d, &want));
		}
	}
	hashcache_free(h);
}

static void changed(void **state _unused_)
{
	HashCache *h = hashcache_load(AT_FDCWD, "cache");
	add(h, "a", 1);
	h = again(h);
	for (int i = 0; i < 7; i++) {
		struct stat st = stat_of(1);
		Digest d;
		bool xattrs;
		st.st_dev += i == 0;
		st.st_ino += i == 1;
		st.st_size += i == 2;
		st.st_mtim.tv_sec += i == 3;
		st.st_mtim.tv_nsec += i == 4;
		st.st_ctim.tv_sec += i == 5;
		st.st_ctim.tv_nsec += i == 6;
		assert_false(hashcache_find(h, STR("a"), &st, &d, &xattrs));
	}
	assert_true(has(h, "a", 1));
	hashcache_free(h);
}

/* What was written just before it was hashed may be written again in the same tick. */
static void racy(void **state _unused_)
{
	HashCache *h = hashcache_load(AT_FDCWD, "cache");
	struct stat st = stat_of(1);
	Digest d = digest_number(1);
	struct timespec same = st.st_ctim, soon = same, before = same;
	soon.tv_nsec += 9999999;
	before.tv_sec -= 100;
	hashcache_add(h, STR("a"), &st, &same, &d, true);
	hashcache_add(h, STR("a"), &st, &soon, &d, true);
	hashcache_add(h, STR("a"), &st, &before, &d, true);
	h = again(h);
	assert_false(has(h, "a", 1));
	soon.tv_sec++;
	hashcache_add(h, STR("a"), &st, &soon, &d, true);
	h = again(h);
	assert_true(has(h, "a", 1));
	hashcache_free(h);
}

/* Whatever is in the file: misses or hits, no wild reads (the sanitizers watch). */
static void damaged(void **state _unused_)
{
	HashCache *h = hashcache_load(AT_FDCWD, "cache");
	add(h, "one", 1);
	add(h, "two", 2);
	ok(hashcache_save(h, err));
	hashcache_free(h);
	Buf good = BUF_INIT(4096);
	FILE *f = fopen("cache", "re");
	char bytes[4096];
	buf_append(&good, bytes, fread(bytes, 1, sizeof(bytes), f));
	(void)fclose(f);
	for (size_t i = 0; i < 2 * good.len; i++) {
		memcpy(bytes, good.ptr, good.len);
		/* cut short, or every byte at its most */
		size_t len = i < good.len ? i : good.len;
		if (i >= good.len)
			bytes[i - good.len] = (char)0xff;
		f = fopen("cache", "we");
		assert_int_equal(fwrite(bytes, 1, len, f), len);
		(void)fclose(f);
		h = hashcache_load(AT_FDCWD, "cache");
		for (unsigned n = 1; n <= 2; n++) {
			struct stat st = stat_of(n);
			Digest d;
			bool xattrs;
			(void)hashcache_find(h, n == 1 ? STR("one") : STR("two"), &st, &d, &xattrs);
			(void)hashcache_find(h, STR(""), &st, &d, &xattrs);
		}
		/* and a new one can be written over it */
		add(h, "three", 3);
		h = again(h);
		assert_true(has(h, "three", 3));
		hashcache_free(h);
	}
	buf_done(&good);
	unlink("cache");
	assert_int_equal(symlink("/etc/passwd", "cache"), 0);
	h = hashcache_load(AT_FDCWD, "cache");
	assert_false(has(h, "root", 1));
	hashcache_free(h);
}

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(keeping),
		scratch_test(rising),
		scratch_test(changed),
		scratch_test(racy),
		scratch_test(damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
