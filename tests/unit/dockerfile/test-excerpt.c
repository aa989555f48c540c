#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dockerfile/ast.h"

static const char *const verbs[] = {
	"build", "df", "gc", "history", "images", "import", "run", "rmi"};
static const char *const flags[] = {
	"no-cache", "no-cache-filter", "build-arg", "compression", "tag"};
static const char *const instructions[] = {
	"ADD", "ARG", "COPY", "ENTRYPOINT", "ENV", "FROM", "RUN"};

#define NEAR(word, list) did_you_mean(word, list, ARRAY_SIZE(list))

static void swapped_letters(void **state)
{
	(void)state;
	assert_string_equal(NEAR("biuld", verbs), "build");
	assert_string_equal(NEAR("buidl", verbs), "build");
	assert_string_equal(NEAR("ubild", verbs), "build");
	assert_string_equal(NEAR("fd", verbs), "df");
	assert_null(NEAR("nur", verbs)); /* first and last: no neighbours */
	assert_string_equal(NEAR("RNU", instructions), "RUN");
	assert_string_equal(NEAR("FORM", instructions), "FROM");
	assert_string_equal(NEAR("CPOY", instructions), "COPY");
	assert_string_equal(NEAR("ENTYRPIONT", instructions), "ENTRYPOINT");
	assert_string_equal(NEAR("no-cahce", flags), "no-cache");
}

static void single_letters(void **state)
{
	(void)state;
	assert_string_equal(NEAR("buld", verbs), "build");
	assert_string_equal(NEAR("buiild", verbs), "build");
	assert_string_equal(NEAR("bxild", verbs), "build");
	assert_string_equal(NEAR("RUM", instructions), "RUN");
	assert_string_equal(NEAR("tga", flags), "tag");
}

static void the_nearest_wins(void **state)
{
	(void)state;
	assert_string_equal(NEAR("imports", verbs), "import");
	assert_string_equal(NEAR("imags", verbs), "images");
	assert_string_equal(NEAR("no-cache-filtr", flags), "no-cache-filter");
	assert_string_equal(NEAR("ADG", instructions), "ADD"); /* equally near: the first */
}

static void beginnings(void **state)
{
	(void)state;
	assert_string_equal(NEAR("hist", verbs), "history");
	assert_string_equal(NEAR("compress", flags), "compression");
	assert_null(NEAR("hi", verbs));
}

static void far_words(void **state)
{
	(void)state;
	char longest[65] = {0}, longer[66] = {0};
	assert_null(NEAR("", verbs));
	assert_null(NEAR("x", verbs));
	assert_null(NEAR("xx", verbs));
	assert_null(NEAR("push", verbs));
	assert_null(NEAR("prune", verbs)); /* two letters of three are not "run" */
	assert_null(NEAR("frobnicate", verbs));
	assert_null(NEAR("WORK", instructions));
	assert_null(did_you_mean("build", verbs, 0));
	memset(longest, 'a', 64);
	memset(longer, 'a', 65);
	const char *const longs[] = {longer, longest};
	assert_ptr_equal(did_you_mean(longest, longs, 2), longest);
	assert_null(did_you_mean(longer, longs, 2));
}

static void excerpts(void **state)
{
	(void)state;
	const char *text = "FROM a\nRUN b \\\n\tc\r\nRUN \033[2J\nCMD d\n";
	char *e = dockerfile_excerpt(str_of(text), 2, 3);
	assert_string_equal(e,
		"   1 |     FROM a\n   2 | >>> RUN b \\\n   3 | >>> \tc\n   4 |     RUN ?[2J\n"
		"   5 |     CMD d\n");
	free(e);
	e = dockerfile_excerpt(str_of(text), 5, 5);
	assert_string_equal(e, "   3 |     \tc\n   4 |     RUN ?[2J\n   5 | >>> CMD d\n");
	free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(swapped_letters),
		cmocka_unit_test(single_letters),
		cmocka_unit_test(the_nearest_wins),
		cmocka_unit_test(beginnings),
		cmocka_unit_test(far_words),
		cmocka_unit_test(excerpts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
