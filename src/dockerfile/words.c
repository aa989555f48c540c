#include "dockerfile/node.h"

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

void split_blanks(Str text, size_t max, StrVec *ret)
{
	/* as a regular expression split on [\t\v\f\r ]+ does: a leading run gives an empty first word */
	size_t i = 0, start = 0;
	while (max == 0 || ret->len + 1 < max) {
		while (i < text.len && !(is_space(text.ptr[i]) && text.ptr[i] != '\n'))
			i++;
		if (i == text.len)
			break;
		strvec_push_str(ret, str_slice(text, start, i));
		while (i < text.len && is_space(text.ptr[i]) && text.ptr[i] != '\n')
			i++;
		start = i;
	}
	strvec_push_str(ret, str_slice(text, start, text.len));
}

/* Bytes of the character at p: escapes skip a whole UTF-8 character. */
static size_t char_len(Str s, size_t i)
{
	size_t n = 1;
	if ((unsigned char)s.ptr[i] >= 0xc0)
		while (i + n < s.len && ((unsigned char)s.ptr[i + n] & 0xc0) == 0x80 && n < 4)
			n++;
	return n;
}

void split_words(Str text, char escape, StrVec *ret)
{
	Buf word = BUF_INIT(text.len + 1);
	bool in_word = false, blank_ok = false;
	char quote = 0;
	for (size_t i = 0; i < text.len;) {
		char c = text.ptr[i];
		size_t n = char_len(text, i);
		if (!in_word && is_space(c)) {
			i++;
			continue;
		}
		in_word = true;
		if (!quote && is_space(c)) {
			if (blank_ok || word.len)
				strvec_push_str(ret, buf_view(&word));
			buf_clear(&word);
			in_word = blank_ok = false;
			i++;
			continue;
		}
		if (quote && c == quote) {
			quote = 0;
		} else if (!quote && (c == '\'' || c == '"')) {
			quote = c;
			blank_ok = true;
		}
		if (c == escape && quote != '\'') {
			if (i + 1 == text.len) {
				if (quote)
					quote = 0;
				break;
			}
			buf_char(&word, c);
			i++;
			n = char_len(text, i);
		}
		buf_append(&word, text.ptr + i, n);
		i += n;
	}
	if (in_word && (blank_ok || word.len))
		strvec_push_str(ret, buf_view(&word));
	buf_done(&word);
}
