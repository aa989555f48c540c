#include "serve/router.h"

#define MAX_NAME 255
#define MAX_TAG  128

static const struct {
	const char *name;
	unsigned methods;
} kinds[_ROUTE_MAX] = {
	[ROUTE_NONE] = {"none", 0},
	[ROUTE_PING] = {"ping", METHOD_GET | METHOD_HEAD},
	[ROUTE_CATALOG] = {"catalog", METHOD_GET | METHOD_HEAD},
	[ROUTE_METRICS] = {"metrics", METHOD_GET | METHOD_HEAD},
	[ROUTE_TAGS] = {"tags", METHOD_GET | METHOD_HEAD},
	[ROUTE_MANIFEST] = {"manifest", METHOD_GET | METHOD_HEAD | METHOD_PUT | METHOD_DELETE},
	[ROUTE_BLOB] = {"blob", METHOD_GET | METHOD_HEAD | METHOD_DELETE},
	[ROUTE_REFERRERS] = {"referrers", METHOD_GET | METHOD_HEAD},
	[ROUTE_UPLOADS] = {"uploads", METHOD_POST},
	[ROUTE_UPLOAD] = {"upload",
		METHOD_GET | METHOD_HEAD | METHOD_PATCH | METHOD_PUT | METHOD_DELETE},
};

const char *route_name(RouteKind kind)
{
	return kinds[kind].name;
}

unsigned route_methods(RouteKind kind)
{
	return kinds[kind].methods;
}

Method method_of(const char *word)
{
	static const char *const words[] = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"};
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(word, words[i]) == 0)
			return 1u << i;
	return 0;
}

/* ---- grammar (distribution-spec, "Pulling manifests") ---- */

static bool lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Length of a separator at the start: ".", "_", "__" or any number of dashes; 0 if there is none. */
static size_t separator(Str s)
{
	size_t n = 0;
	if (s.len == 0)
		return 0;
	if (s.ptr[0] == '.')
		return 1;
	if (s.ptr[0] == '_')
		return s.len > 1 && s.ptr[1] == '_' ? 2 : 1;
	while (n < s.len && s.ptr[n] == '-')
		n++;
	return n;
}

static bool component_valid(Str c)
{
	for (;;) {
		size_t word = 0;
		while (word < c.len && lower_alnum(c.ptr[word]))
			word++;
		if (word == 0)
			return false;
		c = str_slice(c, word, c.len);
		if (c.len == 0)
			return true;
		size_t gap = separator(c);
		if (gap == 0)
			return false;
		c = str_slice(c, gap, c.len);
	}
}

bool repository_name_valid(Str name)
{
	Str rest = name, component;
	if (name.len == 0 || name.len > MAX_NAME)
		return false;
	while (str_cut(&rest, '/', &component))
		if (!component_valid(component))
			return false;
	return true;
}

bool tag_valid(Str tag)
{
	for (size_t i = 0; i < tag.len; i++) {
		char c = tag.ptr[i];
		bool word = lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_';
		if (!word && (i == 0 || (c != '.' && c != '-')))
			return false;
	}
	return tag.len > 0 && tag.len <= MAX_TAG;
}

DigestKind digest_kind(Str text, Digest *ret)
{
	_cleanup_err_ Err *e = NULL;
	if (digest_parse(text, ret, &e) == 0)
		return DIGEST_OURS;
	return err_is(e, ERR_UNSUPPORTED) ? DIGEST_FOREIGN : DIGEST_BAD;
}

/* ---- escapes ---- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int unescape(Str text, bool form, char **ret, Err **err)
{
	_cleanup_free_ char *out = xmalloc(text.len + 1);
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '%') {
			int hi = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
			int lo = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
			if (hi < 0 || lo < 0)
				return err_set(err, ERR_PARSE, "the URL has a malformed escape");
			c = (char)(hi << 4 | lo);
			i += 2;
		} else if (form && c == '+') {
			c = ' ';
		}
		if ((unsigned char)c < 0x20 || c == 0x7f)
			return err_set(err, ERR_PARSE, "the URL has a control character in it");
		out[n++] = c;
	}
	out[n] = '\0';
	*ret = TAKE_PTR(out);
	return 0;
}

static int parse_query(Str text, StrVec *ret, Err **err)
{
	Str pair;
	while (text.len && str_cut(&text, '&', &pair)) {
		_cleanup_free_ char *key = NULL, *value = NULL;
		ssize_t equals = str_find(pair, '=');
		size_t end = equals < 0 ? pair.len : (size_t)equals;
		if (pair.len == 0)
			continue;
		if (ret->len == ROUTE_MAX_QUERY)
			return err_set(err, ERR_LIMIT, "the URL has more than %d parameters",
				ROUTE_MAX_QUERY);
		int r = unescape(str_slice(pair, 0, end), true, &key, err);
		if (r == 0)
			r = unescape(str_slice(pair, MIN(end + 1, pair.len), pair.len), true,
				&value, err);
		if (r < 0)
			return r;
		strvec_pushf(ret, "%s=%s", key, value);
	}
	return 0;
}

const char *route_query(const Route *r, const char *key)
{
	size_t len = strlen(key);
	for (size_t i = 0; i < r->query.len; i++)
		if (strncmp(r->query.items[i], key, len) == 0 && r->query.items[i][len] == '=')
			return r->query.items[i] + len + 1;
	return NULL;
}

/* ---- paths ---- */

static void set_name(Route *r, RouteKind kind, Str name)
{
	r->kind = kind;
	r->name = str_dup(name);
	r->bad_name = !repository_name_valid(name);
}

static void set_reference(Route *r, Str reference)
{
	r->reference = str_dup(reference);
	r->is_tag = tag_valid(reference);
	bool digest = r->kind != ROUTE_MANIFEST || str_find(reference, ':') >= 0;
	r->digest = digest ? digest_kind(reference, &r->digest_value) : DIGEST_NONE;
}

/* Cuts the suffix off; the rest is never empty. */
static bool cut_end(Str *s, const char *suffix)
{
	if (!str_ends(*s, suffix) || s->len == strlen(suffix))
		return false;
	s->len -= strlen(suffix);
	return true;
}

/* rest: behind "/v2/". The last words decide: a repository may itself have "blobs" or "tags" in its name. */
static void parse_path(Str rest, Route *r)
{
	if (cut_end(&rest, "/tags/list")) {
		set_name(r, ROUTE_TAGS, rest);
		return;
	}
	if (cut_end(&rest, "/blobs/uploads/") || cut_end(&rest, "/blobs/uploads")) {
		set_name(r, ROUTE_UPLOADS, rest);
		return;
	}
	ssize_t slash = str_rfind(rest, '/');
	if (slash <= 0)
		return;
	Str last = str_slice(rest, (size_t)slash + 1, rest.len);
	rest.len = (size_t)slash;
	if (cut_end(&rest, "/blobs/uploads")) {
		set_name(r, ROUTE_UPLOAD, rest);
		r->reference = str_dup(last);
	} else if (cut_end(&rest, "/blobs")) {
		set_name(r, ROUTE_BLOB, rest);
		set_reference(r, last);
	} else if (cut_end(&rest, "/manifests")) {
		set_name(r, ROUTE_MANIFEST, rest);
		set_reference(r, last);
	} else if (cut_end(&rest, "/referrers")) {
		set_name(r, ROUTE_REFERRERS, rest);
		set_reference(r, last);
	}
}

/* What is behind scheme and host, if they are there; the host goes to *ret_host. */
static Str skip_host(Str target, char **ret_host)
{
	static const char *const schemes[] = {"http://", "https://"};
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t n = strlen(schemes[i]), end = n;
		if (target.len < n || !str_eq_nocase(str_slice(target, 0, n), schemes[i]))
			continue;
		while (end < target.len && target.ptr[end] != '/' && target.ptr[end] != '?')
			end++;
		*ret_host = str_dup(str_slice(target, n, end));
		return str_slice(target, end, target.len);
	}
	return target;
}

int route_parse(Str target, Route *ret, Err **err)
{
	*ret = (Route){0};
	if (target.len > ROUTE_MAX_TARGET)
		return err_set(err, ERR_LIMIT, "the URL is longer than %d bytes", ROUTE_MAX_TARGET);
	target = skip_host(target, &ret->host);
	ssize_t question = str_find(target, '?');
	Str query = question < 0 ? STR("") : str_slice(target, (size_t)question + 1, target.len);
	_cleanup_free_ char *text = NULL;
	int r = unescape(
		question < 0 ? target : str_slice(target, 0, (size_t)question), false, &text, err);
	if (r == 0)
		r = parse_query(query, &ret->query, err);
	if (r < 0)
		return r;
	Str path = str_of(text);
	if (str_eq_cstr(path, "/v2") || str_eq_cstr(path, "/v2/"))
		ret->kind = ROUTE_PING;
	else if (str_eq_cstr(path, "/metrics"))
		ret->kind = ROUTE_METRICS;
	else if (str_eq_cstr(path, "/v2/_catalog"))
		ret->kind = ROUTE_CATALOG;
	else if (str_starts(path, "/v2/"))
		parse_path(str_slice(path, 4, path.len), ret);
	return 0;
}

void route_done(Route *r)
{
	free(r->host);
	free(r->name);
	free(r->reference);
	strvec_done(&r->query);
	*r = (Route){0};
}
