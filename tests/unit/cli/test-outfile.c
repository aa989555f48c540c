#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/outfile.h"
#include "base/error.h"
#include "base/str.h"

static char *dir;

static int setup(void **state)
{
	(void)state;
	dir = xstrdup("/tmp/cruet-outfile-XXXXXX");
	return mkdtemp(dir) ? chdir(dir) : -1;
}

static int teardown(void **state)
{
	(void)state;
	(void)!unlink("out");
	int r = chdir("/") == 0 ? rmdir(dir) : -1;
	free(dir);
	return r;
}

static void appears_whole(void **state)
{
	(void)state;
	OutputFile *o = NULL;
	char text[8] = {0};
	assert_int_equal(output_open("out", &o, NULL), 0);
	assert_int_equal(writer_write(output_writer(o), "whole", 5, NULL), 0);
	assert_int_not_equal(access("out", F_OK), 0);
	assert_int_equal(output_commit(o, NULL), 0);
	output_free(o);
	int fd = open("out", O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	assert_string_equal(text, "whole");
	close(fd);
	/* given up: what was there stays */
	assert_int_equal(output_open("out", &o, NULL), 0);
	assert_int_equal(writer_write(output_writer(o), "part", 4, NULL), 0);
	output_free(o);
	fd = open("out", O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	close(fd);
}

static void devices_are_written_in_place(void **state)
{
	(void)state;
	OutputFile *o = NULL;
	_cleanup_err_ Err *e = NULL;
	assert_int_equal(output_open("/dev/full", &o, NULL), 0);
	int r = writer_write(output_writer(o), "x", 1, &e);
	if (r == 0)
		r = output_commit(o, &e);
	assert_int_equal(r, -ERR_NO_SPACE);
	output_free(o);
	assert_int_equal(access("/dev/full", W_OK), 0);
}

static void failures(void **state)
{
	(void)state;
	OutputFile *o = NULL;
	assert_true(output_open("/nonexistent/folder/out", &o, NULL) < 0);
	assert_null(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appears_whole),
		cmocka_unit_test(devices_are_written_in_place),
		cmocka_unit_test(failures),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
