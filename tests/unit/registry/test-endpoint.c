#include "registry/endpoint.h"

#include "../sys/scratch.h"
#include "base/limits.h"
#include "registry/certs_dir.h"

#define D64       "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PEM(what) "-----BEGIN CERTIFICATE-----\n" what "\n-----END CERTIFICATE-----\n"

static int begin(void **state)
{
	if (scratch_begin(state) < 0)
		return -1;
	unsetenv("CONTAINERS_REGISTRIES_CONF");
	setenv("HOME", scratch_path, 1);
	put("empty.conf", "");
	return mkdir("hosts", 0755);
}

static int find(const RegistrySettings *s, const char *image, bool push, Endpoints *ret, Err **err)
{
	Reference ref = {0};
	int r = reference_parse(str_of(image), &ref, err);
	/* as the callers do that mean no tag in particular */
	if (r == 0 && str_ends(str_of(image), ":any"))
		freep(&ref.tag);
	r = r < 0 ? r : endpoints_find(s, &ref, push, ret, err);
	reference_done(&ref);
	return r;
}

/* One a line: scheme://host(address)prefix/repository can flags */
static void assert_endpoints(
	const RegistrySettings *s, const char *image, bool push, const char *expected)
{
	static const char *const schemes[] = {"https", "http", "https|http"};
	Endpoints all = {0};
	_cleanup_buf_ Buf text = BUF_INIT(1 << 16);
	ok(find(s, image, push, &all, err));
	vec_foreach (&all, e) {
		buf_printf(&text, "%s://%s", schemes[e->scheme], e->host);
		if (strcmp(e->host, e->address) != 0)
			buf_printf(&text, "(%s)", e->address);
		buf_printf(&text, "%s/%s %s%s%s", e->prefix, e->repository,
			e->can & ENDPOINT_PULL ? "p" : "", e->can & ENDPOINT_RESOLVE ? "r" : "",
			e->can & ENDPOINT_PUSH ? "P" : "");
		if (e->insecure)
			buf_cstr(&text, " insecure");
		if (e->mirror)
			buf_cstr(&text, " mirror");
		if (e->ns)
			buf_printf(&text, " ns=%s", e->ns);
		buf_char(&text, '\n');
	}
	assert_string_equal(buf_view(&text).ptr, expected);
	endpoints_done(&all);
}

static const RegistrySettings bare = {.registries = "empty.conf", .hosts_dir = "hosts"};

static void by_host(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"alpine", "https://docker.io(registry-1.docker.io)/v2/library/alpine prP\n"},
		{"ghcr.io/a/b", "https://ghcr.io/v2/a/b prP\n"},
		{"localhost/a", "https|http://localhost/v2/a prP\n"},
		{"localhost:5000/a", "https|http://localhost:5000/v2/a prP\n"},
		{"127.0.0.1:5000/a", "https|http://127.0.0.1:5000/v2/a prP\n"},
		{"127.1.2.3:443/a", "https://127.1.2.3:443/v2/a prP\n"},
		{"127.0.0.1:80/a", "http://127.0.0.1:80/v2/a prP\n"},
		{"127.0.0.1.evil.com/a", "https://127.0.0.1.evil.com/v2/a prP\n"},
		{"192.168.0.1:5000/a", "https://192.168.0.1:5000/v2/a prP\n"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_endpoints(&bare, cases[i][0], false, cases[i][1]);
		assert_endpoints(&bare, cases[i][0], true, cases[i][1]);
	}
}

static void by_flags(void **state)
{
	(void)state;
	RegistrySettings s = bare;
	s.insecure = true;
	assert_endpoints(&s, "r.net/a", false, "https://r.net/v2/a prP insecure\n");
	s.plain_http = true;
	assert_endpoints(&s, "r.net/a", false, "http://r.net/v2/a prP insecure\n");
	s.insecure = false;
	assert_endpoints(&s, "r.net/a", false, "http://r.net/v2/a prP\n");
	put("m.conf", "[[registry]]\nprefix='r.net'\n[[registry.mirror]]\nlocation='m.net'\n");
	s.registries = "m.conf";
	assert_endpoints(
		&s, "r.net/a", false, "https://m.net/v2/a pr mirror\nhttp://r.net/v2/a prP\n");
}

static void by_registries_conf(void **state)
{
	(void)state;
	RegistrySettings s = bare;
	s.registries = "r.conf";
	put("r.conf",
		"[[registry]]\nprefix='r.net'\nlocation='in.net/r'\ninsecure=true\n"
		"[[registry.mirror]]\nlocation='m1.net/cache'\ninsecure=true\n"
		"[[registry.mirror]]\nlocation='m2.net'\npull-from-mirror='digest-only'\n"
		"[[registry.mirror]]\nlocation='m3.net'\npull-from-mirror='tag-only'\n"
		"[[registry]]\nprefix='bad.net'\nblocked=true\n");
	assert_endpoints(&s, "r.net/a:1", false,
		"https|http://m1.net/v2/cache/a pr insecure mirror\n"
		"https://m3.net/v2/a pr mirror\n"
		"https|http://in.net/v2/r/a prP insecure\n");
	assert_endpoints(&s, "r.net/a@" D64, false,
		"https|http://m1.net/v2/cache/a pr insecure mirror\n"
		"https://m2.net/v2/a p mirror\n"
		"https|http://in.net/v2/r/a prP insecure\n");
	assert_endpoints(&s, "r.net/a:any", false,
		"https|http://m1.net/v2/cache/a pr insecure mirror\n"
		"https://m2.net/v2/a p mirror\n"
		"https://m3.net/v2/a pr mirror\n"
		"https|http://in.net/v2/r/a prP insecure\n");
	/* mirrors and locations are for reading */
	assert_endpoints(&s, "r.net/a:1", true, "https|http://r.net/v2/a prP insecure\n");
	Endpoints all = {0};
	for (int push = 0; push < 2; push++) {
		_cleanup_err_ Err *e = NULL;
		assert_int_equal(find(&s, "bad.net/a", push, &all, &e), -ERR_DENIED);
		assert_string_equal(e->file, "r.conf");
		assert_int_equal(e->line, 14);
		assert_int_equal(all.len, 0);
	}
}

static void by_hosts_toml(void **state)
{
	(void)state;
	assert_int_equal(mkdir("hosts/r.net", 0755), 0);
	assert_int_equal(mkdir("hosts/docker.io", 0755), 0);
	put("hosts/r.net/hosts.toml",
		"[host.\"https://m1.net\"]\ncapabilities=['pull']\n"
		"[host.\"http://m2.net:5000/x\"]\noverride_path=true\n"
		"[host.\"https://push-only.net\"]\ncapabilities=['push']\n");
	assert_endpoints(&bare, "r.net/a", false,
		"https://m1.net/v2/a p mirror ns=r.net\n"
		"http://m2.net:5000/x/a pr mirror ns=r.net\n"
		"https://r.net/v2/a prP\n");
	assert_endpoints(&bare, "r.net/a", true, "https://r.net/v2/a prP\n");
	put("hosts/docker.io/hosts.toml",
		"server='https://registry-1.docker.io'\n"
		"capabilities=['pull','resolve']\n"
		"[host.\"https://other.net\"]\n[host.\"https://other.net\".header]\nx='y'\n");
	assert_endpoints(&bare, "alpine", false,
		"https://other.net/v2/library/alpine pr mirror ns=docker.io\n"
		"https://docker.io(registry-1.docker.io)/v2/library/alpine pr\n");
	Endpoints all = {0};
	fails(ERR_DENIED, "nothing may be pushed", find(&bare, "alpine", true, &all, err));
	ok(find(&bare, "alpine", false, &all, err));
	assert_text(strvec_join(&all.items[0].headers, "|"), "x: y");
	endpoints_done(&all);
	put("hosts/r.net/hosts.toml", "server='https://proxy.net'\n");
	assert_endpoints(&bare, "r.net/a", true, "https://proxy.net/v2/a prP ns=r.net\n");
}

static void who_wins(void **state)
{
	(void)state;
	RegistrySettings s = {.registries = "r.conf", .hosts_dir = "hosts"};
	put("r.conf",
		"[[registry]]\nprefix='r.net/ns'\nlocation='conf.net'\n"
		"[[registry]]\nprefix='r.net/blocked'\nblocked=true\n");
	assert_int_equal(mkdir("hosts/r.net", 0755), 0);
	put("hosts/r.net/hosts.toml", "server='https://hosts.net'\n");
	assert_endpoints(&s, "r.net/ns/a", false, "https://conf.net/v2/a prP\n");
	assert_endpoints(&s, "r.net/a", false, "https://hosts.net/v2/a prP ns=r.net\n");
	/* a flag for one of them puts it first; what is blocked stays so */
	setenv("CONTAINERS_REGISTRIES_CONF", "r.conf", 1);
	s.registries = NULL;
	assert_endpoints(&s, "r.net/ns/a", false, "https://hosts.net/v2/ns/a prP ns=r.net\n");
	Endpoints all = {0};
	fails(ERR_DENIED, "blocked", find(&s, "r.net/blocked", false, &all, err));
	s.hosts_dir = NULL;
	assert_endpoints(&s, "r.net/ns/a", false, "https://conf.net/v2/a prP\n");
	unsetenv("CONTAINERS_REGISTRIES_CONF");
}

static void assert_tls(
	const RegistrySettings *s, const char *image, const char *ca, const char *cert)
{
	Endpoints all = {0};
	ok(find(s, image, false, &all, err));
	const Endpoint *e = &all.items[0];
	assert_string_equal(e->ca_pem ? e->ca_pem : "none", ca);
	_cleanup_free_ char *pair = e->client_cert
		? xasprintf("%s %s", strrchr(e->client_cert, '/') + 1,
			  strrchr(e->client_key, '/') + 1)
		: xstrdup("none");
	assert_string_equal(pair, cert);
	endpoints_done(&all);
}

static void tls(void **state)
{
	(void)state;
	RegistrySettings s = bare;
	static const char *const dirs[] = {".config", ".config/containers",
		".config/containers/certs.d", ".config/containers/certs.d/r.net:5000",
		"hosts/h.net_1_", "hosts/t.net", "certs"};
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		assert_int_equal(mkdir(dirs[i], 0755), 0);
	put(".config/containers/certs.d/r.net:5000/b.crt", PEM("b"));
	put(".config/containers/certs.d/r.net:5000/a.crt", PEM("a"));
	put(".config/containers/certs.d/r.net:5000/z.cert", "");
	put(".config/containers/certs.d/r.net:5000/z.key", "");
	put(".config/containers/certs.d/r.net:5000/y.cert", "");
	put(".config/containers/certs.d/r.net:5000/y.key", "");
	put("hosts/h.net_1_/h.crt", PEM("h"));
	put("hosts/t.net/hosts.toml",
		"[host.\"https://m.net\"]\nca='m.crt'\nclient=['m.pem']\n[host.\"https://r.net:5000\"]\n");
	put("hosts/t.net/m.crt", PEM("m"));
	put("extra.pem", PEM("extra"));
	put("certs/c.crt", PEM("c"));
	assert_tls(&s, "other.net/a", "none", "none");
	assert_tls(&s, "r.net:5000/a", PEM("a") "\n" PEM("b") "\n", "y.cert y.key");
	assert_tls(&s, "h.net:1/a", PEM("h") "\n", "none");
	assert_tls(&s, "t.net/a", PEM("m") "\n", "m.pem m.pem");
	Endpoints all = {0};
	ok(find(&s, "t.net/a", false, &all, err));
	assert_int_equal(all.len, 3);
	assert_non_null(all.items[1].ca_pem);
	assert_null(all.items[2].ca_pem);
	endpoints_done(&all);
	s.ca_file = "extra.pem";
	assert_tls(&s, "other.net/a", PEM("extra") "\n", "none");
	assert_tls(&s, "h.net:1/a", PEM("h") "\n" PEM("extra") "\n", "none");
	s.cert_dir = "certs";
	assert_tls(&s, "r.net:5000/a", PEM("c") "\n" PEM("extra") "\n", "none");
	s.cert_dir = "absent";
	fails(ERR_NOT_FOUND, "absent", find(&s, "r.net/a", false, &all, err));
	s.cert_dir = NULL;
	s.ca_file = "empty.conf";
	fails(ERR_PARSE, "no certificate", find(&s, "r.net/a", false, &all, err));
	s.ca_file = "absent.pem";
	fails(ERR_NOT_FOUND, "absent.pem", find(&s, "r.net/a", false, &all, err));
}

static void pairs(void **state)
{
	(void)state;
	TlsFiles t = TLS_FILES_INIT;
	assert_int_equal(mkdir("d", 0755), 0);
	put("d/x.cert", "");
	fails(ERR_PARSE, "no 'x.key' beside it", certs_dir_read("d", &t, err));
	assert_int_equal(rename("d/x.cert", "d/y.key"), 0);
	fails(ERR_PARSE, "no 'y.cert' beside it", certs_dir_read("d", &t, err));
	assert_int_equal(rename("d/y.key", "d/z.crt"), 0);
	fails(ERR_PARSE, "d/z.crt", certs_dir_read("d", &t, err));
	assert_int_equal(rename("d/z.crt", "d/README"), 0);
	ok(certs_dir_read("d", &t, err));
	assert_int_equal(t.ca.len, 0);
	tls_files_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_host, begin, scratch_end),
		cmocka_unit_test_setup_teardown(by_flags, begin, scratch_end),
		cmocka_unit_test_setup_teardown(by_registries_conf, begin, scratch_end),
		cmocka_unit_test_setup_teardown(by_hosts_toml, begin, scratch_end),
		cmocka_unit_test_setup_teardown(who_wins, begin, scratch_end),
		cmocka_unit_test_setup_teardown(tls, begin, scratch_end),
		cmocka_unit_test_setup_teardown(pairs, begin, scratch_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
