#include "base/cancel.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "../check.h"
#include "base/pool.h"
#include "base/stream.h"

static void on_signal(int number _unused_)
{
	cancel_request();
}

/* It stays requested, and file streams end by themselves. */
static void requested(void **state _unused_)
{
	char byte;
	_cleanup_(reader_freep) Reader *r =
		fd_reader_new(open("/dev/zero", O_RDONLY | O_CLOEXEC), true, "zeros");
	_cleanup_(writer_freep) Writer *w =
		fd_writer_new(open("/dev/null", O_WRONLY | O_CLOEXEC), true, "nowhere");
	assert_false(cancel_requested());
	ok(cancel_check(err));
	ok((int)reader_read(r, &byte, 1, err));
	ok(writer_write(w, "x", 1, err));
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	assert_true(cancel_requested());
	fails(ERR_CANCELLED, "interrupted", cancel_check(err));
	fails(ERR_CANCELLED, "interrupted", (int)reader_read(r, &byte, 1, err));
	fails(ERR_CANCELLED, "interrupted", writer_write(w, "x", 1, err));
	assert_int_equal(cancel_check(NULL), -ERR_CANCELLED);
}

static int check(void *arg _unused_, Err **err)
{
	return cancel_check(err);
}

/* Of this thread and of those it starts; nobody else hears of it. */
static void scopes(void **state _unused_)
{
	bool outer_stop = false, inner_stop = false;
	CancelScope outer, inner;
	cancel_scope_begin(&outer, &outer_stop);
	cancel_scope_begin(&inner, &inner_stop);
	ok(cancel_check(err));
	cancel_set(&inner_stop);
	fails(ERR_CANCELLED, "of no use", cancel_check(err));
	assert_int_equal(job_wait(thread_start("inside", check, NULL), NULL), -ERR_CANCELLED);
	cancel_scope_end(&inner);
	ok(cancel_check(err));
	assert_int_equal(job_wait(thread_start("outside", check, NULL), NULL), 0);
	cancel_scope_begin(&inner, &(bool){false});
	cancel_set(&outer_stop);
	fails(ERR_CANCELLED, "of no use", cancel_check(err));
	cancel_scope_end(&inner);
	cancel_scope_end(&outer);
	ok(cancel_check(err));
}

static int fail_or_wait(void *arg _unused_, size_t i, Err **err)
{
	if (i == 1)
		return err_set(err, ERR_NET, "the cause");
	while (!cancel_requested())
		usleep(1000);
	return cancel_check(err);
}

static void one_that_fails_ends_the_others(void **state _unused_)
{
	fails(ERR_NET, "the cause", threads_each(3, 3, fail_or_wait, NULL, err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scopes),
		cmocka_unit_test(one_that_fails_ends_the_others),
		cmocka_unit_test(requested),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
