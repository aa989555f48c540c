/* What errors show besides their message: the lines around, and the nearest known word. */
#include "dockerfile/ast.h"

#define AROUND      2 /* lines before and after */
#define MAX_LINES   12
#define MAX_COLUMNS 200
#define MAX_WORD    64

char *dockerfile_excerpt(Str text, int line, int end_line)
{
	Buf b = BUF_INIT(1 << 16);
	Str rest = text, row;
	int number = 0, shown = 0;
	while (str_cut(&rest, '\n', &row)) {
		number++;
		if (number < line - AROUND || number > end_line + AROUND ||
			(rest.ptr == NULL && row.len == 0))
			continue;
		if (shown++ == MAX_LINES) {
			buf_cstr(&b, "       …\n");
			break;
		}
		bool marked = number >= line && number <= end_line;
		row = str_slice(row, 0, MAX_COLUMNS);
		if (row.len && row.ptr[row.len - 1] == '\r')
			row.len--;
		buf_printf(&b, "%4d | %s %s", number, marked ? ">>>" : "   ", "");
		for (size_t i = 0; i < row.len; i++)
			buf_char(&b,
				(unsigned char)row.ptr[i] < ' ' && row.ptr[i] != '\t' ? '?'
										      : row.ptr[i]);
		buf_char(&b, '\n');
	}
	return buf_steal(&b);
}

static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(b), row[MAX_WORD + 1];
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t change = diagonal + (a[i] != b[j]);
			diagonal = row[j + 1];
			row[j + 1] = MIN(change, MIN(row[j], row[j + 1]) + 1);
		}
	}
	return row[n];
}

const char *did_you_mean(const char *word, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t len = strlen(word), best_distance = MAX(len / 3, (size_t)1) + 1;
	if (len > MAX_WORD)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (strlen(candidates[i]) > MAX_WORD)
			continue;
		size_t d = distance(word, candidates[i]);
		if (d < best_distance) {
			best = candidates[i];
			best_distance = d;
		}
	}
	return best;
}
