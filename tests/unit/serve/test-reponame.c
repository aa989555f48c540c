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
	_cleanup_strvec_ StrVec one = {0}, two = {0}, three = {0};
	repositories_of("app", NULL, NULL, &one);
	assert_text(strvec_join(&one, " "), "docker.io/library/app");
	repositories_of("team/app", "localhost:5000", "ghcr.io", &two);
	assert_text(strvec_join(&two, " "),
		"docker.io/team/app localhost:5000/team/app ghcr.io/team/app");
	repositories_of("app", "not a host", "docker.io", &three);
	assert_text(strvec_join(&three, " "), "docker.io/library/app");
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
