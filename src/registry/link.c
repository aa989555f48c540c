#include "registry/link.h"

typedef struct LinkScanner {
	Str text;
	size_t at;
} LinkScanner;

static char peek(const LinkScanner *s)
{
	return s->at < s->text.len ? s->text.ptr[s->at] : '\0';
}

static bool at_end(const LinkScanner *s)
{
	return s->at >= s->text.len;
}

static void skip_blanks(LinkScanner *s)
{
	while (peek(s) == ' ' || peek(s) == '\t')
		s->at++;
}

static int malformed(Err **err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "the Link header is malformed: %s", what);
}

static int take_target(LinkScanner *s, Str *ret, Err **err)
{
	if (peek(s) != '<')
		return malformed(err, "no '<' where a target begins");
	size_t start = ++s->at;
	while (!at_end(s) && peek(s) != '>') {
		if ((unsigned char)peek(s) < 0x20 || peek(s) == 0x7f)
			return malformed(err, "a control character");
		s->at++;
	}
	if (at_end(s))
		return malformed(err, "'>' is missing");
	*ret = str_trim(str_slice(s->text, start, s->at++));
	return 0;
}

/* The value of a parameter, unquoted; appended to out. */
static int take_value(LinkScanner *s, Buf *out, Err **err)
{
	if (peek(s) != '"') {
		while (!at_end(s) && !strchr(";, \t", peek(s)))
			buf_char(out, s->text.ptr[s->at++]);
		return 0;
	}
	for (s->at++; !at_end(s); s->at++) {
		if (peek(s) == '"') {
			s->at++;
			return 0;
		}
		if (peek(s) == '\\')
			s->at++;
		if (!at_end(s))
			buf_char(out, peek(s));
	}
	return malformed(err, "a quote is not closed");
}

/* rel may be several words. */
static bool has_next(Str relations)
{
	Str word;
	while (str_cut(&relations, ' ', &word))
		if (str_eq_nocase(word, "next"))
			return true;
	return false;
}

/* The parameters of one link, up to its comma; the first rel counts. */
static int take_params(LinkScanner *s, bool *ret_next, Err **err)
{
	bool seen = false;
	*ret_next = false;
	for (;;) {
		_cleanup_buf_ Buf value = BUF_INIT(s->text.len + 1);
		skip_blanks(s);
		if (at_end(s) || peek(s) == ',')
			return 0;
		if (peek(s) != ';')
			return malformed(err, "neither ';' nor ',' behind a target");
		s->at++;
		skip_blanks(s);
		size_t start = s->at;
		while (!at_end(s) && !strchr("=;, \t", peek(s)))
			s->at++;
		Str name = str_slice(s->text, start, s->at);
		skip_blanks(s);
		if (peek(s) != '=')
			continue;
		s->at++;
		skip_blanks(s);
		int r = take_value(s, &value, err);
		if (r < 0)
			return r;
		if (str_eq_nocase(name, "rel") && !seen) {
			*ret_next = has_next(buf_view(&value));
			seen = true;
		}
	}
}

int link_next(Str value, char **ret, Err **err)
{
	LinkScanner s = {.text = value};
	_cleanup_free_ char *found = NULL;
	for (;;) {
		Str target;
		bool next;
		while (peek(&s) == ',' || peek(&s) == ' ' || peek(&s) == '\t')
			s.at++;
		if (at_end(&s))
			break;
		int r = take_target(&s, &target, err);
		if (r == 0)
			r = take_params(&s, &next, err);
		if (r < 0)
			return r;
		if (next && !found)
			found = str_dup(target);
	}
	*ret = TAKE_PTR(found);
	return 0;
}
