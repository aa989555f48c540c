#include "registry/credentials.h"

#include "../sys/scratch.h"

/* Keeps what it is given in files; "broken" servers make it fail, "empty" ones it does not know. */
static const char helper[] =
	"#!/bin/sh\n"
	"dir=$(dirname \"$0\")\n"
	"case $1 in\n"
	"store) cat >\"$dir/stored\"; exit 0;;\n"
	"list) echo '{\"https://index.docker.io/v1/\":\"u\",\"r\":\"v\"}'; exit 0;;\n"
	"esac\n"
	"read -r server || :\n"
	"echo \"$1 $server\" >>\"$dir/calls\"\n"
	"case $server in\n"
	"broken) echo 'the key ring is locked' >&2; exit 1;;\n"
	"odd) echo '{\"Username\":\"u\"}';;\n"
	"token) echo '{\"Username\":\"<token>\",\"Secret\":\"t\"}';;\n"
	"r|https://index.docker.io/v1/) echo '{\"ServerURL\":\"x\",\"Username\":\"hu\",\"Secret\":\"hp\"}';;\n"
	"*) echo 'credentials not found in native keychain'; exit 1;;\n"
	"esac\n";

static int begin(void **state)
{
	static const char *const unset[] = {
		"REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"};
	static const char *const dirs[] = {"bin", "home", "home/.config", "home/.config/containers",
		"home/.docker", "run", "run/containers"};
	if (scratch_begin(state) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(unset); i++)
		unsetenv(unset[i]);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		assert_int_equal(mkdir(dirs[i], 0755), 0);
	_cleanup_free_ char *path = xasprintf("%s/bin:/usr/bin:/bin", scratch_path);
	_cleanup_free_ char *home = xasprintf("%s/home", scratch_path);
	_cleanup_free_ char *run = xasprintf("%s/run", scratch_path);
	setenv("PATH", path, 1);
	setenv("HOME", home, 1);
	setenv("XDG_RUNTIME_DIR", run, 1);
	put("bin/docker-credential-x", helper);
	return chmod("bin/docker-credential-x", 0755);
}

static void assert_found(
	const RegistrySettings *s, const char *host, const char *repository, const char *expected)
{
	Credentials c = {0};
	ok(credentials_find(s, host, repository, &c, err));
	_cleanup_free_ char *found = xasprintf("%s:%s:%s", c.user ? c.user : "",
		c.password ? c.password : "", c.identity_token ? c.identity_token : "");
	assert_string_equal(found, expected);
	assert_true((c.source != NULL) == (strcmp(found, "::") != 0));
	credentials_done(&c);
}

static const RegistrySettings none;

static void order(void **state)
{
	(void)state;
	assert_found(&none, "r", "a/b", "::");
	put("home/.dockercfg", "{\"r\":{\"username\":\"1\",\"password\":\"p\"}}");
	assert_found(&none, "r", "a/b", "1:p:");
	put("home/.docker/config.json",
		"{\"auths\":{\"r\":{\"username\":\"2\",\"password\":\"p\"}}}");
	assert_found(&none, "r", "a/b", "2:p:");
	put("home/.config/containers/auth.json",
		"{\"auths\":{\"r/a\":{\"username\":\"3\",\"password\":\"p\"}}}");
	assert_found(&none, "r", "a/b", "3:p:");
	assert_found(&none, "r", NULL, "2:p:");
	put("run/containers/auth.json",
		"{\"auths\":{\"r\":{\"username\":\"4\",\"password\":\"p\"}}}");
	assert_found(&none, "r", "a/b", "4:p:");
	/* a file that is named is the only one */
	setenv("DOCKER_CONFIG", "home/.docker", 1);
	assert_found(&none, "r", "a/b", "2:p:");
	setenv("REGISTRY_AUTH_FILE", "absent.json", 1);
	assert_found(&none, "r", "a/b", "::");
	RegistrySettings s = {.authfile = "home/.config/containers/auth.json"};
	assert_found(&s, "r", "a", "3:p:");
	assert_found(&s, "r", NULL, "::");
	s.authfile = "absent.json";
	Credentials c = {0};
	fails(ERR_NOT_FOUND, "absent.json", credentials_find(&s, "r", NULL, &c, err));
	s.creds = "me:my:pass";
	assert_found(&s, "anything", NULL, "me:my:pass:");
	s.creds = "nobody";
	fails(ERR_USAGE, "USER:PASSWORD", credentials_find(&s, "r", NULL, &c, err));
	s.no_creds = true;
	assert_found(&s, "r", NULL, "::");
}

static void helpers(void **state)
{
	(void)state;
	Credentials c = {0};
	setenv("DOCKER_CONFIG", ".", 1);
	put("config.json",
		"{\"credsStore\":\"x\",\"credHelpers\":{\"only\":\"x\",\"gone\":\"no-such\","
		"\"evil\":\"../x\"},\"auths\":{\"only\":{\"auth\":\"YTpi\"},"
		"\"plain\":{\"auth\":\"YTpi\"},\"r\":{\"auth\":\"YTpi\"}}}");
	/* the helper comes before the file; what it does not know, credsStore leaves to the file, credHelpers does not */
	assert_found(&none, "r", "a/b", "hu:hp:");
	assert_found(&none, "docker.io", "library/a", "hu:hp:");
	assert_found(&none, "token", NULL, "::t");
	assert_found(&none, "plain", NULL, "a:b:");
	assert_found(&none, "only", NULL, "::");
	fails(ERR_AUTH, "the key ring is locked", credentials_find(&none, "broken", NULL, &c, err));
	fails(ERR_AUTH, "not installed", credentials_find(&none, "gone", NULL, &c, err));
	fails(ERR_AUTH, "no name", credentials_find(&none, "evil", NULL, &c, err));
	fails(ERR_CORRUPT, "no Username", credentials_find(&none, "odd", NULL, &c, err));
}

static void storing(void **state)
{
	(void)state;
	const Credentials c = {.user = (char[]){"u"}, .password = (char[]){"p"}};
	char *where = NULL;
	ok(credentials_store(&none, "docker.io", &c, &where, err));
	_cleanup_free_ char *expected = xasprintf("%s/run/containers/auth.json", scratch_path);
	assert_text(where, expected);
	assert_found(&none, "docker.io", "library/alpine", "u:p:");
	ok(credentials_store(&none, "quay.io/team", &c, &where, err));
	free(where);
	assert_found(&none, "quay.io", "team/a", "u:p:");
	assert_found(&none, "quay.io", "other/a", "::");
	ok(credentials_erase(&none, "index.docker.io", &where, err));
	assert_text(where, expected);
	fails(ERR_NOT_FOUND, "docker.io", credentials_erase(&none, "docker.io", &where, err));
	ok(credentials_erase(&none, NULL, &where, err));
	assert_text(where, expected);
	assert_content("run/containers/auth.json", "{\n  \"auths\": {}\n}\n");
	fails(ERR_NOT_FOUND, "auth.json", credentials_erase(&none, NULL, &where, err));
}

static void storing_with_helper(void **state)
{
	(void)state;
	char *where = NULL;
	put("home/.docker/config.json",
		"{\"credsStore\":\"x\",\"auths\":{\"r\":{\"auth\":\"YTpi\"}}}");
	ok(credentials_store(&none, "docker.io",
		&(Credentials){.user = (char[]){"u"}, .password = (char[]){"\"p"}}, &where, err));
	assert_text(where, "docker-credential-x");
	assert_content("bin/stored",
		"{\"Secret\":\"\\\"p\",\"ServerURL\":\"https://index.docker.io/v1/\","
		"\"Username\":\"u\"}");
	/* the password that lay in the file goes */
	ok(credentials_store(
		&none, "r", &(Credentials){.identity_token = (char[]){"t"}}, &where, err));
	assert_text(where, "docker-credential-x");
	assert_content(
		"bin/stored", "{\"Secret\":\"t\",\"ServerURL\":\"r\",\"Username\":\"<token>\"}");
	assert_content("home/.docker/config.json",
		"{\n  \"credsStore\": \"x\",\n  \"auths\": {\n    \"https://index.docker.io/v1/\": {},\n"
		"    \"r\": {}\n  }\n}\n");
	ok(credentials_erase(&none, "r", &where, err));
	_cleanup_free_ char *expected =
		xasprintf("docker-credential-x, %s/home/.docker/config.json", scratch_path);
	assert_text(where, expected);
	setenv("DOCKER_CONFIG", "home/.docker", 1);
	ok(credentials_erase(&none, NULL, &where, err));
	assert_text(where, "docker-credential-x, home/.docker/config.json");
	assert_content("bin/calls", "erase r\nerase https://index.docker.io/v1/\nerase r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(order, begin, scratch_end),
		cmocka_unit_test_setup_teardown(helpers, begin, scratch_end),
		cmocka_unit_test_setup_teardown(storing, begin, scratch_end),
		cmocka_unit_test_setup_teardown(storing_with_helper, begin, scratch_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
