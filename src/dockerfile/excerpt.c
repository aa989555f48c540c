/* What errors show besides their message: the lines around, and the nearest known word. */
#include "dockerfile/ast.h"

#define AROUND        2 /* lines before and after */
#define MAX_LINES     12
#define MAX_COLUMNS   200
#define MAX_WORD      64
#define MIN_BEGINNING 3 /* letters of a word begun */

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

/* Optimal string alignment: a letter put in, left out or changed, or two neighbours swapped, each count one. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(b), rows[3][MAX_WORD + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t *spare = before;
		before = above;
		above = row;
		row = spare;
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = MIN(change, MIN(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
	}
	return row[n];
}

/* Mistakes forgiven: one where the shorter word has up to four letters, two up to seven, three beyond. */
static size_t forgiven(size_t len)
{
	return len <= 4 ? 1 : len <= 7 ? 2 : 3;
}

const char *did_you_mean(const char *word, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t len = strlen(word), best_distance = SIZE_MAX;
	if (len < 2 || len > MAX_WORD)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (strlen(candidates[i]) > MAX_WORD)
			continue;
		/* the beginning of a word is as near as a slip */
		bool begun = len >= MIN_BEGINNING && strncmp(word, candidates[i], len) == 0;
		size_t d = begun ? 1 : distance(word, candidates[i]);
		if (d < best_distance && d <= forgiven(MIN(len, strlen(candidates[i])))) {
			best = candidates[i];
			best_distance = d;
		}
	}
	return best;
}
