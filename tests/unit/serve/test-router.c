#include "serve/router.h"

#include "../check.h"

#define HEX  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D256 "sha256:" HEX
#define D512 "sha512:" HEX HEX

static void places(void **state _unused_)
{
	static const struct {
		const char *target;
		RouteKind kind;
		const char *name, *reference;
	} cases[] = {
		{"/v2/", ROUTE_PING, NULL, NULL},
		{"/v2", ROUTE_PING, NULL, NULL},
		{"/v2/?x=y", ROUTE_PING, NULL, NULL},
		{"/metrics", ROUTE_METRICS, NULL, NULL},
		{"/v2/_catalog?n=3", ROUTE_CATALOG, NULL, NULL},
		{"/v2/app/tags/list", ROUTE_TAGS, "app", NULL},
		{"/v2/a/b/c/tags/list?n=1&last=x", ROUTE_TAGS, "a/b/c", NULL},
		{"/v2/tags/tags/list", ROUTE_TAGS, "tags", NULL},
		{"/v2/app/manifests/v1.0", ROUTE_MANIFEST, "app", "v1.0"},
		{"/v2/app/manifests/" D256, ROUTE_MANIFEST, "app", D256},
		{"/v2/app/manifests/sha256%3A" HEX, ROUTE_MANIFEST, "app", D256},
		{"/v2/manifests/manifests/x", ROUTE_MANIFEST, "manifests", "x"},
		{"/v2/docker.io/library/alpine/manifests/3", ROUTE_MANIFEST,
			"docker.io/library/alpine", "3"},
		{"/v2/app/blobs/" D256, ROUTE_BLOB, "app", D256},
		{"/v2/app/blobs/uploads/", ROUTE_UPLOADS, "app", NULL},
		{"/v2/app/blobs/uploads", ROUTE_UPLOADS, "app", NULL},
		{"/v2/a/blobs/b/blobs/uploads/?digest=x", ROUTE_UPLOADS, "a/blobs/b", NULL},
		{"/v2/app/blobs/uploads/123", ROUTE_UPLOAD, "app", "123"},
		{"/v2/app/referrers/" D256, ROUTE_REFERRERS, "app", D256},
		{"http://host:1/v2/app/tags/list?n=1", ROUTE_TAGS, "app", NULL},
		{"HTTPS://host", ROUTE_NONE, NULL, NULL},
		{"httpx://host/v2/", ROUTE_NONE, NULL, NULL},
		{"http://host?/v2/", ROUTE_NONE, NULL, NULL},
		{"/", ROUTE_NONE, NULL, NULL},
		{"", ROUTE_NONE, NULL, NULL},
		{"/v2/app", ROUTE_NONE, NULL, NULL},
		{"/v2//tags/list", ROUTE_NONE, NULL, NULL},
		{"/v2/app/blobs", ROUTE_NONE, NULL, NULL},
		{"/v2/blobs/uploads/", ROUTE_NONE, NULL, NULL},
		{"/v3/app/tags/list", ROUTE_NONE, NULL, NULL},
		{"/v2x/app/tags/list", ROUTE_NONE, NULL, NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(route_done) Route r;
		ok(route_parse(str_of(cases[i].target), &r, err));
		if (r.kind != cases[i].kind)
			fail_msg("%s: %s", cases[i].target, route_name(r.kind));
		assert_true(cstr_eq(r.name, cases[i].name));
		assert_true(cstr_eq(r.reference, cases[i].reference));
		assert_false(r.bad_name);
	}
}

static void names(void **state _unused_)
{
	static const char *const good[] = {
		"a", "a/b", "a.b/c_d/e__f/g-h/i---j", "0", "docker.io/library/alpine", "a-b.c"};
	static const char *const bad[] = {"", "A", "a/", "/a", "a//b", "..", "../a", "a/..",
		"a/./b", ".a", "a.", "a..b", "a___b", "-a", "a-", "_a", "a_", "a.-b", "a b", "a:b",
		"a@b", "\xC3\xA4"};
	char longest[257];
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(repository_name_valid(str_of(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (repository_name_valid(str_of(bad[i])))
			fail_msg("'%s' passes", bad[i]);
	memset(longest, 'a', sizeof(longest));
	assert_true(repository_name_valid((Str){longest, 255}));
	assert_false(repository_name_valid((Str){longest, 256}));
	assert_true(tag_valid(STR("_x.Y-9")));
	assert_true(tag_valid((Str){longest, 128}));
	assert_false(tag_valid((Str){longest, 129}));
	assert_false(tag_valid(STR("")));
	assert_false(tag_valid(STR(".x")));
	assert_false(tag_valid(STR("-x")));
	assert_false(tag_valid(STR("a/b")));
}

static void references(void **state _unused_)
{
	static const struct {
		const char *target;
		bool tag;
		DigestKind digest;
	} cases[] = {
		{"/v2/a/manifests/latest", true, DIGEST_NONE},
		{"/v2/a/manifests/.x", false, DIGEST_NONE},
		{"/v2/a/manifests/" D256, false, DIGEST_OURS},
		{"/v2/a/manifests/" D512, false, DIGEST_FOREIGN},
		{"/v2/a/manifests/sha256:abc", false, DIGEST_BAD},
		{"/v2/a/manifests/md5:abc", false, DIGEST_BAD},
		{"/v2/a/blobs/latest", true, DIGEST_BAD},
		{"/v2/a/blobs/" D512, false, DIGEST_FOREIGN},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(route_done) Route r;
		ok(route_parse(str_of(cases[i].target), &r, err));
		assert_int_equal(r.is_tag, cases[i].tag);
		assert_int_equal(r.digest, cases[i].digest);
	}
}

static void tricks(void **state _unused_)
{
	static const char *const names_bad[] = {"/v2/%2e%2e/%2e%2e/etc/tags/list",
		"/v2/a%2f..%2fb/tags/list", "/v2/a%5cb/tags/list", "/v2/../tags/list",
		"/v2/%41/tags/list"};
	static const char *const refused[] = {"/v2/a%00b/tags/list", "/v2/a%0d%0ax/tags/list",
		"/v2/a%/tags/list", "/v2/a%2", "/v2/a%zz/tags/list", "/v2/a/tags/list?n=%",
		"/v2/a/tags/list?%00=1", "/v2/a\x01/tags/list", "/v2/%7f"};
	for (size_t i = 0; i < ARRAY_SIZE(names_bad); i++) {
		_cleanup_(route_done) Route r;
		ok(route_parse(str_of(names_bad[i]), &r, err));
		if (!r.bad_name)
			fail_msg("%s passes", names_bad[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_(route_done) Route r;
		fails(ERR_PARSE, "the URL has a", route_parse(str_of(refused[i]), &r, err));
	}
	_cleanup_buf_ Buf b = BUF_INIT(1 << 20);
	_cleanup_(route_done) Route r, many;
	buf_cstr(&b, "/v2/a/tags/list?");
	for (unsigned i = 0; i <= ROUTE_MAX_QUERY; i++)
		buf_cstr(&b, "n=1&");
	fails(ERR_LIMIT, "parameters", route_parse(buf_view(&b), &many, err));
	while (b.len <= ROUTE_MAX_TARGET)
		buf_cstr(&b, "/x");
	fails(ERR_LIMIT, "longer than", route_parse(buf_view(&b), &r, err));
}

static void queries(void **state _unused_)
{
	_cleanup_(route_done) Route r;
	ok(route_parse(STR("/v2/a/tags/list?n=5&&last=x%20y+z&empty&tag=a&tag=b=c"), &r, err));
	assert_string_equal(route_query(&r, "n"), "5");
	assert_string_equal(route_query(&r, "last"), "x y z");
	assert_string_equal(route_query(&r, "empty"), "");
	assert_string_equal(route_query(&r, "tag"), "a");
	assert_string_equal(r.query.items[4], "tag=b=c");
	assert_null(route_query(&r, "la"));
}

static void methods(void **state _unused_)
{
	assert_int_equal(method_of("GET"), METHOD_GET);
	assert_int_equal(method_of("DELETE"), METHOD_DELETE);
	assert_int_equal(method_of("get"), 0);
	assert_int_equal(method_of("TRACE"), 0);
	assert_true(route_methods(ROUTE_UPLOAD) & METHOD_PATCH);
	assert_false(route_methods(ROUTE_BLOB) & METHOD_PUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(names),
		cmocka_unit_test(references),
		cmocka_unit_test(tricks),
		cmocka_unit_test(queries),
		cmocka_unit_test(methods),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
