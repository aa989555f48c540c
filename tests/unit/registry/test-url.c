#include "registry/url.h"

#include "../check.h"
#include "base/str.h"

static void resolving(void **state _unused_)
{
	static const char *const cases[][3] = {
		{"https://r/v2/a/blobs/x", "/v2/b", "https://r/v2/b"},
		{"https://r/v2/a/blobs/x", "y?z=1", "https://r/v2/a/blobs/y?z=1"},
		{"https://r/v2/a/", "../../x", "https://r/x"},
		{"https://r/v2/", "//other/x", "https://other/x"},
		{"https://r/v2/", "http://other:81/x?a=b", "http://other:81/x?a=b"},
		{"http://r:5000/v2/x?n=1", "?n=2", "http://r:5000/v2/x?n=2"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *got = NULL;
		ok(url_resolve(cases[i][0], cases[i][1], &got, err));
		assert_text(got, cases[i][2]);
	}
	static const char *const bad[] = {
		"ftp://r/x", "file:///etc/passwd", "http://", "http://u:p@r/x", "http://u@r/x"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *got = NULL;
		fails(ERR_CORRUPT, "location", url_resolve("https://r/v2/", bad[i], &got, err));
		assert_null(got);
	}
}

static void refusals_quote_no_secrets(void **state _unused_)
{
	_cleanup_err_ Err *e = NULL;
	char *got = NULL;
	assert_true(url_resolve("https://r/", "ftp://me:secret@r/x?sig=secret&n=1", &got, &e) < 0);
	assert_null(strstr(e->message, "secret"));
	assert_non_null(strstr(e->message, "n=1"));
}

static void origins(void **state _unused_)
{
	assert_true(url_same_origin("https://r/a", "https://R:443/b?c"));
	assert_true(url_same_origin("http://r:5000", "http://r:5000/x"));
	static const char *const others[] = {
		"http://r/", "https://r:444/", "https://s/", "https://r.s/", "nothing", ""};
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(url_same_origin("https://r/", others[i]));
	assert_text(url_host("https://r:443/x"), "r");
	assert_text(url_host("http://r:443/x"), "r:443");
	assert_text(url_host("http://[::1]:80/"), "[::1]");
	assert_text(url_host("nothing at all"), "");
	assert_true(url_is_https("HTTPS://r"));
	assert_false(url_is_https("http://r"));
}

static void addresses(void **state _unused_)
{
	static const char *const private[] = {"127.0.0.1", "127.255.0.1:5000", "10.0.0.1",
		"172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "0.0.0.0",
		"255.255.255.255", "127.1", "0x7f000001", "2130706433", "017700000001",
		"127.0.0.1.", "localhost", "LocalHost", "localhost.", "a.localhost", "A.LOCALHOST.",
		"[::1]", "[::]", "[0:0::1]", "[::ffff:10.0.0.1]", "[::10.0.0.1]",
		"[64:ff9b::a00:1]", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]", "[ff02::1]"};
	static const char *const local[] = {"169.254.169.254", "169.254.0.1:80", "[fe80::1]",
		"[fe80::1%25eth0]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
		"[fd00:ec2::254]", "2852039166"};
	static const char *const public[] = {"registry.example", "r", "8.8.8.8", "172.32.0.1",
		"172.15.0.1", "100.128.0.1", "11.0.0.1", "192.169.0.1", "[2001:db8::1]",
		"[::ffff:8.8.8.8]", "[64:ff9b::808:808]", "notlocalhost", "localhost.example",
		"10.example"};
	for (size_t i = 0; i < ARRAY_SIZE(private); i++) {
		_cleanup_free_ char *url = xasprintf("http://%s/x", private[i]);
		if (!url_is_private(url) || url_is_link_local(url))
			fail_msg("%s is private", url);
	}
	for (size_t i = 0; i < ARRAY_SIZE(local); i++) {
		_cleanup_free_ char *url = xasprintf("https://%s/", local[i]);
		if (!url_is_private(url) || !url_is_link_local(url))
			fail_msg("%s is link-local", url);
	}
	for (size_t i = 0; i < ARRAY_SIZE(public); i++) {
		_cleanup_free_ char *url = xasprintf("https://%s/", public[i]);
		if (url_is_private(url) || url_is_link_local(url))
			fail_msg("%s is public", url);
	}
}

static void authorities(void **state _unused_)
{
	static const struct {
		const char *text, *host, *port;
		bool loopback;
	} cases[] = {
		{"r.example", "r.example", "", false},
		{"r.example:5000", "r.example", "5000", false},
		{"localhost:1", "localhost", "1", true},
		{"localhost.example", "localhost.example", "", false},
		{"127.8.9.1", "127.8.9.1", "", true},
		{"127.0.0.1:5000", "127.0.0.1", "5000", true},
		{"127.0.0.1.example:5000", "127.0.0.1.example", "5000", false},
		{"[::1]:5000", "::1", "5000", true},
		{"[::1]", "::1", "", true},
		{"::1", "::1", "", true},
		{"[fd00::1]:1", "fd00::1", "1", false},
		{"[fd00::1", "fd00::1", "", false},
		{"[fd00::1]x:1", "fd00::1", "", false},
		{"", "", "", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Str port, host = authority_host(str_of(cases[i].text), &port);
		assert_true(str_eq_cstr(host, cases[i].host));
		assert_true(str_eq_cstr(port, cases[i].port));
		assert_int_equal(host_is_loopback(host), cases[i].loopback);
	}
}

static void text(void **state _unused_)
{
	assert_text(url_escape("a-Z_0.~ /:ä"), "a-Z_0.~%20%2F%3A%C3%A4");
	assert_text(url_with_query("/x", "a", "b c"), "/x?a=b%20c");
	assert_text(url_with_query("/x?y", "a", "1"), "/x?y&a=1");
}

static void shown(void **state _unused_)
{
	static const char *const cases[][2] = {
		{"https://r/v2/a", "https://r/v2/a"},
		{"https://r/v2/a?n=1&last=b&digest=c&from=d&mount=e&ns=f&scope=g&service=h",
			"https://r/v2/a?n=1&last=b&digest=c&from=d&mount=e&ns=f&scope=g&service=h"},
		{"https://cdn/x?X-Amz-Signature=s&n=1", "https://cdn/x?X-Amz-Signature=…&n=1"},
		{"https://r/u?_state=abc&digest=d", "https://r/u?_state=…&digest=d"},
		{"https://r/u?bare", "https://r/u?bare"},
		{"https://me:secret@r/x", "https://…@r/x"},
		{"https://a@b@r/x?y=z", "https://…@r/x?y=…"},
		{"me:secret@r:5000", "…@r:5000"},
		{"/path@/x", "/path@/x"},
		{"https://r/x@y", "https://r/x@y"},
		{"/v2/x?token=t", "/v2/x?token=…"},
		{"</v2/x?n=1&token=t>; rel=\"next\"", "</v2/x?n=1&token=…"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_text(url_shown(cases[i][0]), cases[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolving),
		cmocka_unit_test(refusals_quote_no_secrets),
		cmocka_unit_test(origins),
		cmocka_unit_test(addresses),
		cmocka_unit_test(authorities),
		cmocka_unit_test(text),
		cmocka_unit_test(shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
