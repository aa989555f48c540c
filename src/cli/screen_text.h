/* Text of any origin made fit for a terminal: no control sequence of it gets through, and its width in columns is
 * known (wide and combining characters). */
#pragma once

#include "base/str.h"

#define ALL_COLUMNS SIZE_MAX

typedef enum ScreenTextFlags {
	SCREEN_TEXT_COLORS = 1 << 0, /* colour sequences stay, and end with the text */
} ScreenTextFlags;

/* Columns a UTF-8 text takes. */
size_t text_width(const char *text);
/* Appends text, cut with "…" if it is wider than columns; tabs become blanks. Returns the columns it takes. */
size_t screen_text(Buf *out, Str text, size_t columns, unsigned flags);
#define WRAP_COLUMNS 80
/* Appends the words of text, broken at WRAP_COLUMNS, and a line end. The cursor is in column `at`; further lines are
 * indented to `indent`. */
void wrap_text(Buf *out, Str text, size_t at, size_t indent);
/* What a line looks like on a terminal at its end: what a carriage return in it wrote over is gone. */
Str screen_line(Str line);
