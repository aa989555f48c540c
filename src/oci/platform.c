#include "oci/platform.h"

#include <sys/utsname.h>

#define EXACT 100 /* score of the same platform */

static void lower(char *s)
{
	for (; s && *s; s++)
		*s = *s >= 'A' && *s <= 'Z' ? (char)(*s + 32) : *s;
}

static void replace(char **s, const char *with)
{
	free(*s);
	*s = xstrdup(with);
}

/* One spelling for each variant; what every machine of the architecture has is none. */
static void normalise_variant(Platform *p)
{
	bool arm = cstr_eq(p->arch, "arm"), arm64 = cstr_eq(p->arch, "arm64");
	if (p->variant && !*p->variant)
		replace(&p->variant, NULL);
	if ((arm || arm64) && p->variant && p->variant[0] >= '0' && p->variant[0] <= '9') {
		_cleanup_free_ char *with_v = xasprintf("v%s", p->variant);
		replace(&p->variant, with_v);
	}
	if (arm && !p->variant)
		p->variant = xstrdup("v7");
	if ((arm64 && (cstr_eq(p->variant, "v8") || cstr_eq(p->variant, "v8.0"))) ||
		(cstr_eq(p->arch, "amd64") && cstr_eq(p->variant, "v1")))
		replace(&p->variant, NULL);
}

static void normalise(Platform *p)
{
	static const struct {
		const char *from, *arch, *variant;
	} names[] = {
		{"x86_64", "amd64", NULL},
		{"x86-64", "amd64", NULL},
		{"aarch64", "arm64", NULL},
		{"armhf", "arm", "v7"},
		{"armel", "arm", "v6"},
		{"armv8l", "arm", "v8"},
		{"armv7l", "arm", "v7"},
		{"armv6l", "arm", "v6"},
		{"i386", "386", NULL},
		{"i686", "386", NULL},
		{"i586", "386", NULL},
		{"ppc64el", "ppc64le", NULL},
		{"mipsel", "mipsle", NULL},
		{"mips64el", "mips64le", NULL},
		{"loongarch64", "loong64", NULL},
	};
	lower(p->os);
	lower(p->arch);
	lower(p->variant);
	if (cstr_eq(p->os, "macos"))
		replace(&p->os, "darwin");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!cstr_eq(p->arch, names[i].from))
			continue;
		replace(&p->arch, names[i].arch);
		if (names[i].variant)
			replace(&p->variant, names[i].variant);
		break;
	}
	normalise_variant(p);
}

static bool valid_word(Str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '_' || c == '.' || c == '-'))
			return false;
	}
	return s.len > 0 && s.len <= 64;
}

static bool listed(const char *const *words, const char *word)
{
	for (; *words; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

/*
 * One word is a system (of this machine's architecture) or an architecture (of linux); Go's names.
 */
static bool from_one_word(Str word, Platform *ret)
{
	static const char *const systems[] = {"aix", "android", "darwin", "dragonfly", "freebsd",
		"hurd", "illumos", "ios", "js", "linux", "netbsd", "openbsd", "plan9", "solaris",
		"wasip1", "windows", "zos", NULL};
	static const char *const archs[] = {"386", "amd64", "arm", "arm64", "loong64", "mips",
		"mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x", "sparc64",
		"wasm", NULL};
	Platform system = {.os = str_dup(word)};
	Platform machine = {.os = xstrdup("linux"), .arch = str_dup(word)};
	normalise(&system);
	normalise(&machine);
	bool good = true;
	if (listed(systems, system.os)) {
		platform_host(ret);
		replace(&ret->os, system.os);
	} else if (listed(archs, machine.arch)) {
		platform_copy(&machine, ret);
	} else {
		good = false;
	}
	platform_done(&system);
	platform_done(&machine);
	return good;
}

int platform_parse(Str text, Platform *ret, Err **err)
{
	Str rest = text, os = STR(""), arch = STR(""), variant = STR("");
	bool has_arch = str_cut(&rest, '/', &os) && str_cut(&rest, '/', &arch);
	bool has_variant = has_arch && str_cut(&rest, '/', &variant);
	if (rest.ptr || !valid_word(os) || (has_arch && !valid_word(arch)) ||
		(has_variant && !valid_word(variant)))
		return err_set(err, ERR_PARSE,
			"platform '" STR_FMT "' is not OS/ARCHITECTURE[/VARIANT]", STR_ARG(text));
	if (!has_arch) {
		if (from_one_word(os, ret))
			return 0;
		return err_set(err, ERR_PARSE,
			"platform '" STR_FMT "' is no known system or architecture", STR_ARG(text));
	}
	*ret = (Platform){str_dup(os), str_dup(arch), has_variant ? str_dup(variant) : NULL};
	normalise(ret);
	return 0;
}

void platform_host(Platform *ret)
{
	struct utsname u;
	*ret = (Platform){.os = xstrdup("linux")};
	ret->arch = xstrdup(uname(&u) == 0 ? u.machine : "amd64");
	normalise(ret);
}

void platform_copy(const Platform *src, Platform *ret)
{
	*ret = (Platform){xstrdup(src->os), xstrdup(src->arch), xstrdup(src->variant)};
}

char *platform_format(const Platform *p)
{
	bool variant = p->variant && *p->variant;
	return xasprintf("%s/%s%s%s", p->os ? p->os : "linux", p->arch ? p->arch : "unknown",
		variant ? "/" : "", variant ? p->variant : "");
}

/* "v7" → 7, "v8.2" → 8; none → what the architecture starts with; 0 if it is no version. */
static int version(const Platform *p)
{
	const char *v = p->variant;
	if (!v)
		return cstr_eq(p->arch, "arm64") ? 8 : 1;
	return v[0] == 'v' && v[1] >= '1' && v[1] <= '9' && (v[2] == '\0' || v[2] == '.')
		? v[1] - '0'
		: 0;
}

/* Families in which a larger version runs the programs of all smaller ones. */
static bool versioned(const char *arch)
{
	return cstr_eq(arch, "arm") || cstr_eq(arch, "arm64") || cstr_eq(arch, "amd64");
}

/*
 * Both normalised. Same architecture: 50 to 100; one that the machine runs beside its own: 1 to
 * 10.
 */
static int score(const Platform *want, const Platform *have)
{
	int w = version(want), h = version(have);
	if (!cstr_eq(want->os, have->os))
		return 0;
	if (cstr_eq(want->arch, have->arch)) {
		if (cstr_eq(want->variant, have->variant))
			return EXACT;
		if (!versioned(want->arch))
			return have->variant ? 0 : 50;
		return h && h <= w ? 50 + h : 0;
	}
	if (cstr_eq(want->arch, "arm64") && cstr_eq(have->arch, "arm"))
		return h <= 8 ? h : 0;
	return cstr_eq(want->arch, "amd64") && cstr_eq(have->arch, "386");
}

int platform_match(const Platform *want, const Platform *have)
{
	Platform w, h;
	platform_copy(want, &w);
	platform_copy(have, &h);
	normalise(&w);
	normalise(&h);
	int n = score(&w, &h);
	platform_done(&w);
	platform_done(&h);
	return n;
}

bool platform_same(const Platform *a, const Platform *b)
{
	return platform_match(a, b) == EXACT;
}

void platform_done(Platform *p)
{
	free(p->os);
	free(p->arch);
	free(p->variant);
	*p = (Platform){0};
}
