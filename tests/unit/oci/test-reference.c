#include "oci/reference.h"

#include "../check.h"
#include "base/limits.h"

#define DIGEST "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void normalising(void **state _unused_)
{
	static const struct {
		const char *text, *full, *familiar, *repository;
	} cases[] = {
		{"alpine", "docker.io/library/alpine:latest", "alpine:latest", "alpine"},
		{"alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20", "alpine"},
		{"library/alpine", "docker.io/library/alpine:latest", "alpine:latest", "alpine"},
		{"docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest", "alpine"},
		{"index.docker.io/library/alpine:1", "docker.io/library/alpine:1", "alpine:1",
			"alpine"},
		{"library", "docker.io/library/library:latest", "library:latest", "library"},
		{"library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest",
			"library/a/b"},
		{"user/app", "docker.io/user/app:latest", "user/app:latest", "user/app"},
		{"docker.io/user/app:v1", "docker.io/user/app:v1", "user/app:v1", "user/app"},
		{"alpine@" DIGEST, "docker.io/library/alpine@" DIGEST, "alpine@" DIGEST, "alpine"},
		{"alpine:3@" DIGEST, "docker.io/library/alpine:3@" DIGEST, "alpine:3@" DIGEST,
			"alpine"},
		{"ghcr.io/a/b", "ghcr.io/a/b:latest", "ghcr.io/a/b:latest", "ghcr.io/a/b"},
		{"ghcr.io/alpine", "ghcr.io/alpine:latest", "ghcr.io/alpine:latest",
			"ghcr.io/alpine"},
		{"localhost/app", "localhost/app:latest", "localhost/app:latest", "localhost/app"},
		{"localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1",
			"localhost:5000/app"},
		{"host:80/a@" DIGEST, "host:80/a@" DIGEST, "host:80/a@" DIGEST, "host:80/a"},
		{"localhost", "docker.io/library/localhost:latest", "localhost:latest",
			"localhost"},
		{"localhost:5000", "docker.io/library/localhost:5000", "localhost:5000",
			"localhost"},
		{"host.name", "docker.io/library/host.name:latest", "host.name:latest",
			"host.name"},
		{"[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest",
			"[::1]:5000/app"},
		{"[fe80::1]/app:2", "[fe80::1]/app:2", "[fe80::1]/app:2", "[fe80::1]/app"},
		{"10.0.0.1/app", "10.0.0.1/app:latest", "10.0.0.1/app:latest", "10.0.0.1/app"},
		{"Host/app", "Host/app:latest", "Host/app:latest", "Host/app"},
		{"my-reg.example.com:65535/x", "my-reg.example.com:65535/x:latest",
			"my-reg.example.com:65535/x:latest", "my-reg.example.com:65535/x"},
		{"a__b/c-_-d", NULL, NULL, NULL},
		{"a__b/c---d.e_f", "docker.io/a__b/c---d.e_f:latest", "a__b/c---d.e_f:latest",
			"a__b/c---d.e_f"},
		{"a:_T.-9", "docker.io/library/a:_T.-9", "a:_T.-9", "a"},
		/* would read as a host without the one in front */
		{"docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest",
			"docker.io/a.b/c"},
		{"docker.io/localhost/c", "docker.io/localhost/c:latest",
			"docker.io/localhost/c:latest", "docker.io/localhost/c"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(reference_done) Reference r = {0}, again = {0};
		if (!cases[i].full) {
			fails(ERR_PARSE, cases[i].text,
				reference_parse(str_of(cases[i].text), &r, err));
			continue;
		}
		ok(reference_parse(str_of(cases[i].text), &r, err));
		assert_text(reference_full(&r), cases[i].full);
		assert_text(reference_familiar_repository(&r), cases[i].repository);
		assert_int_equal(r.has_digest, strchr(cases[i].text, '@') != NULL);
		_cleanup_free_ char *familiar = reference_familiar(&r);
		assert_string_equal(familiar, cases[i].familiar);
		/* what a person is shown means the same when he types it */
		ok(reference_parse(str_of(familiar), &again, err));
		assert_text(reference_full(&again), cases[i].full);
	}
}

static void refused(void **state _unused_)
{
	static const struct {
		const char *text, *words;
		ErrCode code;
	} cases[] = {
		{"", "an image name is missing", ERR_PARSE},
		{"Alpine", "lowercase", ERR_PARSE},
		{"docker.io/Alpine", "lowercase", ERR_PARSE},
		{"user/App:1", "'user/App:1': the repository name must be lowercase", ERR_PARSE},
		{"a:", "the tag '' is not valid", ERR_PARSE},
		{"a:-x", "the tag '-x'", ERR_PARSE},
		{"a:.x", "the tag '.x'", ERR_PARSE},
		{"a:b:c", "'a:b'", ERR_PARSE},
		{"a:é", "the tag", ERR_PARSE},
		{":tag", "no repository", ERR_PARSE},
		{"@" DIGEST, "no repository", ERR_PARSE},
		{"host:5000/", "no repository", ERR_PARSE},
		{"a@", "image name 'a@': ''", ERR_PARSE},
		{"a@sha256:abc", "'sha256:abc' is not a digest", ERR_PARSE},
		{"a@" DIGEST "@" DIGEST, "not a digest", ERR_PARSE},
		{"a@sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
		 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
			"sha256", ERR_UNSUPPORTED},
		{"/a", "''", ERR_PARSE},
		{"a/", "''", ERR_PARSE},
		{"a//b", "''", ERR_PARSE},
		{"-a", "'-a' is not valid", ERR_PARSE},
		{"a-", "'a-'", ERR_PARSE},
		{"a/.b", "'.b'", ERR_PARSE},
		{"a..b", "'a..b'", ERR_PARSE},
		{"a___b", "'a___b'", ERR_PARSE},
		{"a/../b", "'..'", ERR_PARSE},
		{"a b", "'a b'", ERR_PARSE},
		{"a\nb", "\\x0a", ERR_PARSE},
		{"a%2fb", "is not valid", ERR_PARSE},
		{"ä/b", "is not valid", ERR_PARSE},
		{"host:port/a", "the host 'host:port'", ERR_PARSE},
		{"host:65536/a", "the host", ERR_PARSE},
		{"host:/a", "the host 'host:'", ERR_PARSE},
		{"-h.x/a", "the host", ERR_PARSE},
		{"h..x/a", "the host", ERR_PARSE},
		{"h_x.y/a", "the host", ERR_PARSE},
		{"[::1/a", "the host", ERR_PARSE},
		{"[]/a", "the host", ERR_PARSE},
		{"[::g]/a", "the host", ERR_PARSE},
		{"[::1]x/a", "the host", ERR_PARSE},
		{"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "image ID",
			ERR_PARSE},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Reference r = {.tag = (char *)1};
		fails(cases[i].code, cases[i].words,
			reference_parse(str_of(cases[i].text), &r, err));
		assert_ptr_equal(r.tag, (char *)1); /* untouched */
	}
	_cleanup_err_ Err *err = NULL;
	Reference r;
	assert_int_equal(reference_parse(STR("https://ghcr.io/a"), &r, &err), -ERR_PARSE);
	assert_string_equal(err->hint, "an image name has no 'https://' in front");
	assert_int_equal(reference_parse(STR("a\0b"), &r, NULL), -ERR_PARSE);
}

static char *letters(const char *before, size_t n, const char *after)
{
	_cleanup_free_ char *a = xcalloc(1, n + 1);
	memset(a, 'a', n);
	return xasprintf("%s%s%s", before, a, after);
}

/* 255 bytes of host and path, as the name is after normalising; 128 of a tag; 512 of all. */
static void lengths(void **state _unused_)
{
	static const struct {
		const char *before;
		size_t n;
		const char *after, *words;
	} cases[] = {
		{"", 255 - 18, "", NULL}, /* docker.io/library/ */
		{"", 255 - 17, "", "longer than 255 bytes"},
		{"docker.io/", 255 - 18, "", NULL},
		{"index.docker.io/", 255 - 18, "", NULL},
		{"index.docker.io/", 255 - 17, "", "longer than 255"},
		{"u/", 255 - 12, "", NULL},
		{"u/", 255 - 11, "", "longer than 255"},
		{"h.x/", 255 - 4, "", NULL},
		{"h.x/", 255 - 3, ":1", "longer than 255"},
		{"h.x/", 255 - 4, ":1@" DIGEST, NULL},
		{"a:", 128, "", NULL},
		{"a:", 129, "", "the tag"},
		{"", LIMIT_REFERENCE, "", "longer than 255"},
		{"", LIMIT_REFERENCE + 1, "", "513 bytes is too long"},
		{"", 1 << 20, "", "too long"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = letters(cases[i].before, cases[i].n, cases[i].after);
		_cleanup_(reference_done) Reference r = {0};
		if (cases[i].words)
			fails(ERR_PARSE, cases[i].words, reference_parse(str_of(text), &r, err));
		else
			ok(reference_parse(str_of(text), &r, err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normalising),
		cmocka_unit_test(refused),
		cmocka_unit_test(lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
