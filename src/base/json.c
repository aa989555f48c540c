/*
 * jansson checks syntax, UTF-8, duplicate keys and NULs. Nesting is bounded here before it sees
 * the text, because its own bound (2048) is far above what any document of ours needs and every
 * level costs stack; so is the number of values, because "{}," makes an object of 200 bytes out of
 * three.
 */
#include "base/json.h"

#include "base/limits.h"
#include "base/map.h"

/* Counts openings and commas: every value but the outermost follows one of them. */
static int check_shape(Str text, const char *name, Err **err)
{
	unsigned depth = 0;
	size_t values = 0;
	bool in_string = false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == ',' || c == '{' || c == '[') {
			if (++values > LIMIT_JSON_VALUES)
				return err_set(err, ERR_LIMIT, "%s: JSON has more than %u values",
					name, LIMIT_JSON_VALUES);
			if (c != ',' && ++depth > LIMIT_JSON_DEPTH)
				return err_set(err, ERR_LIMIT,
					"%s: JSON is nested deeper than %u levels", name,
					LIMIT_JSON_DEPTH);
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return 0;
}

static int parse(Str text, size_t max_size, const char *name, size_t flags, bool secret,
	json_t **ret, Err **err)
{
	json_error_t e;
	if (text.len > max_size)
		return err_set(err, ERR_LIMIT, "%s: JSON is longer than %zu bytes", name, max_size);
	int r = check_shape(text, name, err);
	if (r < 0)
		return r;
	json_t *j = json_loadb(text.ptr ? text.ptr : "", text.len, flags, &e);
	if (!j)
		return err_set(err, ERR_CORRUPT, "%s: malformed JSON at line %d, column %d%s%s",
			name, e.line, e.column, secret ? "" : ": ", secret ? "" : e.text);
	*ret = j;
	return 0;
}

int json_parse(Str text, size_t max_size, const char *name, json_t **ret, Err **err)
{
	return parse(text, max_size, name, JSON_REJECT_DUPLICATES, false, ret, err);
}

int json_parse_nul(Str text, size_t max_size, const char *name, json_t **ret, Err **err)
{
	return parse(
		text, max_size, name, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, false, ret, err);
}

int json_parse_secret(Str text, size_t max_size, const char *name, json_t **ret, Err **err)
{
	return parse(text, max_size, name, JSON_REJECT_DUPLICATES, true, ret, err);
}

static void wipe_texts(json_t *value)
{
	size_t i;
	const char *key;
	json_t *item;
	json_array_foreach(value, i, item) wipe_texts(item);
	json_object_foreach(value, key, item) wipe_texts(item);
	if (json_is_string(value))
		explicit_bzero(
			(char *)(uintptr_t)json_string_value(value), json_string_length(value));
}

void json_wipe(json_t *value)
{
	if (value)
		wipe_texts(value);
	json_decref(value);
}

static int wrong_type(const char *path, const char *name, const char *expected, Err **err)
{
	return err_set(err, ERR_CORRUPT, "%s.%s: is not %s", path, name, expected);
}

static int read_strings(const json_t *v, const char *path, const char *name, StrVec *out, Err **err)
{
	size_t i;
	json_t *item;
	if (!json_is_array(v))
		return wrong_type(path, name, "an array of strings", err);
	json_array_foreach(v, i, item)
	{
		if (!json_is_string(item))
			return err_set(
				err, ERR_CORRUPT, "%s.%s[%zu]: is not a string", path, name, i);
		strvec_push(out, json_string_value(item));
	}
	return 0;
}

static int text_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_object_keys(
	const json_t *v, const char *path, const JsonField *f, StrVec *out, Err **err)
{
	const char *key;
	json_t *item;
	_cleanup_strvec_ StrVec keys = {0};
	if (!json_is_object(v))
		return wrong_type(path, f->name, "an object", err);
	json_object_foreach((json_t *)(uintptr_t)v, key, item) strvec_push(&keys, key);
	if (keys.len)
		qsort(keys.items, keys.len, sizeof(char *), text_cmp);
	for (size_t i = 0; i < keys.len; i++) {
		item = json_object_get(v, keys.items[i]);
		if (f->type == JSON_FIELD_KEYS) {
			strvec_push(out, keys.items[i]);
		} else if (json_is_string(item)) {
			strvec_pushf(out, "%s=%s", keys.items[i], json_string_value(item));
		} else if (!json_is_null(item)) {
			return err_set(err, ERR_CORRUPT, "%s.%s: the value of '%s' is not a string",
				path, f->name, keys.items[i]);
		}
	}
	return 0;
}

static int read_digest(const json_t *v, const char *path, const char *name, Digest *out, Err **err)
{
	if (!json_is_string(v))
		return wrong_type(path, name, "a digest", err);
	_cleanup_err_ Err *e = NULL;
	if (digest_parse(str_of(json_string_value(v)), out, &e) == 0)
		return 0;
	return err_set(err, err_is(e, ERR_PARSE) ? ERR_CORRUPT : e->code, "%s.%s: %s", path, name,
		e->message);
}

static int read_field(const json_t *v, const char *path, const JsonField *f, void *at, Err **err)
{
	switch (f->type) {
	case JSON_FIELD_STRING:
		if (!json_is_string(v))
			return wrong_type(path, f->name, "a string", err);
		*(char **)at = xstrdup(json_string_value(v));
		return 0;
	case JSON_FIELD_U64:
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return wrong_type(path, f->name, "a whole number, zero or more", err);
		*(uint64_t *)at = (uint64_t)json_integer_value(v);
		return 0;
	case JSON_FIELD_I64:
		if (!json_is_integer(v))
			return wrong_type(path, f->name, "a whole number", err);
		*(int64_t *)at = json_integer_value(v);
		return 0;
	case JSON_FIELD_BOOL:
		if (!json_is_boolean(v))
			return wrong_type(path, f->name, "true or false", err);
		*(bool *)at = json_is_true(v);
		return 0;
	case JSON_FIELD_DIGEST:
		return read_digest(v, path, f->name, at, err);
	case JSON_FIELD_STRINGS:
		return read_strings(v, path, f->name, at, err);
	case JSON_FIELD_KEYS:
	case JSON_FIELD_PAIRS:
		return read_object_keys(v, path, f, at, err);
	case JSON_FIELD_OBJECT:
	case JSON_FIELD_ARRAY:
		if (f->type == JSON_FIELD_OBJECT ? !json_is_object(v) : !json_is_array(v))
			return wrong_type(path, f->name,
				f->type == JSON_FIELD_OBJECT ? "an object" : "an array", err);
		*(json_t **)at = json_incref((json_t *)(uintptr_t)v);
		return 0;
	}
	abort();
}

static void field_done(const JsonField *f, void *at)
{
	switch (f->type) {
	case JSON_FIELD_STRING:
		freep(at);
		break;
	case JSON_FIELD_STRINGS:
	case JSON_FIELD_KEYS:
	case JSON_FIELD_PAIRS:
		strvec_done(at);
		break;
	case JSON_FIELD_OBJECT:
	case JSON_FIELD_ARRAY:
		json_decref(*(json_t **)at);
		*(json_t **)at = NULL;
		break;
	case JSON_FIELD_U64:
	case JSON_FIELD_I64:
	case JSON_FIELD_BOOL:
	case JSON_FIELD_DIGEST:
		break;
	}
}

int json_read_object(const json_t *object, const char *path, const JsonField *fields,
	size_t n_fields, void *out, Err **err)
{
	int r = json_is_object(object) ? 0
				       : err_set(err, ERR_CORRUPT, "%s: is not an object", path);
	for (size_t i = 0; r == 0 && i < n_fields; i++) {
		const JsonField *f = &fields[i];
		const json_t *v = json_object_get(object, f->name);
		if (v && !json_is_null(v))
			r = read_field(v, path, f, (char *)out + f->offset, err);
		else if (f->mandatory)
			r = err_set(err, ERR_CORRUPT, "%s.%s: is missing", path, f->name);
	}
	if (r < 0)
		for (size_t i = 0; i < n_fields; i++)
			field_done(&fields[i], (char *)out + fields[i].offset);
	return r;
}

/* ---- writing ---- */

/* Owned text with U+FFFD for what is not UTF-8. */
static char *to_utf8(const char *text)
{
	Str rest = str_of(text);
	char *out = xmalloc(rest.len * 3 + 1), *to = out;
	while (rest.len) {
		size_t n = str_utf8(rest);
		to = mempcpy(to, n ? rest.ptr : "\xEF\xBF\xBD", n ? n : 3);
		rest = str_slice(rest, n ? n : 1, rest.len);
	}
	*to = '\0';
	return out;
}

json_t *json_from_text(const char *text)
{
	json_t *j = json_string(text);
	if (j)
		return j;
	_cleanup_free_ char *clean = to_utf8(text);
	return json_string(clean);
}

void json_set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set(object, key, value) < 0) {
		_cleanup_free_ char *clean = to_utf8(key);
		json_object_set(object, clean, value);
	}
	json_decref(value);
}

void json_set_text(json_t *object, const char *key, const char *text)
{
	json_set(object, key, json_from_text(text));
}

/* Pairs of the old object whose keys have '=' in them, with the length of the key. */
static void odd_keys(const json_t *old, Map *ret)
{
	const char *key;
	json_t *item;
	json_object_foreach((json_t *)(uintptr_t)old, key, item)
	{
		if (!strchr(key, '=') || !json_is_string(item))
			continue;
		_cleanup_free_ char *pair = xasprintf("%s=%s", key, json_string_value(item));
		map_put(ret, str_of(pair), (void *)(uintptr_t)strlen(key));
	}
}

void json_set_pairs(json_t *object, const char *key, const StrVec *pairs)
{
	_cleanup_map_ Map odd = MAP_INIT(NULL);
	if (pairs->len == 0) {
		json_object_del(object, key);
		return;
	}
	odd_keys(json_object_get(object, key), &odd);
	json_t *fresh = json_object();
	for (size_t i = 0; i < pairs->len; i++) {
		const char *pair = pairs->items[i];
		size_t len = (uintptr_t)map_get(&odd, str_of(pair));
		if (len)
			map_del(&odd, str_of(pair));
		else
			len = strcspn(pair, "=");
		_cleanup_free_ char *name = xstrndup(pair, len);
		json_set_text(fresh, name, pair[len] ? pair + len + 1 : "");
	}
	json_object_set_new(object, key, fresh);
}

char *json_text(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	if (!text)
		abort();
	return text;
}

char *json_text_pretty(const json_t *value)
{
	char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
	if (!text)
		abort();
	char *ret = xasprintf("%s\n", text);
	free(text);
	return ret;
}
