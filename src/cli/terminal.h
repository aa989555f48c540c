/* What the terminal can do, and tables on it. */
#pragma once

#include "base/str.h"

/* The escape sequence if fd is a terminal and colours are wanted (NO_COLOR, TERM=dumb), else "". */
const char *terminal_color(int fd, const char *sequence);
bool terminal_is(int fd);
void terminal_size(int fd, unsigned *ret_columns, unsigned *ret_rows);

/* Left-aligned columns; a header starting with '>' aligns its column right. */
typedef struct Table {
	StrVec cells;
	size_t columns;
} Table;
void table_init(Table *t, size_t columns, const char *const *headers);
void table_cell(Table *t, const char *text); /* copies */
void table_take(Table *t, char *text);       /* takes ownership */
void table_print(const Table *t, Buf *out);
void table_done(Table *t);
/* Columns a UTF-8 text takes on a terminal (one a code point). */
size_t text_width(const char *text);
