#include "cli/template.h"

#include "base/limits.h"

#define RANGE_DEPTH 8

typedef struct Template {
	const char *whole; /* for messages */
	Buf *out;
	unsigned depth;
	json_t *nothing; /* what a member that is left out stands for */
} Template;

bool template_is(const char *format)
{
	return format && strstr(format, "{{");
}

/* ---- values as Go prints them ---- */

static void put_value(Buf *out, const json_t *v)
{
	const char *key;
	json_t *member;
	switch (json_typeof(v)) {
	case JSON_STRING:
		buf_append(out, json_string_value(v), json_string_length(v));
		return;
	case JSON_INTEGER:
		buf_printf(out, "%lld", (long long)json_integer_value(v));
		return;
	case JSON_REAL:
		buf_printf(out, "%g", json_real_value(v));
		return;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_cstr(out, json_is_true(v) ? "true" : "false");
		return;
	case JSON_NULL:
		buf_cstr(out, "<nil>");
		return;
	case JSON_ARRAY:
		buf_char(out, '[');
		for (size_t i = 0; i < json_array_size(v); i++) {
			if (i)
				buf_char(out, ' ');
			put_value(out, json_array_get(v, i));
		}
		buf_char(out, ']');
		return;
	case JSON_OBJECT:
		buf_cstr(out, "map[");
		const char *between = "";
		json_object_foreach((json_t *)(uintptr_t)v, key, member)
		{
			buf_printf(out, "%s%s:", between, key);
			put_value(out, member);
			between = " ";
		}
		buf_char(out, ']');
		return;
	}
}

static void put_json(Buf *out, const json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	buf_cstr(out, text ? text : "null");
	free(text);
}

/* ---- one action ---- */

/* The next word, or a string in quotes without them. */
static bool next_word(Str *rest, Str *ret)
{
	*rest = str_trim(*rest);
	if (!rest->len)
		return false;
	size_t n = 0;
	bool quoted = rest->ptr[0] == '"';
	if (quoted) {
		*rest = str_slice(*rest, 1, rest->len);
		while (n < rest->len && rest->ptr[n] != '"')
			n++;
	} else {
		while (n < rest->len && rest->ptr[n] != ' ')
			n++;
	}
	*ret = str_slice(*rest, 0, n);
	*rest = str_slice(*rest, MIN(n + quoted, rest->len), rest->len);
	return true;
}

static int unsupported(const Template *t, Str action, Err **err)
{
	int r = err_set(err, ERR_UNSUPPORTED, "format '%s': '{{" STR_FMT "}}' is not known",
		t->whole, STR_ARG(action));
	err_hint(err,
		"there are {{.FIELD}}, json, len, index, join and range; --format json has all");
	return r;
}

/* ".A.B" */
static int find(const Template *t, Str path, const json_t *dot, const json_t **ret, Err **err)
{
	Str rest = path, name;
	if (!path.len || path.ptr[0] != '.')
		return unsupported(t, path, err);
	*ret = dot;
	str_cut(&rest, '.', &name);
	while (str_cut(&rest, '.', &name)) {
		_cleanup_free_ char *key = str_dup(name);
		if (!*key)
			continue;
		const json_t *member = json_object_get(*ret, key);
		/* what an image does not have, docker knows all the same: Config.Labels … */
		bool deep = *ret != dot && json_is_object(*ret);
		*ret = member;
		if (!member && deep && !rest.ptr) {
			*ret = t->nothing;
			return 0;
		}
		if (!member)
			return err_set(err, ERR_USAGE,
				"format '%s': there is no field '" STR_FMT "'", t->whole,
				STR_ARG(path));
	}
	return 0;
}

static int put_element(Template *t, const json_t *v, Str where, Err **err)
{
	uint64_t n = 0;
	_cleanup_free_ char *key = str_dup(where);
	const json_t *element = json_object_get(v, key);
	if (json_is_array(v) && str_to_u64(where, SIZE_MAX, &n, NULL) == 0)
		element = json_array_get(v, (size_t)n);
	if (!element && json_is_array(v))
		return err_set(
			err, ERR_USAGE, "format '%s': there is no element '%s'", t->whole, key);
	if (element)
		put_value(t->out, element);
	return 0;
}

static void put_joined(Buf *out, const json_t *v, Str between)
{
	for (size_t i = 0; i < json_array_size(v); i++) {
		if (i)
			buf_str(out, between);
		put_value(out, json_array_get(v, i));
	}
}

static int put_action(Template *t, Str action, const json_t *dot, Err **err)
{
	Str rest = action, word, path, argument = STR("");
	const json_t *v = NULL;
	if (!next_word(&rest, &word))
		return unsupported(t, action, err);
	if (word.ptr[0] == '.' && !str_trim(rest).len) {
		int r = find(t, word, dot, &v, err);
		if (r == 0)
			put_value(t->out, v);
		return r;
	}
	bool takes = str_eq_cstr(word, "index") || str_eq_cstr(word, "join");
	bool known = takes || str_eq_cstr(word, "json") || str_eq_cstr(word, "len");
	if (!known || !next_word(&rest, &path) || (takes && !next_word(&rest, &argument)) ||
		str_trim(rest).len)
		return unsupported(t, action, err);
	int r = find(t, path, dot, &v, err);
	if (r < 0)
		return r;
	if (str_eq_cstr(word, "index"))
		return put_element(t, v, argument, err);
	if (str_eq_cstr(word, "join"))
		put_joined(t->out, v, argument);
	else if (str_eq_cstr(word, "json"))
		put_json(t->out, v);
	else
		buf_printf(t->out, "%zu",
			json_is_string(v)          ? json_string_length(v)
				: json_is_array(v) ? json_array_size(v)
						   : json_object_size(v));
	return 0;
}

/* ---- the whole ---- */

/* Text up to the next action, and the action; false at the end. */
static bool cut_action(Str *rest, Str *ret_text, Str *ret_action)
{
	for (size_t i = 0; i + 1 < rest->len; i++) {
		if (rest->ptr[i] != '{' || rest->ptr[i + 1] != '{')
			continue;
		for (size_t k = i + 2; k + 1 < rest->len; k++) {
			if (rest->ptr[k] != '}' || rest->ptr[k + 1] != '}')
				continue;
			*ret_text = str_slice(*rest, 0, i);
			*ret_action = str_trim(str_slice(*rest, i + 2, k));
			*rest = str_slice(*rest, k + 2, rest->len);
			return true;
		}
	}
	*ret_text = *rest;
	return false;
}

/* "\n" and "\t" are what people write in their shells. */
static void put_text(Buf *out, Str text)
{
	for (size_t i = 0; i < text.len; i++) {
		bool escape = text.ptr[i] == '\\' && i + 1 < text.len &&
			(text.ptr[i + 1] == 'n' || text.ptr[i + 1] == 't');
		if (escape)
			buf_char(out, text.ptr[++i] == 'n' ? '\n' : '\t');
		else
			buf_char(out, text.ptr[i]);
	}
}

/* Up to {{end}} or the end of the text. *rest: behind it. */
static int put_part(Template *t, Str *rest, const json_t *dot, bool silent, Err **err);

static int put_range(Template *t, Str path, Str *rest, const json_t *dot, bool silent, Err **err)
{
	const json_t *v = NULL;
	Str body = *rest;
	int r = t->depth++ >= RANGE_DEPTH ? unsupported(t, STR("range"), err) : 0;
	if (r == 0 && !silent)
		r = find(t, path, dot, &v, err);
	for (size_t i = 0; r == 0 && i < json_array_size(v); i++) {
		Str again = body;
		r = put_part(t, &again, json_array_get(v, i), false, err);
	}
	if (r == 0)
		r = put_part(t, rest, dot, true, err); /* only to find its end */
	t->depth--;
	return r;
}

static int put_part(Template *t, Str *rest, const json_t *dot, bool silent, Err **err)
{
	Str text, action;
	bool more;
	do {
		int r = 0;
		more = cut_action(rest, &text, &action);
		if (!silent)
			put_text(t->out, text);
		if (!more)
			break;
		if (str_eq_cstr(action, "end"))
			return t->depth ? 0 : unsupported(t, action, err);
		if (str_starts(action, "range ")) {
			Str path = str_trim(str_slice(action, strlen("range "), action.len));
			r = put_range(t, path, rest, dot, silent, err);
		} else if (!silent) {
			r = put_action(t, action, dot, err);
		}
		if (r < 0)
			return r;
	} while (more);
	return t->depth
		? err_set(err, ERR_USAGE, "format '%s': {{range}} without {{end}}", t->whole)
		: 0;
}

int template_format(const char *format, const json_t *value, Buf *out, Err **err)
{
	_cleanup_json_ json_t *nothing = json_string("");
	Template t = {.whole = format, .out = out, .nothing = nothing};
	Str rest = str_of(format);
	int r = put_part(&t, &rest, value, false, err);
	buf_char(out, '\n');
	return r;
}
