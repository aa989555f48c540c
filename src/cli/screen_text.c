#include "cli/screen_text.h"

#include <locale.h>
#include <pthread.h>
#include <wchar.h>

#define TAB_STOP 8

static locale_t unicode; /* 0 where the C library lacks it: then every character is one column */

static void make_locale(void)
{
	unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Marks that turn the direction of writing: they could make a text look like another. */
static bool turns_direction(wchar_t c)
{
	return c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
		(c >= 0x2066 && c <= 0x2069);
}

static wchar_t decode(Str s, size_t len)
{
	static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	wchar_t c = (unsigned char)s.ptr[0] & first[len];
	for (size_t i = 1; i < len; i++)
		c = c << 6 | ((unsigned char)s.ptr[i] & 0x3f);
	return c;
}

/* Columns of one character; -1: not to be shown. */
static int columns_of(wchar_t c)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	if (c < 0x7f)
		return c < ' ' ? -1 : 1;
	if (c < 0xa0 || turns_direction(c))
		return -1;
	pthread_once(&once, make_locale);
	if (!unicode)
		return 1;
	locale_t before = uselocale(unicode);
	int n = wcwidth(c);
	uselocale(before);
	return n;
}

/* Bytes of the control sequence that s, which starts with ESC, begins with. */
static size_t sequence_length(Str s)
{
	size_t i = 1;
	if (i == s.len)
		return i;
	char kind = s.ptr[i++];
	if (kind == '[') { /* CSI: ends with a letter */
		while (i < s.len && s.ptr[i] >= ' ' && s.ptr[i] < '@')
			i++;
		return MIN(i + 1, s.len);
	}
	if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_') {
		/* a string: ends with BEL or ESC \ */
		while (i < s.len && s.ptr[i] != '\a' && s.ptr[i] != '\033')
			i++;
		if (i < s.len && s.ptr[i] == '\033' && i + 1 < s.len && s.ptr[i + 1] == '\\')
			return i + 2;
		return i < s.len && s.ptr[i] == '\a' ? i + 1 : i;
	}
	while (kind >= ' ' && kind < '0' && i < s.len)
		kind = s.ptr[i++];
	return i;
}

static bool is_color(Str sequence)
{
	for (size_t i = 2; i + 1 < sequence.len; i++)
		if (!strchr("0123456789;:", sequence.ptr[i]))
			return false;
	return sequence.len > 2 && sequence.ptr[1] == '[' && sequence.ptr[sequence.len - 1] == 'm';
}

typedef struct Piece {
	Str shown; /* empty: nothing to see */
	size_t bytes;
	size_t columns;
	bool color;
} Piece;

static Piece next_piece(Str rest, size_t used)
{
	static const char blanks[TAB_STOP + 1] = "        ";
	unsigned char c = (unsigned char)rest.ptr[0];
	if (c == '\033') {
		Str sequence = {rest.ptr, sequence_length(rest)};
		return (Piece){
			.shown = sequence, .bytes = sequence.len, .color = is_color(sequence)};
	}
	if (c == '\t') {
		size_t n = TAB_STOP - used % TAB_STOP;
		return (Piece){{blanks, n}, 1, n, false};
	}
	if (c == '\n' || c == '\r')
		return (Piece){{blanks, 1}, 1, 1, false};
	size_t len = str_utf8(rest);
	if (len == 0)
		return (Piece){STR("\xef\xbf\xbd"), 1, 1, false};
	int columns = columns_of(decode(rest, len));
	if (columns < 0)
		return (Piece){.bytes = len};
	return (Piece){{rest.ptr, len}, len, (size_t)columns, false};
}

size_t screen_text(Buf *out, Str text, size_t columns, unsigned flags)
{
	size_t used = 0, fits = out->len, fits_used = 0;
	bool colored = false, cut = false;
	for (size_t i = 0; i < text.len;) {
		Piece p = next_piece(str_slice(text, i, text.len), used);
		i += p.bytes;
		if (p.columns == 0 && p.shown.len && p.shown.ptr[0] == '\033') {
			if (!p.color || !(flags & SCREEN_TEXT_COLORS))
				continue;
			colored = true;
		}
		if (p.columns > columns - used) {
			cut = true;
			break;
		}
		buf_str(out, p.shown);
		used += p.columns;
		if (used < columns) {
			fits = out->len;
			fits_used = used;
		}
	}
	if (cut && columns > 0) {
		out->len = MIN(out->len, fits); /* an overflown Buf is empty */
		used = fits_used + 1;
		buf_cstr(out, "…");
	}
	if (colored)
		buf_cstr(out, "\033[0m");
	return used;
}

size_t text_width(const char *text)
{
	size_t used = 0;
	for (Str rest = str_of(text); rest.len;) {
		Piece p = next_piece(rest, used);
		used += p.columns;
		rest = str_slice(rest, p.bytes, rest.len);
	}
	return used;
}

Str screen_line(Str line)
{
	while (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return str_slice(line, (size_t)(str_rfind(line, '\r') + 1), line.len);
}

void wrap_text(Buf *out, Str text, size_t at, size_t indent)
{
	bool first = true;
	for (Str rest = str_trim(text); rest.len; rest = str_trim(rest)) {
		size_t len = strcspn(rest.ptr, " \n");
		_cleanup_free_ char *word = xstrndup(rest.ptr, MIN(len, rest.len));
		size_t columns = text_width(word);
		if (!first && at + 1 + columns > WRAP_COLUMNS) {
			buf_printf(out, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		buf_printf(out, "%s%s", first ? "" : " ", word);
		at += columns + !first;
		first = false;
		rest = str_slice(rest, len, rest.len);
	}
	buf_char(out, '\n');
}
