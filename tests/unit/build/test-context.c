#include "build/context.h"

#include "../store/store_test.h"

static void tree(void)
{
	ok(mkdir_p(AT_FDCWD, "dir/sub/deep", 0755, err));
	ok(mkdir_p(AT_FDCWD, "dir/empty", 0755, err));
	put("dir/a", "alpha");
	put("dir/sub/b", "beta");
	put("dir/sub/deep/c", "gamma");
	put("dir/sub.txt", "delta");
	put("outside", "secret");
	assert_int_equal(symlink("sub/b", "dir/link"), 0);
	assert_int_equal(symlink("../outside", "dir/out"), 0);
}

static Context *open_it(const char *pattern, const char *second)
{
	Context *c = NULL;
	_cleanup_strvec_ StrVec patterns = {0};
	if (pattern)
		strvec_push(&patterns, pattern);
	if (second)
		strvec_push(&patterns, second);
	ok(context_open("dir", &patterns, store, NULL, &c, err));
	return c;
}

static char *walk(Context *c, const char *path)
{
	ContextEntries all = {0};
	_cleanup_strvec_ StrVec paths = {0};
	ok(context_walk(c, path, &all, err));
	for (size_t i = 0; i < all.len; i++)
		strvec_push(&paths, *all.items[i].path ? all.items[i].path : ".");
	context_entries_done(&all);
	return strvec_join(&paths, " ");
}

static void walking(void **state _unused_)
{
	tree();
	_cleanup_(context_freep) Context *c = open_it(NULL, NULL);
	ContextEntries all = {0};
	assert_string_equal(context_dir(c), "dir");
	assert_text(walk(c, "sub"), "sub sub/b sub/deep sub/deep/c");
	assert_text(walk(c, "a"), "a");
	assert_text(walk(c, ""), ". a empty link out sub sub/b sub/deep sub/deep/c sub.txt");
	fails(ERR_NOT_FOUND, "'none' is not in the build context 'dir'",
		context_walk(c, "none", &all, err));
	assert_null(all.items);
}

static void ignoring(void **state _unused_)
{
	tree();
	_cleanup_(context_freep) Context *c = open_it("sub", "!sub/deep/c");
	ContextEntries all = {0};
	/* directories appear only for what is re-included below them */
	assert_text(walk(c, ""), ". a empty link out sub sub/deep sub/deep/c sub.txt");
	_cleanup_err_ Err *e = NULL;
	assert_int_equal(context_walk(c, "sub/b", &all, &e), -ERR_NOT_FOUND);
	assert_string_equal(e->hint, "the ignore file excludes it");
	_cleanup_strvec_ StrVec found = {0};
	ok(context_glob(c, STR("s*"), &found, err));
	ok(context_glob(c, STR("*/*"), &found, err));
	assert_text(strvec_join(&found, " "), "sub sub.txt sub/deep");
}

/* The store is no part of a context that it lies in; and what is not there is no context. */
static void opening(void **state _unused_)
{
	Context *c = NULL;
	_cleanup_err_ Err *e = NULL;
	ok(context_open(".", NULL, store, NULL, &c, err));
	put("file", "");
	assert_text(walk(c, ""), ". file");
	context_free(c);
	c = NULL;
	assert_int_equal(context_open("file", NULL, store, NULL, &c, &e), -ERR_SYS);
	assert_non_null(strstr(e->message, "build context 'file'"));
	assert_non_null(e->hint);
	fails(ERR_SYS, "'none'", context_open("none", NULL, store, NULL, &c, err));
	assert_null(c);
	assert_null(context_free(NULL));
}

static void resolving(void **state _unused_)
{
	tree();
	_cleanup_(context_freep) Context *c = open_it(NULL, NULL);
	static const char *const cases[][2] = {{"", ""}, {".", ""}, {"a", "a"}, {"link", "sub/b"},
		{"sub/../a", "a"}, {"../../a", "a"}, {"/sub/deep/", "sub/deep"}};
	char *real = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ok(context_resolve(c, cases[i][0], &real, err));
		assert_text(TAKE_PTR(real), cases[i][1]);
	}
	/* the link leads to the root's own "outside", which is not there */
	fails(ERR_NOT_FOUND, "'out'", context_resolve(c, "out", &real, err));
	assert_int_equal(symlink("loop", "dir/loop"), 0);
	fails(ERR_NOT_FOUND, "'loop'", context_resolve(c, "loop", &real, err));
	assert_null(real);
}

/* The file must be the one that was found by the walk. */
static void changing(void **state _unused_)
{
	tree();
	_cleanup_(context_freep) Context *c = open_it(NULL, NULL);
	ContextEntries all = {0};
	int fd = -1;
	ok(context_walk(c, "sub/b", &all, err));
	ContextEntry *e = &all.items[0];
	ok(context_open_file(c, e, &fd, err));
	close(fd);
	fd = -1;
	/* another file in its place, of the same length */
	assert_int_equal(unlink("dir/sub/b"), 0);
	put("dir/sub/b", "BETA");
	fails(ERR_SYS, "changed while it was read", context_open_file(c, e, &fd, err));
	fails(ERR_SYS, "sub/b", context_hash(c, &e, 1, err));
	/* a way out of the context in the place of the directory */
	assert_int_equal(rename("dir/sub", "elsewhere"), 0);
	assert_int_equal(symlink("../elsewhere", "dir/sub"), 0);
	fails(ERR_SYS, "sub/b", context_open_file(c, e, &fd, err));
	assert_int_equal(unlink("elsewhere/b"), 0);
	fails(ERR_SYS, "sub/b", context_open_file(c, e, &fd, err));
	assert_int_equal(fd, -1);
	assert_false(e->has_digest);
	context_entries_done(&all);
}

/* Digests survive from one context to the next, until the file changes. */
static void remembering(void **state _unused_)
{
	tree();
	Digest alpha = digest_text("alpha");
	usleep(50000); /* past the clock's granularity */
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			put("dir/a", "ALPHA");
		_cleanup_(context_freep) Context *c = open_it(NULL, NULL);
		ContextEntries all = {0};
		ok(context_walk(c, "a", &all, err));
		ContextEntry *e = &all.items[0];
		assert_int_equal(e->has_digest, i == 1);
		ok(context_hash(c, &e, 1, err));
		assert_true(e->has_digest);
		assert_int_equal(digest_eq(&e->digest, &alpha), i < 2);
		context_entries_done(&all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(walking),
		store_test(ignoring),
		store_test(opening),
		store_test(resolving),
		store_test(changing),
		store_test(remembering),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
