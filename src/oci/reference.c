/*
 * Grammar (distribution project): a first component with '.' or ':' in it, "localhost", an upper-case letter or
 * "[v6]" is a host; path components are lower-case words joined by ".", "_", "__" or dashes.
 */
#include "oci/reference.h"

#include "base/limits.h"

#define DEFAULT_HOST "docker.io"
#define MAX_NAME     255 /* host and path together, as the registries bound it */
#define MAX_TAG      128

static bool lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alnum(char c)
{
	return lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool has_upper(Str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z')
			return true;
	return false;
}

/* word ((\.|_|__|-+) word)* */
static bool valid_component(Str c)
{
	size_t i = 0;
	for (;;) {
		size_t start = i;
		while (i < c.len && lower_alnum(c.ptr[i]))
			i++;
		if (i == start)
			return false;
		if (i == c.len)
			return true;
		if (c.ptr[i] == '-') {
			while (i < c.len && c.ptr[i] == '-')
				i++;
		} else if (c.ptr[i] == '_') {
			i++;
			if (i < c.len && c.ptr[i] == '_')
				i++;
		} else if (c.ptr[i] == '.') {
			i++;
		} else {
			return false;
		}
	}
}

static bool valid_port(Str port)
{
	uint64_t n = 0;
	return str_to_u64(port, 65535, &n, NULL) == 0;
}

static bool valid_host(Str host)
{
	if (host.len && host.ptr[0] == '[') {
		ssize_t end = str_find(host, ']');
		if (end < 2)
			return false;
		for (ssize_t i = 1; i < end; i++)
			if (!strchr("0123456789abcdefABCDEF:.", host.ptr[i]))
				return false;
		Str rest = str_slice(host, (size_t)end + 1, host.len);
		return rest.len == 0 ||
			(rest.ptr[0] == ':' && valid_port(str_slice(rest, 1, rest.len)));
	}
	ssize_t colon = str_find(host, ':');
	Str name = colon < 0 ? host : str_slice(host, 0, (size_t)colon);
	if (colon >= 0 && !valid_port(str_slice(host, (size_t)colon + 1, host.len)))
		return false;
	Str rest = name, label;
	while (str_cut(&rest, '.', &label)) {
		if (label.len == 0 || !alnum(label.ptr[0]) || !alnum(label.ptr[label.len - 1]))
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (!alnum(label.ptr[i]) && label.ptr[i] != '-')
				return false;
	}
	return true;
}

static bool valid_tag(Str tag)
{
	if (tag.len == 0 || tag.len > MAX_TAG || !(alnum(tag.ptr[0]) || tag.ptr[0] == '_'))
		return false;
	for (size_t i = 1; i < tag.len; i++)
		if (!alnum(tag.ptr[i]) && !strchr("_.-", tag.ptr[i]))
			return false;
	return true;
}

static bool looks_like_host(Str first)
{
	return str_find(first, '.') >= 0 || str_find(first, ':') >= 0 ||
		str_eq_cstr(first, "localhost") || has_upper(first) ||
		(first.len && first.ptr[0] == '[');
}

static int check_path(Str whole, Str path, Err **err)
{
	Str rest = path, component;
	if (path.len == 0)
		return err_set(err, ERR_PARSE, "image name '" STR_FMT "' has no repository",
			STR_ARG(whole));
	if (has_upper(path))
		return err_set(err, ERR_PARSE,
			"image name '" STR_FMT "': the repository must be lower case",
			STR_ARG(whole));
	while (str_cut(&rest, '/', &component))
		if (!valid_component(component))
			return err_set(err, ERR_PARSE,
				"image name '" STR_FMT "': '" STR_FMT "' is not valid in it",
				STR_ARG(whole), STR_ARG(component));
	return 0;
}

int reference_parse(Str text, Reference *ret, Err **err)
{
	Reference ref = {0};
	Str rest = text, host = STR(DEFAULT_HOST), tag = STR("");
	if (text.len == 0)
		return err_set(err, ERR_PARSE, "an image name is missing");
	if (text.len > LIMIT_REFERENCE)
		return err_set(err, ERR_PARSE, "an image name of %zu bytes is too long", text.len);
	ssize_t at = str_find(rest, '@');
	if (at >= 0) {
		int r = digest_parse(str_slice(rest, (size_t)at + 1, rest.len), &ref.digest, err);
		if (r < 0) {
			err_prefix(err, "image name '" STR_FMT "'", STR_ARG(text));
			return r;
		}
		ref.has_digest = true;
		rest = str_slice(rest, 0, (size_t)at);
	}
	ssize_t slash = str_find(rest, '/'), last_slash = str_rfind(rest, '/'),
		colon = str_rfind(rest, ':');
	bool has_tag = colon > last_slash && !(slash < 0 && rest.len && rest.ptr[0] == '[');
	if (has_tag) {
		tag = str_slice(rest, (size_t)colon + 1, rest.len);
		rest = str_slice(rest, 0, (size_t)colon);
		if (!valid_tag(tag))
			return err_set(err, ERR_PARSE,
				"image name '" STR_FMT "': the tag '" STR_FMT "' is not valid",
				STR_ARG(text), STR_ARG(tag));
	}
	if (slash >= 0 && looks_like_host(str_slice(rest, 0, (size_t)slash))) {
		host = str_slice(rest, 0, (size_t)slash);
		rest = str_slice(rest, (size_t)slash + 1, rest.len);
		if (!valid_host(host))
			return err_set(err, ERR_PARSE,
				"image name '" STR_FMT "': the host '" STR_FMT "' is not valid",
				STR_ARG(text), STR_ARG(host));
	}
	int r = check_path(text, rest, err);
	if (r < 0)
		return r;
	Digest id;
	if (slash < 0 && digest_parse_hex(rest, &id))
		return err_set(
			err, ERR_PARSE, "'" STR_FMT "' is an image ID, not a name", STR_ARG(rest));
	if (host.len + rest.len + 1 > MAX_NAME)
		return err_set(err, ERR_PARSE, "image name '" STR_FMT "' is longer than %d bytes",
			STR_ARG(text), MAX_NAME);
	bool hub = str_eq_cstr(host, DEFAULT_HOST) || str_eq_cstr(host, "index.docker.io");
	ref.host = hub ? xstrdup(DEFAULT_HOST) : str_dup(host);
	ref.path = hub && str_find(rest, '/') < 0 ? xasprintf("library/" STR_FMT, STR_ARG(rest))
						  : str_dup(rest);
	if (has_tag || !ref.has_digest)
		ref.tag = has_tag ? str_dup(tag) : xstrdup("latest");
	*ret = ref;
	return 0;
}

void reference_done(Reference *r)
{
	free(r->host);
	free(r->path);
	free(r->tag);
	*r = (Reference){0};
}

static char *with_tag(const char *repository, const Reference *r)
{
	return xasprintf("%s%s%s%s%s", repository, r->tag ? ":" : "", r->tag ? r->tag : "",
		r->has_digest ? "@" : "", r->has_digest ? digest_str(&r->digest).s : "");
}

char *reference_full(const Reference *r)
{
	_cleanup_free_ char *repository = xasprintf("%s/%s", r->host, r->path);
	return with_tag(repository, r);
}

char *reference_familiar_repository(const Reference *r)
{
	if (strcmp(r->host, DEFAULT_HOST) != 0)
		return xasprintf("%s/%s", r->host, r->path);
	const char *path = r->path;
	if (cstr_starts(path, "library/") && !strchr(path + 8, '/'))
		path += 8;
	return xstrdup(path);
}

char *reference_familiar(const Reference *r)
{
	_cleanup_free_ char *repository = reference_familiar_repository(r);
	return with_tag(repository, r);
}
