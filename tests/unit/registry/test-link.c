#include "registry/link.h"

#include "../check.h"

static void found(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"</v2/a/tags/list?last=x&n=2>; rel=\"next\"", "/v2/a/tags/list?last=x&n=2"},
		{"<https://r/v2/a?x=1,2;3>;rel=next", "https://r/v2/a?x=1,2;3"},
		{"< /x > ; REL = \"prev Next\"", "/x"},
		{"</a>; rel=prev, </b>; title=\"a, <c>; rel=next\"; rel=\"next\"", "/b"},
		{"</a>; rel=next, </b>; rel=next", "/a"},
		{"</a>; anchor; rel=next;", "/a"},
		{"<>; rel=next", ""},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *target = NULL;
		ok(link_next(str_of(cases[i][0]), &target, err));
		assert_non_null(target);
		assert_text(target, cases[i][1]);
	}
}

static void absent(void **state)
{
	(void)state;
	static const char *const cases[] = {"", ",", "</a>", "</a>; rel=prev",
		"</a>; rel=prev; rel=next", "</a>; rel=\"nexts\"",
		"</a>; title=\"\\\"; rel=next\""};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *target = (char *)1;
		ok(link_next(str_of(cases[i]), &target, err));
		assert_null(target);
	}
}

static void refused(void **state)
{
	(void)state;
	static const char *const cases[] = {"/v2/x; rel=next", "</a", "</a>; rel=\"next",
		"</a> rel=next", "</a\n>; rel=next", "</a>; rel=\"next\\"};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *target = NULL;
		fails(ERR_CORRUPT, "Link", link_next(str_of(cases[i]), &target, err));
		assert_null(target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found),
		cmocka_unit_test(absent),
		cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
