/*
 * glob_match backtracks only to the last '*', which is enough because an earlier star can always take what a later
 * one gives back: time is at most pattern × path.
 *
 * A GlobSet pattern becomes a list of tokens that is run as a nondeterministic automaton: the set of live positions
 * is carried over the path character by character, so no pattern, however written, costs more than tokens × bytes.
 * Matching at a '/' counts too: a pattern that matches a parent directory matches what is below it.
 *
 * Characters are those of UTF-8; a byte that is none of it counts as one, U+FFFD, as in Go.
 */
#include "base/glob.h"

#include <stdio.h>

/* ---- Go's filepath.Match ---- */

bool glob_has_magic(Str p)
{
	for (size_t i = 0; i < p.len; i++)
		if (strchr("*?[\\", p.ptr[i]) && p.ptr[i])
			return true;
	return false;
}

static int bad_pattern(Str pattern, Err **err)
{
	return err_set(err, ERR_PARSE, "pattern '" STR_FMT "' is malformed", STR_ARG(pattern));
}

/* The character at i. Returns its bytes. */
static size_t char_at(Str s, size_t i, uint32_t *ret)
{
	unsigned char lead = (unsigned char)s.ptr[i];
	*ret = lead;
	if (lead < 0x80)
		return 1;
	size_t len = str_utf8(str_slice(s, i, s.len));
	if (len == 0) {
		*ret = 0xFFFD;
		return 1;
	}
	*ret = lead & (0x7Fu >> len);
	for (size_t k = 1; k < len; k++)
		*ret = *ret << 6 | ((unsigned char)s.ptr[i + k] & 0x3F);
	return len;
}

/* One character of a class, "\x" is x. Returns bytes used, 0 if malformed. */
static size_t class_char(Str p, size_t i, uint32_t *ret)
{
	if (i >= p.len || p.ptr[i] == '-' || p.ptr[i] == ']')
		return 0;
	if (p.ptr[i] != '\\')
		return char_at(p, i, ret);
	return i + 1 < p.len ? 1 + char_at(p, i + 1, ret) : 0;
}

/* Class at p[i] == '['. Returns bytes used, 0 if malformed; *ret_match for c. */
static size_t match_class(Str p, size_t i, uint32_t c, bool *ret_match)
{
	size_t start = i++;
	bool negated = i < p.len && p.ptr[i] == '^', hit = false;
	i += negated;
	for (unsigned n = 0;; n++) {
		uint32_t low, high;
		if (i < p.len && p.ptr[i] == ']' && n > 0)
			break;
		size_t used = class_char(p, i, &low);
		if (used == 0)
			return 0;
		i += used;
		high = low;
		if (i < p.len && p.ptr[i] == '-') {
			used = class_char(p, i + 1, &high);
			if (used == 0)
				return 0;
			i += 1 + used;
		}
		hit |= low <= c && c <= high;
	}
	*ret_match = hit != negated;
	return i + 1 - start;
}

/* Bytes of the pattern element at i; 0 if malformed. *ret_match: whether it takes c. */
static size_t match_one(Str p, size_t i, uint32_t c, bool *ret_match)
{
	uint32_t own;
	size_t used;
	switch (p.ptr[i]) {
	case '?':
		*ret_match = c != '/';
		return 1;
	case '[':
		used = match_class(p, i, c, ret_match);
		*ret_match = *ret_match && c != '/';
		return used;
	case '\\':
		if (i + 1 >= p.len)
			return 0;
		used = 1 + char_at(p, i + 1, &own);
		break;
	default:
		used = char_at(p, i, &own);
	}
	*ret_match = own == c;
	return used;
}

static bool well_formed(Str p)
{
	bool match;
	for (size_t i = 0; i < p.len;) {
		size_t used = p.ptr[i] == '*' ? 1 : match_one(p, i, 'x', &match);
		if (used == 0)
			return false;
		i += used;
	}
	return true;
}

int glob_match(Str pattern, Str path, bool *ret_match, Err **err)
{
	size_t p = 0, s = 0, star_p = SIZE_MAX, star_s = 0;
	if (!well_formed(pattern))
		return bad_pattern(pattern, err);
	while (s < path.len || p < pattern.len) {
		bool match = false;
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star_p = p++;
			star_s = s;
			continue;
		}
		if (p < pattern.len && s < path.len) {
			uint32_t c;
			size_t len = char_at(path, s, &c);
			size_t used = match_one(pattern, p, c, &match);
			if (match) {
				p += used;
				s += len;
				continue;
			}
		}
		/* the last star takes one byte more, unless that is a '/' */
		if (star_p == SIZE_MAX || star_s >= path.len || path.ptr[star_s] == '/') {
			*ret_match = false;
			return 0;
		}
		s = ++star_s;
		p = star_p + 1;
	}
	*ret_match = true;
	return 0;
}

/* ---- paths ---- */

char *path_clean(Str path)
{
	bool rooted = path.len && path.ptr[0] == '/';
	VEC(Str) parts = {0};
	Str rest = path, word;
	while (str_cut(&rest, '/', &word)) {
		if (word.len == 0 || str_eq_cstr(word, "."))
			continue;
		if (!str_eq_cstr(word, ".."))
			vec_push(&parts, word);
		else if (parts.len && !str_eq_cstr(*vec_last(&parts), ".."))
			parts.len--;
		else if (!rooted)
			vec_push(&parts, word);
	}
	Buf out = BUF_INIT(path.len + 2);
	if (rooted)
		buf_char(&out, '/');
	vec_foreach (&parts, part) {
		if (part != parts.items)
			buf_char(&out, '/');
		buf_str(&out, *part);
	}
	if (out.len == 0)
		buf_char(&out, '.');
	vec_done(&parts);
	return buf_steal(&out);
}

char *path_join(Str base, Str path)
{
	if (path.len && path.ptr[0] == '/')
		return path_clean(path);
	_cleanup_free_ char *both = xasprintf(STR_FMT "/" STR_FMT, STR_ARG(base), STR_ARG(path));
	return path_clean(base.len ? str_of(both) : path);
}

/* ---- GlobSet ---- */

typedef enum TokenType {
	TOKEN_CHAR,
	TOKEN_ANY, /* one character but '/' */
	TOKEN_CLASS,
	TOKEN_STAR, /* any characters but '/' */
	TOKEN_DIRS, /* (.*\/)?  a "**" in front or in the middle */
	TOKEN_REST, /* .*  a "**" at the end, or in front of a mere suffix */
} TokenType;

typedef struct Token {
	TokenType type;
	uint32_t c;
	Str class; /* "[…]" in the pattern's text */
} Token;

typedef struct Pattern {
	char *text; /* cleaned, without '!' */
	bool exception;
	bool literal; /* no wildcard: compared as it is */
	VEC(Token) tokens;
} Pattern;

struct GlobSet {
	VEC(Pattern) patterns;
	bool exceptions;
	size_t max_tokens;
};

static bool is_literal(Str s)
{
	return !glob_has_magic(s) && str_find(s, ']') < 0;
}

/* The "**" at s[i]. Returns bytes used. */
static size_t double_star(Str s, size_t i, TokenType *ret)
{
	size_t used = 2;
	Str rest = str_slice(s, i + used, s.len);
	/* "**x": moby compares the end of the path, wherever x begins in it */
	bool suffix = i == 0 && !str_starts(rest, "/") && is_literal(rest);
	if (str_starts(rest, "/"))
		used++;
	*ret = suffix || i + used == s.len ? TOKEN_REST : TOKEN_DIRS;
	return used;
}

static int compile(Pattern *p, Err **err)
{
	Str s = str_of(p->text);
	p->literal = is_literal(s);
	for (size_t i = 0; i < s.len;) {
		Token t = {TOKEN_CHAR, 0, STR("")};
		bool match = false;
		size_t used = 1;
		if (str_starts(str_slice(s, i, s.len), "**")) {
			used = double_star(s, i, &t.type);
		} else if (s.ptr[i] == '*') {
			t.type = TOKEN_STAR;
		} else if (s.ptr[i] == '?') {
			t.type = TOKEN_ANY;
		} else if (s.ptr[i] == '[') {
			used = match_class(s, i, 'x', &match);
			t.type = TOKEN_CLASS;
			t.class = str_slice(s, i, i + used);
		} else if (s.ptr[i] == '\\') {
			used = i + 1 < s.len ? 1 + char_at(s, i + 1, &t.c) : 0;
		} else {
			used = char_at(s, i, &t.c);
		}
		if (used == 0)
			return bad_pattern(s, err);
		vec_push(&p->tokens, t);
		i += used;
	}
	return 0;
}

int globset_new(const StrVec *patterns, GlobSet **ret, Err **err)
{
	_cleanup_(globset_freep) GlobSet *g = xnew(GlobSet);
	for (size_t i = 0; i < patterns->len; i++) {
		Str s = str_trim(str_of(patterns->items[i]));
		bool exception = s.len && s.ptr[0] == '!';
		if (exception)
			s = str_trim(str_slice(s, 1, s.len));
		if (s.len == 0 && exception)
			return err_set(err, ERR_PARSE, "'!' alone is no pattern");
		if (s.len == 0)
			continue;
		char *clean = path_clean(s);
		if (clean[0] == '/' && clean[1])
			memmove(clean, clean + 1, strlen(clean));
		Pattern *p = vec_add(&g->patterns);
		p->text = clean;
		p->exception = exception;
		g->exceptions |= exception;
		int r = compile(p, err);
		if (r < 0)
			return r;
		g->max_tokens = MAX(g->max_tokens, p->tokens.len);
	}
	*ret = TAKE_PTR(g);
	return 0;
}

GlobSet *globset_free(GlobSet *g)
{
	if (!g)
		return NULL;
	vec_foreach (&g->patterns, p) {
		free(p->text);
		vec_done(&p->tokens);
	}
	vec_done(&g->patterns);
	free(g);
	return NULL;
}

/*
 * Live positions of the automaton: live[i] says that tokens 0…i-1 have matched what was read. FRESH: token i has taken
 * nothing yet. INSIDE (TOKEN_DIRS only): it has, and only a '/' may end it.
 */
enum {
	FRESH = 1,
	INSIDE = 2,
};

typedef struct Run {
	const Pattern *p;
	uint8_t *live, *next;
} Run;

/* Positions reachable without reading: behind every token that may match nothing. */
static void close_over(const Pattern *p, uint8_t *live)
{
	for (size_t i = 0; i < p->tokens.len; i++)
		if (live[i] & FRESH && p->tokens.items[i].type >= TOKEN_STAR)
			live[i + 1] |= FRESH;
}

static Run run_begin(const Pattern *p, uint8_t *room)
{
	size_t n = p->tokens.len;
	Run r = {p, room, room + n + 1};
	memset(r.live, 0, n + 1);
	r.live[0] = FRESH;
	close_over(p, r.live);
	return r;
}

static bool takes(const Token *t, uint32_t c)
{
	bool match = false;
	switch (t->type) {
	case TOKEN_CHAR:
		return t->c == c;
	case TOKEN_ANY:
		return c != '/';
	case TOKEN_CLASS:
		match_class(t->class, 0, c, &match);
		return match && c != '/';
	case TOKEN_STAR:
	case TOKEN_DIRS:
	case TOKEN_REST:
		break;
	}
	return false;
}

/* Reads one character; false when nothing is live any more. */
static bool step(Run *r, uint32_t c)
{
	size_t n = r->p->tokens.len;
	bool any = false;
	memset(r->next, 0, n + 1);
	for (size_t i = 0; i < n; i++) {
		const Token *t = &r->p->tokens.items[i];
		if (!r->live[i])
			continue;
		if (t->type == TOKEN_REST || (t->type == TOKEN_STAR && c != '/'))
			r->next[i] |= FRESH;
		else if (t->type == TOKEN_DIRS)
			r->next[i] |= INSIDE;
		if (t->type == TOKEN_DIRS ? c == '/' : takes(t, c))
			r->next[i + 1] |= FRESH;
		any |= r->next[i] || r->next[i + 1];
	}
	close_over(r->p, r->next);
	uint8_t *swap = r->live;
	r->live = r->next;
	r->next = swap;
	return any;
}

/* Whole pattern against path or one of its parents. */
static bool pattern_match(const Pattern *p, Str path, uint8_t *room)
{
	size_t n = p->tokens.len;
	uint32_t c;
	if (p->literal) {
		size_t len = strlen(p->text);
		return path.len >= len && memcmp(path.ptr, p->text, len) == 0 &&
			(path.len == len || path.ptr[len] == '/');
	}
	Run r = run_begin(p, room);
	for (size_t i = 0; i < path.len;) {
		if (path.ptr[i] == '/' && i > 0 && r.live[n])
			return true;
		i += char_at(path, i, &c);
		if (!step(&r, c))
			return false;
	}
	return r.live[n];
}

/* Whether some path below dir could match. */
static bool pattern_reaches_below(const Pattern *p, Str dir, uint8_t *room)
{
	uint32_t c;
	Run r = run_begin(p, room);
	for (size_t i = 0; i < dir.len;) {
		i += char_at(dir, i, &c);
		if (!step(&r, c))
			return false;
	}
	return step(&r, '/');
}

#define ROOM_ON_STACK 1024

bool globset_match(const GlobSet *g, Str path)
{
	uint8_t small[ROOM_ON_STACK];
	size_t need = 2 * (g->max_tokens + 1);
	_cleanup_free_ uint8_t *large = need > sizeof(small) ? xmalloc(need) : NULL;
	bool matched = false;
	vec_foreach (&g->patterns, p) {
		/* a pattern that would not change the verdict need not be run */
		if (matched == p->exception && pattern_match(p, path, large ? large : small))
			matched = !p->exception;
	}
	return matched;
}

bool globset_may_include_below(const GlobSet *g, Str dir)
{
	uint8_t small[ROOM_ON_STACK];
	size_t need = 2 * (g->max_tokens + 1);
	_cleanup_free_ uint8_t *large = need > sizeof(small) ? xmalloc(need) : NULL;
	if (!g->exceptions)
		return false;
	vec_foreach (&g->patterns, p)
		if (p->exception && pattern_reaches_below(p, dir, large ? large : small))
			return true;
	return false;
}
