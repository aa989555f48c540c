#include "registry/auth_file.h"

#include "../sys/scratch.h"

static AuthFile parse(const char *text, bool legacy)
{
	AuthFile f = {0};
	ok(auth_file_parse(str_of(text), "f/config.json", legacy, &f, err));
	return f;
}

static void names(void **state)
{
	(void)state;
	static const char *const hosts[][2] = {{"ghcr.io", "ghcr.io"},
		{"https://index.docker.io/v1/", "docker.io"}, {"registry-1.docker.io", "docker.io"},
		{"http://localhost:5000/", "localhost:5000"}, {"quay.io/a/b", "quay.io"}};
	static const char *const keys[][2] = {{"ghcr.io", "ghcr.io"},
		{"https://index.docker.io/v1/", "docker.io"}, {"index.docker.io/v1/", "docker.io"},
		{"https://ghcr.io/v2/", "ghcr.io"}, {"ghcr.io/v1", "ghcr.io"},
		{"http://h:5000", "h:5000"}, {"h/", "h"}, {"quay.io/a/b", "quay.io/a/b"},
		{"registry-1.docker.io/library", "docker.io/library"},
		{"https://quay.io/a", "quay.io"}};
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		assert_text(auth_host(hosts[i][0]), hosts[i][1]);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_text(auth_key(keys[i][0]), keys[i][1]);
}

static void assert_found(const char *text, bool legacy, const char *host, const char *repository,
	const char *expected)
{
	AuthFile f = parse(text, legacy);
	Credentials c = {0};
	int r = 0;
	ok(r = auth_file_find(&f, host, repository, &c, err));
	_cleanup_free_ char *found = r == 0
		? xstrdup("nothing")
		: xasprintf("%s:%s:%s:%s", c.user ? c.user : "", c.password ? c.password : "",
			  c.identity_token ? c.identity_token : "",
			  c.registry_token ? c.registry_token : "");
	assert_string_equal(found, expected);
	if (r)
		assert_string_equal(c.source, "f/config.json");
	credentials_done(&c);
	auth_file_done(&f);
}

static void finding(void **state)
{
	(void)state;
	/* YTpi = a:b, YzpkOmU= = c:d:e */
	const char *hub = "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"YTpi\"}}}";
	assert_found(hub, false, "docker.io", "library/alpine", "a:b::");
	assert_found(hub, false, "docker.io", NULL, "a:b::");
	assert_found(hub, false, "ghcr.io", NULL, "nothing");
	const char *spaces =
		"{\"auths\":{\"r\":{\"auth\":\"YTpi\"},\"r/ns\":{\"auth\":\"YzpkOmU=\"},"
		"\"r/ns/deep/er\":{\"username\":\"u\",\"password\":\"p\"}}}";
	assert_found(spaces, false, "r", "ns/deep/er", "u:p::");
	assert_found(spaces, false, "r", "ns/deep", "c:d:e::");
	assert_found(spaces, false, "r", "nsx/deep", "a:b::");
	assert_found(spaces, false, "r", NULL, "a:b::");
	/* the very key first, then what means the same; an empty entry is none */
	assert_found(
		"{\"auths\":{\"https://r/v2/\":{\"auth\":\"YTpi\"},\"r\":{\"auth\":\"Yzpk\"}}}",
		false, "r", NULL, "c:d::");
	assert_found("{\"auths\":{\"r\":{},\"https://r/v2/\":{\"auth\":\"YTpi\"}}}", false, "r",
		NULL, "a:b::");
	assert_found(
		"{\"auths\":{\"r/ns\":{},\"r\":{\"auth\":\"YTpi\"}}}", false, "r", "ns/x", "a:b::");
	/* tokens; docker's NULs behind a password; lines */
	assert_found("{\"auths\":{\"r\":{\"auth\":\"dTo=\",\"identitytoken\":\"i\"}}}", false, "r",
		NULL, "u::i:");
	assert_found("{\"auths\":{\"r\":{\"registrytoken\":\"t\"}}}", false, "r", NULL, ":::t");
	assert_found(
		"{\"auths\":{\"r\":{\"auth\":\"PHRva2VuPjp4\"}}}", false, "r", NULL, "<token>::x:");
	assert_found("{\"auths\":{\"r\":{\"auth\":\"YTpiAAA=\"}}}", false, "r", NULL, "a:b::");
	assert_found("{\"auths\":{\"r\":{\"auth\":\"YT\\npi\\n\"}}}", false, "r", NULL, "a:b::");
	/* ~/.dockercfg has no namespaces */
	assert_found("{\"https://r/v1/\":{\"auth\":\"YTpi\"}}", true, "r", "ns", "a:b::");
	assert_found("{\"auths\":null}", false, "r", NULL, "nothing");
	assert_found(" \n", false, "r", NULL, "nothing");
	assert_found("{}", false, "r", NULL, "nothing");
}

static void mistakes(void **state)
{
	(void)state;
	static const char *const cases[] = {"[]", "{\"auths\":[]}",
		"{\"auths\":{},\"credHelpers\":1}", "{\"auths\":{\"r\":{\"auth\":\"c2VjcmV0",
		"{\"a\": c2VjcmV0}", "{\"c2VjcmV0\" 1}"};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AuthFile f = {0};
		_cleanup_err_ Err *e = NULL;
		assert_int_equal(
			auth_file_parse(str_of(cases[i]), "the/path", false, &f, &e), -ERR_CORRUPT);
		assert_non_null(strstr(e->message, "the/path"));
		assert_null(strstr(e->message, "c2Vj"));
		assert_null(f.root);
	}
	static const char *const entries[][2] = {{"{\"auth\":\"c2VjcmV0!\"}", "not base64"},
		{"{\"auth\":\"c2VjcmV0\"}", "not USER:PASSWORD"},
		{"[\"c2VjcmV0\"]", "not an object"}};
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		_cleanup_free_ char *text = xasprintf("{\"auths\":{\"r\":%s}}", entries[i][0]);
		AuthFile f = parse(text, false);
		Credentials c = {0};
		_cleanup_err_ Err *e = NULL;
		assert_int_equal(auth_file_find(&f, "other", NULL, &c, NULL), 0);
		assert_int_equal(auth_file_find(&f, "r", NULL, &c, &e), -ERR_CORRUPT);
		assert_non_null(strstr(e->message, entries[i][1]));
		assert_null(strstr(e->message, "c2Vj"));
		assert_null(strstr(e->message, "secret"));
		auth_file_done(&f);
	}
}

static void helpers(void **state)
{
	(void)state;
	AuthFile f = parse("{\"credsStore\":\"all\",\"credHelpers\":{\"r\":\"one\","
			   "\"https://index.docker.io/v1/\":\"hub\",\"bad\":7}}",
		false);
	const char *key = NULL;
	assert_string_equal(auth_file_host_helper(&f, "r", &key), "one");
	assert_string_equal(key, "r");
	assert_string_equal(auth_file_host_helper(&f, "docker.io", &key), "hub");
	assert_string_equal(key, "https://index.docker.io/v1/");
	assert_null(auth_file_host_helper(&f, "bad", &key));
	assert_string_equal(auth_file_store_helper(&f), "all");
	auth_file_done(&f);
}

static void changing(void **state)
{
	(void)state;
	struct stat st;
	AuthFile f = {0};
	assert_int_equal(mkdir("real", 0700), 0);
	put("real/config.json",
		"{\"HttpHeaders\":{\"x\":1},\"auths\":{\"https://index.docker.io/v1/\":"
		"{\"auth\":\"b2xk\"},\"r\":{\"auth\":\"YTpi\"}}}");
	assert_int_equal(chmod("real/config.json", 0644), 0);
	assert_int_equal(mkdir("link", 0700), 0);
	assert_int_equal(symlink("../real/config.json", "link/config.json"), 0);
	ok(auth_file_load("link/config.json", false, &f, err));
	assert_true(f.exists);
	auth_file_set(&f, "docker.io",
		&(Credentials){.user = (char[]){"u"}, .password = (char[]){"p:w"}});
	assert_true(auth_file_remove(&f, "https://r/v2/"));
	assert_false(auth_file_remove(&f, "r"));
	ok(auth_file_save(&f, err));
	auth_file_done(&f);
	assert_int_equal(lstat("link/config.json", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat("real/config.json", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_content("real/config.json",
		"{\n  \"HttpHeaders\": {\n    \"x\": 1\n  },\n  \"auths\": {\n"
		"    \"https://index.docker.io/v1/\": {\n      \"auth\": \"dTpwOnc=\"\n    }\n  }\n}\n");
	/* not there yet, behind a link that leads nowhere so far; containers' name for the Hub */
	assert_int_equal(symlink("not/yet/auth.json", "dangling.json"), 0);
	ok(auth_file_load("dangling.json", false, &f, err));
	assert_false(f.exists);
	auth_file_set(&f, "registry-1.docker.io", &(Credentials){.identity_token = (char[]){"i"}});
	ok(auth_file_save(&f, err));
	auth_file_done(&f);
	assert_content("not/yet/auth.json",
		"{\n  \"auths\": {\n    \"docker.io\": {\n"
		"      \"identitytoken\": \"i\"\n    }\n  }\n}\n");
	assert_int_equal(stat("not/yet", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(symlink("round", "round"), 0);
	f = (AuthFile){.path = xstrdup("round"), .root = json_object()};
	fails(ERR_SYS, "round", auth_file_save(&f, err));
	auth_file_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(finding),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(helpers),
		cmocka_unit_test_setup_teardown(changing, scratch_begin, scratch_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
