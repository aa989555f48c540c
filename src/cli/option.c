#include "cli/option.h"

#include <limits.h>

#include "cli/screen_text.h"
#include "dockerfile/ast.h"

static const Option *find_long(
	const OptionSet *sets, size_t n_sets, Str name, const OptionSet **ret_set)
{
	for (size_t s = 0; s < n_sets; s++)
		for (size_t i = 0; i < sets[s].n_rows; i++) {
			const Option *o = &sets[s].rows[i];
			if (o->type != OPTION_GROUP && str_eq_cstr(name, o->name)) {
				*ret_set = &sets[s];
				return o;
			}
		}
	return NULL;
}

static const Option *find_letter(
	const OptionSet *sets, size_t n_sets, char c, const OptionSet **ret_set)
{
	for (size_t s = 0; s < n_sets; s++)
		for (size_t i = 0; i < sets[s].n_rows; i++) {
			const Option *o = &sets[s].rows[i];
			if (o->type != OPTION_GROUP && o->letter == c) {
				*ret_set = &sets[s];
				return o;
			}
		}
	return NULL;
}

static int unknown(const OptionSet *sets, size_t n_sets, Str name, Err **err)
{
	const char *names[128];
	size_t n = 0;
	for (size_t s = 0; s < n_sets; s++)
		for (size_t i = 0; i < sets[s].n_rows && n < ARRAY_SIZE(names); i++)
			if (sets[s].rows[i].type != OPTION_GROUP && sets[s].rows[i].help)
				names[n++] = sets[s].rows[i].name;
	_cleanup_free_ char *word = str_dup(name);
	int r = err_set(err, ERR_USAGE, "unknown flag '--%s'", word);
	const char *near = did_you_mean(word, names, n);
	if (near)
		err_hint(err, "did you mean '--%s'?", near);
	return r;
}

bool option_is_flag(const Option *o)
{
	return o->type == OPTION_FLAG || o->type == OPTION_FLAG_OFF;
}

static bool needs_word(const Option *o)
{
	return !option_is_flag(o) && o->type != OPTION_OPTIONAL;
}

bool option_has_choices(const Option *o)
{
	return o->metavar && strchr(o->metavar, '|') && !strchr(o->metavar, '=');
}

static int check_choice(const Option *o, const char *value, Err **err)
{
	if (!option_has_choices(o))
		return 0;
	Str rest = str_of(o->metavar), choice;
	while (str_cut(&rest, '|', &choice))
		if (str_eq_cstr(choice, value))
			return 0;
	if (strstr(o->metavar, "{{") && strstr(value, "{{"))
		return 0;
	return err_set(
		err, ERR_USAGE, "flag '--%s' takes %s, not '%s'", o->name, o->metavar, value);
}

static int store_bool(const Option *o, void *at, const char *value, Err **err)
{
	if (!value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
		*(bool *)at = true;
	else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
		*(bool *)at = false;
	else
		return err_set(err, ERR_USAGE, "flag '--%s' takes true or false, not '%s'", o->name,
			value);
	return 0;
}

static int store_value(const Option *o, void *target, const char *value, Err **err)
{
	void *at = (char *)target + o->offset;
	uint64_t n = 0;
	int r = value ? check_choice(o, value, err) : 0;
	if (r < 0)
		return r;
	switch (o->type) {
	case OPTION_FLAG:
		return store_bool(o, at, value, err);
	case OPTION_FLAG_OFF: {
		bool on = false;
		int bad = store_bool(o, &on, value, err);
		*(bool *)at = bad == 0 ? !on : *(bool *)at;
		return bad;
	}
	case OPTION_STRING:
	case OPTION_OPTIONAL:
		free(*(char **)at);
		*(char **)at = xstrdup(value ? value : "true");
		return 0;
	case OPTION_SECRET:
		free(*(char **)at);
		*(char **)at = xstrdup(value);
		memset((char *)(uintptr_t)value, 'x', strlen(value));
		return 0;
	case OPTION_STRINGS:
		strvec_push(at, value);
		return 0;
	case OPTION_COUNT:
		if (str_to_u64(str_of(value), UINT_MAX, &n, NULL) < 0)
			return err_set(err, ERR_USAGE, "flag '--%s' takes a number, not '%s'",
				o->name, value);
		*(unsigned *)at = (unsigned)n;
		return 0;
	case OPTION_LEVEL: {
		bool negative = value[0] == '-';
		if (str_to_u64(str_of(value + negative), 1000, &n, NULL) < 0)
			return err_set(err, ERR_USAGE, "flag '--%s' takes a number, not '%s'",
				o->name, value);
		*(int *)at = negative ? -(int)n : (int)n;
		return 0;
	}
	case OPTION_GROUP:
		break;
	}
	abort();
}

typedef struct Args {
	int argc;
	char **argv;
	int at;
} Args;

static int parse_long(const OptionSet *sets, size_t n_sets, Args *args, Err **err)
{
	Str word = str_of(args->argv[args->at++] + 2);
	ssize_t eq = str_find(word, '=');
	Str name = eq < 0 ? word : str_slice(word, 0, (size_t)eq);
	const char *value = eq < 0 ? NULL : word.ptr + eq + 1;
	const OptionSet *set = NULL;
	const Option *o = find_long(sets, n_sets, name, &set);
	if (!o)
		return unknown(sets, n_sets, name, err);
	if (needs_word(o) && !value) {
		if (args->at >= args->argc)
			return err_set(err, ERR_USAGE, "flag '--%s' needs a value: %s", o->name,
				o->metavar);
		value = args->argv[args->at++];
	}
	return store_value(o, set->target, value, err);
}

static int parse_short(const OptionSet *sets, size_t n_sets, Args *args, Err **err)
{
	const char *p = args->argv[args->at++] + 1;
	for (; *p; p++) {
		const OptionSet *set = NULL;
		const Option *o = find_letter(sets, n_sets, *p, &set);
		if (!o)
			return err_set(err, ERR_USAGE, "unknown flag '-%c'", *p);
		if (!needs_word(o)) {
			int r = store_value(o, set->target, NULL, err);
			if (r < 0)
				return r;
			continue;
		}
		const char *value = p[1] ? p + 1 + (p[1] == '=') : NULL;
		if (!value) {
			if (args->at >= args->argc)
				return err_set(err, ERR_USAGE, "flag '-%c' needs a value: %s", *p,
					o->metavar);
			value = args->argv[args->at++];
		}
		return store_value(o, set->target, value, err);
	}
	return 0;
}

int options_parse(const OptionSet *sets, size_t n_sets, int argc, char **argv, bool stop_at_operand,
	StrVec *operands, Err **err)
{
	Args args = {argc, argv, 0};
	while (args.at < argc) {
		const char *word = argv[args.at];
		int r = 0;
		if (strcmp(word, "--") == 0) {
			args.at++;
			break;
		}
		if (word[0] != '-' || word[1] == '\0') {
			strvec_push(operands, word);
			args.at++;
			if (stop_at_operand)
				break;
			continue;
		}
		r = word[1] == '-' ? parse_long(sets, n_sets, &args, err)
				   : parse_short(sets, n_sets, &args, err);
		if (r < 0)
			return r;
	}
	while (args.at < argc)
		strvec_push(operands, argv[args.at++]);
	return 0;
}

void options_done(const OptionSet *set)
{
	for (size_t i = 0; i < set->n_rows; i++) {
		const Option *o = &set->rows[i];
		void *at = (char *)set->target + o->offset;
		if (o->type == OPTION_SECRET && *(char **)at)
			explicit_bzero(*(char **)at, strlen(*(char **)at));
		if (o->type == OPTION_STRING || o->type == OPTION_SECRET ||
			o->type == OPTION_OPTIONAL)
			freep(at);
		else if (o->type == OPTION_STRINGS)
			strvec_done(at);
	}
}

#define HELP_COLUMN 30

void options_help(const Option *rows, size_t n_rows, Buf *out)
{
	for (size_t i = 0; i < n_rows; i++) {
		const Option *o = &rows[i];
		if (o->type == OPTION_GROUP) {
			buf_printf(out, "\n%s:\n", o->name);
			continue;
		}
		if (!o->help)
			continue;
		size_t start = out->len;
		if (o->letter)
			buf_printf(out, "  -%c, --%s", o->letter, o->name);
		else
			buf_printf(out, "      --%s", o->name);
		if (o->metavar)
			buf_printf(out, o->type == OPTION_OPTIONAL ? "[=%s]" : " %s", o->metavar);
		size_t used = text_width(out->ptr + start);
		if (used + 2 > HELP_COLUMN)
			buf_printf(out, "\n%*s", HELP_COLUMN, "");
		else
			buf_printf(out, "%*s", (int)(HELP_COLUMN - used), "");
		wrap_text(out, str_of(o->help), HELP_COLUMN, HELP_COLUMN);
	}
}

/* The next field of a list: up to a comma, or what is in "…" before one. */
static bool cut_field(Str *rest, Str *ret)
{
	if (!rest->ptr || !rest->len || rest->ptr[0] != '"')
		return str_cut(rest, ',', ret);
	Str inside = str_slice(*rest, 1, rest->len);
	ssize_t end = str_find(inside, '"');
	if (end < 0 || ((size_t)end + 1 < inside.len && inside.ptr[end + 1] != ','))
		return str_cut(rest, ',', ret);
	*ret = str_slice(inside, 0, (size_t)end);
	Str behind = str_slice(inside, (size_t)end + 1, inside.len), nothing;
	str_cut(&behind, ',', &nothing);
	*rest = behind;
	return true;
}

int csv_fields(const char *text, CsvFn fn, void *arg, Err **err)
{
	Str rest = str_of(text), field;
	while (cut_field(&rest, &field)) {
		ssize_t eq = str_find(field, '=');
		Str key = eq < 0 ? field : str_slice(field, 0, (size_t)eq);
		Str value = eq < 0 ? STR("") : str_slice(field, (size_t)eq + 1, field.len);
		int r = fn(arg, key, value, err);
		if (r < 0)
			return r;
	}
	return 0;
}
