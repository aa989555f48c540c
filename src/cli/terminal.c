#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_is(int fd)
{
	return isatty(fd) == 1;
}

const char *terminal_color(int fd, const char *sequence)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	if ((no_color && *no_color) || (term && strcmp(term, "dumb") == 0) || !terminal_is(fd))
		return "";
	return sequence;
}

void terminal_size(int fd, unsigned *ret_columns, unsigned *ret_rows)
{
	struct winsize w = {0};
	bool known = ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0;
	*ret_columns = known ? w.ws_col : 80;
	*ret_rows = known ? w.ws_row : 24;
}

size_t text_width(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void table_init(Table *t, size_t columns, const char *const *headers)
{
	*t = (Table){.columns = columns};
	for (size_t i = 0; i < columns; i++)
		strvec_push(&t->cells, headers[i]);
}

void table_cell(Table *t, const char *text)
{
	strvec_push(&t->cells, text);
}

void table_take(Table *t, char *text)
{
	strvec_take(&t->cells, text);
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
