/*
 * From text to logical lines: directives at the top, comments, continuation, heredoc bodies. (spec: build.md 1.1,
 * 1.4)
 *
 * A physical line that ends in the escape character (and blanks) goes on in the next one, unless the character before
 * is the escape character too. Comment lines inside a continuation vanish, blank ones as well (with a warning).
 */
#include "base/limits.h"
#include "dockerfile/expand.h"
#include "dockerfile/node.h"

typedef struct Lines {
	Str rest;
	int number; /* of the line taken last, 1-based */
	const char *name;
	Str text; /* whole, for excerpts */
} Lines;

static int fail(const Lines *l, int line, int end_line, Err **err)
{
	if (!err || !*err)
		return -ERR_PARSE;
	err_at(err, l->name, line);
	if (!(*err)->excerpt)
		(*err)->excerpt = dockerfile_excerpt(l->text, line, end_line);
	return -(int)(*err)->code;
}

/* 1 and the line without its end, 0 at the end of the text. */
static int next_line(Lines *l, Str *ret, Err **err)
{
	if (l->rest.len == 0)
		return 0;
	ssize_t end = str_find(l->rest, '\n');
	Str line = end < 0 ? l->rest : str_slice(l->rest, 0, (size_t)end);
	l->rest = end < 0 ? STR("") : str_slice(l->rest, (size_t)end + 1, l->rest.len);
	l->number++;
	if (line.len > LIMIT_DOCKERFILE_LINE) {
		(void)err_set(
			err, ERR_PARSE, "line is longer than %u bytes", LIMIT_DOCKERFILE_LINE);
		return fail(l, l->number, l->number, err);
	}
	*ret = line;
	return 1;
}

static Str trim_end(Str s)
{
	while (s.len && (s.ptr[s.len - 1] == '\r' || s.ptr[s.len - 1] == '\n'))
		s.len--;
	return s;
}

static Str trim_left(Str s)
{
	while (s.len && (s.ptr[0] == ' ' || (s.ptr[0] >= '\t' && s.ptr[0] <= '\r')))
		s = str_slice(s, 1, s.len);
	return s;
}

static bool is_comment(Str line)
{
	line = trim_left(line);
	return line.len && line.ptr[0] == '#';
}

/* Cuts the continuation off; false if the logical line ends here. */
static bool continues(Str *line, char escape)
{
	Str s = *line;
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	if (s.len == 0 || s.ptr[s.len - 1] != escape || (s.len > 1 && s.ptr[s.len - 2] == '\\'))
		return false;
	*line = str_slice(s, 0, s.len - 1);
	return true;
}

/* ---- directives: "# key=value" lines at the very top ---- */

static bool directive(Str line, Str *ret_key, Str *ret_value)
{
	line = trim_left(trim_end(line));
	if (line.len == 0 || line.ptr[0] != '#')
		return false;
	line = str_trim(str_slice(line, 1, line.len));
	size_t n = 0;
	while (n < line.len &&
		(((line.ptr[n] | 32) >= 'a' && (line.ptr[n] | 32) <= 'z') ||
			(n > 0 && line.ptr[n] >= '0' && line.ptr[n] <= '9')))
		n++;
	Str rest = trim_left(str_slice(line, n, line.len));
	if (n == 0 || rest.len == 0 || rest.ptr[0] != '=')
		return false;
	*ret_key = str_slice(line, 0, n);
	*ret_value = str_trim(str_slice(rest, 1, rest.len));
	return ret_value->len > 0;
}

static int set_directive(
	const Lines *l, NodeList *out, int line, Str key, Str value, unsigned *seen, Err **err)
{
	static const char *const names[] = {"escape", "syntax", "check"};
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (!str_eq_nocase(key, names[i]))
			continue;
		if (*seen & 1u << i) {
			(void)err_set(err, ERR_PARSE, "only one '%s' parser directive can be used",
				names[i]);
			return fail(l, line, line, err);
		}
		*seen |= 1u << i;
		if (i == 0 && !str_eq_cstr(value, "\\") && !str_eq_cstr(value, "`")) {
			(void)err_set(err, ERR_PARSE,
				"invalid escape token '" STR_FMT "': it is \\ or `",
				STR_ARG(value));
			return fail(l, line, line, err);
		}
		if (i == 0)
			out->escape = value.ptr[0];
		else if (i == 1)
			out->syntax = str_dup(value);
		else
			out->check = str_dup(value);
		return 1;
	}
	return 0;
}

/* The directives are comments too: the text is left where it is. */
static int read_directives(const Lines *l, NodeList *out, Err **err)
{
	Lines look = *l;
	Str line, key, value;
	unsigned seen = 0;
	for (int r = next_line(&look, &line, NULL); r == 1; r = next_line(&look, &line, NULL)) {
		if (!directive(line, &key, &value))
			return 0;
		r = set_directive(l, out, look.number, key, value, &seen, err);
		if (r <= 0)
			return r;
	}
	return 0;
}

/* ---- heredocs ---- */

/* Delimiter without its quotes; *ret_quoted. NULL if it is no single word. */
static char *unquote(Str word, char escape, bool *ret_quoted)
{
	Expander x = {.escape = escape};
	char *plain = NULL;
	if (word.len == 0 || expand_word(&x, word, &plain, NULL) < 0)
		return NULL;
	*ret_quoted = !str_eq_cstr(word, plain);
	if (!*plain) {
		free(plain);
		return NULL;
	}
	return plain;
}

void node_find_heredocs(Node *n, char escape)
{
	_cleanup_strvec_ StrVec words = {0};
	split_words(str_of(n->source), escape, &words);
	for (size_t i = 0; i < words.len; i++) {
		Str w = str_of(words.items[i]);
		uint64_t fd = 0;
		size_t digits = 0;
		while (digits < w.len && w.ptr[digits] >= '0' && w.ptr[digits] <= '9')
			digits++;
		if (digits && str_to_u64(str_slice(w, 0, digits), 1024, &fd, NULL) < 0)
			continue;
		Str rest = str_slice(w, digits, w.len);
		if (!str_starts(rest, "<<"))
			continue;
		rest = str_slice(rest, 2, rest.len);
		bool tabs = rest.len && rest.ptr[0] == '-', quoted = false;
		rest = trim_left(str_slice(rest, tabs, rest.len));
		char *name = str_find(rest, '<') < 0 ? unquote(rest, escape, &quoted) : NULL;
		if (!name)
			continue;
		Heredoc *h = vec_add(&n->heredocs);
		*h = (Heredoc){
			.name = name, .expand = !quoted, .strip_tabs = tabs, .fd = (unsigned)fd};
	}
}

static bool takes_heredocs(const Node *n)
{
	static const InstrKind kinds[] = {INSTR_ADD, INSTR_COPY, INSTR_RUN};
	if (n->next && n->next->child)
		return takes_heredocs(n->next->child);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_eq_nocase(str_of(n->value), instr_name(kinds[i])))
			return !n->json;
	return false;
}

static Str strip_tabs(Str line)
{
	while (line.len && line.ptr[0] == '\t')
		line = str_slice(line, 1, line.len);
	return line;
}

static int read_heredoc(Lines *l, Heredoc *h, int first_line, Err **err)
{
	_cleanup_buf_ Buf body = BUF_INIT(LIMIT_DOCKERFILE_SIZE);
	Str line;
	int r;
	while ((r = next_line(l, &line, err)) == 1) {
		Str text = h->strip_tabs ? strip_tabs(line) : line;
		if (str_eq_cstr(trim_end(text), h->name))
			return buf_take(&body, &h->content, err);
		buf_str(&body, text);
		if (l->rest.len || l->text.ptr[l->text.len - 1] == '\n')
			buf_char(&body, '\n');
	}
	if (r < 0)
		return r;
	(void)err_set(err, ERR_PARSE, "unterminated heredoc '%s'", h->name);
	err_hint(err, "a line with nothing but %s ends it", h->name);
	return fail(l, first_line, first_line, err);
}

/* ---- the loop ---- */

static void warn_empty_continuation(NodeList *out, int line)
{
	DockerfileWarning *w = vec_add(&out->warnings);
	w->line = line;
	w->text = xstrdup(
		"empty continuation line: it will be an error in a future version of the language");
}

/* Joins the lines that continue `first` into *logical. */
static int join_lines(Lines *l, NodeList *out, Str first, Buf *logical, Err **err)
{
	Str line = first;
	bool more = continues(&line, out->escape), empty = false;
	buf_str(logical, line);
	while (more) {
		int r = next_line(l, &line, err);
		if (r <= 0)
			return r;
		if (is_comment(line))
			continue;
		line = trim_end(line);
		if (trim_left(line).len == 0) {
			empty = true;
			continue;
		}
		more = continues(&line, out->escape);
		buf_str(logical, line);
	}
	if (empty)
		warn_empty_continuation(out, l->number);
	return 0;
}

static int read_instruction(Lines *l, NodeList *out, Str first, StrVec *comments, Err **err)
{
	int start = l->number;
	_cleanup_buf_ Buf logical = BUF_INIT(LIMIT_DOCKERFILE_SIZE);
	_cleanup_(node_freep) Node *n = NULL;
	int r = join_lines(l, out, trim_left(trim_end(first)), &logical, err);
	if (r < 0)
		return r;
	if (str_trim(buf_view(&logical)).len == 0)
		return 0;
	if (node_from_line(buf_view(&logical), out->escape, &n, err) < 0)
		return fail(l, start, l->number, err);
	if (takes_heredocs(n) && strstr(n->source, "<<"))
		node_find_heredocs(n, out->escape);
	for (size_t i = 0; i < n->heredocs.len; i++) {
		r = read_heredoc(l, &n->heredocs.items[i], start, err);
		if (r < 0)
			return r;
	}
	n->line = start;
	n->end_line = l->number;
	n->comments = *comments;
	*comments = (StrVec){0};
	vec_push(&out->nodes, TAKE_PTR(n));
	return 0;
}

int nodes_parse(Str text, const char *name, NodeList *ret, Err **err)
{
	NodeList out = {.escape = '\\'};
	_cleanup_strvec_ StrVec comments = {0};
	Lines l = {.rest = text, .name = name, .text = text};
	Str line;
	if (str_starts(text, "\xef\xbb\xbf"))
		l.rest = str_slice(text, 3, text.len);
	int r = text.len > LIMIT_DOCKERFILE_SIZE
		? err_set(err, ERR_LIMIT, "%s is longer than %u bytes", name, LIMIT_DOCKERFILE_SIZE)
		: 0;
	if (r == 0 && memchr(text.ptr ? text.ptr : "", '\0', text.len)) {
		r = err_set(err, ERR_PARSE, "%s holds NUL bytes: it is no text", name);
	}
	if (r == 0)
		r = read_directives(&l, &out, err);
	while (r == 0 && (r = next_line(&l, &line, err)) == 1) {
		r = 0;
		if (is_comment(line)) {
			Str comment = trim_left(line);
			strvec_push_str(&comments, str_trim(str_slice(comment, 1, comment.len)));
			continue;
		}
		if (str_trim(line).len)
			r = read_instruction(&l, &out, line, &comments, err);
		strvec_clear(&comments);
	}
	if (r == 0 && out.nodes.len == 0) {
		r = err_set(err, ERR_PARSE, "file with no instructions");
		err_at(err, name, 0);
	}
	if (r < 0) {
		nodes_done(&out);
		return r;
	}
	*ret = out;
	return 0;
}

void nodes_done(NodeList *l)
{
	vec_foreach (&l->nodes, n)
		node_free(*n);
	vec_done(&l->nodes);
	vec_foreach (&l->warnings, w)
		free(w->text);
	vec_done(&l->warnings);
	free(l->syntax);
	free(l->check);
}
