#include "base/limits.h"
#include "dockerfile/instr.h"

Dockerfile *dockerfile_free(Dockerfile *d)
{
	if (!d)
		return NULL;
	vec_foreach (&d->global_args, i)
		instr_done(i);
	vec_done(&d->global_args);
	vec_foreach (&d->stages, s) {
		instr_done(&s->from);
		free(s->name);
		vec_foreach (&s->instrs, i)
			instr_done(i);
		vec_done(&s->instrs);
	}
	vec_done(&d->stages);
	vec_foreach (&d->warnings, w)
		free(w->text);
	vec_done(&d->warnings);
	free(d->path);
	free(d->text);
	free(d->syntax);
	free(d->check);
	free(d);
	return NULL;
}

/* "docker/dockerfile:1", with or without host, tag and digest: our own language. Anything else is another frontend. */
static int check_syntax(const char *syntax, Err **err)
{
	static const char *const known[] = {
		"docker/dockerfile", "docker/dockerfile-upstream", "dockerfile.v0"};
	if (!syntax)
		return 0;
	Str name = str_of(syntax);
	if (str_starts(name, "docker.io/"))
		name = str_slice(name, 10, name.len);
	name.len = strcspn(name.ptr, ":@ \t");
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq_cstr(name, known[i]))
			return 0;
	int r = err_set(err, ERR_UNSUPPORTED, "'# syntax=%s' asks for another frontend", syntax);
	err_hint(err,
		"cruet reads the Dockerfile language itself and runs no frontend images; remove the line");
	return r;
}

static bool is_number(const char *s)
{
	uint64_t n;
	return str_to_u64(str_of(s), UINT32_MAX, &n, NULL) == 0;
}

ssize_t dockerfile_stage(const Dockerfile *d, const char *name, size_t before)
{
	uint64_t n = 0;
	size_t limit = MIN(before, d->stages.len);
	for (size_t i = limit; i-- > 0;)
		if (d->stages.items[i].name && str_eq_nocase(str_of(name), d->stages.items[i].name))
			return (ssize_t)i;
	if (is_number(name) && str_to_u64(str_of(name), UINT32_MAX, &n, NULL) == 0 && n < limit)
		return (ssize_t)n;
	return -1;
}

static void warn(Dockerfile *d, int line, char *text)
{
	DockerfileWarning *w = vec_add(&d->warnings);
	w->line = line;
	w->text = text;
}

static void note_instr(Dockerfile *d, const Instr *i)
{
	bool pairs = i->kind == INSTR_ENV || i->kind == INSTR_LABEL;
	if (i->kind == INSTR_MAINTAINER)
		warn(d, i->line,
			xstrdup("MAINTAINER is deprecated: use LABEL org.opencontainers.image.authors"));
	if (pairs && i->pairs.len == 1) {
		/* the old form has no '=' behind its first word */
		Str text = str_trim(str_slice(
			str_of(i->source), strlen(instr_name(i->kind)), strlen(i->source)));
		size_t end = strcspn(text.ptr, " \t=");
		if (end < text.len && text.ptr[end] != '=')
			warn(d, i->line,
				xasprintf(
					"'%s key=value' should be used instead of the old form '%s key value'",
					instr_name(i->kind), instr_name(i->kind)));
	}
}

static int add_instr(Dockerfile *d, Instr *i, Err **err)
{
	if (i->kind == INSTR_FROM) {
		Stage *s = vec_add(&d->stages);
		s->from = *i;
		s->name = i->args.len > 1 ? xstrdup(i->args.items[1]) : NULL;
		if (cstr_eq(s->name, "scratch"))
			warn(d, i->line, xstrdup("the stage name 'scratch' is reserved"));
		return 0;
	}
	if (d->stages.len) {
		note_instr(d, i);
		vec_push(&vec_last(&d->stages)->instrs, *i);
		return 0;
	}
	if (i->kind == INSTR_ARG) {
		vec_push(&d->global_args, *i);
		return 0;
	}
	int r = err_set(err, ERR_PARSE,
		"no build stage in current context: only ARG may stand before the first FROM");
	err_hint(err, "start the file with FROM");
	return r;
}

static int convert(Dockerfile *d, NodeList *list, Err **err)
{
	vec_foreach (&list->nodes, it) {
		Node *n = *it;
		Instr i = {0};
		int r = instr_from_node(n, &i, err);
		if (r == 0) {
			r = add_instr(d, &i, err);
			if (r < 0)
				instr_done(&i);
		}
		if (r < 0) {
			err_at(err, d->path, n->line);
			if (err && *err && !(*err)->excerpt)
				(*err)->excerpt =
					dockerfile_excerpt(str_of(d->text), n->line, n->end_line);
			return r;
		}
	}
	return 0;
}

int dockerfile_parse(Str text, const char *path, Dockerfile **ret, Err **err)
{
	NodeList list = {0};
	int r = nodes_parse(text, path, &list, err);
	if (r < 0)
		return r;
	_cleanup_(dockerfile_freep) Dockerfile *d = xnew(Dockerfile);
	d->path = xstrdup(path);
	d->text = str_dup(text);
	d->escape = list.escape;
	d->syntax = TAKE_PTR(list.syntax);
	d->check = TAKE_PTR(list.check);
	memcpy(&d->warnings, &list.warnings, sizeof(d->warnings));
	memset(&list.warnings, 0, sizeof(list.warnings));
	r = check_syntax(d->syntax, err);
	if (r < 0)
		err_at(err, path, 1);
	if (r == 0)
		r = convert(d, &list, err);
	nodes_done(&list);
	if (r == 0 && d->stages.len == 0) {
		r = err_set(err, ERR_PARSE, "there is no FROM");
		err_at(err, path, 1);
	}
	if (r == 0)
		*ret = TAKE_PTR(d);
	return r;
}

int dockerfile_parse_instr(Str text, const char *path, char escape, Instr *ret, Err **err)
{
	/* through the whole parser, so that continuation and heredocs work; the directive sets the escape character */
	_cleanup_free_ char *whole = xasprintf("# escape=%c\n" STR_FMT "\n", escape, STR_ARG(text));
	NodeList list = {0};
	int r = nodes_parse(str_of(whole), path, &list, err);
	if (r < 0)
		return r;
	if (list.nodes.len != 1)
		r = err_set(err, ERR_PARSE, "'" STR_FMT "' is not one instruction",
			STR_ARG(str_slice(text, 0, 200)));
	if (r == 0)
		r = instr_from_node(list.nodes.items[0], ret, err);
	if (r == 0)
		ret->line = ret->end_line = 0;
	nodes_done(&list);
	return r;
}
