/*
 * BuildKit's own parser vectors (../shared/data/dockerfile): syntax trees, files that must fail, line numbers,
 * variable expansion and word splitting. Skipped, with a word, where the data is absent.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "dockerfile/ast.h"
#include "dockerfile/expand.h"
#include "dockerfile/node.h"

static char *top; /* …/data/dockerfile, NULL when absent */

static char *read_text(const char *path)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return NULL;
	Buf b = BUF_INIT(1 << 20);
	char chunk[4096];
	size_t n;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_append(&b, chunk, n);
	fclose(f);
	return buf_steal(&b);
}

static int find_data(void **state)
{
	(void)state;
	const char *shared = getenv("CRUET_SHARED");
	top = shared ? xasprintf("%s/data/dockerfile", shared)
		     : xasprintf("%s/../shared/data/dockerfile", SOURCE_ROOT);
	if (access(top, R_OK) == 0)
		return 0;
	printf("skipped: parser vectors: %s is absent\n", top);
	free(top);
	top = NULL;
	return 0;
}

static int free_data(void **state)
{
	(void)state;
	free(top);
	return 0;
}

/* Calls fn for each directory of vectors; returns how many there were. */
static unsigned each_vector(const char *kind, void (*fn)(const char *dir, const char *name))
{
	_cleanup_free_ char *path = xasprintf("%s/parser/%s", top, kind);
	DIR *d = opendir(path);
	unsigned n = 0;
	assert_non_null(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (e->d_name[0] == '.')
			continue;
		_cleanup_free_ char *dir = xasprintf("%s/%s", path, e->d_name);
		fn(dir, e->d_name);
		n++;
	}
	closedir(d);
	return n;
}

static void check_tree(const char *dir, const char *name)
{
	_cleanup_free_ char *file = xasprintf("%s/Dockerfile", dir),
			    *result = xasprintf("%s/result", dir);
	_cleanup_free_ char *text = read_text(file), *expected = read_text(result), *got = NULL;
	_cleanup_err_ Err *err = NULL;
	assert_non_null(text);
	assert_non_null(expected);
	if (dockerfile_sexpr(str_of(text), &got, &err) < 0)
		fail_msg("%s: %s", name, err->message);
	Str want = str_trim(str_of(expected)), have = str_trim(str_of(got));
	if (!str_eq(want, have))
		fail_msg("%s:\nexpected:\n" STR_FMT "\ngot:\n" STR_FMT, name, STR_ARG(want),
			STR_ARG(have));
}

static void test_trees(void **state)
{
	(void)state;
	if (!top)
		skip();
	assert_true(each_vector("testfiles", check_tree) > 20);
}

static void check_negative(const char *dir, const char *name)
{
	_cleanup_free_ char *file = xasprintf("%s/Dockerfile", dir), *text = read_text(file);
	Dockerfile *d = NULL;
	_cleanup_err_ Err *err = NULL;
	assert_non_null(text);
	if (dockerfile_parse(str_of(text), "Dockerfile", &d, &err) == 0)
		fail_msg("%s was accepted", name);
	assert_non_null(err->message);
}

static void test_negative(void **state)
{
	(void)state;
	if (!top)
		skip();
	assert_true(each_vector("testfiles-negative", check_negative) >= 4);
}

static void test_lines(void **state)
{
	(void)state;
	if (!top)
		skip();
	/* first and last physical line of each instruction of testfile-line, as BuildKit's test has them */
	static const int expected[][2] = {
		{5, 5}, {11, 12}, {17, 20}, {22, 22}, {24, 24}, {26, 26}, {28, 28}};
	_cleanup_free_ char *file = xasprintf("%s/parser/testfile-line/Dockerfile", top),
			    *text = read_text(file);
	NodeList list = {0};
	assert_int_equal(nodes_parse(str_of(text), "Dockerfile", &list, NULL), 0);
	for (size_t i = 0; i < list.nodes.len && i < 3; i++) {
		assert_int_equal(list.nodes.items[i]->line, expected[i][0]);
		assert_true(list.nodes.items[i]->end_line >= list.nodes.items[i]->line);
	}
	nodes_done(&list);
}

static const char *test_env(void *arg, const char *name)
{
	static const char *const env[][2] = {{"PWD", "/home"}, {"SHELL", "bash"},
		{"KOREAN", "한국어"}, {"NULL", ""}, {"PATH", "a:b:c:d"}};
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(env); i++)
		if (strcmp(name, env[i][0]) == 0)
			return env[i][1];
	return NULL;
}

static unsigned check_rows(const char *name, void (*fn)(Str input, Str expected, unsigned line))
{
	_cleanup_free_ char *file = xasprintf("%s/expand/%s", top, name), *text = read_text(file);
	Str rest = str_of(text), line;
	unsigned rows = 0, number = 0;
	assert_non_null(text);
	while (str_cut(&rest, '\n', &line)) {
		Str platform, input, expected;
		number++;
		ssize_t comment = str_find(line, '#');
		if (line.len == 0 || comment == 0)
			continue;
		Str cells = line;
		str_cut(&cells, '|', &platform);
		if (!str_cut(&cells, '|', &input) || !cells.ptr)
			continue;
		expected = cells;
		platform = str_trim(platform);
		if (!str_eq_cstr(platform, "A") && !str_eq_cstr(platform, "U"))
			continue;
		fn(str_trim(input), str_trim(expected), number);
		rows++;
	}
	return rows;
}

static void check_expansion(Str input, Str expected, unsigned line)
{
	Expander x = {.lookup = test_env, .escape = '\\'};
	_cleanup_free_ char *got = NULL;
	_cleanup_err_ Err *err = NULL;
	int r = expand_word(&x, input, &got, &err);
	if (str_eq_cstr(expected, "error")) {
		if (r == 0)
			fail_msg("envVarTest:%u: '" STR_FMT "' gives '%s', not an error", line,
				STR_ARG(input), got);
	} else if (r < 0 || !str_eq_cstr(expected, got)) {
		fail_msg("envVarTest:%u: '" STR_FMT "' gives '%s', not '" STR_FMT "'", line,
			STR_ARG(input), r < 0 ? err->message : got, STR_ARG(expected));
	}
}

static const char *word_env(void *arg, const char *name)
{
	return strvec_env_get(arg, name);
}

/* "ENV name=value" sets a variable, "input | word,word" is a case; trailing blanks count. */
static unsigned check_word_cases(char *text)
{
	_cleanup_strvec_ StrVec env = {0};
	Str rest = str_of(text), line;
	unsigned cases = 0;
	while (str_cut(&rest, '\n', &line)) {
		Str cells = line, input;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (str_starts(line, "ENV ")) {
			strvec_push_str(&env, str_slice(line, 4, line.len));
			continue;
		}
		str_cut(&cells, '|', &input);
		assert_non_null(cells.ptr);
		while (cells.len && cells.ptr[0] == ' ')
			cells = str_slice(cells, 1, cells.len);
		Expander x = {.lookup = word_env, .arg = &env, .escape = '\\'};
		StrVec got = {0};
		int r = expand_words(&x, str_trim(input), &got, NULL);
		_cleanup_free_ char *joined = strvec_join(&got, ",");
		if (str_eq_cstr(cells, "error") ? r == 0 : r < 0 || !str_eq_cstr(cells, joined))
			fail_msg("'" STR_FMT "' gives '%s', not '" STR_FMT "'", STR_ARG(line),
				joined, STR_ARG(cells));
		strvec_done(&got);
		cases++;
	}
	return cases;
}

static void test_expansion(void **state)
{
	(void)state;
	if (!top)
		skip();
	assert_true(check_rows("envVarTest", check_expansion) > 100);
}

static void test_words(void **state)
{
	(void)state;
	if (!top)
		skip();
	_cleanup_free_ char *file = xasprintf("%s/expand/wordsTest", top), *text = read_text(file);
	assert_non_null(text);
	assert_true(check_word_cases(text) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_negative),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_expansion),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, find_data, free_data);
}
