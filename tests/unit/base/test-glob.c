/*
 * Tables for what the two languages promise, and for each of them all short patterns against all short paths, judged
 * by another way to say the same: a recursive matcher for Go's filepath.Match, and the regular expressions that moby
 * makes of its patterns.
 */
#include "base/glob.h"

#include <regex.h>
#include <stdio.h>

#include "../check.h"

/* The index'th text over the letters, shortest first. */
static void spell(size_t index, const char *letters, char *out)
{
	size_t n = strlen(letters), len = 1, count = n;
	if (index == 0) {
		out[0] = '\0';
		return;
	}
	for (index--; index >= count; count *= n, len++)
		index -= count;
	for (size_t i = len; i-- > 0; index /= n)
		out[i] = letters[index % n];
	out[len] = '\0';
}

static void match_table(void **state _unused_)
{
	/* most of them are of Go's path/filepath/match_test.go; -1: malformed */
	static const struct {
		const char *pattern, *path;
		int match;
	} cases[] = {
		{"", "", 1},
		{"", "a", 0},
		{"abc", "abc", 1},
		{"*", "", 1},
		{"*", "abc", 1},
		{"*", "a/b", 0},
		{"*c", "abc", 1},
		{"a*", "ab/c", 0},
		{"a*/b", "abc/b", 1},
		{"a*/b", "a/c/b", 0},
		{"a*b*c*d*e*/f", "axbxcxdxexxx/f", 1},
		{"a*b*c*d*e*/f", "axbxcxdxexxx/fff", 0},
		{"a*b?c*x", "abxbbxdbxebxczzx", 1},
		{"a*b?c*x", "abxbbxdbxebxczzy", 0},
		{"ab[c]", "abc", 1},
		{"ab[b-d]", "abc", 1},
		{"ab[e-g]", "abc", 0},
		{"ab[^c]", "abc", 0},
		{"ab[^e-g]", "abc", 1},
		{"a\\*b", "a*b", 1},
		{"a\\*b", "ab", 0},
		{"a?b", "a☺b", 1},
		{"a[^a]b", "a☺b", 1},
		{"a???b", "a☺b", 0},
		{"a[^a][^a][^a]b", "a☺b", 0},
		{"[а-я]", "ж", 1},
		{"[a-ζ]*", "α", 1},
		{"*[a-ζ]", "A", 0},
		{"[☺]", "\xE2", 0},
		{"?", "\xFF", 1},
		{"a?b", "a/b", 0},
		{"a*b", "a/b", 0},
		{"[\\]a]", "]", 1},
		{"[\\-]", "-", 1},
		{"[x\\-]", "x", 1},
		{"[x\\-]", "-", 1},
		{"[x\\-]", "z", 0},
		{"[\\-x]", "a", 0},
		{"[!a]", "!", 1}, /* '!' is no negation here */
		{"[!a]", "b", 0},
		{"[]a]", "]", -1},
		{"[-]", "-", -1},
		{"[x-]", "x", -1},
		{"[-x]", "x", -1},
		{"[a-b-c]", "a", -1},
		{"[", "a", -1},
		{"[^", "a", -1},
		{"[^bc", "a", -1},
		{"a[", "a", -1},
		{"a[", "x", -1}, /* malformed, however early the path differs */
		{"a/b[", "x", -1},
		{"\\", "a", -1},
		{"*\\", "x", -1},
		{"*x", "xxx", 1},
		{"{a,b}", "{a,b}", 1},
		{"**", "a", 1},
		{"**", "a/b", 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool match = !cases[i].match;
		if (cases[i].match < 0) {
			_cleanup_free_ char *words = xasprintf("'%s'", cases[i].pattern);
			fails(ERR_PARSE, words,
				glob_match(str_of(cases[i].pattern), str_of(cases[i].path), &match,
					err));
			continue;
		}
		ok(glob_match(str_of(cases[i].pattern), str_of(cases[i].path), &match, err));
		if (match != cases[i].match)
			fail_msg("'%s' and '%s': %d", cases[i].pattern, cases[i].path, match);
	}
	assert_false(glob_has_magic(STR("a b]{}!^\0")));
	assert_true(glob_has_magic(STR("a*")) && glob_has_magic(STR("?")));
	assert_true(glob_has_magic(STR("[a]")) && glob_has_magic(STR("\\a")));
}

static bool naive(const char *p, const char *s)
{
	if (*p == '*')
		return naive(p + 1, s) || (*s && *s != '/' && naive(p, s + 1));
	if (!*p || !*s)
		return *p == *s;
	return (*p == '?' ? *s != '/' : *p == *s) && naive(p + 1, s + 1);
}

static void match_all_short(void **state _unused_)
{
	char pattern[16], path[16];
	for (size_t p = 0; p < 3906; p++) {
		spell(p, "ab*?/", pattern);
		for (size_t s = 0; s < 364; s++) {
			bool match;
			spell(s, "ab/", path);
			assert_int_equal(
				glob_match(str_of(pattern), str_of(path), &match, NULL), 0);
			if (match != naive(pattern, path))
				fail_msg("'%s' and '%s': %d", pattern, path, match);
		}
	}
}

/* patterns: separated by blanks. */
static GlobSet *set_of(const char *patterns)
{
	_cleanup_strvec_ StrVec v = {0};
	GlobSet *g = NULL;
	Str rest = str_of(patterns), part;
	while (str_cut(&rest, ' ', &part))
		strvec_push_str(&v, part);
	ok(globset_new(&v, &g, err));
	return g;
}

static void set_table(void **state _unused_)
{
	static const struct {
		const char *patterns, *path;
		bool match;
	} cases[] = {
		{"", "a", false},
		{"a", "a", true},
		{"a", "ab", false},
		{"a", "b/a", false},
		{"a", "a/b/c", true}, /* a matched parent covers what is below */
		{"/a", "a", true},
		{"a/", "a", true},
		{"./a//b/../c/", "a/c", true},
		{"*", "a/b", true},
		{"*.go", "a.go", true},
		{"*.go", "b/a.go", false},
		{"*/b", "a/b", true},
		{"*/b", "b", false},
		{"a?", "ab/c", true},
		{"a?c", "a/c", false},
		{"?", "é", true},
		{"??", "é", false},
		{"[à-ü]", "é", true},
		{"[^a]", "é", true},
		{"**", "a/b", true},
		{"**/", "a", true},
		{"**/a", "a", true},
		{"**/a", "x/y/a", true},
		{"**/a", "x/a/y", true},
		{"**/a", "xa", false},
		{"**/.foo", "bar.foo", false},
		{"**.pyc", "x.pyc", true},
		{"**.pyc", "a/b/x.pyc", true},
		{"**.pyc", "a/b/x.pyo", false},
		{"**a/b", "xa/b", true},
		{"**.p*", "x.pyc", false}, /* moby's way: at a '/', once more wildcards follow */
		{"**.p*", "a/.pyc", true},
		{"a/**", "a", false},
		{"a/**", "a/b/c", true},
		{"a**", "ab", true},
		{"a**", "a/b", true},
		{"a/**/b", "a/b", true},
		{"a/**/b", "a/x/y/b", true},
		{"a/**/b", "a/xb", false},
		{"*a**b", "aab", true},
		{"*a**b", "aax/b", true},
		{"*a**b", "aaxb", false},
		{"**/**/a", "a", true},
		{"**/*.c", "a/b.c", true},
		{"***a", "xa", true},
		{"[a-c]x", "bx", true},
		{"[^a-c]x", "bx", false},
		{"a\\*b", "a*b", true},
		{"a\\*b", "axb", false},
		{"a.b", "axb", false},
		{"a+(b)|{c}$^", "a+(b)|{c}$^", true},
		{"* !a", "a", false},
		{"* !a", "b", true},
		{"* !a", "a/b", false},
		{"!a *", "a", true}, /* the last match wins */
		{"a !a/b", "a/b", false},
		{"a !a/b", "a/c", true},
		{"a !a/b a/b/c", "a/b/c", true},
		{"a !a/b a/b/c", "a/b/d", false},
		{"* !*.md README*.md !README.md", "README-x.md", true},
		{"* !*.md README*.md !README.md", "README.md", false},
		{"!a", "a", false},
		{"!!a", "a", false},
		{"* !/a/", "a", false},
		{"/", "a", false},
		{".", "a", false},
		{"..", "a", false},
		{"  a", "a", true},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(globset_freep) GlobSet *g = set_of(cases[i].patterns);
		if (globset_match(g, str_of(cases[i].path)) != cases[i].match)
			fail_msg("'%s' and '%s' should be %d", cases[i].patterns, cases[i].path,
				cases[i].match);
	}
}

static void set_errors(void **state _unused_)
{
	static const struct {
		const char *pattern, *words;
	} cases[] = {{"!", "'!'"}, {"! ", "'!'"}, {"a[", "'a['"}, {"!a[b-]", "'a[b-]'"},
		{"a\\", "'a\\'"}, {"[]", "'[]'"}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strvec_ StrVec v = {0};
		GlobSet *g = NULL;
		strvec_push(&v, "good");
		strvec_push(&v, cases[i].pattern);
		fails(ERR_PARSE, cases[i].words, globset_new(&v, &g, err));
		assert_null(g);
	}
	_cleanup_strvec_ StrVec blank = {0};
	_cleanup_(globset_freep) GlobSet *none = NULL;
	strvec_push(&blank, " \t");
	ok(globset_new(&blank, &none, err));
	assert_false(globset_match(none, STR("a")) || globset_match(none, STR("")));
	assert_null(globset_free(NULL));
}

/* What moby makes of a pattern without '\' and classes; returns its text for regcomp. */
static void moby_regex(const char *p, char *out)
{
	bool literal = strncmp(p, "**", 2) == 0 && !strpbrk(p + 2, "*?");
	char *to = stpcpy(out, "^");
	if (literal && p[2] != '/') { /* "**x" is a suffix for moby, wherever it begins */
		to = stpcpy(to, ".*");
		p += 2;
	}
	while (*p) {
		if (strncmp(p, "**", 2) == 0) {
			p += 2;
			p += *p == '/';
			to = stpcpy(to, *p ? "(.*/)?" : ".*");
		} else if (*p == '*') {
			to = stpcpy(to, "[^/]*");
			p++;
		} else if (*p == '?') {
			to = stpcpy(to, "[^/]");
			p++;
		} else {
			*to++ = *p++;
		}
	}
	strcpy(to, "$");
}

static bool moby(const regex_t *regex, const char *path)
{
	char parent[16];
	for (size_t i = 1; path[i]; i++)
		if (path[i] == '/') {
			snprintf(parent, sizeof(parent), "%.*s", (int)i, path);
			if (regexec(regex, parent, 0, NULL, 0) == 0)
				return true;
		}
	return regexec(regex, path, 0, NULL, 0) == 0;
}

/* Also: below a directory where nothing can be re-included, nothing is. */
static void set_all_short(void **state _unused_)
{
	char pattern[16], path[16], text[128];
	for (size_t p = 1; p < 5461; p++) {
		regex_t regex;
		spell(p, "ab*/", pattern);
		_cleanup_free_ char *clean = path_clean(str_of(pattern));
		if (strcmp(clean, pattern) != 0 || pattern[0] == '/')
			continue;
		_cleanup_free_ char *except = xasprintf("** !%s", pattern);
		_cleanup_(globset_freep) GlobSet *g = set_of(pattern), *exception = set_of(except);
		moby_regex(pattern, text);
		assert_int_equal(regcomp(&regex, text, REG_EXTENDED | REG_NOSUB), 0);
		for (size_t s = 1; s < 364; s++) {
			spell(s, "ab/", path);
			if (path[0] == '/' || path[strlen(path) - 1] == '/' || strstr(path, "//"))
				continue;
			bool expected = moby(&regex, path);
			if (globset_match(g, str_of(path)) != expected)
				fail_msg("'%s' and '%s' should be %d", pattern, path, expected);
			assert_int_equal(globset_match(exception, str_of(path)), !expected);
			char *slash = strrchr(path, '/');
			if (!expected || !slash)
				continue;
			Str dir = {path, (size_t)(slash - path)};
			if (globset_match(exception, dir) &&
				!globset_may_include_below(exception, dir))
				fail_msg("'%s' includes '%s'", except, path);
		}
		regfree(&regex);
	}
}

static void below(void **state _unused_)
{
	static const struct {
		const char *patterns, *dir;
		bool may;
	} cases[] = {
		{"*", "a", false},
		{"* !b", "a", false},
		{"* !a/b", "a", true},
		{"* !a/b", "a/c", false},
		{"* !**/x", "a/b/c", true},
		{"* !a/*/x", "a/b", true},
		{"* !a/*/x", "a/b/c", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(globset_freep) GlobSet *g = set_of(cases[i].patterns);
		if (globset_may_include_below(g, str_of(cases[i].dir)) != cases[i].may)
			fail_msg("'%s', '%s'", cases[i].patterns, cases[i].dir);
	}
}

/* Patterns made to be slow, and one with more tokens than the stack has room for. */
static void hostile(void **state _unused_)
{
	char stars[4097], path[4097];
	for (size_t i = 0; i < sizeof(stars) - 1; i++)
		stars[i] = "*a"[i % 2];
	memset(path, 'a', sizeof(path) - 1);
	stars[sizeof(stars) - 1] = path[sizeof(path) - 1] = '\0';
	path[sizeof(path) - 2] = 'b';
	bool match = true;
	ok(glob_match(str_of(stars), str_of(path), &match, err));
	assert_false(match);
	_cleanup_(globset_freep) GlobSet *g = set_of(stars);
	assert_false(globset_match(g, str_of(path)));
	path[sizeof(path) - 2] = 'a';
	assert_true(globset_match(g, str_of(path)));
}

static void paths(void **state _unused_)
{
	static const struct {
		const char *path, *clean;
	} cases[] = {
		{"", "."},
		{".", "."},
		{"./", "."},
		{"a", "a"},
		{"a/", "a"},
		{"a//b/./c", "a/b/c"},
		{"a/..", "."},
		{"a/../..", ".."},
		{"../../a/../b", "../../b"},
		{"/", "/"},
		{"//", "/"},
		{"/..", "/"},
		{"/../../a", "/a"},
		{"/a/b/../../..", "/"},
		{"a/...", "a/..."},
		{"..a/.b", "..a/.b"},
		{"./..", ".."},
	};
	static const struct {
		const char *base, *path, *joined;
	} joins[] = {
		{"a", "b", "a/b"},
		{"a/", "../b", "b"},
		{"", "b", "b"},
		{"", "", "."},
		{"a", "", "a"},
		{"/a", "/b/", "/b"},
		{"/", "b", "/b"},
		{"/a", "../../b", "/b"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_text(path_clean(str_of(cases[i].path)), cases[i].clean);
	for (size_t i = 0; i < ARRAY_SIZE(joins); i++)
		assert_text(
			path_join(str_of(joins[i].base), str_of(joins[i].path)), joins[i].joined);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(match_table),
		cmocka_unit_test(match_all_short),
		cmocka_unit_test(set_table),
		cmocka_unit_test(set_errors),
		cmocka_unit_test(set_all_short),
		cmocka_unit_test(below),
		cmocka_unit_test(hostile),
		cmocka_unit_test(paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
