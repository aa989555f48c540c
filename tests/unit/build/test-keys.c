#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build/keys.h"

static Digest key_of(const char *kind, const char *const *fields, size_t n)
{
	Digest d;
	Sha256 *h = key_begin(kind);
	for (size_t i = 0; i < n; i++)
		key_cstr(h, fields[i]);
	key_end(h, &d);
	return d;
}

#define KEY(kind, ...)                                                                             \
	key_of(kind, (const char *[]){__VA_ARGS__}, ARRAY_SIZE(((const char *[]){__VA_ARGS__})))

static void test_framing(void **state _unused_)
{
	/* every two of these must differ */
	Digest keys[] = {
		KEY("run", "a", "b"),
		KEY("run", "ab", ""),
		KEY("run", "", "ab"),
		KEY("run", "ab"),
		KEY("run", "a", "b", ""),
		KEY("run", "a", "b", NULL),
		KEY("runa", "b"),
		KEY("copy", "a", "b"),
	};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		for (size_t j = 0; j < i; j++)
			assert_false(digest_eq(&keys[i], &keys[j]));
	Digest again = KEY("run", "a", "b");
	assert_true(digest_eq(&again, &keys[0]));
}

static void test_lists(void **state _unused_)
{
	StrVec one = {0}, two = {0};
	Digest a, b;
	strvec_push(&one, "a b");
	strvec_push(&two, "a");
	strvec_push(&two, "b");
	Sha256 *h = key_begin("x");
	key_strvec(h, &one);
	key_end(h, &a);
	h = key_begin("x");
	key_strvec(h, &two);
	key_end(h, &b);
	assert_false(digest_eq(&a, &b));
	strvec_done(&one);
	strvec_done(&two);
}

static void test_chain(void **state _unused_)
{
	Digest op = KEY("run", "x"), other = KEY("run", "y"), a, b;
	key_on_chain(&op, &other, &a);
	key_on_chain(&other, &op, &b);
	assert_false(digest_eq(&a, &b));
	Digest line1 = op, line2 = op;
	key_lineage(&line1, &op);
	key_lineage(&line1, &other);
	key_lineage(&line2, &other);
	key_lineage(&line2, &op);
	assert_false(digest_eq(&line1, &line2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_chain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
