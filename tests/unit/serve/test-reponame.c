#include "serve/reponame.h"

#include "../check.h"

static void written(void **state _unused_)
{
	static const struct {
		const char *url, *repository;
	} cases[] = {
		{"app", "docker.io/library/app"},
		{"library/app", "docker.io/library/app"},
		{"docker.io/library/app", "docker.io/library/app"},
		{"team/app", "docker.io/team/app"},
		{"ghcr.io/a/b", "ghcr.io/a/b"},
		{"localhost/app", "localhost/app"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_text(repository_of(cases[i].url), cases[i].repository);
	}
	assert_null(repository_of("a..b"));
	assert_null(repository_of(""));
}

static void read_from(void **state _unused_)
{
	static const struct {
		const char *url;
		NameContext context;
		const char *repositories;
	} cases[] = {
		{"app", {NULL, NULL, NULL}, "docker.io/library/app"},
		{"team/app", {"localhost:5000", "ghcr.io", NULL},
			"docker.io/team/app localhost:5000/team/app ghcr.io/team/app"},
		{"app", {"not a host", "docker.io", NULL}, "docker.io/library/app"},
		{"app", {"", "", ""}, "docker.io/library/app"},
		{"team/app", {"localhost:5000", "docker.io", "quay.io"}, "quay.io/team/app"},
		{"library/app", {NULL, NULL, "docker.io"}, "docker.io/library/app"},
		{"team/app", {NULL, NULL, "../x"}, ""},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strvec_ StrVec all = {0};
		repositories_of(cases[i].url, &cases[i].context, &all);
		assert_text(strvec_join(&all, " "), cases[i].repositories);
	}
}

static void shown(void **state _unused_)
{
	assert_text(repository_url_name("docker.io/library/app", NULL), "app");
	assert_text(repository_url_name("docker.io/team/app", "h:1"), "team/app");
	assert_text(repository_url_name("ghcr.io/a/b", NULL), "ghcr.io/a/b");
	assert_text(repository_url_name("localhost:5000/a", "localhost:5000"), "a");
	assert_null(repository_url_name("localhost:5000/a", "other:5000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written),
		cmocka_unit_test(read_from),
		cmocka_unit_test(shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
