#include "serve/htpasswd.h"

#include <fcntl.h>
#include <stdio.h>

#include "../check.h"
#include "sys/atomic.h"

/* of "secret" */
#define HASH "$2y$05$abcdefghijklmnopqrstuuHrnsEKPAKwFEdXkwQ6d2Z1lcE5W4UXu"

static void basic(void **state _unused_)
{
	static const struct {
		const char *value, *user, *password;
	} cases[] = {
		{"Basic dXNlcjpwYXNz", "user", "pass"},
		{"basic  dXNlcjpwYXNz ", "user", "pass"},
		{"Basic dTpw", "u", "p"},
		{"Basic dTo=", "u", ""},
		{"Basic dTphOmI=", "u", "a:b"},
		{"Basic OnA=", "", "p"},
		{"Basic dXNlcg==", NULL, NULL},
		{"Basic ====", NULL, NULL},
		{"Basic", NULL, NULL},
		{"Bearer dXNlcjpwYXNz", NULL, NULL},
		{"Basic dTpw\x01", NULL, NULL},
		{"Basic dToAcA==", NULL, NULL},
		{"", NULL, NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *user = NULL, *password = NULL;
		bool good = basic_parse(str_of(cases[i].value), &user, &password);
		assert_int_equal(good, cases[i].user != NULL);
		assert_true(cstr_eq(user, cases[i].user));
		assert_true(cstr_eq(password, cases[i].password));
	}
}

static void kinds(void **state _unused_)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"a:$apr1$x$y\n", "MD5 of Apache"},
		{"# fine\n\na:{SHA}abc\n", ":3: the password's hash is of the kind 'SHA-1'"},
		{"a:plain\n", "'unknown'"},
		{"a:$2y$05$short\n", "only bcrypt"},
		{"a:$6$x$y\n", "SHA-512"},
	};
	char path[] = "/tmp/cruet-test-htpasswd-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(htpasswd_freep) Htpasswd *h = NULL;
		ok(atomic_write(AT_FDCWD, path, str_of(cases[i].text), 0600, false, err));
		fails(ERR_UNSUPPORTED, cases[i].words, htpasswd_new(path, &h, err));
	}
	_cleanup_(htpasswd_freep) Htpasswd *h = NULL;
	_cleanup_free_ char *user = NULL;
	ok(atomic_write(AT_FDCWD, path, STR("no colon\n"), 0600, false, err));
	fails(ERR_PARSE, "is not 'user:hash'", htpasswd_new(path, &h, err));
	ok(atomic_write(AT_FDCWD, path, STR("u:" HASH "\n"), 0600, false, err));
	ok(htpasswd_new(path, &h, err));
	assert_false(htpasswd_allows(h, NULL, &user));
	assert_false(htpasswd_allows(h, "Basic dTpw", &user));
	assert_false(htpasswd_allows(h, "Basic eDpw", &user));
	assert_null(user);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(basic),
		cmocka_unit_test(kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
