#include "base/arena.h"

#include "../check.h"
#include "base/vec.h"

static void texts(void **state _unused_)
{
	Arena a = {0};
	VEC(char *) kept = {0};
	/* what was given first is the same after thousands */
	for (unsigned i = 0; i < 5000; i++) {
		_cleanup_free_ char *text = xasprintf("text %u", i);
		vec_push(&kept, arena_str(&a, str_of(text)));
	}
	for (unsigned i = 0; i < kept.len; i++) {
		_cleanup_free_ char *text = xasprintf("text %u", i);
		assert_string_equal(kept.items[i], text);
	}
	assert_string_equal(arena_str(&a, (Str){0}), "");
	/* a slice ends where it ends, and NULs are bytes like others */
	assert_string_equal(arena_str(&a, (Str){"abcdef", 3}), "abc");
	assert_memory_equal(arena_str(&a, STR("a\0b")), "a\0b", 4);
	vec_done(&kept);
	arena_done(&a);
	assert_null(a.newest);
	arena_done(&a);
}

static void paths(void **state _unused_)
{
	static const struct {
		const char *dir, *name, *path;
	} cases[] = {
		{"a", "b", "a/b"},
		{"", "b", "b"},
		{"a", "", "a"},
		{"", "", ""},
		{"a/b", "c/d", "a/b/c/d"},
	};
	Arena a = {0};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(
			arena_path(&a, str_of(cases[i].dir), str_of(cases[i].name)), cases[i].path);
	arena_done(&a);
}

/* Every piece is aligned, writable to its last byte and no other's, whatever its size. */
static void pieces(void **state _unused_)
{
	static const size_t sizes[] = {0, 1, 7, 16, 17, 1023, 1024, 1025, 65536, 65537, 1 << 20};
	Arena a = {0};
	struct {
		unsigned char *at;
		size_t size;
	} got[8 * ARRAY_SIZE(sizes)];
	for (size_t i = 0; i < ARRAY_SIZE(got); i++) {
		(void)arena_str(&a, STR("x")); /* so that the next is out of line */
		got[i].size = sizes[i * 5 % ARRAY_SIZE(sizes)];
		got[i].at = arena_alloc(&a, got[i].size);
		assert_int_equal((uintptr_t)got[i].at % _Alignof(max_align_t), 0);
		memset(got[i].at, (int)i, got[i].size);
	}
	for (size_t i = 0; i < ARRAY_SIZE(got); i++)
		for (size_t n = 0; n < got[i].size; n++)
			if (got[i].at[n] != i)
				fail_msg("piece %zu is overwritten at %zu", i, n);
	arena_done(&a);
}

static void merging(void **state _unused_)
{
	Arena to = {0}, from = {0}, none = {0};
	arena_merge(&to, &none);
	assert_null(to.newest);
	VEC(char *) kept = {0};
	for (unsigned i = 0; i < 600; i++)
		vec_push(&kept, arena_str(i % 2 ? &to : &from, STR("of one of them")));
	arena_merge(&to, &from);
	assert_null(from.newest);
	arena_done(&from); /* owns nothing */
	for (unsigned i = 0; i < 600; i++)
		vec_push(&kept, arena_str(&to, STR("of one of them")));
	vec_foreach (&kept, text)
		assert_string_equal(*text, "of one of them");
	/* into an empty one; the emptied one can be used again */
	arena_merge(&from, &to);
	assert_string_equal(arena_str(&to, STR("again")), "again");
	assert_string_equal(kept.items[0], "of one of them");
	arena_done(&to);
	assert_string_equal(kept.items[1199], "of one of them");
	arena_done(&from);
	vec_done(&kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(paths),
		cmocka_unit_test(pieces),
		cmocka_unit_test(merging),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
