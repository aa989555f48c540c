/*
 * Grammar (distribution project): a first component with '.' or ':' in it, "localhost", an
 * upper-case letter or "[v6]" is a host; path components are lower-case words joined by ".", "_",
 * "__" or dashes.
 */
#include "oci/reference.h"

#include "base/limits.h"

#define DEFAULT_HOST "docker.io"
#define OFFICIAL     "library/" /* where docker.io keeps the names of one component */
#define MAX_NAME     255        /* host and path together, as the registries bound it */
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

static bool ipv6_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
		c == ':';
}

static bool valid_host(Str host)
{
	if (host.len && host.ptr[0] == '[') {
		ssize_t end = str_find(host, ']');
		if (end < 2)
			return false;
		for (ssize_t i = 1; i < end; i++)
			if (!ipv6_char(host.ptr[i]))
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

bool reference_tag_valid(Str tag)
{
	if (tag.len == 0 || tag.len > MAX_TAG || !(alnum(tag.ptr[0]) || tag.ptr[0] == '_'))
		return false;
	for (size_t i = 1; i < tag.len; i++)
		if (!alnum(tag.ptr[i]) && tag.ptr[i] != '_' && tag.ptr[i] != '.' &&
			tag.ptr[i] != '-')
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
			"image name '" STR_FMT "': the repository name must be lowercase",
			STR_ARG(whole));
	while (str_cut(&rest, '/', &component))
		if (!valid_component(component))
			return err_set(err, ERR_PARSE,
				"image name '" STR_FMT "': '" STR_FMT "' is not valid in it",
				STR_ARG(whole), STR_ARG(component));
	return 0;
}

/* Cuts "@digest" and ":tag" off the end of *name. */
static int take_suffixes(Str whole, Str *name, Reference *ref, Str *ret_tag, Err **err)
{
	ssize_t at = str_find(*name, '@');
	if (at >= 0) {
		Str digest = str_slice(*name, (size_t)at + 1, name->len);
		int r = digest_parse(digest, &ref->digest, err);
		if (r < 0) {
			err_prefix(err, "image name '" STR_FMT "'", STR_ARG(whole));
			return r;
		}
		ref->has_digest = true;
		*name = str_slice(*name, 0, (size_t)at);
	}
	ssize_t colon = str_rfind(*name, ':');
	if (colon <= str_rfind(*name, '/'))
		return 0;
	*ret_tag = str_slice(*name, (size_t)colon + 1, name->len);
	*name = str_slice(*name, 0, (size_t)colon);
	if (!reference_tag_valid(*ret_tag))
		return err_set(err, ERR_PARSE,
			"image name '" STR_FMT "': the tag '" STR_FMT "' is not valid",
			STR_ARG(whole), STR_ARG(*ret_tag));
	return 0;
}

/* Cuts "host/" off the front of *name, if there is one. */
static int take_host(Str whole, Str *name, Str *ret_host, Err **err)
{
	ssize_t slash = str_find(*name, '/');
	if (slash < 0 || !looks_like_host(str_slice(*name, 0, (size_t)slash)))
		return 0;
	*ret_host = str_slice(*name, 0, (size_t)slash);
	*name = str_slice(*name, (size_t)slash + 1, name->len);
	if (valid_host(*ret_host))
		return 0;
	int r = err_set(err, ERR_PARSE,
		"image name '" STR_FMT "': the host '" STR_FMT "' is not valid", STR_ARG(whole),
		STR_ARG(*ret_host));
	if (str_ends(*ret_host, ":") && str_starts(*name, "/"))
		err_hint(err, "an image name has no '" STR_FMT "//' in front", STR_ARG(*ret_host));
	return r;
}

int reference_parse(Str text, Reference *ret, Err **err)
{
	Reference ref = {0};
	Digest id;
	Str name = text, host = STR(DEFAULT_HOST), tag = STR("");
	if (text.len == 0)
		return err_set(err, ERR_PARSE, "an image name is missing");
	if (text.len > LIMIT_REFERENCE)
		return err_set(err, ERR_PARSE, "an image name of %zu bytes is too long", text.len);
	if (digest_parse_hex(text, &id))
		return err_set(
			err, ERR_PARSE, "'" STR_FMT "' is an image ID, not a name", STR_ARG(text));
	int r = take_suffixes(text, &name, &ref, &tag, err);
	if (r == 0)
		r = take_host(text, &name, &host, err);
	if (r == 0)
		r = check_path(text, name, err);
	if (r < 0)
		return r;
	bool hub = str_eq_cstr(host, DEFAULT_HOST) || str_eq_cstr(host, "index.docker.io");
	bool official = hub && str_find(name, '/') < 0;
	size_t full = (hub ? strlen(DEFAULT_HOST) : host.len) + 1 + name.len +
		(official ? strlen(OFFICIAL) : 0);
	if (full > MAX_NAME)
		return err_set(err, ERR_PARSE, "image name '" STR_FMT "' is longer than %d bytes",
			STR_ARG(text), MAX_NAME);
	ref.host = hub ? xstrdup(DEFAULT_HOST) : str_dup(host);
	ref.path = xasprintf("%s" STR_FMT, official ? OFFICIAL : "", STR_ARG(name));
	if (tag.len || !ref.has_digest)
		ref.tag = tag.len ? str_dup(tag) : xstrdup("latest");
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
	const char *name = strrchr(path, '/');
	if (name && str_eq_cstr((Str){path, (size_t)(name + 1 - path)}, OFFICIAL))
		path = name + 1;
	/* a path on docker.io that would read as a host when it stood alone */
	const char *slash = strchr(path, '/');
	if (slash && looks_like_host((Str){path, (size_t)(slash - path)}))
		return xasprintf("%s/%s", r->host, path);
	return xstrdup(path);
}

char *reference_familiar(const Reference *r)
{
	_cleanup_free_ char *repository = reference_familiar_repository(r);
	return with_tag(repository, r);
}
