/* What the terminal can do, and tables on it. */
#pragma once

#include "base/str.h"

/* The escape sequence if fd is a terminal and colours are wanted (NO_COLOR, TERM=dumb), else "". */
const char *terminal_color(int fd, const char *sequence);
bool terminal_is(int fd);
/* One line of standard input, which is a terminal, without its end. hidden: what is typed is not shown. *ret owned; overwrite
 * it when it is a secret. ERR_CANCELLED. */
int terminal_ask(const char *question, bool hidden, char **ret, Err **err) _warn_unused_;
/* A terminal whose cursor can be moved (TERM is set, and not dumb). */
bool terminal_moves(int fd);
/* Whether lines too long for a window made narrower are broken, as nearly every terminal does today. */
bool terminal_rewraps(void);
void terminal_size(int fd, unsigned *ret_columns, unsigned *ret_rows);

/* Left-aligned columns; a header starting with '>' aligns its column right. */
typedef struct Table {
	StrVec cells;
	size_t columns;
} Table;
void table_init(Table *t, size_t columns, const char *const *headers);
void table_cell(Table *t, const char *text); /* copies, without control sequences */
void table_take(Table *t, char *text);       /* takes ownership */
void table_print(const Table *t, Buf *out);
void table_done(Table *t);
