#include "dockerfile/instr.h"

typedef enum FlagKind {
	FLAG_STRING,
	FLAG_LIST, /* may be repeated */
	FLAG_BOOL, /* "--link" or "--link=true|false" */
} FlagKind;

typedef struct FlagSpec {
	const char *name;
	FlagKind kind;
} FlagSpec;

#define MAX_FLAGS 8
static const FlagSpec flag_specs[_INSTR_MAX][MAX_FLAGS] = {
	[INSTR_ADD] = {{"chown", FLAG_STRING}, {"chmod", FLAG_STRING}, {"link", FLAG_BOOL},
		{"keep-git-dir", FLAG_BOOL}, {"checksum", FLAG_STRING}, {"unpack", FLAG_BOOL},
		{"exclude", FLAG_LIST}},
	[INSTR_COPY] = {{"from", FLAG_STRING}, {"chown", FLAG_STRING}, {"chmod", FLAG_STRING},
		{"link", FLAG_BOOL}, {"parents", FLAG_BOOL}, {"exclude", FLAG_LIST}},
	[INSTR_FROM] = {{"platform", FLAG_STRING}},
	[INSTR_HEALTHCHECK] = {{"interval", FLAG_STRING}, {"timeout", FLAG_STRING},
		{"start-period", FLAG_STRING}, {"start-interval", FLAG_STRING},
		{"retries", FLAG_STRING}},
	[INSTR_RUN] = {{"mount", FLAG_LIST}, {"network", FLAG_STRING}, {"security", FLAG_STRING},
		{"device", FLAG_LIST}},
};

const char *instr_flag(const Instr *i, const char *name)
{
	vec_foreach (&i->flags, f)
		if (strcmp(f->name, name) == 0)
			return f->value;
	return NULL;
}

void instr_done(Instr *i)
{
	free(i->source);
	strvec_done(&i->args);
	vec_foreach (&i->flags, f) {
		free(f->name);
		free(f->value);
	}
	vec_done(&i->flags);
	vec_foreach (&i->pairs, p) {
		free(p->key);
		free(p->value);
	}
	vec_done(&i->pairs);
	vec_foreach (&i->heredocs, h) {
		free(h->name);
		free(h->content);
	}
	vec_done(&i->heredocs);
	strvec_done(&i->comments);
	*i = (Instr){0};
}

/* ---- flags ---- */

static const FlagSpec *find_flag(InstrKind kind, Str name)
{
	for (size_t i = 0; i < MAX_FLAGS && flag_specs[kind][i].name; i++)
		if (str_eq_cstr(name, flag_specs[kind][i].name))
			return &flag_specs[kind][i];
	return NULL;
}

static int unknown_flag(InstrKind kind, Str name, Err **err)
{
	const char *names[MAX_FLAGS];
	size_t n = 0;
	while (n < MAX_FLAGS && flag_specs[kind][n].name) {
		names[n] = flag_specs[kind][n].name;
		n++;
	}
	_cleanup_free_ char *word = str_dup(name);
	int r = err_set(err, ERR_PARSE, "unknown flag: %s --%s", instr_name(kind), word);
	const char *near = did_you_mean(word, names, n);
	if (near)
		err_hint(err, "did you mean --%s?", near);
	return r;
}

static int read_flag(Instr *i, const char *text, Err **err)
{
	Str word = str_of(text + 2);
	ssize_t eq = str_find(word, '=');
	Str name = eq < 0 ? word : str_slice(word, 0, (size_t)eq);
	Str value = eq < 0 ? STR("") : str_slice(word, (size_t)eq + 1, word.len);
	const FlagSpec *spec = find_flag(i->kind, name);
	if (!spec)
		return unknown_flag(i->kind, name, err);
	if (spec->kind != FLAG_LIST && instr_flag(i, spec->name))
		return err_set(err, ERR_PARSE, "flag --%s is given twice", spec->name);
	if (spec->kind != FLAG_BOOL && eq < 0)
		return err_set(
			err, ERR_PARSE, "flag --%s needs a value: --%s=…", spec->name, spec->name);
	if (spec->kind == FLAG_BOOL && eq < 0)
		value = STR("true");
	if (spec->kind == FLAG_BOOL && !str_eq_nocase(value, "true") &&
		!str_eq_nocase(value, "false"))
		return err_set(err, ERR_PARSE, "flag --%s is true or false, not '" STR_FMT "'",
			spec->name, STR_ARG(value));
	InstrFlag *f = vec_add(&i->flags);
	f->name = xstrdup(spec->name);
	f->value = str_dup(value);
	for (char *p = f->value; spec->kind == FLAG_BOOL && *p; p++)
		*p |= 32;
	return 0;
}

/* ---- bodies ---- */

static int needs_arguments(const Instr *i, const char *how, Err **err)
{
	return err_set(err, ERR_PARSE, "%s requires %s", instr_name(i->kind), how);
}

static int body_one_word(Instr *i, Err **err)
{
	return i->args.len == 1 ? 0 : needs_arguments(i, "exactly one argument", err);
}

static int body_some(Instr *i, Err **err)
{
	return i->args.len >= 1 ? 0 : needs_arguments(i, "at least one argument", err);
}

static int body_any(Instr *i _unused_, Err **err _unused_)
{
	return 0;
}

static int body_copy(Instr *i, Err **err)
{
	if (i->args.len < 2)
		return needs_arguments(i, "at least two arguments: source and destination", err);
	const char *dest = i->args.items[i->args.len - 1];
	if (cstr_starts(dest, "<<"))
		return err_set(err, ERR_PARSE, "%s: a heredoc cannot be the destination",
			instr_name(i->kind));
	/* heredoc words lose their quotes and dashes: "<<NAME" names the body */
	size_t next = 0;
	for (size_t k = 0; !i->json && k + 1 < i->args.len && next < i->heredocs.len; k++) {
		const char *word = i->args.items[k];
		while (*word >= '0' && *word <= '9')
			word++;
		if (!cstr_starts(word, "<<"))
			continue;
		free(i->args.items[k]);
		i->args.items[k] = xasprintf("<<%s", i->heredocs.items[next++].name);
	}
	/* with variables in the destination the builder checks again */
	if (i->args.len > 2 && !strchr(dest, '$') && !str_ends(str_of(dest), "/") &&
		strcmp(dest, ".") != 0 && !str_ends(str_of(dest), "/.")) {
		int r = err_set(err, ERR_PARSE,
			"%s with more than one source needs a directory as destination",
			instr_name(i->kind));
		err_hint(err, "end '%s' with '/'", dest);
		return r;
	}
	return 0;
}

static int body_from(Instr *i, Err **err)
{
	if (i->args.len == 1)
		return 0;
	if (i->args.len != 3 || !str_eq_nocase(str_of(i->args.items[1]), "as"))
		return needs_arguments(i, "one argument, or three: FROM image AS name", err);
	free(i->args.items[1]);
	i->args.items[1] = i->args.items[2];
	i->args.items[2] = NULL;
	i->args.len = 2;
	char *name = i->args.items[1];
	for (char *p = name; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
	bool good = name[0] >= 'a' && name[0] <= 'z';
	for (const char *p = name; *p; p++)
		good = good &&
			((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || strchr("-_.", *p));
	if (!good)
		return err_set(err, ERR_PARSE,
			"invalid name for build stage: '%s', it must start with a letter and "
			"hold only letters, digits, '-', '_' and '.'",
			name);
	return 0;
}

static int body_shell(Instr *i, Err **err)
{
	if (!i->json || i->args.len == 0)
		return err_set(err, ERR_PARSE,
			"SHELL requires the arguments to be in JSON form, e.g. "
			"SHELL [\"/bin/sh\", \"-c\"]");
	return 0;
}

static int body_pairs(Instr *i, Err **err)
{
	if (i->pairs.len == 0)
		return needs_arguments(i, "at least one argument", err);
	vec_foreach (&i->pairs, p) {
		if (!*p->key)
			return err_set(
				err, ERR_PARSE, "%s names can not be blank", instr_name(i->kind));
	}
	return 0;
}

static int body_healthcheck(Instr *i, Err **err)
{
	if (i->args.len == 0)
		return needs_arguments(i, "an argument: NONE or CMD command", err);
	_cleanup_free_ char *type = i->args.items[0];
	memmove(i->args.items, i->args.items + 1, i->args.len * sizeof(char *));
	i->args.len--;
	if (str_eq_nocase(str_of(type), "none")) {
		i->healthcheck_none = true;
		return i->args.len == 0 && i->flags.len == 0
			? 0
			: err_set(err, ERR_PARSE,
				  "HEALTHCHECK NONE takes no arguments and no flags");
	}
	if (!str_eq_nocase(str_of(type), "cmd"))
		return err_set(
			err, ERR_PARSE, "unknown type '%s' in HEALTHCHECK (CMD or NONE)", type);
	return i->args.len ? 0 : err_set(err, ERR_PARSE, "missing command after HEALTHCHECK CMD");
}

static int body_onbuild(Instr *i, Err **err)
{
	if (i->args.len == 0 || !*i->args.items[0])
		return needs_arguments(i, "at least one argument", err);
	static const char *const forbidden[] = {"FROM", "MAINTAINER"};
	Str text = str_of(i->args.items[0]);
	size_t end = 0;
	while (end < text.len && !strchr(" \t", text.ptr[end]))
		end++;
	for (size_t k = 0; k < ARRAY_SIZE(forbidden); k++)
		if (str_eq_nocase(str_slice(text, 0, end), forbidden[k]))
			return err_set(err, ERR_PARSE, "%s isn't allowed as an ONBUILD trigger",
				forbidden[k]);
	return 0;
}

static int (*const bodies[_INSTR_MAX])(Instr *, Err **) = {
	[INSTR_ADD] = body_copy,
	[INSTR_ARG] = body_pairs,
	[INSTR_CMD] = body_any,
	[INSTR_COPY] = body_copy,
	[INSTR_ENTRYPOINT] = body_any,
	[INSTR_ENV] = body_pairs,
	[INSTR_EXPOSE] = body_some,
	[INSTR_FROM] = body_from,
	[INSTR_HEALTHCHECK] = body_healthcheck,
	[INSTR_LABEL] = body_pairs,
	[INSTR_MAINTAINER] = body_one_word,
	[INSTR_ONBUILD] = body_onbuild,
	[INSTR_RUN] = body_some,
	[INSTR_SHELL] = body_shell,
	[INSTR_STOPSIGNAL] = body_one_word,
	[INSTR_USER] = body_one_word,
	[INSTR_VOLUME] = body_some,
	[INSTR_WORKDIR] = body_one_word,
};

/* ---- words of the node ---- */

static void add_pair(Instr *i, Str key, const char *value)
{
	KeyValue *p = vec_add(&i->pairs);
	p->key = str_dup(key);
	p->value = xstrdup(value);
}

/* The trigger as it will be parsed in the child: heredoc bodies and terminators behind it. */
static char *trigger_text(const Instr *i, const Node *n)
{
	if (!n->next || !n->next->child)
		return xstrdup("");
	Buf b = BUF_INIT(SIZE_MAX / 2);
	buf_cstr(&b, n->next->child->source);
	vec_foreach (&i->heredocs, h)
		buf_printf(&b, "\n%s%s", h->content, h->name);
	return buf_steal(&b);
}

static int check_trigger(Node *child, Err **err)
{
	Instr inner = {0};
	int r = instr_from_node(child, &inner, err);
	instr_done(&inner);
	return r;
}

static void take_words(Instr *i, Node *n)
{
	if (i->kind == INSTR_ONBUILD) {
		strvec_take(&i->args, trigger_text(i, n));
	} else if (i->kind == INSTR_ENV || i->kind == INSTR_LABEL) {
		for (Node *w = n->next; w && w->next && w->next->next; w = w->next->next->next)
			add_pair(i, str_of(w->value), w->next->value);
	} else if (i->kind == INSTR_ARG) {
		for (Node *w = n->next; w; w = w->next) {
			const char *eq = strchr(w->value, '=');
			add_pair(i,
				eq ? (Str){w->value, (size_t)(eq - w->value)} : str_of(w->value),
				eq ? eq + 1 : NULL);
		}
	} else {
		for (Node *w = n->next; w; w = w->next)
			strvec_push(&i->args, w->value);
	}
}

static int unknown_instruction(const char *word, Err **err)
{
	const char *names[_INSTR_MAX];
	for (size_t k = 0; k < _INSTR_MAX; k++)
		names[k] = instr_name((InstrKind)k);
	_cleanup_free_ char *upper = xstrdup(word);
	for (char *p = upper; *p; p++)
		*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
	int r = err_set(err, ERR_PARSE, "unknown instruction: %.60s", word);
	const char *near = did_you_mean(upper, names, _INSTR_MAX);
	if (near)
		err_hint(err, "did you mean %s?", near);
	return r;
}

int instr_from_node(Node *n, Instr *ret, Err **err)
{
	Instr i = {.kind = _INSTR_MAX};
	for (size_t k = 0; k < _INSTR_MAX; k++)
		if (str_eq_nocase(str_of(n->value), instr_name((InstrKind)k)))
			i.kind = (InstrKind)k;
	if (i.kind == _INSTR_MAX)
		return unknown_instruction(n->value, err);
	i.line = n->line;
	i.end_line = n->end_line;
	i.json = n->json;
	i.source = xstrdup(n->source);
	memcpy(&i.heredocs, &n->heredocs, sizeof(i.heredocs));
	memset(&n->heredocs, 0, sizeof(n->heredocs));
	i.comments = n->comments;
	n->comments = (StrVec){0};
	take_words(&i, n);
	int r = 0;
	for (const Node *w = n->next; w && r == 0; w = w->next)
		if (strlen(w->value) != w->len)
			r = err_set(
				err, ERR_PARSE, "%s: a word holds a NUL byte", instr_name(i.kind));
	for (size_t k = 0; r == 0 && k < n->flags.len; k++)
		r = read_flag(&i, n->flags.items[k], err);
	if (r == 0)
		r = bodies[i.kind](&i, err);
	if (r == 0 && i.kind == INSTR_ONBUILD && n->next && n->next->child)
		r = check_trigger(n->next->child, err);
	if (r < 0) {
		instr_done(&i);
		return r;
	}
	*ret = i;
	return 0;
}
