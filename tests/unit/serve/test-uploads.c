#include "serve/uploads.h"

#include <stdio.h>

#include "../check.h"
#include "store/kept.h"

static char top[] = "/tmp/cruet-test-uploads-XXXXXX";
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
	return remove_tree(-100 /* AT_FDCWD */, top, NULL);
}

static void whole(void **state _unused_)
{
	_cleanup_(uploads_freep) Uploads *u = uploads_new(store, 100);
	Upload *p = NULL, *same = NULL;
	Digest d, wrong = {{1}};
	digest_of("hello world", 11, &d);
	ok(upload_begin(u, "r", &p, err));
	_cleanup_free_ char *id = xstrdup(upload_id(p));
	ok(upload_write(p, "hello ", 6, err));
	fails(ERR_EXISTS, "another request", upload_enter(u, "r", id, &same, err));
	upload_leave(p);
	fails(ERR_NOT_FOUND, "no upload", upload_enter(u, "other", id, &same, err));
	fails(ERR_NOT_FOUND, "no upload", upload_enter(u, "r", "../../x", &same, err));
	ok(upload_enter(u, "r", id, &same, err));
	ok(upload_write(same, "world", 5, err));
	assert_int_equal(upload_size(same), 11);
	ok(upload_commit(same, &d, err));
	upload_end(same);
	assert_true(store_blob_has(store, &d, NULL));
	assert_int_equal(uploads_count(u), 0);
	ok(upload_begin(u, "r", &p, err));
	fails(ERR_LIMIT, "longer than 100", upload_write(p, top, 101, err));
	fails(ERR_DIGEST, "have the digest", upload_commit(p, &wrong, err));
	upload_end(p);
	assert_false(store_blob_has(store, &wrong, NULL));
}

static void after_a_restart(void **state _unused_)
{
	Uploads *u = uploads_new(store, 100);
	Upload *p = NULL;
	Digest d;
	digest_of("abcdef", 6, &d);
	ok(upload_begin(u, "r", &p, err));
	_cleanup_free_ char *id = xstrdup(upload_id(p));
	ok(upload_write(p, "abc", 3, err));
	_cleanup_(uploads_freep) Uploads *other = uploads_new(store, 100);
	fails(ERR_EXISTS, "another server", upload_enter(other, "r", id, &p, err));
	uploads_free(u);
	ok(upload_enter(other, "r", id, &p, err));
	assert_int_equal(upload_size(p), 3);
	ok(upload_write(p, "def", 3, err));
	ok(upload_commit(p, &d, err));
	upload_end(p);
	assert_true(store_blob_has(store, &d, NULL));
}

static void too_many(void **state _unused_)
{
	_cleanup_(uploads_freep) Uploads *u = uploads_new(store, 100);
	Upload *all[UPLOADS_MAX] = {0}, *one = NULL;
	unsigned n = 0;
	while (n < UPLOADS_MAX && upload_begin(u, "r", &all[n], NULL) == 0)
		n++;
	fails(n == UPLOADS_MAX ? ERR_LIMIT : ERR_SYS, "", upload_begin(u, "r", &one, err));
	while (n > 0)
		upload_end(all[--n]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(after_a_restart),
		cmocka_unit_test(too_many),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
