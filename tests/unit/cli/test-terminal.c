#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/terminal.h"

static void tables(void **state)
{
	(void)state;
	static const char *const headers[] = {"NAME", ">SIZE", "NOTE"};
	Table t;
	_cleanup_buf_ Buf out = BUF_INIT(1 << 16);
	table_init(&t, 3, headers);
	table_cell(&t, "日本");
	table_take(&t, xstrdup("1.5kB"));
	table_cell(&t, "");
	table_cell(&t, "a\033[2Jb");
	table_cell(&t, "0B");
	table_cell(&t, "> no header");
	table_print(&t, &out);
	assert_string_equal(out.ptr,
		"NAME    SIZE   NOTE\n"
		"日本   1.5kB   \n"
		"ab        0B   > no header\n");
	table_done(&t);
}

static void not_a_terminal(void **state)
{
	(void)state;
	int fds[2];
	unsigned columns, rows;
	assert_int_equal(pipe(fds), 0);
	setenv("TERM", "xterm", 1);
	assert_false(terminal_is(fds[1]));
	assert_false(terminal_moves(fds[1]));
	assert_string_equal(terminal_color(fds[1], "\033[1m"), "");
	terminal_size(fds[1], &columns, &rows);
	assert_true(columns == 80 && rows == 24);
	close(fds[0]);
	close(fds[1]);
}

static void a_terminal(void **state)
{
	(void)state;
	int master, slave;
	unsigned columns, rows;
	struct winsize size = {.ws_col = 132, .ws_row = 50};
	assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	assert_true(terminal_is(slave) && terminal_moves(slave));
	assert_string_equal(terminal_color(slave, "\033[1m"), "\033[1m");
	terminal_size(slave, &columns, &rows);
	assert_true(columns == 132 && rows == 50);
	size = (struct winsize){0}; /* a serial line does not know */
	assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
	terminal_size(slave, &columns, &rows);
	assert_true(columns == 80 && rows == 24);
	setenv("NO_COLOR", "", 1); /* empty does not count: https://no-color.org */
	assert_string_equal(terminal_color(slave, "\033[1m"), "\033[1m");
	setenv("NO_COLOR", "1", 1);
	assert_string_equal(terminal_color(slave, "\033[1m"), "");
	assert_true(terminal_moves(slave));
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	assert_string_equal(terminal_color(slave, "\033[1m"), "");
	assert_false(terminal_moves(slave));
	unsetenv("TERM");
	assert_false(terminal_moves(slave));
	close(slave);
	close(master);
}

static void rewrapping(void **state)
{
	(void)state;
	unsetenv("XTERM_VERSION");
	setenv("TERM", "xterm-256color", 1);
	assert_true(terminal_rewraps());
	setenv("XTERM_VERSION", "XTerm(379)", 1);
	assert_false(terminal_rewraps());
	unsetenv("XTERM_VERSION");
	setenv("TERM", "linux", 1);
	assert_false(terminal_rewraps());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),
		cmocka_unit_test(not_a_terminal),
		cmocka_unit_test(a_terminal),
		cmocka_unit_test(rewrapping),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
