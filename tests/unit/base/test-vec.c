#include "base/vec.h"

#include "../check.h"

typedef struct Item {
	uint64_t n;
	char text[24];
} Item;

static void growing(void **state _unused_)
{
	VEC(Item) v = {0};
	vec_foreach (&v, it)
		fail();
	for (uint64_t i = 0; i < 1000; i++) {
		Item *it = vec_add(&v);
		assert_int_equal(it->n, 0); /* zeroed, also where something was before */
		memset(it, 0xFF, sizeof(*it));
		it->n = i + 1;
		if (i % 2)
			assert_int_equal(vec_pop(&v).n, i + 1);
	}
	assert_int_equal(v.len, 500);
	assert_int_equal(vec_last(&v)->n, 999);
	uint64_t expected = 1;
	vec_foreach (&v, it) {
		assert_int_equal(it->n, expected);
		expected += 2;
	}
	vec_clear(&v);
	assert_true(v.len == 0 && v.cap >= 500);
	vec_done(&v);
	assert_true(v.items == NULL && v.cap == 0);
}

static void reserving(void **state _unused_)
{
	VEC(Item) v = {0};
	vec_reserve(&v, 100);
	Item *items = v.items;
	for (uint64_t i = 0; i < 100; i++)
		vec_push(&v, ((Item){.n = i}));
	assert_ptr_equal(v.items, items);
	vec_reserve(&v, 10);
	assert_ptr_equal(v.items, items);
	vec_done(&v);
}

/* An argument with an effect has it once. */
static void evaluated_once(void **state _unused_)
{
	typedef VEC(Item) Items;
	Items both[2] = {0}, *at = both;
	vec_push(at++, ((Item){.n = 7}));
	assert_int_equal(at - both, 1);
	assert_int_equal(both[0].items[0].n, 7);
	vec_done(&both[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growing),
		cmocka_unit_test(reserving),
		cmocka_unit_test(evaluated_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
