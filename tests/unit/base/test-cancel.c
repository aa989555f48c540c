#include "base/cancel.h"

#include <fcntl.h>
#include <signal.h>

#include "../check.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requested),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
