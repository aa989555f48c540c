#include "registry/registries_conf.h"

#include "../sys/scratch.h"

static Reference reference(const char *text)
{
	Reference r = {0};
	ok(reference_parse(str_of(text), &r, err));
	return r;
}

/* Which prefix, and where its location leads. */
static void assert_rule(const char *conf, const char *image, const char *expected)
{
	RegistriesConf c = {0};
	Reference ref = reference(image);
	size_t matched = 0;
	ok(registries_conf_parse(str_of(conf), "f.conf", &c, err));
	const RegistryRule *rule = registries_conf_find(&c, &ref, &matched);
	char *host = NULL, *path = NULL;
	if (rule)
		ok(registry_rule_rewrite(rule, rule->location, &ref, matched, &host, &path, err));
	_cleanup_free_ char *found =
		rule ? xasprintf("%s %s/%s", rule->prefix, host, path) : xstrdup("none");
	assert_string_equal(found, expected);
	free(host);
	free(path);
	reference_done(&ref);
	registries_conf_done(&c);
}

#define D64 "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void matching(void **state)
{
	(void)state;
	const char *conf = "[[registry]]\nprefix='example.com'\nlocation='m.net/e'\n"
			   "[[registry]]\nprefix='example.com/foo'\nlocation='m.net/f/'\n"
			   "[[registry]]\nprefix='*.wild.org'\n"
			   "[[registry]]\nprefix='*.b.wild.org'\nlocation='m.net'\n"
			   "[[registry]]\nprefix='*.deep.org/ns'\nlocation='m.net/x'\n"
			   "[[registry]]\nlocation='docker.io/library'\n"
			   "[[registry]]\nprefix='tags.net/a:1'\nlocation='m.net/b:1'\n"
			   "[[registry]]\nprefix='tags.net/d@" D64 "'\nlocation='m.net/d'\n"
			   "[[registry]]\nprefix='hub.example'\nlocation='docker.io'\n"
			   "[[registry]]\nprefix='port.net:5000'\nlocation='m.net:1'\n";
	static const char *const cases[][2] = {
		{"example.com/bar/x", "example.com m.net/e/bar/x"},
		{"example.com/foo/x:1", "example.com/foo m.net/f/x"},
		{"example.com/foo", "example.com/foo m.net/f"},
		{"example.com/foobar", "example.com m.net/e/foobar"},
		{"example.com:5000/x", "none"},
		{"example.community/x", "none"},
		{"a.wild.org/x", "*.wild.org a.wild.org/x"},
		{"a.wild.org:5000/x", "*.wild.org a.wild.org:5000/x"},
		{"a.b.wild.org/x/y", "*.b.wild.org m.net/x/y"},
		{"wild.org/x", "none"},
		{"a.wild.orgs/x", "none"},
		{"a.wild.org.wild.org/x", "*.wild.org a.wild.org.wild.org/x"},
		{"other.net/a.wild.org/x", "none"},
		{"a.deep.org/ns/x", "*.deep.org/ns m.net/x/x"},
		{"a.deep.org/nsx", "none"},
		{"alpine", "docker.io/library docker.io/library/alpine"},
		{"user/alpine", "none"},
		{"tags.net/a:1", "tags.net/a:1 m.net/b"},
		{"tags.net/a:1@" D64, "tags.net/a:1 m.net/b"},
		{"tags.net/a:12", "none"},
		{"tags.net/a/b:1", "none"},
		{"tags.net/d@" D64, "tags.net/d@" D64 " m.net/d"},
		{"hub.example/alpine", "hub.example docker.io/library/alpine"},
		{"hub.example/a/b", "hub.example docker.io/a/b"},
		{"port.net:5000/x", "port.net:5000 m.net:1/x"},
		{"port.net/x", "none"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_rule(conf, cases[i][0], cases[i][1]);
}

static void assert_mistake(const char *conf, int line, const char *words)
{
	RegistriesConf c = {0};
	_cleanup_err_ Err *e = NULL;
	assert_int_equal(registries_conf_parse(str_of(conf), "f.conf", &c, &e), -ERR_PARSE);
	assert_string_equal(e->file, "f.conf");
	assert_int_equal(e->line, line);
	if (!strstr(e->message, words))
		fail_msg("'%s' is not in: %s", words, e->message);
	registries_conf_done(&c);
}

static void mistakes(void **state)
{
	(void)state;
	assert_mistake("\n[[registry]]\ninsecure = 'yes'", 3, "'insecure'");
	assert_mistake("\n[[registry]]\nblocked = true", 2, "needs a 'prefix' or a 'location'");
	assert_mistake("[[registry]]\nlocation = ''", 1, "needs a");
	assert_mistake("[[registry]]\nlocation = 'https://x'", 2, "without a scheme");
	assert_mistake("[[registry]]\nprefix = '*x'", 2, "'*.domain'");
	assert_mistake(
		"[[registry]]\nprefix = 'x'\n[[registry.mirror]]\ninsecure=true", 3, "'location'");
	assert_mistake("[[registry]]\nprefix = 'x'\n[[registry.mirror]]\nlocation='m'\n"
		       "pull-from-mirror='never'",
		5, "not 'never'");
	assert_mistake(
		"[[registry]]\nprefix = 'x'\nmirror-by-digest-only=true\n[[registry.mirror]]\n"
		"location='m'\npull-from-mirror='all'",
		6, "beside");
	assert_mistake("registry = 1", 1, "[[registry]]");
	assert_mistake("[registry]\nprefix='x'", 1, "[[registry]]");
	assert_mistake("[[registry]", 1, "");
}

static void places(void **state)
{
	(void)state;
	RegistriesConf c = {0};
	Reference ref = reference("r.net/a:1");
	char *host = NULL, *path = NULL;
	size_t matched = 0;
	ok(registries_conf_parse(
		STR("[[registry]]\nprefix='r.net/a'\nlocation='nopath'\n"), "f.conf", &c, err));
	const RegistryRule *rule = registries_conf_find(&c, &ref, &matched);
	assert_non_null(rule);
	fails(ERR_PARSE, "leaves no repository",
		registry_rule_rewrite(rule, rule->location, &ref, matched, &host, &path, err));
	fails(ERR_UNSUPPORTED, "tag",
		registry_rule_rewrite(rule, "m.net/x:2", &ref, matched, &host, &path, err));
	fails(ERR_PARSE, "leaves no repository",
		registry_rule_rewrite(rule, "/x", &ref, matched, &host, &path, err));
	registries_conf_done(&c);
	reference_done(&ref);
	c = (RegistriesConf){0};
	ref = reference("a.wild.org:5000/a:1");
	ok(registries_conf_parse(STR("[[registry]]\nprefix='*.wild.org'\nlocation='m.net:80'\n"),
		"f.conf", &c, err));
	rule = registries_conf_find(&c, &ref, &matched);
	fails(ERR_PARSE, "leaves no valid name",
		registry_rule_rewrite(rule, rule->location, &ref, matched, &host, &path, err));
	registries_conf_done(&c);
	reference_done(&ref);
}

static void mirrors(void **state)
{
	(void)state;
	RegistriesConf c = {0};
	ok(registries_conf_parse(
		STR("[[registry]]\nprefix='x'\n[[registry.mirror]]\nlocation='a'\n"
		    "[[registry.mirror]]\nlocation='b'\ninsecure=true\n"
		    "pull-from-mirror='tag-only'\n[[registry.mirror]]\nlocation='c'\n"
		    "pull-from-mirror='digest-only'\n[[registry]]\nprefix='y'\n"
		    "mirror-by-digest-only=true\n[[registry.mirror]]\nlocation='d'\n"),
		"f.conf", &c, err));
	assert_int_equal(c.rules.len, 2);
	const RegistryRule *x = &c.rules.items[0], *y = &c.rules.items[1];
	assert_int_equal(x->mirrors.len, 3);
	assert_string_equal(x->mirrors.items[1].location, "b");
	assert_true(x->mirrors.items[1].insecure && !x->mirrors.items[0].insecure);
	assert_int_equal(x->mirrors.items[0].pulls, MIRROR_ALL);
	assert_int_equal(x->mirrors.items[1].pulls, MIRROR_TAG_ONLY);
	assert_int_equal(x->mirrors.items[2].pulls, MIRROR_DIGEST_ONLY);
	assert_int_equal(y->mirrors.items[0].pulls, MIRROR_DIGEST_ONLY);
	assert_int_equal(x->line, 1);
	registries_conf_done(&c);
}

static void old_version(void **state)
{
	(void)state;
	RegistriesConf c = {0};
	ok(registries_conf_parse(STR("[registries.search]\nregistries=['docker.io']\n"
				     "[registries.insecure]\nregistries=['a','b']\n"
				     "[registries.block]\nregistries=['b']\n"),
		"f.conf", &c, err));
	assert_int_equal(c.rules.len, 2);
	assert_true(c.rules.items[0].insecure && !c.rules.items[0].blocked);
	assert_true(c.rules.items[1].insecure && c.rules.items[1].blocked);
	registries_conf_done(&c);
}

static bool is_known(const RegistrySettings *s, const char *image, bool *ret_insecure)
{
	RegistriesConf c = {0};
	Reference ref = reference(image);
	size_t matched;
	ok(registries_conf_load(s, &c, err));
	const RegistryRule *rule = registries_conf_find(&c, &ref, &matched);
	bool known = rule != NULL;
	*ret_insecure = rule && rule->insecure;
	registries_conf_done(&c);
	reference_done(&ref);
	return known;
}

static void which_files(void **state)
{
	(void)state;
	RegistrySettings s = {0};
	bool insecure;
	setenv("HOME", scratch_path, 1);
	unsetenv("CONTAINERS_REGISTRIES_CONF");
	assert_false(is_known(&s, "home.test/x", &insecure));
	assert_int_equal(mkdir(".config", 0755), 0);
	assert_int_equal(mkdir(".config/containers", 0755), 0);
	assert_int_equal(mkdir(".config/containers/registries.conf.d", 0755), 0);
	put(".config/containers/registries.conf", "[[registry]]\nlocation='home.test'\n");
	assert_true(is_known(&s, "home.test/x", &insecure));
	assert_false(insecure);
	put(".config/containers/registries.conf.d/10.conf", "[[registry]]\nlocation='home.test'\n");
	put(".config/containers/registries.conf.d/20.conf",
		"[[registry]]\nlocation='home.test'\ninsecure=true\n");
	put(".config/containers/registries.conf.d/30.off", "not toml");
	assert_true(is_known(&s, "home.test/x", &insecure));
	assert_true(insecure);
	/* a file that is named is instead of the user's; drop-ins stay */
	put("named.conf", "[[registry]]\nlocation='named.test'\n");
	setenv("CONTAINERS_REGISTRIES_CONF", "named.conf", 1);
	assert_true(is_known(&s, "named.test/x", &insecure));
	assert_true(is_known(&s, "home.test/x", &insecure));
	put("flag.conf", "[[registry]]\nlocation='flag.test'\n");
	s.registries = "flag.conf";
	assert_true(is_known(&s, "flag.test/x", &insecure));
	assert_false(is_known(&s, "named.test/x", &insecure));
	RegistriesConf c = {0};
	s.registries = "absent.conf";
	fails(ERR_NOT_FOUND, "absent.conf", registries_conf_load(&s, &c, err));
	put(".config/containers/registries.conf.d/20.conf", "x\n");
	s.registries = "flag.conf";
	_cleanup_err_ Err *e = NULL;
	assert_int_equal(registries_conf_load(&s, &c, &e), -ERR_PARSE);
	assert_non_null(strstr(e->file, "20.conf"));
	unsetenv("CONTAINERS_REGISTRIES_CONF");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matching),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(places),
		cmocka_unit_test(mirrors),
		cmocka_unit_test(old_version),
		cmocka_unit_test_setup_teardown(which_files, scratch_begin, scratch_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
