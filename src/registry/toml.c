#include "registry/toml.h"

#include <stdio.h>

#include "base/limits.h"
#include "registry/toml_int.h"

#define LINES     "\001lines" /* member of each table: line by key */
#define OWN_LINE  "\001"      /* in it: the table's own */
#define MAX_DEPTH 64 /* tables within tables; toml++ itself allows 32 brackets within brackets */

static bool is_triple(Str text, size_t at)
{
	return at + 2 < text.len && text.ptr[at + 1] == text.ptr[at] &&
		text.ptr[at + 2] == text.ptr[at];
}

/* From the quote at `at` to behind the one that closes it; a text on one line ends with the line at the latest. */
static size_t skip_text(Str text, size_t at, unsigned *io_line)
{
	char quote = text.ptr[at];
	bool multi = is_triple(text, at);
	at += multi ? 3 : 1;
	while (at < text.len) {
		char c = text.ptr[at];
		if (c == quote && (!multi || is_triple(text, at))) {
			/* up to two more may stand before the three that end it */
			for (unsigned n = 0;
				n < (multi ? 5 : 1) && at < text.len && text.ptr[at] == quote; n++)
				at++;
			return at;
		}
		if (c == '\n' && !multi)
			return at;
		if (c == '\\' && quote == '"' && ++at == text.len)
			break;
		*io_line += text.ptr[at++] == '\n';
	}
	return text.len;
}

/*
 * A key of a hundred thousand dotted parts makes as many tables within each other, and toml++ goes down them by
 * recursion: so dots are counted before it sees anything, between the bytes that end a key. Characters other than
 * ASCII's, which it allows in keys, are refused where TOML has none.
 */
static int check_text(Str text, const char *file, Err **err)
{
	unsigned dots = 0, line = 1;
	bool comment = false;
	int r = 0;
	for (size_t i = 0; i < text.len && r == 0; i++) {
		char c = text.ptr[i];
		if (!comment && (c == '"' || c == '\'')) {
			i = skip_text(text, i, &line) - 1;
			continue;
		}
		comment = c == '#' || (comment && c != '\n');
		if (c == '\n' || c == '=' || c == ',')
			dots = 0;
		else if (comment)
			continue;
		else if (c == '.' && ++dots > MAX_DEPTH)
			r = err_set(err, ERR_LIMIT, "a key has more than %d parts", MAX_DEPTH);
		else if (c != '\t' && c != '\r' && (c < 0x20 || c > 0x7e))
			r = err_set(err, ERR_PARSE,
				"a character that may stand in quotes and comments only");
		line += c == '\n';
	}
	if (r < 0)
		err_at(err, file, (int)line);
	return r;
}

/* ---- building the tree ---- */

typedef struct Builder {
	json_t *root; /* owned */
	json_t *open[MAX_DEPTH * 2];
	unsigned depth;
	char *key; /* owned: of the value that comes next */
	unsigned key_line;
	unsigned bad_line; /* first thing that cannot be represented */
	const char *bad;
} Builder;

static void refuse(Builder *b, unsigned line, const char *why)
{
	if (!b->bad) {
		b->bad = why;
		b->bad_line = line;
	}
}

static void add_value(Builder *b, json_t *value)
{
	json_t *parent = b->depth ? b->open[b->depth - 1] : NULL;
	if (!parent) {
		b->root = value;
	} else if (json_is_array(parent)) {
		json_array_append_new(parent, value);
	} else {
		json_set(json_object_get(parent, LINES), b->key, json_integer(b->key_line));
		json_set(parent, b->key, value);
		freep(&b->key);
	}
}

static void open_value(Builder *b, json_t *value, unsigned line)
{
	add_value(b, value);
	if (b->depth == ARRAY_SIZE(b->open)) {
		refuse(b, line, "tables are nested too deeply");
		return;
	}
	b->open[b->depth++] = value;
	if (json_is_object(value)) {
		json_t *lines = json_object();
		json_set(lines, OWN_LINE, json_integer(line));
		json_set(value, LINES, lines);
	}
}

/* C strings take the texts from here on. */
static bool is_plain(const char *text, size_t len)
{
	return len == 0 || !memchr(text, '\0', len);
}

static bool is_plain_key(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20)
			return false;
	return true;
}

static void on_event(
	void *arg, TomlEvent event, const char *text, size_t len, int64_t number, unsigned line)
{
	Builder *b = arg;
	json_t *string = NULL;
	if (b->bad)
		return;
	switch (event) {
	case TOML_KEY:
		if (!is_plain_key(text, len))
			refuse(b, line, "a key has control characters");
		free(b->key);
		b->key = str_dup((Str){text, len});
		b->key_line = line;
		return;
	case TOML_TABLE:
		open_value(b, json_object(), line);
		return;
	case TOML_ARRAY:
		open_value(b, json_array(), line);
		return;
	case TOML_END:
		b->depth--;
		return;
	case TOML_STRING:
		string = is_plain(text, len) ? json_stringn(len ? text : "", len) : NULL;
		if (!string)
			refuse(b, line, "a text is not UTF-8, or has a NUL");
		else
			add_value(b, string);
		return;
	case TOML_INTEGER:
		add_value(b, json_integer(number));
		return;
	case TOML_BOOL:
		add_value(b, json_boolean(number));
		return;
	case TOML_OTHER:
		add_value(b, json_null());
		return;
	}
}

int toml_parse(Str text, const char *file, json_t **ret, Err **err)
{
	Builder b = {0};
	char message[256] = "";
	if (str_starts(text, "\xef\xbb\xbf"))
		text = str_slice(text, 3, text.len);
	int r = check_text(text, file, err);
	if (r < 0)
		return r;
	unsigned line = toml_events(
		text.len ? text.ptr : "", text.len, on_event, &b, message, sizeof(message));
	if (line)
		r = err_set(err, ERR_PARSE, "%s", message);
	else if (b.bad)
		r = err_set(err, ERR_PARSE, "%s", b.bad);
	if (r < 0) {
		err_at(err, file, (int)(line ? line : b.bad_line));
		json_decref(b.root);
	} else {
		*ret = b.root;
	}
	free(b.key);
	return r;
}

/* ---- reading it ---- */

int toml_line(const json_t *table, const char *key)
{
	const json_t *lines = json_object_get(table, LINES);
	return (int)json_integer_value(json_object_get(lines, key ? key : OWN_LINE));
}

bool toml_is_key(const char *key)
{
	return key[0] != '\001';
}

int toml_error(
	const json_t *table, const char *key, const char *file, Err **err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int r = err_vset(err, ERR_PARSE, 0, fmt, ap);
	va_end(ap);
	err_at(err, file, toml_line(table, key));
	return r;
}

int toml_string(const json_t *table, const char *key, const char *file, const char **ret, Err **err)
{
	const json_t *v = json_object_get(table, key);
	if (!v)
		return 0;
	if (!json_is_string(v))
		return toml_error(table, key, file, err, "'%s' is not a text in quotes", key);
	*ret = json_string_value(v);
	return 0;
}

int toml_bool(const json_t *table, const char *key, const char *file, bool *ret, Err **err)
{
	const json_t *v = json_object_get(table, key);
	if (!v)
		return 0;
	if (!json_is_boolean(v))
		return toml_error(table, key, file, err, "'%s' is neither true nor false", key);
	*ret = json_is_true(v);
	return 0;
}

int toml_strings(const json_t *table, const char *key, const char *file, StrVec *ret, Err **err)
{
	const json_t *v = json_object_get(table, key), *item;
	size_t i;
	if (json_is_string(v))
		strvec_push(ret, json_string_value(v));
	else if (v && !json_is_array(v))
		return toml_error(table, key, file, err, "'%s' is not a list of texts", key);
	json_array_foreach(v, i, item)
	{
		if (!json_is_string(item))
			return toml_error(
				table, key, file, err, "'%s' is not a list of texts", key);
		strvec_push(ret, json_string_value(item));
	}
	return 0;
}

int toml_table(const json_t *table, const char *key, const char *file, json_t **ret, Err **err)
{
	*ret = json_object_get(table, key);
	if (*ret && !json_is_object(*ret))
		return toml_error(table, key, file, err, "'%s' is not a table", key);
	return 0;
}

int toml_tables(const json_t *table, const char *key, const char *file, json_t **ret, Err **err)
{
	size_t i;
	json_t *item;
	*ret = json_object_get(table, key);
	if (*ret && !json_is_array(*ret))
		return toml_error(
			table, key, file, err, "'%s' is not an array of tables: [[%s]]", key, key);
	json_array_foreach(*ret, i, item)
	{
		if (!json_is_object(item))
			return toml_error(table, key, file, err,
				"'%s' is not an array of tables: [[%s]]", key, key);
	}
	return 0;
}
