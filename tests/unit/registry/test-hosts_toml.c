#include "registry/hosts_toml.h"

#include "../sys/scratch.h"

static HostsFile parse(const char *text)
{
	HostsFile f = {0};
	ok(hosts_toml_parse(str_of(text), "/d/hosts.toml", &f, err));
	return f;
}

static void whole_file(void **state)
{
	(void)state;
	HostsFile f = parse("server = 'https://up.net'\n"
			    "ca = 'root.crt'\n"
			    "[host.\"https://z-first.net\"]\n"
			    "capabilities = ['pull', 'Resolve', 'referrers']\n"
			    "ca = ['a.crt', '/etc/b.crt']\n"
			    "client = [['c.cert', 'c.key'], ['other.pem', '']]\n"
			    "dial_timeout = '1.5s'\n"
			    "[host.\"https://z-first.net\".header]\n"
			    "x-one = 'text here'\n"
			    "x-two = ['a', 'b']\n"
			    "[host.\"http://a-second.net:5000/some/path\"]\n"
			    "skip_verify = true\n"
			    "[host.plain]\n"
			    "client = 'both.pem'\n"
			    "override_path = true\n"
			    "[host.\"http://plain.net/api/v2/\"]\n");
	assert_int_equal(f.hosts.len, 4);
	const HostsEntry *h = f.hosts.items;
	assert_string_equal(h[0].host, "z-first.net");
	assert_string_equal(h[0].path, "/v2");
	assert_int_equal(h[0].scheme, SCHEME_HTTPS);
	assert_int_equal(h[0].can, ENDPOINT_PULL | ENDPOINT_RESOLVE);
	assert_text(strvec_join(&h[0].ca, " "), "/d/a.crt /etc/b.crt");
	assert_string_equal(h[0].client_cert, "/d/c.cert");
	assert_string_equal(h[0].client_key, "/d/c.key");
	assert_int_equal(h[0].connect_seconds, 2);
	assert_text(strvec_join(&h[0].headers, "|"), "x-one: text here|x-two: a|x-two: b");
	assert_int_equal(h[0].line, 3);
	assert_string_equal(h[1].host, "a-second.net:5000");
	assert_string_equal(h[1].path, "/some/path/v2");
	assert_int_equal(h[1].scheme, SCHEME_HTTPS_OR_HTTP);
	assert_true(h[1].skip_verify);
	assert_int_equal(h[1].can, ENDPOINT_PULL | ENDPOINT_RESOLVE | ENDPOINT_PUSH);
	assert_string_equal(h[2].host, "plain");
	assert_string_equal(h[2].path, "");
	assert_string_equal(h[2].client_cert, "/d/both.pem");
	assert_string_equal(h[2].client_key, "/d/both.pem");
	assert_string_equal(h[3].path, "/api/v2");
	assert_int_equal(h[3].scheme, SCHEME_HTTP);
	assert_string_equal(f.server.host, "up.net");
	assert_text(strvec_join(&f.server.ca, " "), "/d/root.crt");
	hosts_file_done(&f);
	f = parse("capabilities = ['pull']\n");
	assert_null(f.server.host);
	assert_true(f.server.can & ENDPOINT_PUSH);
	hosts_file_done(&f);
}

static void durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned seconds;
	} cases[] = {
		{"1s", 1}, {"500ms", 1}, {"1m30s", 90}, {"2h", 3600}, {"0.5m", 30}, {"1.001s", 2}};
	static const char *const bad[] = {"1", "s", "1x", "-1s", "1..2s", "1s 2s", "."};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = xasprintf("dial_timeout = '%s'", cases[i].text);
		HostsFile f = parse(text);
		assert_int_equal(f.server.connect_seconds, cases[i].seconds);
		hosts_file_done(&f);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		HostsFile f = {0};
		_cleanup_free_ char *text = xasprintf("dial_timeout = '%s'", bad[i]);
		fails(ERR_PARSE, "dial_timeout",
			hosts_toml_parse(str_of(text), "/d/hosts.toml", &f, err));
	}
}

static void mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words;
		int line;
	} cases[] = {
		{"\nserver = 'ftp://x'", "https://host", 2},
		{"[host.\"https://u:p@x\"]", "https://host", 1},
		{"[host.\"https://x/a b\"]", "https://host", 1},
		{"[host.\"https://\"]", "https://host", 1},
		{"[host.\"https://x?y\"]", "https://host", 1},
		{"\n\n[host.x]\ncapabilities = ['delete']", "not 'delete'", 4},
		{"[host.x]\nca = 1", "'ca'", 2},
		{"[host.x]\nclient = [1]", "'client'", 2},
		{"[host.x]\nclient = [['a']]", "'client'", 2},
		{"[host.x]\nskip_verify = 'no'", "'skip_verify'", 2},
		{"[host.x.header]\nx-a = \"two\\nlines\"", "header 'x-a'", 2},
		{"[host.x.header]\n\"x a\" = \"b\"", "header 'x a'", 2},
		{"[host.x.header]\nx = [1]", "header 'x'", 2},
		{"host = 'x'", "'host'", 1},
		{"[host]\nx = 1", "host 'x'", 2},
		{"override_path = 1", "override_path", 1},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		HostsFile f = {0};
		_cleanup_err_ Err *e = NULL;
		assert_int_equal(hosts_toml_parse(str_of(cases[i].text), "/d/hosts.toml", &f, &e),
			-ERR_PARSE);
		if (!strstr(e->message, cases[i].words))
			fail_msg("'%s' is not in: %s", cases[i].words, e->message);
		assert_string_equal(e->file, "/d/hosts.toml");
		assert_int_equal(e->line, cases[i].line);
		assert_null(f.file);
	}
}

static void assert_server(const char *host, const char *expected)
{
	HostsFile f = {0};
	int r = 0;
	ok(r = hosts_toml_load("certs.d", host, &f, err));
	assert_string_equal(r ? f.server.host : "none", expected);
	hosts_file_done(&f);
}

static void directories(void **state)
{
	(void)state;
	static const char *const dirs[] = {"certs.d", "certs.d/a.net", "certs.d/a.net:5000",
		"certs.d/b.net:5000", "certs.d/certs-only.net", "certs.d/a.net_5000_"};
	assert_server("a.net", "none");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		assert_int_equal(mkdir(dirs[i], 0755), 0);
	put("certs.d/a.net/hosts.toml", "server='https://1'");
	put("certs.d/a.net:5000/hosts.toml", "server='https://2'");
	put("certs.d/a.net_5000_/hosts.toml", "server='https://3'");
	put("certs.d/b.net:5000/hosts.toml", "server='https://4'");
	assert_server("a.net", "1");
	assert_server("a.net:5000", "3");
	assert_server("b.net:5000", "4");
	assert_server("c.net", "none");
	assert_int_equal(mkdir("certs.d/_default", 0755), 0);
	put("certs.d/_default/hosts.toml", "server='https://5'");
	assert_server("c.net", "5");
	assert_server("certs-only.net", "none");
	assert_server("../certs.d/a.net", "none");
	assert_server("..", "none");
	HostsFile f = {0};
	put("certs.d/_default/hosts.toml", "x");
	_cleanup_err_ Err *e = NULL;
	assert_int_equal(hosts_toml_load("certs.d", "c.net", &f, &e), -ERR_PARSE);
	assert_string_equal(e->file, "certs.d/_default/hosts.toml");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file),
		cmocka_unit_test(durations),
		cmocka_unit_test(mistakes),
		cmocka_unit_test_setup_teardown(directories, scratch_begin, scratch_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
