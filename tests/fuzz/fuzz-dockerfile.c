/*
 * Any bytes as a Dockerfile: an error has a line that is there; instructions come in order, and the logical line of
 * one reads as the same instruction again; every word is expanded. What parses has a syntax tree.
 */
#include <assert.h>

#include "base/limits.h"
#include "dockerfile/ast.h"
#include "dockerfile/expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const Err *err, int lines)
{
	assert(err && err->message[0] && !strchr(err->message, '\n'));
	assert(err->code == ERR_PARSE || err->code == ERR_UNSUPPORTED || err->code == ERR_LIMIT);
	assert(err->line >= 0 && err->line <= lines);
}

static char long_value[8000];

/* Short and long values, an empty one, and one that looks like syntax. */
static const char *look_up(void *arg _unused_, const char *name)
{
	assert(name[0]);
	switch (name[0] % 5) {
	case 0:
		return "value";
	case 1:
		return "";
	case 2:
		return "a${b}'\"\\ *c* /x/y.z";
	case 3:
		return long_value;
	default:
		return NULL;
	}
}

static void expand(Expander *x, const char *text)
{
	_cleanup_free_ char *word = NULL;
	_cleanup_err_ Err *err = NULL, *words_err = NULL;
	_cleanup_strvec_ StrVec words = {0}, undefined = {0};
	x->undefined = &undefined;
	if (expand_word(x, str_of(text), &word, &err) < 0) {
		assert(err && err->message[0]);
	} else {
		assert(strlen(word) <= LIMIT_EXPANSION);
		/* nothing to do: the text as it is */
		if (!strpbrk(text, "$'\"\\`"))
			assert(strcmp(word, text) == 0);
	}
	if (expand_words(x, str_of(text), &words, &words_err) < 0)
		assert(words_err && words_err->message[0]);
	for (size_t i = 0; i < undefined.len; i++)
		assert(undefined.items[i][0]);
}

static void expand_all(const Instr *i, char escape)
{
	Expander x = {.lookup = look_up, .escape = escape};
	for (size_t k = 0; k < i->args.len; k++)
		expand(&x, i->args.items[k]);
	vec_foreach (&i->pairs, p) {
		expand(&x, p->key);
		if (p->value)
			expand(&x, p->value);
	}
	vec_foreach (&i->flags, f)
		expand(&x, f->value);
	vec_foreach (&i->heredocs, h) {
		Expander raw = {.lookup = look_up, .escape = escape, .raw_quotes = true};
		assert(h->name[0] && h->content);
		expand(&raw, h->content);
	}
}

/* What was joined reads the same when it stands on one line. */
static void check_again(const Instr *i, char escape)
{
	Instr again;
	size_t len = strlen(i->source);
	if (i->kind == INSTR_FROM || strstr(i->source, "<<") || len > LIMIT_DOCKERFILE_LINE ||
		i->source[len - 1] == escape)
		return;
	int r = dockerfile_parse_instr(str_of(i->source), "again", escape, &again, NULL);
	assert(r == 0);
	assert(again.kind == i->kind && again.json == i->json);
	assert(strcmp(again.source, i->source) == 0);
	assert(again.args.len == i->args.len && again.pairs.len == i->pairs.len);
	assert(again.flags.len == i->flags.len);
	for (size_t k = 0; k < i->args.len; k++)
		assert(strcmp(again.args.items[k], i->args.items[k]) == 0);
	for (size_t k = 0; k < i->pairs.len; k++)
		assert(strcmp(again.pairs.items[k].key, i->pairs.items[k].key) == 0 &&
			cstr_eq(again.pairs.items[k].value, i->pairs.items[k].value));
	instr_done(&again);
}

static void check_instr(const Instr *i, char escape, int *line, int lines)
{
	assert(i->line > *line && i->end_line >= i->line && i->end_line <= lines);
	*line = i->end_line;
	assert(i->kind < _INSTR_MAX && i->source && !strchr(i->source, '\n'));
	if (i->kind == INSTR_COPY || i->kind == INSTR_ADD)
		assert(i->args.len >= 2);
	expand_all(i, escape);
	check_again(i, escape);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Str text = {(const char *)data, size};
	_cleanup_(dockerfile_freep) Dockerfile *d = NULL;
	_cleanup_err_ Err *err = NULL;
	_cleanup_free_ char *tree = NULL;
	int lines = 1, line = 0;
	memset(long_value, 'a', sizeof(long_value) - 1);
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	if (dockerfile_parse(text, "Dockerfile", &d, &err) < 0) {
		check_error(err, lines);
		_cleanup_err_ Err *tree_err = NULL;
		if (dockerfile_sexpr(text, &tree, &tree_err) < 0)
			check_error(tree_err, lines);
		return 0;
	}
	assert(d->stages.len > 0 && (d->escape == '\\' || d->escape == '`'));
	vec_foreach (&d->global_args, i)
		check_instr(i, d->escape, &line, lines);
	vec_foreach (&d->stages, s) {
		check_instr(&s->from, d->escape, &line, lines);
		vec_foreach (&s->instrs, i)
			check_instr(i, d->escape, &line, lines);
		assert(!s->name || dockerfile_stage(d, s->name, SIZE_MAX) >= 0);
	}
	vec_foreach (&d->warnings, w)
		assert(w->line > 0 && w->line <= lines && w->text[0]);
	int r = dockerfile_sexpr(text, &tree, NULL);
	assert(r == 0);
	return 0;
}
