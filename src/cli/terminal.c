#include "cli/terminal.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/cancel.h"
#include "cli/screen_text.h"

bool terminal_is(int fd)
{
	return isatty(fd) == 1;
}

#define MAX_ANSWER 4096

static int read_line(char *line, size_t *ret_len, Err **err)
{
	size_t len = 0;
	for (;;) {
		char c;
		ssize_t n = read(STDIN_FILENO, &c, 1);
		int r = cancel_check(err);
		if (r < 0)
			return r;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read the terminal");
		if (n == 0 || c == '\n')
			break;
		if (len + 1 == MAX_ANSWER)
			return err_set(
				err, ERR_LIMIT, "a line of more than %u bytes", MAX_ANSWER - 1);
		line[len++] = c;
	}
	*ret_len = len;
	return 0;
}

int terminal_ask(const char *question, bool hidden, char **ret, Err **err)
{
	char line[MAX_ANSWER];
	struct termios before, without_echo;
	size_t len = 0;
	bool changed = false;
	fflush(stdout);
	fprintf(stderr, "%s", question);
	if (hidden && tcgetattr(STDIN_FILENO, &before) == 0) {
		without_echo = before;
		without_echo.c_lflag &= ~(tcflag_t)ECHO;
		changed = tcsetattr(STDIN_FILENO, TCSAFLUSH, &without_echo) == 0;
		if (!changed)
			return err_sys(err, "hide what is typed");
	}
	int r = read_line(line, &len, err);
	if (changed) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputs("\n", stderr);
	}
	if (r == 0)
		*ret = xstrndup(line, len);
	explicit_bzero(line, sizeof(line));
	return r;
}

static bool is_dumb(void)
{
	const char *term = getenv("TERM");
	return !term || !*term || strcmp(term, "dumb") == 0;
}

bool terminal_moves(int fd)
{
	return terminal_is(fd) && !is_dumb();
}

bool terminal_rewraps(void)
{
	/* xterm and the console of Linux cut lines off instead */
	const char *term = getenv("TERM");
	return !getenv("XTERM_VERSION") && !(term && strcmp(term, "linux") == 0);
}

const char *terminal_color(int fd, const char *sequence)
{
	const char *no_color = getenv("NO_COLOR");
	return (no_color && *no_color) || !terminal_moves(fd) ? "" : sequence;
}

void terminal_size(int fd, unsigned *ret_columns, unsigned *ret_rows)
{
	struct winsize w = {0};
	bool known = ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0;
	*ret_columns = known ? w.ws_col : 80;
	*ret_rows = known ? w.ws_row : 24;
}

void table_init(Table *t, size_t columns, const char *const *headers)
{
	*t = (Table){.columns = columns};
	for (size_t i = 0; i < columns; i++)
		strvec_push(&t->cells, headers[i]);
}

void table_cell(Table *t, const char *text)
{
	Buf clean = BUF_INIT(SIZE_MAX / 2);
	screen_text(&clean, str_of(text), ALL_COLUMNS, 0);
	strvec_take(&t->cells, buf_steal(&clean));
}

void table_take(Table *t, char *text)
{
	table_cell(t, text);
	free(text);
}

void table_print(const Table *t, Buf *out)
{
	_cleanup_free_ size_t *width = xnew_n(size_t, t->columns);
	size_t rows = t->cells.len / t->columns;
	for (size_t i = 0; i < rows * t->columns; i++) {
		const char *cell = t->cells.items[i];
		size_t w = text_width(cell) - (i < t->columns && cell[0] == '>');
		width[i % t->columns] = MAX(width[i % t->columns], w);
	}
	for (size_t i = 0; i < rows * t->columns; i++) {
		size_t col = i % t->columns;
		bool right = t->cells.items[col][0] == '>';
		const char *cell = t->cells.items[i] + (i < t->columns && right);
		int pad = (int)(width[col] - text_width(cell));
		bool last = col + 1 == t->columns;
		if (right)
			buf_printf(out, "%*s%s%s", pad, "", cell, last ? "\n" : "   ");
		else if (last)
			buf_printf(out, "%s\n", cell);
		else
			buf_printf(out, "%s%*s   ", cell, pad, "");
	}
}

void table_done(Table *t)
{
	strvec_done(&t->cells);
}
