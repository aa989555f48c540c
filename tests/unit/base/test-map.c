#include "base/map.h"

#include "../check.h"

static unsigned released;

static void release(void *value)
{
	released++;
	free(value);
}

static char *number(unsigned i)
{
	return xasprintf("%u", i);
}

static void keys(void **state _unused_)
{
	_cleanup_map_ Map m = MAP_INIT(NULL);
	char word[] = "key";
	assert_null(map_get(&m, STR("key")));
	assert_false(map_del(&m, STR("key")));
	assert_true(map_put(&m, str_of(word), &m));
	word[0] = 'K'; /* the key was copied */
	assert_ptr_equal(map_get(&m, STR("key")), &m);
	assert_false(map_has(&m, STR("Key")));
	assert_true(map_put(&m, STR("a\0b"), NULL));
	assert_true(map_put(&m, STR("a\0c"), word));
	assert_true(map_put(&m, (Str){NULL, 0}, word));
	assert_true(map_has(&m, STR("")) && map_has(&m, STR("a\0b")));
	assert_false(map_has(&m, STR("a")));
	assert_null(map_get(&m, STR("a\0b")));
	assert_ptr_equal(map_get(&m, STR("a\0c")), word);
	assert_int_equal(m.live, 4);
}

static void ownership(void **state _unused_)
{
	Map m = MAP_INIT(release);
	released = 0;
	char *same = number(1);
	assert_true(map_put(&m, STR("a"), same));
	assert_false(map_put(&m, STR("a"), same)); /* the value it has is no old one */
	assert_int_equal(released, 0);
	assert_false(map_put(&m, STR("a"), number(2)));
	assert_int_equal(released, 1);
	assert_string_equal(map_get(&m, STR("a")), "2");
	assert_true(map_put(&m, STR("b"), number(3)));
	assert_true(map_del(&m, STR("a")));
	assert_int_equal(released, 2);
	assert_false(map_del(&m, STR("a")));
	map_done(&m);
	assert_int_equal(released, 3);
	assert_true(map_put(&m, STR("a"), number(4))); /* can be used again */
	map_done(&m);
	assert_int_equal(released, 4);
}

/* Many entries, some deleted while it grows: all are found, in the order they came. */
static void order(void **state _unused_)
{
	_cleanup_map_ Map m = MAP_INIT(release);
	enum { n = 20000 };
	for (unsigned i = 0; i < n; i++) {
		_cleanup_free_ char *key = number(i);
		assert_true(map_put(&m, str_of(key), number(i)));
		if (i % 3 == 2) {
			_cleanup_free_ char *old = number(i - 1);
			assert_true(map_del(&m, str_of(old)));
		}
	}
	/* deleted and put again: now the last */
	assert_true(map_del(&m, STR("0")));
	assert_true(map_put(&m, STR("0"), number(0)));
	unsigned left[n], len = 0, seen = 0;
	for (unsigned i = 1; i < n; i++)
		if (i % 3 != 1 || i == n - 1)
			left[len++] = i;
	left[len++] = 0;
	assert_int_equal(m.live, len);
	map_foreach (&m, it) {
		_cleanup_free_ char *expected = number(left[seen++]);
		assert_string_equal(it->key, expected);
		assert_string_equal(it->value, expected);
		assert_ptr_equal(map_get(&m, str_of(expected)), it->value);
	}
	assert_int_equal(seen, len);
}

/* As many puts as deletions, all the time: the room of what is gone is used again. */
static void turnover(void **state _unused_)
{
	_cleanup_map_ Map m = MAP_INIT(release);
	for (unsigned i = 0; i < 100000; i++) {
		_cleanup_free_ char *key = number(i), *old = number(i - 15);
		map_put(&m, str_of(key), number(i));
		assert_int_equal(map_del(&m, str_of(old)), i >= 15);
	}
	assert_int_equal(m.live, 15);
	assert_true(m.cap <= 64);
	map_foreach (&m, it)
		map_del(&m, (Str){it->key, it->key_len}); /* while it is walked */
	assert_int_equal(m.live, 0);
	assert_false(map_has(&m, STR("99999")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(ownership),
		cmocka_unit_test(order),
		cmocka_unit_test(turnover),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
