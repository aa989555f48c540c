#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- jobs ---- */

static int add_one(void *arg, Err **err _unused_)
{
	atomic_fetch_add((atomic_int *)arg, 1);
	return 0;
}

static int failing(void *arg, Err **err)
{
	return err_set(err, ERR_LIMIT, "job '%s' failed", (const char *)arg);
}

static void test_jobs_all_run(void **state _unused_)
{
	for (unsigned threads = 1; threads <= 4; threads++) {
		atomic_int count = 0;
		Pool *pool = pool_new(threads);
		assert_int_equal(pool_threads(pool), threads);
		Job *jobs[100];
		for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
			jobs[i] = pool_submit(pool, add_one, &count);
		for (size_t i = ARRAY_SIZE(jobs); i-- > 0;)
			assert_int_equal(job_wait(jobs[i], NULL), 0);
		assert_int_equal(count, 100);
		pool_free(pool);
	}
}

static void test_error_moves_out(void **state _unused_)
{
	_cleanup_(pool_freep) Pool *pool = pool_new(2);
	static char name[] = "x";
	Err *err = NULL;
	assert_int_equal(job_wait(pool_submit(pool, failing, name), &err), -ERR_LIMIT);
	assert_string_equal(err->message, "job 'x' failed");
	err_free(err);
	assert_int_equal(job_wait(pool_submit(pool, failing, name), NULL), -ERR_LIMIT);
}

static void test_processors(void **state _unused_)
{
	assert_true(pool_processors() >= 1);
	_cleanup_(pool_freep) Pool *pool = pool_new(0);
	assert_int_equal(pool_threads(pool), pool_processors());
	assert_null(pool_free(NULL));
}

typedef struct Gate {
	atomic_bool open;
	atomic_bool reached;
} Gate;

static int wait_for_gate(void *arg, Err **err _unused_)
{
	Gate *gate = arg;
	atomic_store(&gate->reached, true);
	while (!atomic_load(&gate->open))
		usleep(100);
	return 0;
}

/* The only worker is busy: a wait must run the job itself, not sleep for ever. */
static void test_wait_helps(void **state _unused_)
{
	_cleanup_(pool_freep) Pool *pool = pool_new(1);
	Gate gate = {0};
	atomic_int count = 0;
	Job *busy = pool_submit(pool, wait_for_gate, &gate);
	while (!atomic_load(&gate.reached))
		usleep(100);
	Job *first = pool_submit(pool, add_one, &count);
	Job *middle = pool_submit(pool, add_one, &count);
	Job *last = pool_submit(pool, add_one, &count);
	assert_false(job_done(middle));
	assert_int_equal(job_wait(middle, NULL), 0);
	assert_int_equal(job_wait(last, NULL), 0);
	assert_int_equal(job_wait(first, NULL), 0);
	assert_int_equal(count, 3);
	assert_false(job_done(busy));
	atomic_store(&gate.open, true);
	assert_int_equal(job_wait(busy, NULL), 0);
}

typedef struct Tree {
	Pool *pool;
	unsigned depth;
	atomic_int *leaves;
} Tree;

static int walk(void *arg, Err **err)
{
	Tree *t = arg;
	if (t->depth == 0) {
		atomic_fetch_add(t->leaves, 1);
		return 0;
	}
	Tree below[3];
	Job *jobs[3];
	for (size_t i = 0; i < 3; i++) {
		below[i] = (Tree){t->pool, t->depth - 1, t->leaves};
		jobs[i] = pool_submit(t->pool, walk, &below[i]);
	}
	int r = 0;
	for (size_t i = 0; i < 3; i++) {
		int one = job_wait(jobs[i], r ? NULL : err);
		r = r ? r : one;
	}
	return r;
}

/* More nested waits than workers. */
static void test_jobs_wait_for_jobs(void **state _unused_)
{
	for (unsigned threads = 1; threads <= 3; threads++) {
		_cleanup_(pool_freep) Pool *pool = pool_new(threads);
		atomic_int leaves = 0;
		Tree top = {pool, 6, &leaves};
		assert_int_equal(job_wait(pool_submit(pool, walk, &top), NULL), 0);
		assert_int_equal(leaves, 729);
	}
}

static void test_thread(void **state _unused_)
{
	atomic_int count = 0;
	Err *err = NULL;
	static char name[] = "y";
	assert_int_equal(
		job_wait(thread_start("a-very-long-thread-name", add_one, &count), NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(job_wait(thread_start("t", failing, name), &err), -ERR_LIMIT);
	assert_string_equal(err->message, "job 'y' failed");
	err_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jobs_all_run),
		cmocka_unit_test(test_error_moves_out),
		cmocka_unit_test(test_processors),
		cmocka_unit_test(test_wait_helps),
		cmocka_unit_test(test_jobs_wait_for_jobs),
		cmocka_unit_test(test_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
