#include "oci/platform.h"

#include <sys/utsname.h>

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
		{"armv7l", "arm", "v7"},
		{"armv6l", "arm", "v6"},
		{"i386", "386", NULL},
		{"i686", "386", NULL},
		{"i586", "386", NULL},
		{"ppc64el", "ppc64le", NULL},
		{"mipsel", "mipsle", NULL},
		{"mips64el", "mips64le", NULL},
	};
	for (char *c = p->os; c && *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	for (char *c = p->arch; c && *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!cstr_eq(p->arch, names[i].from))
			continue;
		free(p->arch);
		p->arch = xstrdup(names[i].arch);
		if (!p->variant && names[i].variant)
			p->variant = xstrdup(names[i].variant);
	}
	/* spellings of the variant that say nothing */
	bool empty = p->variant &&
		(!*p->variant ||
			(cstr_eq(p->arch, "arm64") &&
				(cstr_eq(p->variant, "8") || cstr_eq(p->variant, "v8"))) ||
			(cstr_eq(p->arch, "amd64") && cstr_eq(p->variant, "v1")));
	if (empty) {
		free(p->variant);
		p->variant = NULL;
	} else if (p->variant && p->variant[0] >= '0' && p->variant[0] <= '9' &&
		cstr_eq(p->arch, "arm")) {
		char *with_v = xasprintf("v%s", p->variant);
		free(p->variant);
		p->variant = with_v;
	}
}

static bool valid_word(Str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || strchr("_.-", c);
		if (!good || c == '\0')
			return false;
	}
	return s.len > 0 && s.len <= 64;
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
	Platform p = {0};
	if (has_arch) {
		p.os = str_dup(os);
		p.arch = str_dup(arch);
		p.variant = has_variant ? str_dup(variant) : NULL;
	} else {
		/* one word: an operating system, else an architecture of linux */
		platform_host(&p);
		char **place = str_eq_cstr(os, "linux") || str_eq_cstr(os, "windows") ||
				str_eq_cstr(os, "darwin") || str_eq_cstr(os, "freebsd")
			? &p.os
			: &p.arch;
		free(*place);
		*place = str_dup(os);
		if (place == &p.arch) {
			free(p.variant);
			p.variant = NULL;
		}
	}
	normalise(&p);
	*ret = p;
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

/* "v7" → 7; 0 if it is no version. */
static unsigned version(const char *variant)
{
	return variant && variant[0] == 'v' && variant[1] >= '1' && variant[1] <= '9'
		? (unsigned)(variant[1] - '0')
		: 0;
}

int platform_match(const Platform *want_in, const Platform *have_in)
{
	Platform want, have;
	int score = 0;
	platform_copy(want_in, &want);
	platform_copy(have_in, &have);
	normalise(&want);
	normalise(&have);
	bool arm64 = cstr_eq(want.arch, "arm64");
	if (cstr_eq(want.os, have.os) && cstr_eq(want.arch, have.arch)) {
		unsigned fallback = cstr_eq(want.arch, "arm") ? 7
			: cstr_eq(want.arch, "arm64")         ? 8
							      : 1;
		unsigned w = version(want.variant) ? version(want.variant) : fallback;
		unsigned h = version(have.variant) ? version(have.variant) : fallback;
		if (cstr_eq(want.variant, have.variant) || w == h)
			score = 100;
		else if (h < w)
			score = 50 + (int)h;
	} else if (cstr_eq(want.os, have.os) && arm64 && cstr_eq(have.arch, "arm")) {
		score = 1 + (int)(version(have.variant) ? version(have.variant) : 7);
	}
	platform_done(&want);
	platform_done(&have);
	return score;
}

void platform_done(Platform *p)
{
	free(p->os);
	free(p->arch);
	free(p->variant);
	*p = (Platform){0};
}
