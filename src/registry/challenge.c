/*
 * A comma separates challenges as well as the parameters of one, so what follows a comma is a parameter only if '=' follows
 * its name; else it is the scheme of the next challenge:
 *
 *	Bearer realm="https://a/token",scope="repository:x:pull,push", Basic realm="a \"b\"", Negotiate YIIx==
 *
 * All of it comes from a server that nobody vouches for.
 */
#include "registry/challenge.h"

#include <ctype.h>

#define MAX_CHALLENGES 16
#define MAX_PARAMS     32 /* of one challenge */

typedef struct Scanner {
	Str text;
	size_t at;
} Scanner;

static bool is_token(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token68(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("-._~+/", c));
}

static char peek(const Scanner *s)
{
	return s->at < s->text.len ? s->text.ptr[s->at] : '\0';
}

static bool at_end(const Scanner *s)
{
	return s->at >= s->text.len;
}

static void skip_blanks(Scanner *s)
{
	while (peek(s) == ' ' || peek(s) == '\t')
		s->at++;
}

static Str take(Scanner *s, bool (*is)(char c))
{
	size_t start = s->at;
	while (!at_end(s) && is(peek(s)))
		s->at++;
	return str_slice(s->text, start, s->at);
}

static int malformed(Err **err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "the WWW-Authenticate header is malformed: %s", what);
}

/* Behind a scheme: one lump of base64 instead of parameters ("Negotiate YII="). It means nothing to us. */
static bool skip_token68(Scanner *s)
{
	Scanner ahead = *s;
	if (take(&ahead, is_token68).len == 0)
		return false;
	while (peek(&ahead) == '=')
		ahead.at++;
	skip_blanks(&ahead);
	if (!at_end(&ahead) && peek(&ahead) != ',')
		return false;
	*s = ahead;
	return true;
}

static int take_quoted(Scanner *s, Buf *out, Err **err)
{
	for (s->at++; !at_end(s); s->at++) {
		char c = peek(s);
		if (c == '"') {
			s->at++;
			return 0;
		}
		if (c == '\\') {
			s->at++;
			c = peek(s);
		}
		if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
			return malformed(err, "a control character");
		buf_char(out, c);
	}
	return malformed(err, "a quote is not closed");
}

/* Some servers do not quote URLs: everything up to a comma or a blank is taken. */
static int take_bare(Scanner *s, Buf *out, Err **err)
{
	size_t start = s->at;
	for (; !at_end(s) && peek(s) != ',' && peek(s) != ' ' && peek(s) != '\t'; s->at++) {
		char c = peek(s);
		if ((unsigned char)c < 0x20 || c == 0x7f || c == '"')
			return malformed(err, "a parameter's value");
		buf_char(out, c);
	}
	return s->at == start ? malformed(err, "a parameter has no value") : 0;
}

/* 1: was one, 0: no '=' follows the word (nothing is consumed then). */
static int take_param(Scanner *s, Challenge *c, Err **err)
{
	Scanner ahead = *s;
	_cleanup_buf_ Buf param = BUF_INIT(s->text.len + 2);
	Str name = take(&ahead, is_token);
	skip_blanks(&ahead);
	if (name.len == 0 || peek(&ahead) != '=')
		return 0;
	ahead.at++;
	skip_blanks(&ahead);
	for (size_t i = 0; i < name.len; i++)
		buf_char(&param, (char)tolower((unsigned char)name.ptr[i]));
	buf_char(&param, '=');
	int r = peek(&ahead) == '"' ? take_quoted(&ahead, &param, err)
				    : take_bare(&ahead, &param, err);
	if (r < 0)
		return r;
	if (c->params.len == MAX_PARAMS)
		return malformed(err, "too many parameters");
	strvec_push_str(&c->params, buf_view(&param));
	*s = ahead;
	return 1;
}

static int take_scheme(Scanner *s, Challenges *all, Err **err)
{
	Str scheme = take(s, is_token);
	if (scheme.len == 0)
		return malformed(err, "neither a scheme nor a parameter");
	if (all->len == MAX_CHALLENGES)
		return malformed(err, "too many challenges");
	Challenge *c = vec_add(all);
	c->scheme = str_dup(scheme);
	for (char *p = c->scheme; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	bool parted = peek(s) == ' ' || peek(s) == '\t';
	skip_blanks(s);
	if (at_end(s) || peek(s) == ',' || (parted && skip_token68(s)))
		return 0;
	int r = parted ? take_param(s, c, err) : 0;
	return r == 0 ? malformed(err, "neither a parameter nor a comma follows a scheme") : r;
}

int challenges_parse(Str value, Challenges *ret, Err **err)
{
	Scanner s = {.text = value};
	Challenges all = {0};
	int r = 0;
	for (;;) {
		while (peek(&s) == ',' || peek(&s) == ' ' || peek(&s) == '\t')
			s.at++;
		if (at_end(&s))
			break;
		r = all.len ? take_param(&s, vec_last(&all), err) : 0;
		if (r == 0)
			r = take_scheme(&s, &all, err);
		if (r < 0)
			break;
		skip_blanks(&s);
		if (!at_end(&s) && peek(&s) != ',') {
			r = malformed(err, "a comma is missing");
			break;
		}
	}
	if (r < 0) {
		challenges_done(&all);
		return r;
	}
	vec_foreach (&all, c)
		vec_push(ret, *c);
	vec_done(&all);
	return 0;
}

void challenges_done(Challenges *c)
{
	vec_foreach (c, it) {
		free(it->scheme);
		strvec_done(&it->params);
	}
	vec_done(c);
}

const char *challenge_param(const Challenge *c, const char *key)
{
	size_t len = strlen(key);
	for (size_t i = 0; i < c->params.len; i++)
		if (cstr_starts(c->params.items[i], key) && c->params.items[i][len] == '=')
			return c->params.items[i] + len + 1;
	return NULL;
}
