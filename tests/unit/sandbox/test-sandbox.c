#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "sys/atomic.h"

static void output_streams(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "echo out; echo err >&2; echo out2");
	run_ok(&run);
	assert_string_equal(run_text(&run), "out\nout2");
	assert_string_equal(run.err_out.ptr, "err\n");
}

/* More than any pipe holds, on both streams at once. */
static void long_output(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run,
		"dd if=/dev/zero bs=1024 count=4096 2>/dev/null & dd if=/dev/zero bs=1024 count=3000 >&2 2>/dev/null; wait");
	run_ok(&run);
	assert_int_equal(run.out.len, 4096u << 10);
	assert_int_equal(run.err_out.len, 3000u << 10);
}

static void output_unread(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "dd if=/dev/zero bs=1024 count=1000 2>/dev/null");
	run.r = sandbox_run(fixture.sandbox, &run.spec, NULL, NULL, &run.result, &run.err);
	assert_int_equal(run.r, 0);
	assert_int_equal(run.result.exit_status, 0);
}

static void standard_input(void **state)
{
	(void)state;
	_cleanup_run_ Run run, passed;
	run_init(&run, "cat; readlink /proc/self/fd/0");
	run_ok(&run);
	assert_string_equal(run_text(&run), "/dev/null");
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], "typed\n", 6), 6);
	close(fds[1]);
	run_init(&passed, "cat");
	passed.spec.stdio[0] = fds[0];
	run_ok(&passed);
	close(fds[0]);
	assert_string_equal(run_text(&passed), "typed");
}

static void given_descriptors(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	int fds[2];
	char text[64] = "";
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	run_init(&run, "echo there; echo here >&2");
	run.spec.stdio[1] = fds[1];
	run_ok(&run);
	close(fds[1]);
	assert_true(read(fds[0], text, sizeof(text) - 1) == 6);
	close(fds[0]);
	assert_string_equal(text, "there\n");
	assert_string_equal(run_text(&run), "");
	assert_string_equal(run.err_out.ptr, "here\n");
}

/* The namespaces of a finished run are gone with everything mounted there. */
static void upper_is_free_afterwards(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "echo x > /file");
	run_ok(&run);
	_cleanup_free_ char *moved = xasprintf("%s.moved", run.spec.upper);
	assert_int_equal(rename(run.spec.upper, moved), 0);
	/* it can be a lower directory of the next run */
	_cleanup_run_ Run next;
	run_init(&next, "cat /file; rm /file");
	strvec_clear(&next.spec.lowers);
	strvec_push(&next.spec.lowers, moved);
	strvec_push(&next.spec.lowers, fixture.lower);
	run_ok(&next);
	assert_string_equal(run_text(&next), "x");
}

typedef struct Job {
	Run run;
	pthread_t thread;
} Job;

static void *work(void *arg)
{
	run_go(&((Job *)arg)->run);
	return NULL;
}

static void parallel_runs(void **state)
{
	(void)state;
	enum { JOBS = 8 };
	Job jobs[JOBS];
	for (int i = 0; i < JOBS; i++) {
		_cleanup_free_ char *script =
			xasprintf("echo %d; sleep 0.0%d; seq 1 20000 | wc -l; exit %d", i, i, i);
		run_init(&jobs[i].run, script);
	}
	for (int i = 0; i < JOBS; i++)
		assert_int_equal(pthread_create(&jobs[i].thread, NULL, work, &jobs[i]), 0);
	for (int i = 0; i < JOBS; i++) {
		pthread_join(jobs[i].thread, NULL);
		_cleanup_free_ char *expected = xasprintf("%d\n20000", i);
		assert_int_equal(jobs[i].run.r, 0);
		assert_int_equal(jobs[i].run.result.exit_status, i);
		assert_string_equal(run_text(&jobs[i].run), expected);
		run_done(&jobs[i].run);
	}
}

static void bad_specs(void **state)
{
	(void)state;
	_cleanup_run_ Run run, gone;
	run_init(&run, "");
	strvec_clear(&run.spec.lowers);
	free(run.spec.upper);
	run.spec.upper = NULL;
	run_go(&run);
	assert_int_equal(run.r, -ERR_USAGE);
	run_init(&gone, "");
	strvec_push(&gone.spec.lowers, "/no/such/directory");
	run_go(&gone);
	assert_true(gone.r < 0);
	assert_non_null(strstr(gone.err->message, "/no/such/directory"));
}

static void *cancel_soon(void *arg)
{
	usleep(100000);
	sandbox_cancel(arg);
	return NULL;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The last one: nothing can be run afterwards. */
static void cancelling(void **state)
{
	(void)state;
	enum { JOBS = 3 };
	Job jobs[JOBS];
	pthread_t canceller;
	_cleanup_run_ Run later;
	for (int i = 0; i < JOBS; i++)
		run_init(&jobs[i].run, "trap '' TERM INT HUP; echo started; sleep 1000");
	run_init(&later, "true");
	int64_t start = now_ms();
	assert_int_equal(pthread_create(&canceller, NULL, cancel_soon, fixture.sandbox), 0);
	for (int i = 0; i < JOBS; i++)
		assert_int_equal(pthread_create(&jobs[i].thread, NULL, work, &jobs[i]), 0);
	for (int i = 0; i < JOBS; i++) {
		pthread_join(jobs[i].thread, NULL);
		assert_int_equal(jobs[i].run.r, -ERR_CANCELLED);
		run_done(&jobs[i].run);
	}
	pthread_join(canceller, NULL);
	assert_true(now_ms() - start < 10000);
	run_go(&later);
	assert_int_equal(later.r, -ERR_CANCELLED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_streams),
		cmocka_unit_test(long_output),
		cmocka_unit_test(output_unread),
		cmocka_unit_test(standard_input),
		cmocka_unit_test(given_descriptors),
		cmocka_unit_test(upper_is_free_afterwards),
		cmocka_unit_test(parallel_runs),
		cmocka_unit_test(bad_specs),
		cmocka_unit_test(cancelling),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
