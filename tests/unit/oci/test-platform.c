#include "oci/platform.h"

#include <sys/utsname.h>

#include "../check.h"

static void parsing(void **state _unused_)
{
	static const struct {
		const char *text, *formatted;
	} cases[] = {
		{"linux/amd64", "linux/amd64"},
		{"linux/x86_64", "linux/amd64"},
		{"linux/x86-64", "linux/amd64"},
		{"linux/amd64/v1", "linux/amd64"},
		{"linux/amd64/v3", "linux/amd64/v3"},
		{"Linux/AMD64/V2", "linux/amd64/v2"},
		{"linux/aarch64", "linux/arm64"},
		{"linux/arm64/v8", "linux/arm64"},
		{"linux/arm64/8", "linux/arm64"},
		{"linux/arm64/v9", "linux/arm64/v9"},
		{"linux/arm", "linux/arm/v7"},
		{"linux/arm/6", "linux/arm/v6"},
		{"linux/armhf", "linux/arm/v7"},
		{"linux/armel", "linux/arm/v6"},
		{"linux/i386", "linux/386"},
		{"linux/riscv64", "linux/riscv64"},
		{"linux/ppc64el", "linux/ppc64le"},
		{"linux/loongarch64", "linux/loong64"},
		{"macos/arm64", "darwin/arm64"},
		{"windows/amd64", "windows/amd64"},
		{"arm64", "linux/arm64"},
		{"x86_64", "linux/amd64"},
		{"ARM", "linux/arm/v7"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(platform_done) Platform p = {0}, copy = {0};
		ok(platform_parse(str_of(cases[i].text), &p, err));
		assert_text(platform_format(&p), cases[i].formatted);
		platform_copy(&p, &copy);
		assert_ptr_not_equal(copy.os, p.os);
		assert_text(platform_format(&copy), cases[i].formatted);
	}
}

static void malformed(void **state _unused_)
{
	static const char *const bad[] = {"", "/", "linux/", "/amd64", "linux//v7", "linux/amd64/",
		"linux/amd64/v1/x", "linux amd64", "linux/a+b", "linux/\xC3\xA4", "pdp11", "latest",
		"linux/amd64\n"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		Platform p = {0};
		fails(ERR_PARSE, "platform '", platform_parse(str_of(bad[i]), &p, err));
		assert_null(p.os);
	}
	char text[200];
	Platform p;
	memset(text, 'a', sizeof(text));
	assert_int_equal(platform_parse((Str){text, sizeof(text)}, &p, NULL), -ERR_PARSE);
}

static void host(void **state _unused_)
{
	_cleanup_(platform_done) Platform here = {0}, word = {0}, named = {0};
	struct utsname u;
	assert_int_equal(uname(&u), 0);
	platform_host(&here);
	ok(platform_parse(str_of(u.machine), &named, err));
	ok(platform_parse(STR("linux"), &word, err)); /* a system, of this machine's architecture */
	char *text = platform_format(&named);
	assert_text(platform_format(&here), text);
	assert_text(platform_format(&word), text);
	free(text);
	assert_int_equal(platform_match(&here, &word), 100);
}

static Platform raw(const char *const words[3])
{
	return (Platform){xstrdup(words[0]), xstrdup(words[1]), xstrdup(words[2])};
}

/* have: from the best to the worst; behind the '|', what cannot run. Neither is normalised by the parser. */
static void matching(void **state _unused_)
{
	static const struct {
		const char *want[3], *have;
	} cases[] = {
		{{"linux", "amd64", NULL},
			"linux/amd64 linux/386 | linux/amd64/v2 linux/arm64 windows/amd64 linux/arm"},
		{{"linux", "x86_64", "v1"}, "linux/amd64 linux/386 | linux/amd64/v2"},
		{{"linux", "amd64", "v3"},
			"linux/amd64/v3 linux/amd64/v2 linux/amd64 linux/386 | linux/amd64/v4"},
		{{"linux", "arm64", NULL},
			"linux/arm64 linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5 | "
			"linux/arm64/v9 linux/amd64 darwin/arm64"},
		{{"linux", "aarch64", "v8"}, "linux/arm64 linux/arm/v7 | linux/386"},
		{{"linux", "arm64", "v9"},
			"linux/arm64/v9 linux/arm64 linux/arm/v7 | linux/arm64/v10"},
		{{"Linux", "arm", NULL},
			"linux/arm/v7 linux/arm/v6 linux/arm/v5 | linux/arm/v8 linux/arm64"},
		{{"linux", "arm", "6"}, "linux/arm/v6 linux/arm/v5 | linux/arm/v7"},
		{{"linux", "386", ""}, "linux/386 | linux/amd64"},
		{{"linux", "riscv64", NULL}, "linux/riscv64 | linux/riscv64/rva23 linux/amd64"},
		{{"windows", "amd64", NULL}, "windows/amd64 | linux/amd64"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Str rest = str_of(cases[i].have), part;
		_cleanup_(platform_done) Platform want = raw(cases[i].want);
		bool runs = true;
		int last = 1000;
		while (str_cut(&rest, ' ', &part)) {
			if (str_eq_cstr(part, "|")) {
				runs = false;
				continue;
			}
			_cleanup_(platform_done) Platform have = {0};
			ok(platform_parse(part, &have, err));
			int n = platform_match(&want, &have);
			if (runs ? n <= 0 || n >= last : n != 0)
				fail_msg("%s/%s on " STR_FMT ": %d after %d", want.os, want.arch,
					STR_ARG(part), n, last);
			last = n;
		}
	}
	static const char *const names[][3] = {{"linux", "x86_64", ""}, {"LINUX", "amd64", "v1"}};
	const Platform none = {0};
	_cleanup_(platform_done) Platform one = raw(names[0]), other = raw(names[1]);
	assert_int_equal(platform_match(&one, &none), 0);
	assert_int_equal(platform_match(&one, &other), 100);
	assert_int_equal(platform_match(&other, &one), 100);
	_cleanup_(platform_done) Platform v2 = raw((const char *const[]){"linux", "amd64", "v2"});
	assert_true(platform_same(&one, &other) && !platform_same(&v2, &one));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing),
		cmocka_unit_test(malformed),
		cmocka_unit_test(host),
		cmocka_unit_test(matching),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
