#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "base/limits.h"
#include "dockerfile/ast.h"
#include "dockerfile/expand.h"

static const char *value_of_x(void *arg, const char *name)
{
	return strcmp(name, "x") == 0 ? arg : NULL;
}

static void expect(const char *x, const char *word, const char *expected)
{
	Expander e = {.lookup = value_of_x, .arg = (void *)(uintptr_t)x, .escape = '\\'};
	char *got;
	assert_int_equal(expand_word(&e, str_of(word), &got, NULL), 0);
	assert_string_equal(got, expected);
	free(got);
}

static void trimming(void **state)
{
	(void)state;
	expect("a.b.c", "${x%.*}", "a.b");
	expect("a.b.c", "${x%%.*}", "a");
	expect("a.b.c", "${x%?}", "a.b.");
	expect("a.b.c", "${x%*}", "a.b.c");
	expect("a.b.c", "${x%%*}", "");
	expect("a.b.c", "${x%b}", "a.b.c");
	expect("a.b.c", "${x%%b*c}", "a.");
	expect("a*c", "${x%\\*c}", "a");
	expect("abc", "${x%\\*c}", "abc");
	expect("ab?", "${x%b\\?}", "a");
	expect("", "${x%a*}", "");
}

static void replacing(void **state)
{
	(void)state;
	expect("abcabc", "${x/b/X}", "aXcabc");
	expect("abcabc", "${x//b/X}", "aXcaXc");
	expect("abcabc", "${x//b*/X}", "aX");
	expect("abcabc", "${x/d*/X}", "abcabc");
	expect("abcabc", "${x//bc?/X}", "aXbc");
	expect("abcabc", "${x//c*b/X}", "abXc");
	expect("abcabc", "${x//*d/X}", "abcabc");
	expect("aab", "${x//ab/X}", "aX");
}

/* A pattern that matches nowhere is tried once, not from every byte. */
static void long_values(void **state)
{
	(void)state;
	static const char *const words[] = {
		"${x%*c}", "${x%%*c}", "${x#*c}", "${x/*c/d}", "${x//a*c/d}"};
	static char value[500000];
	memset(value, 'a', sizeof(value) - 1);
	clock_t start = clock();
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		expect(value, words[i], value);
	assert_true((clock() - start) / CLOCKS_PER_SEC < 20);
}

/* Each link of a chain was a level of recursion and a copy of the rest of the line. */
static void onbuild_chain(void **state)
{
	(void)state;
	Buf text = BUF_INIT(LIMIT_DOCKERFILE_SIZE);
	_cleanup_err_ Err *err = NULL;
	Dockerfile *d = NULL;
	buf_cstr(&text, "FROM a\n");
	for (int i = 0; i < 500000; i++)
		buf_cstr(&text, "ONBUILD \\\n");
	buf_cstr(&text, "RUN x\n");
	assert_int_equal(dockerfile_parse(buf_view(&text), "Dockerfile", &d, &err), -ERR_PARSE);
	assert_string_equal(err->message, "chaining ONBUILD via 'ONBUILD ONBUILD' isn't allowed");
	assert_int_equal(err->line, 2);
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trimming),
		cmocka_unit_test(replacing),
		cmocka_unit_test(long_values),
		cmocka_unit_test(onbuild_chain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
