#include "registry/proxy.h"

#include "../check.h"
#include "base/str.h"

#define P "http://proxy:3128"

static void clear(void)
{
	static const char *const names[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY",
		"https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
}

static void assert_proxy(const char *url, const char *wanted)
{
	_cleanup_free_ char *got = proxy_for(url);
	if (wanted)
		assert_string_equal(got, wanted);
	else
		assert_null(got);
}

static void by_scheme(void **state _unused_)
{
	static const struct {
		const char *name, *http, *https;
	} cases[] = {
		{"HTTP_PROXY", P, NULL},
		{"http_proxy", P, NULL},
		{"HTTPS_PROXY", NULL, P},
		{"https_proxy", NULL, P},
		{"ALL_PROXY", P, P},
		{"all_proxy", P, P},
		{"NO_PROXY", NULL, NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		clear();
		setenv(cases[i].name, P, 1);
		assert_proxy("http://r.example:5000/v2/", cases[i].http);
		assert_proxy("https://r.example/v2/", cases[i].https);
	}
	clear();
	setenv("HTTPS_PROXY", "", 1);
	setenv("https_proxy", P, 1);
	assert_proxy("https://r.example/v2/", P);
}

static void never_for_this_machine(void **state _unused_)
{
	static const char *const own[] = {"https://localhost:5000/v2/", "https://LOCALHOST/",
		"https://127.0.0.1:5000/", "https://127.3.2.1/", "https://[::1]:5000/"};
	clear();
	setenv("HTTPS_PROXY", P, 1);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		assert_proxy(own[i], NULL);
	assert_proxy("https://localhost.example/", P);
	assert_proxy("https://128.0.0.1/", P);
	assert_proxy("https://[::2]/", P);
}

static void exceptions(void **state _unused_)
{
	static const struct {
		const char *list, *url;
		bool direct;
	} cases[] = {
		{"r.example", "https://r.example/", true},
		{"r.example", "https://a.R.Example:5000/", true},
		{"R.EXAMPLE", "https://r.example/", true},
		{"r.example", "https://or.example/", false},
		{".r.example", "https://r.example/", false},
		{".r.example", "https://a.r.example/", true},
		{"*.r.example", "https://r.example/", false},
		{"*.r.example", "https://a.r.example/", true},
		{"r.example:5000", "https://r.example:5000/", true},
		{"r.example:5000", "https://r.example/", false},
		{"r.example:443", "https://r.example/", true},
		{"a , r.example ,b", "https://r.example/", true},
		{"", "https://r.example/", false},
		{",", "https://r.example/", false},
		{":", "https://r.example/", false},
		{"*", "https://r.example/", true},
		{"*", "https://10.0.0.1/", true},
		{"10.0.0.0/8", "https://10.1.2.3:5000/", true},
		{"10.0.0.0/8", "https://11.1.2.3/", false},
		{"10.128.0.0/9", "https://10.127.0.1/", false},
		{"10.128.0.0/9", "https://10.200.0.1/", true},
		{"10.0.0.0/33", "https://10.0.0.0/", false},
		{"10.0.0.0/x", "https://10.0.0.0/", false},
		{"0.0.0.0/0", "https://10.0.0.0/", true},
		{"0.0.0.0/0", "https://r.example/", false},
		{"10.1.2.3", "https://10.1.2.3/", true},
		{"10.1.2.3:5000", "https://10.1.2.3/", false},
		{"10.1.2.3", "https://10.1.2.4/", false},
		{"fd00::1", "https://[fd00::1]:5000/", true},
		{"[fd00::1]:5000", "https://[fd00::1]:5000/", true},
		{"[fd00::1]:5000", "https://[fd00::1]/", false},
		{"fd00::/16", "https://[fd00:1::1]/", true},
		{"fd00::/16", "https://[fd01::1]/", false},
	};
	clear();
	setenv("https_proxy", P, 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		setenv("no_proxy", cases[i].list, 1);
		assert_proxy(cases[i].url, cases[i].direct ? NULL : P);
	}
}

static void shown_without_secrets(void **state _unused_)
{
	static const char *const cases[][2] = {
		{"http://proxy:3128", "proxy:3128"},
		{"http://user:p@ss@proxy:3128/x", "proxy:3128"},
		{"user:pass@proxy", "proxy"},
		{"socks5://[::1]:1080", "[::1]:1080"},
		{"http://user:pass/word#@proxy.corp:3128/", "proxy.corp:3128"},
		{"user:pass@://proxy.corp", "proxy.corp"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *got = proxy_host(cases[i][0]);
		assert_string_equal(got, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_scheme),
		cmocka_unit_test(never_for_this_machine),
		cmocka_unit_test(exceptions),
		cmocka_unit_test(shown_without_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
