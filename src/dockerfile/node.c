#include "dockerfile/node.h"

#include "base/json.h"
#include "base/limits.h"

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

Node *node_free(Node *n)
{
	while (n) {
		Node *next = n->next;
		free(n->value);
		free(n->source);
		strvec_done(&n->flags);
		strvec_done(&n->comments);
		node_free(n->child);
		vec_foreach (&n->heredocs, h) {
			free(h->name);
			free(h->content);
		}
		vec_done(&n->heredocs);
		free(n);
		n = next;
	}
	return NULL;
}

static Node *node_new(Str value)
{
	Node *n = xnew(Node);
	n->value = str_dup(value);
	n->len = value.len;
	return n;
}

static void append(Node ***end, Str value)
{
	**end = node_new(value);
	*end = &(**end)->next;
}

/* ---- flags: words that start with "--" right behind the instruction ---- */

static Str take_flags(Str line, StrVec *flags)
{
	size_t i = 0;
	_cleanup_buf_ Buf word = BUF_INIT(line.len + 1);
	for (;;) {
		while (i < line.len && is_space(line.ptr[i]))
			i++;
		if (i + 1 >= line.len || line.ptr[i] != '-' || line.ptr[i + 1] != '-')
			return str_slice(line, i, line.len);
		char quote = 0;
		bool blank_ok = false;
		buf_clear(&word);
		for (; i < line.len && (quote || !is_space(line.ptr[i])); i++) {
			char c = line.ptr[i];
			if (quote && c == quote) {
				quote = 0;
				continue;
			}
			if (!quote && (c == '\'' || c == '"')) {
				quote = c;
				blank_ok = true;
				continue;
			}
			if (c == '\\' && i + 1 == line.len)
				continue;
			if (c == '\\')
				c = line.ptr[++i];
			buf_char(&word, c);
		}
		if (str_eq_cstr(buf_view(&word), "--"))
			return str_slice(line, i, line.len);
		if (blank_ok || word.len)
			strvec_push_str(flags, buf_view(&word));
	}
}

/* ---- what follows the flags ---- */

/* JSON array of strings. 1 if it is one, 0 if it is no JSON (then it is the shell form), <0 if it is JSON of another
 * kind. */
static int parse_json(Str text, Node *n, Node ***end, Err **err)
{
	_cleanup_json_ json_t *j = NULL;
	size_t i;
	json_t *item;
	text = str_trim(text);
	if (text.len == 0 || text.ptr[0] != '[')
		return 0;
	if (json_parse_nul(text, LIMIT_DOCKERFILE_SIZE, "JSON", &j, NULL) < 0 || !json_is_array(j))
		return 0;
	json_array_foreach(j, i, item) if (!json_is_string(item)) return err_set(
		err, ERR_PARSE, "only string type is allowed in JSON format arrays");
	json_array_foreach(j, i, item)
		append(end, (Str){json_string_value(item), json_string_length(item)});
	n->json = true;
	return 1;
}

typedef int (*ParseRest)(Str rest, char escape, Node *n, Err **err);

static int parse_string(Str rest, char escape _unused_, Node *n, Err **err _unused_)
{
	if (rest.len)
		n->next = node_new(rest);
	return 0;
}

static int parse_blank_words(Str rest, char escape _unused_, Node *n, Err **err _unused_)
{
	_cleanup_strvec_ StrVec words = {0};
	Node **end = &n->next;
	if (rest.len)
		split_blanks(rest, 0, &words);
	for (size_t i = 0; i < words.len; i++)
		append(&end, str_of(words.items[i]));
	return 0;
}

static int parse_maybe_json(Str rest, char escape, Node *n, Err **err)
{
	Node **end = &n->next;
	int r = parse_json(rest, n, &end, err);
	return r != 0 ? MIN(r, 0) : parse_string(rest, escape, n, err);
}

static int parse_maybe_json_list(Str rest, char escape, Node *n, Err **err)
{
	Node **end = &n->next;
	int r = parse_json(rest, n, &end, err);
	return r != 0 ? MIN(r, 0) : parse_blank_words(rest, escape, n, err);
}

/* ARG: words as they are, split into name and value later. */
static int parse_name_or_pair(Str rest, char escape, Node *n, Err **err _unused_)
{
	_cleanup_strvec_ StrVec words = {0};
	Node **end = &n->next;
	split_words(rest, escape, &words);
	for (size_t i = 0; i < words.len; i++)
		append(&end, str_of(words.items[i]));
	return 0;
}

/* ENV and LABEL: "K=V …", or the old "K rest of the line". Three nodes a pair: key, value, separator. */
static int parse_pairs(Str rest, char escape, Node *n, Err **err)
{
	_cleanup_strvec_ StrVec words = {0};
	Node **end = &n->next;
	split_words(rest, escape, &words);
	if (words.len && !strchr(words.items[0], '=')) {
		_cleanup_strvec_ StrVec parts = {0};
		split_blanks(rest, 2, &parts);
		if (parts.len < 2)
			return err_set(err, ERR_PARSE, "%s must have two arguments", n->value);
		append(&end, str_of(parts.items[0]));
		append(&end, str_of(parts.items[1]));
		append(&end, STR(""));
		return 0;
	}
	for (size_t i = 0; i < words.len; i++) {
		Str word = str_of(words.items[i]);
		ssize_t eq = str_find(word, '=');
		if (eq < 0)
			return err_set(err, ERR_PARSE,
				"cannot find = in '%s': it must be of the form name=value",
				words.items[i]);
		append(&end, str_slice(word, 0, (size_t)eq));
		append(&end, str_slice(word, (size_t)eq + 1, word.len));
		append(&end, STR("="));
	}
	return 0;
}

static int parse_health(Str rest, char escape, Node *n, Err **err)
{
	size_t end = 0;
	while (end < rest.len && !is_space(rest.ptr[end]))
		end++;
	if (end == 0)
		return 0;
	Node *type = node_new(str_slice(rest, 0, end));
	n->next = type;
	Node rest_node = {.value = n->value};
	int r = parse_maybe_json(str_trim(str_slice(rest, end, rest.len)), escape, &rest_node, err);
	type->next = rest_node.next;
	n->json = rest_node.json;
	return r;
}

/* A chain is refused here, not later: each link would cost a level of recursion and a copy of the rest. */
static int parse_trigger(Str rest, char escape, Node *n, Err **err)
{
	size_t end = 0;
	if (rest.len == 0)
		return 0;
	while (end < rest.len && !is_space(rest.ptr[end]))
		end++;
	if (str_eq_nocase(str_slice(rest, 0, end), "ONBUILD"))
		return err_set(
			err, ERR_PARSE, "chaining ONBUILD via 'ONBUILD ONBUILD' isn't allowed");
	n->next = node_new(STR(""));
	return node_from_line(rest, escape, &n->next->child, err);
}

static const struct {
	const char *name;
	ParseRest parse;
} parsers[_INSTR_MAX] = {
	[INSTR_ADD] = {"ADD", parse_maybe_json_list},
	[INSTR_ARG] = {"ARG", parse_name_or_pair},
	[INSTR_CMD] = {"CMD", parse_maybe_json},
	[INSTR_COPY] = {"COPY", parse_maybe_json_list},
	[INSTR_ENTRYPOINT] = {"ENTRYPOINT", parse_maybe_json},
	[INSTR_ENV] = {"ENV", parse_pairs},
	[INSTR_EXPOSE] = {"EXPOSE", parse_blank_words},
	[INSTR_FROM] = {"FROM", parse_blank_words},
	[INSTR_HEALTHCHECK] = {"HEALTHCHECK", parse_health},
	[INSTR_LABEL] = {"LABEL", parse_pairs},
	[INSTR_MAINTAINER] = {"MAINTAINER", parse_string},
	[INSTR_ONBUILD] = {"ONBUILD", parse_trigger},
	[INSTR_RUN] = {"RUN", parse_maybe_json},
	[INSTR_SHELL] = {"SHELL", parse_maybe_json},
	[INSTR_STOPSIGNAL] = {"STOPSIGNAL", parse_string},
	[INSTR_USER] = {"USER", parse_string},
	[INSTR_VOLUME] = {"VOLUME", parse_maybe_json_list},
	[INSTR_WORKDIR] = {"WORKDIR", parse_string},
};

const char *instr_name(InstrKind k)
{
	return parsers[k].name;
}

int node_from_line(Str line, char escape, Node **ret, Err **err)
{
	Str text = str_trim(line);
	size_t end = 0;
	while (end < text.len && (!is_space(text.ptr[end]) || text.ptr[end] == '\n'))
		end++;
	_cleanup_(node_freep) Node *n = node_new(str_slice(text, 0, end));
	n->source = str_dup(text);
	Str rest = str_trim(take_flags(str_trim(str_slice(text, end, text.len)), &n->flags));
	for (size_t k = 0; k < _INSTR_MAX; k++) {
		if (!str_eq_nocase(str_of(n->value), parsers[k].name))
			continue;
		int r = parsers[k].parse(rest, escape, n, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(n);
	return 0;
}

/* ---- s-expressions ---- */

/* Go's strconv.Quote, for what occurs in text files. */
static void quote(Buf *b, Str s)
{
	static const char plain[] = "\a\b\t\n\v\f\r", names[] = "abtnvfr";
	buf_char(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		const char *known = c ? strchr(plain, c) : NULL;
		if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (known)
			buf_printf(b, "\\%c", names[known - plain]);
		else if (c < ' ' || c == 0x7f)
			buf_printf(b, "\\x%02x", c);
		else
			buf_char(b, (char)c);
	}
	buf_char(b, '"');
}

static void dump(Buf *b, const Node *n)
{
	for (const char *p = n->value; *p; p++)
		buf_char(b, *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p);
	for (size_t i = 0; i < n->flags.len; i++) {
		buf_cstr(b, i ? " " : " [");
		quote(b, str_of(n->flags.items[i]));
	}
	if (n->flags.len)
		buf_char(b, ']');
	for (const Node *next = n->next; next; next = next->next) {
		buf_char(b, ' ');
		if (next->child) {
			buf_char(b, '(');
			dump(b, next->child);
			buf_char(b, ')');
		} else {
			quote(b, (Str){next->value, next->len});
		}
	}
}

int dockerfile_sexpr(Str text, char **ret, Err **err)
{
	NodeList list = {0};
	int r = nodes_parse(text, "Dockerfile", &list, err);
	if (r < 0)
		return r;
	_cleanup_buf_ Buf b = BUF_INIT(SIZE_MAX / 2);
	vec_foreach (&list.nodes, n) {
		buf_char(&b, '(');
		dump(&b, *n);
		buf_cstr(&b, ")\n");
	}
	nodes_done(&list);
	return buf_take(&b, ret, err);
}
