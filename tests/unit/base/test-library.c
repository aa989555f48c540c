#include "base/library.h"

#include <pthread.h>

#include "../check.h"

/* Of libm: every program's system has it, and this one has no other use for it. */
typedef struct Functions {
	double (*square_root)(double);
	double (*minimum)(double, double);
} Functions;

static const LibrarySymbol symbols[] = {
	{"fmin", offsetof(Functions, minimum)},
	{"sqrt", offsetof(Functions, square_root)},
};

static void loading(void **state _unused_)
{
	Functions f = {0};
	ok(library_load("libm.so.6", "libc6", symbols, ARRAY_SIZE(symbols), &f, err));
	assert_true(f.square_root(16) == 4 && f.minimum(2, 3) == 2);
}

static void missing(void **state _unused_)
{
	static const LibrarySymbol unknown[] = {
		{"sqrt", offsetof(Functions, square_root)},
		{"no_such_function", offsetof(Functions, minimum)},
	};
	Functions f = {0};
	fails(ERR_UNSUPPORTED, "package libnone9 ",
		library_load("libnone.so.9", "libnone9", symbols, ARRAY_SIZE(symbols), &f, err));
	assert_true(!f.square_root && !f.minimum);
	fails(ERR_UNSUPPORTED, "libm.so.6 has no no_such_function",
		library_load("libm.so.6", "libc6", unknown, ARRAY_SIZE(unknown), &f, err));
	assert_null(f.minimum);
}

static void *load(void *table)
{
	return library_load("libm.so.6", "libc6", symbols, ARRAY_SIZE(symbols), table, NULL) == 0
		? table
		: NULL;
}

static void threads(void **state _unused_)
{
	pthread_t ids[8];
	Functions tables[ARRAY_SIZE(ids)] = {0};
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(pthread_create(&ids[i], NULL, load, &tables[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		void *good = NULL;
		pthread_join(ids[i], &good);
		assert_ptr_equal(good, &tables[i]);
		assert_memory_equal(&tables[i], &tables[0], sizeof(Functions));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loading),
		cmocka_unit_test(missing),
		cmocka_unit_test(threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
