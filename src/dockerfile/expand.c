/*
 * The grammar is a shell's, cut down: quotes, one escape character, $name, ${name} and its modifiers. Words of
 * modifiers nest, so the machine calls itself; depth and output are bounded.
 *
 * For splitting (expand_words) the result is kept as words: blanks that come from plain text or from an unquoted
 * variable end a word, blanks from quotes and escapes do not.
 */
#include "dockerfile/expand.h"

#include "base/limits.h"

#define MAX_DEPTH 32

typedef struct Machine {
	const Expander *x;
	Str s;
	size_t at;
	unsigned depth;
	StrVec *words; /* NULL: no splitting */
	Buf word;      /* the current one when splitting */
	bool in_word;
	Err **err;
} Machine;

static int run(Machine *m, const char *stop, bool raw_escapes, Buf *out);

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void end_word(Machine *m)
{
	if (m->in_word)
		strvec_push_str(m->words, buf_view(&m->word));
	buf_clear(&m->word);
	m->in_word = false;
}

/* To the output, and to the words: splitting at blanks if `plain`. */
static void put(Machine *m, Buf *out, Str text, bool plain)
{
	buf_str(out, text);
	if (!m->words || m->depth > 1)
		return;
	for (size_t i = 0; i < text.len; i++) {
		if (plain && is_space(text.ptr[i])) {
			end_word(m);
			continue;
		}
		buf_char(&m->word, text.ptr[i]);
		m->in_word = true;
	}
	if (!plain)
		m->in_word = true; /* "" is a word */
}

static bool at_end(const Machine *m)
{
	return m->at >= m->s.len;
}

static char peek(const Machine *m)
{
	return at_end(m) ? '\0' : m->s.ptr[m->at];
}

static int syntax(Machine *m, const char *what)
{
	return err_set(m->err, ERR_PARSE, "cannot expand '" STR_FMT "': %s",
		STR_ARG(str_slice(m->s, 0, 200)), what);
}

static int single_quote(Machine *m, Buf *out)
{
	size_t start = ++m->at;
	while (!at_end(m) && peek(m) != '\'')
		m->at++;
	if (at_end(m))
		return syntax(m, "the single quote is not closed");
	put(m, out, str_slice(m->s, start, m->at), false);
	m->at++;
	return 0;
}

static int dollar(Machine *m, Buf *out);

static int double_quote(Machine *m, Buf *out)
{
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_EXPANSION);
	m->at++;
	m->depth++;
	while (!at_end(m) && peek(m) != '"') {
		if (peek(m) == '$') {
			int r = dollar(m, &text);
			if (r < 0)
				return r;
			continue;
		}
		char c = m->s.ptr[m->at++];
		if (c == m->x->escape) {
			if (at_end(m))
				break;
			char next = peek(m);
			if (next == '"' || next == '$' || next == m->x->escape) {
				c = next;
				m->at++;
			}
		}
		buf_char(&text, c);
	}
	m->depth--;
	if (at_end(m))
		return syntax(m, "the double quote is not closed");
	m->at++;
	put(m, out, buf_view(&text), false);
	return 0;
}

/* ---- variables ---- */

static Str name(Machine *m)
{
	size_t start = m->at;
	char c = peek(m);
	if (c >= '0' && c <= '9') {
		while (peek(m) >= '0' && peek(m) <= '9')
			m->at++;
	} else if (c && strchr("@*#?-$!", c)) {
		m->at++;
	} else {
		while (!at_end(m) &&
			(peek(m) == '_' || (peek(m) >= '0' && peek(m) <= '9') ||
				((peek(m) | 32) >= 'a' && (peek(m) | 32) <= 'z')))
			m->at++;
	}
	return str_slice(m->s, start, m->at);
}

static const char *lookup(Machine *m, Str variable)
{
	_cleanup_free_ char *text = str_dup(variable);
	const char *value = m->x->lookup ? m->x->lookup(m->x->arg, text) : NULL;
	if (!value && m->x->undefined && *text && !strchr("0123456789@*#?-$!", *text) &&
		!strvec_has(m->x->undefined, text))
		strvec_push(m->x->undefined, text);
	return value;
}

/*
 * Shell pattern (only *, ? and escapes) at the start of s; the bytes it takes, SIZE_MAX if it does not match.
 * *ret_ran_out: that is because s ended, so that nothing behind its first byte matches either: a star that was
 * reached has tried everything, and a pattern without one needs more bytes than there are.
 */
static size_t match_prefix(Str pattern, Str s, bool greedy, bool *ret_ran_out)
{
	size_t best = SIZE_MAX;
	/* the set of pattern positions reached after i bytes of s */
	_cleanup_free_ uint8_t *live = xcalloc(2, pattern.len + 2);
	uint8_t *a = live, *b = live + pattern.len + 1;
	a[0] = 1;
	for (size_t i = 0;; i++) {
		for (size_t p = 0; p < pattern.len; p++)
			if (a[p] && pattern.ptr[p] == '*')
				a[p + 1] = 1;
		if (a[pattern.len]) {
			best = i;
			if (!greedy)
				return best;
		}
		if (i == s.len) {
			*ret_ran_out = best == SIZE_MAX;
			return best;
		}
		memset(b, 0, pattern.len + 1);
		bool any = false;
		for (size_t p = 0; p < pattern.len; p++) {
			char c = pattern.ptr[p];
			if (!a[p])
				continue;
			size_t used = 1;
			bool takes = c == '?';
			if (c == '*') {
				b[p] = 1;
				any = true;
				continue;
			}
			if (c == '\\' && p + 1 < pattern.len) {
				used = 2;
				takes = pattern.ptr[p + 1] == s.ptr[i];
			} else if (c != '?') {
				takes = c == s.ptr[i];
			}
			if (takes) {
				b[p + used] = 1;
				any = true;
			}
		}
		if (!any)
			return best;
		uint8_t *swap = a;
		a = b;
		b = swap;
	}
}

static Str trim_prefix(Str pattern, Str value, bool greedy)
{
	bool ran_out;
	size_t n = match_prefix(pattern, value, greedy, &ran_out);
	return n == SIZE_MAX ? value : str_slice(value, n, value.len);
}

static char *reverse(Str s)
{
	char *ret = xmalloc(s.len + 1);
	for (size_t i = 0; i < s.len; i++)
		ret[s.len - 1 - i] = s.ptr[i];
	ret[s.len] = '\0';
	return ret;
}

/* The pattern of the same texts written backwards: an escape stays in front of what it escapes. */
static char *reverse_pattern(Str s, size_t *ret_len)
{
	char *ret = xmalloc(s.len + 2), *end = ret + s.len + 1, *p = end;
	for (size_t i = 0; i < s.len; i++) {
		bool escape = s.ptr[i] == '\\';
		i += escape && i + 1 < s.len;
		*--p = s.ptr[i];
		if (escape)
			*--p = '\\';
	}
	*ret_len = (size_t)(end - p);
	memmove(ret, p, *ret_len);
	return ret;
}

static Str trim_suffix(Str pattern, Str value, bool greedy)
{
	bool ran_out;
	size_t len;
	_cleanup_free_ char *backwards = reverse(value);
	_cleanup_free_ char *mirrored = reverse_pattern(pattern, &len);
	size_t n =
		match_prefix((Str){mirrored, len}, (Str){backwards, value.len}, greedy, &ran_out);
	return n == SIZE_MAX ? value : str_slice(value, 0, value.len - n);
}

static void replace(Buf *out, Str pattern, Str value, Str by, bool all)
{
	for (size_t i = 0; i < value.len;) {
		Str rest = str_slice(value, i, value.len);
		bool ran_out = false;
		size_t n = match_prefix(pattern, rest, true, &ran_out);
		if (ran_out) {
			buf_str(out, rest);
			return;
		}
		if (n == SIZE_MAX || n == 0) {
			buf_char(out, value.ptr[i++]);
			continue;
		}
		buf_str(out, by);
		i += n;
		if (!all) {
			buf_str(out, str_slice(value, i, value.len));
			return;
		}
	}
}

static int nested(Machine *m, const char *stop, bool raw_escapes, Buf *out)
{
	if (m->depth >= MAX_DEPTH)
		return err_set(
			m->err, ERR_LIMIT, "expansion is nested deeper than %d levels", MAX_DEPTH);
	m->depth++;
	int r = run(m, stop, raw_escapes, out);
	m->depth--;
	if (r == 0 && at_end(m))
		return syntax(m, "missing '}'");
	return r;
}

static int substitute_pattern(Machine *m, Str variable, Buf *out)
{
	_cleanup_buf_ Buf pattern = BUF_INIT(LIMIT_EXPANSION), by = BUF_INIT(LIMIT_EXPANSION);
	bool all = peek(m) == '/';
	m->at += all;
	int r = nested(m, "/", true, &pattern);
	if (r < 0)
		return r;
	m->at++;
	r = nested(m, "}", false, &by);
	if (r < 0)
		return r;
	m->at++;
	const char *value = lookup(m, variable);
	_cleanup_buf_ Buf result = BUF_INIT(LIMIT_EXPANSION);
	replace(&result, buf_view(&pattern), str_of(value ? value : ""), buf_view(&by), all);
	put(m, out, buf_view(&result), true);
	return result.overflow ? err_set(m->err, ERR_LIMIT, "the expansion is too long") : 0;
}

/* Behind "${name": modifier, word and brace. */
static int modifier(Machine *m, Str variable, Buf *out)
{
	_cleanup_buf_ Buf word = BUF_INIT(LIMIT_EXPANSION);
	size_t start = m->at;
	char op = m->s.ptr[m->at++];
	bool colon = op == ':';
	if (colon) {
		op = peek(m);
		m->at += !at_end(m);
	}
	if (op == '/' && !colon)
		return substitute_pattern(m, variable, out);
	if (!op || !strchr("+-?#%", op) || (colon && strchr("#%", op)))
		return err_set(m->err, ERR_PARSE,
			"unsupported modifier '" STR_FMT "' in '" STR_FMT "'",
			STR_ARG(str_slice(m->s, start, m->at)), STR_ARG(str_slice(m->s, 0, 200)));
	int r = nested(m, "}", op == '#' || op == '%', &word);
	if (r < 0)
		return r;
	m->at++;
	const char *value = lookup(m, variable);
	bool unset = !value || (colon && !*value);
	Str text = buf_view(&word);
	switch (op) {
	case '-':
		put(m, out, unset ? text : str_of(value), true);
		return 0;
	case '+':
		put(m, out, unset ? STR("") : text, true);
		return 0;
	case '?':
		if (unset)
			return err_set(m->err, ERR_PARSE, "'" STR_FMT "': " STR_FMT,
				STR_ARG(variable),
				STR_ARG(text.len ? text
						 : str_of(value ? "must not be empty"
								: "must be set")));
		put(m, out, str_of(value), true);
		return 0;
	default: {
		bool greedy = text.len && text.ptr[0] == op;
		text = str_slice(text, greedy, text.len);
		Str have = str_of(value ? value : "");
		put(m, out,
			op == '#' ? trim_prefix(text, have, greedy)
				  : trim_suffix(text, have, greedy),
			true);
		return 0;
	}
	}
}

static int dollar(Machine *m, Buf *out)
{
	m->at++;
	if (peek(m) != '{') {
		Str variable = name(m);
		if (variable.len == 0) {
			put(m, out, STR("$"), true);
			return 0;
		}
		const char *value = lookup(m, variable);
		put(m, out, str_of(value ? value : ""), true);
		return 0;
	}
	m->at++;
	if (at_end(m))
		return syntax(m, "missing '}'");
	if (strchr("{}:", peek(m)))
		return syntax(m, "bad substitution");
	Str variable = name(m);
	if (at_end(m))
		return syntax(m, "missing '}'");
	if (peek(m) != '}')
		return modifier(m, variable, out);
	m->at++;
	const char *value = lookup(m, variable);
	put(m, out, str_of(value ? value : ""), true);
	return 0;
}

/* Up to one of the stop bytes (not taken) or the end. */
static int run(Machine *m, const char *stop, bool raw_escapes, Buf *out)
{
	while (!at_end(m) && !strchr(stop, peek(m))) {
		char c = peek(m);
		int r = 0;
		if (c == '\'' && !m->x->raw_quotes) {
			r = single_quote(m, out);
		} else if (c == '"' && !m->x->raw_quotes) {
			r = double_quote(m, out);
		} else if (c == '$') {
			r = dollar(m, out);
		} else if (c == m->x->escape) {
			m->at++;
			if (raw_escapes)
				put(m, out, (Str){&m->x->escape, 1}, false);
			if (at_end(m))
				break;
			put(m, out, str_slice(m->s, m->at, m->at + 1), false);
			m->at++;
		} else {
			put(m, out, str_slice(m->s, m->at, m->at + 1), true);
			m->at++;
		}
		if (r < 0)
			return r;
		if (out->overflow)
			return err_set(m->err, ERR_LIMIT, "the expansion is longer than %u bytes",
				LIMIT_EXPANSION);
	}
	return 0;
}

static int expand(const Expander *x, Str text, Buf *out, StrVec *words, Err **err)
{
	Machine m = {.x = x,
		.s = text,
		.depth = 1,
		.words = words,
		.word = BUF_INIT(LIMIT_EXPANSION),
		.err = err};
	int r = run(&m, "", false, out);
	if (r == 0 && words)
		end_word(&m);
	buf_done(&m.word);
	return r;
}

int expand_word(const Expander *x, Str text, char **ret, Err **err)
{
	_cleanup_buf_ Buf out = BUF_INIT(LIMIT_EXPANSION);
	int r = expand(x, text, &out, NULL, err);
	return r < 0 ? r : buf_take(&out, ret, err);
}

int expand_words(const Expander *x, Str text, StrVec *ret, Err **err)
{
	_cleanup_buf_ Buf out = BUF_INIT(LIMIT_EXPANSION);
	return expand(x, text, &out, ret, err);
}
