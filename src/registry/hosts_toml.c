#include "registry/hosts_toml.h"

#include <fcntl.h>

#include "base/limits.h"
#include "registry/toml.h"
#include "sys/atomic.h"

#define MAX_TIMEOUT 3600 /* seconds */

static void entry_done(HostsEntry *e)
{
	free(e->host);
	free(e->path);
	strvec_done(&e->ca);
	free(e->client_cert);
	free(e->client_key);
	strvec_done(&e->headers);
	*e = (HostsEntry){0};
}

void hosts_file_done(HostsFile *f)
{
	vec_foreach (&f->hosts, e)
		entry_done(e);
	vec_done(&f->hosts);
	entry_done(&f->server);
	freep(&f->file);
}

static char *beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	if (path[0] == '/' || !slash)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - file), file, path);
}

/* Blanks and control characters would end up in a request. */
static bool is_clean(Str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] <= 0x20 || text.ptr[i] == 0x7f)
			return false;
	return true;
}

/* "[http[s]://]host[:port][/path]" */
static int read_url(const json_t *at, const char *key, const char *file, const char *url,
	bool override_path, HostsEntry *e, Err **err)
{
	Str rest = str_of(url);
	e->scheme = SCHEME_HTTPS;
	if (str_starts(rest, "https://")) {
		rest = str_slice(rest, strlen("https://"), rest.len);
	} else if (str_starts(rest, "http://")) {
		rest = str_slice(rest, strlen("http://"), rest.len);
		e->scheme = SCHEME_HTTP;
	}
	ssize_t slash = str_find(rest, '/');
	Str host = slash < 0 ? rest : str_slice(rest, 0, (size_t)slash);
	Str path = str_slice(rest, host.len, rest.len);
	if (host.len == 0 || !is_clean(rest) || str_find(rest, '@') >= 0 ||
		str_find(rest, '?') >= 0 || str_find(rest, '#') >= 0 ||
		memmem(rest.ptr, rest.len, "://", 3))
		return toml_error(
			at, key, file, err, "'%s' is no 'https://host[:port][/path]'", url);
	while (str_ends(path, "/"))
		path.len--;
	bool complete = override_path || str_ends(path, "/v2");
	e->host = str_dup(host);
	e->path = xasprintf(STR_FMT "%s", STR_ARG(path), complete ? "" : "/v2");
	return 0;
}

static int read_capabilities(const json_t *table, const char *file, HostsEntry *e, Err **err)
{
	static const char *const words[] = {"pull", "resolve", "push", "referrers"};
	_cleanup_strvec_ StrVec list = {0};
	int r = toml_strings(table, "capabilities", file, &list, err);
	if (r < 0)
		return r;
	if (list.len == 0)
		e->can = ENDPOINT_PULL | ENDPOINT_RESOLVE | ENDPOINT_PUSH;
	for (size_t i = 0; i < list.len; i++) {
		unsigned bit = 0;
		for (unsigned k = 0; k < ARRAY_SIZE(words); k++)
			if (str_eq_nocase(str_of(list.items[i]), words[k]))
				bit = 1u << k;
		if (!bit)
			return toml_error(table, "capabilities", file, err,
				"capabilities are pull, resolve, push and referrers, not '%s'",
				list.items[i]);
		e->can |= bit;
	}
	e->can &=
		ENDPOINT_PULL | ENDPOINT_RESOLVE | ENDPOINT_PUSH; /* what resolves has referrers */
	return 0;
}

/* A file with both, a list of such, or a list of pairs. One can be used: the first. */
static int read_client(const json_t *table, const char *file, HostsEntry *e, Err **err)
{
	const json_t *client = json_object_get(table, "client");
	const json_t *first = json_is_array(client) ? json_array_get(client, 0) : client;
	if (!first)
		return 0;
	const char *cert = json_string_value(first), *key = cert;
	if (json_is_array(first) && json_array_size(first) == 2) {
		cert = json_string_value(json_array_get(first, 0));
		key = json_string_value(json_array_get(first, 1));
	}
	if (!cert || !key || !*cert)
		return toml_error(table, "client", file, err,
			"'client' is a file, a list of files, or a list of pairs of files");
	e->client_cert = beside(file, cert);
	e->client_key = beside(file, *key ? key : cert);
	return 0;
}

static int add_header(const json_t *table, const char *name, const json_t *value, const char *file,
	StrVec *ret, Err **err)
{
	const char *text = json_string_value(value);
	bool clean = text && is_clean(str_of(name)) && *name && !strchr(name, ':');
	for (const char *p = text; clean && *p; p++)
		clean = (unsigned char)*p >= 0x20 || *p == '\t';
	if (!clean)
		return toml_error(
			table, name, file, err, "header '%s' is not a text on one line", name);
	strvec_pushf(ret, "%s: %s", name, text);
	return 0;
}

static int read_headers(const json_t *table, const char *file, HostsEntry *e, Err **err)
{
	json_t *headers, *value, *item;
	const char *name;
	size_t i;
	int r = toml_table(table, "header", file, &headers, err);
	json_object_foreach(headers, name, value)
	{
		if (!toml_is_key(name))
			continue;
		if (!json_is_array(value))
			r = add_header(headers, name, value, file, &e->headers, err);
		json_array_foreach(value, i, item)
		{
			if (r == 0)
				r = add_header(headers, name, item, file, &e->headers, err);
		}
		if (r < 0)
			break;
	}
	return r;
}

/* Go's durations: "1s", "1m30s", "1.5s", "500ms"; what is shorter than a second becomes one. */
static bool parse_duration(Str text, unsigned *ret_seconds)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
	double total = 0;
	if (text.len == 0)
		return false;
	while (text.len) {
		double number = 0, scale = 0;
		size_t digits = 0, i = 0, unit = 0;
		for (; i < text.len &&
			(text.ptr[i] == '.' || (text.ptr[i] >= '0' && text.ptr[i] <= '9'));
			i++) {
			if (text.ptr[i] == '.') {
				if (scale != 0)
					return false;
				scale = 1;
				continue;
			}
			number = number * 10 + (text.ptr[i] - '0');
			scale *= 10;
			digits++;
		}
		size_t end = i;
		while (end < text.len && text.ptr[end] >= 'a' && text.ptr[end] <= 'z')
			end++;
		Str word = str_slice(text, i, end);
		while (unit < ARRAY_SIZE(units) && !str_eq_cstr(word, units[unit].unit))
			unit++;
		if (digits == 0 || digits > 15 || unit == ARRAY_SIZE(units))
			return false;
		total += number / (scale != 0 ? scale : 1) * units[unit].seconds;
		text = str_slice(text, end, text.len);
	}
	total = MIN(total, (double)MAX_TIMEOUT);
	*ret_seconds = (unsigned)total + ((double)(unsigned)total < total);
	return true;
}

static int read_timeout(const json_t *table, const char *file, HostsEntry *e, Err **err)
{
	const char *text = NULL;
	int r = toml_string(table, "dial_timeout", file, &text, err);
	if (r < 0 || !text || !*text)
		return r;
	if (!parse_duration(str_of(text), &e->connect_seconds))
		return toml_error(table, "dial_timeout", file, err,
			"'dial_timeout' is a time like \"1.5s\" or \"1m\", not '%s'", text);
	return 0;
}

/* TLS may be configured for a host that is called http: then TLS comes first, as containerd does it. */
static void settle_scheme(HostsEntry *e, bool tls)
{
	if (e->scheme == SCHEME_HTTP && tls && !str_ends(str_of(e->host), ":80"))
		e->scheme = SCHEME_HTTPS_OR_HTTP;
}

/* Of a host's table, or of the root for the server; url NULL: the server is not named. */
static int read_entry(const json_t *table, const json_t *at, const char *key, const char *url,
	const char *file, HostsEntry *e, Err **err)
{
	bool override_path = false;
	_cleanup_strvec_ StrVec ca = {0};
	int r = toml_bool(table, "override_path", file, &override_path, err);
	if (r == 0 && url)
		r = read_url(at, key, file, url, override_path, e, err);
	if (r == 0)
		r = read_capabilities(table, file, e, err);
	if (r == 0)
		r = toml_strings(table, "ca", file, &ca, err);
	for (size_t i = 0; r == 0 && i < ca.len; i++)
		strvec_take(&e->ca, beside(file, ca.items[i]));
	if (r == 0)
		r = read_client(table, file, e, err);
	if (r == 0)
		r = toml_bool(table, "skip_verify", file, &e->skip_verify, err);
	if (r == 0)
		r = read_headers(table, file, e, err);
	if (r == 0)
		r = read_timeout(table, file, e, err);
	if (r == 0 && url)
		settle_scheme(
			e, e->ca.len || e->client_cert || json_object_get(table, "skip_verify"));
	e->line = toml_line(at, key);
	return r;
}

static int read_hosts(const json_t *root, const char *file, HostsFile *f, Err **err)
{
	json_t *hosts, *table;
	const char *url, *server = NULL;
	int r = toml_table(root, "host", file, &hosts, err);
	if (r < 0)
		return r;
	json_object_foreach(hosts, url, table)
	{
		if (!toml_is_key(url))
			continue;
		if (!json_is_object(table))
			return toml_error(hosts, url, file, err, "host '%s' is not a table", url);
		r = read_entry(table, hosts, url, url, file, vec_add(&f->hosts), err);
		if (r < 0)
			return r;
	}
	r = toml_string(root, "server", file, &server, err);
	if (r < 0)
		return r;
	server = server && *server ? server : NULL;
	r = read_entry(root, root, server ? "server" : NULL, server, file, &f->server, err);
	/* containerd looks at them only when the server is named */
	if (!server)
		f->server.can = ENDPOINT_PULL | ENDPOINT_RESOLVE | ENDPOINT_PUSH;
	return r;
}

int hosts_toml_parse(Str text, const char *file, HostsFile *ret, Err **err)
{
	HostsFile f = {.file = xstrdup(file)};
	_cleanup_json_ json_t *root = NULL;
	int r = toml_parse(text, file, &root, err);
	if (r == 0)
		r = read_hosts(root, file, &f, err);
	if (r < 0)
		hosts_file_done(&f);
	else
		*ret = f;
	return r;
}

int hosts_toml_load(const char *root, const char *host, HostsFile *ret, Err **err)
{
	const char *colon = strrchr(host, ':');
	_cleanup_strvec_ StrVec dirs = {0};
	if (strchr(host, '/') || strcmp(host, ".") == 0 || strcmp(host, "..") == 0)
		return 0;
	if (colon)
		strvec_pushf(&dirs, "%s/%.*s_%s_", root, (int)(colon - host), host, colon + 1);
	strvec_pushf(&dirs, "%s/%s", root, host);
	strvec_pushf(&dirs, "%s/_default", root);
	for (size_t i = 0; i < dirs.len; i++) {
		if (access(dirs.items[i], F_OK) < 0)
			continue;
		_cleanup_buf_ Buf text = BUF_INIT(LIMIT_CONFIG_SIZE);
		_cleanup_err_ Err *e = NULL;
		_cleanup_free_ char *file = xasprintf("%s/hosts.toml", dirs.items[i]);
		int r = file_read(AT_FDCWD, file, LIMIT_CONFIG_SIZE, &text, &e);
		if (err_is(e, ERR_NOT_FOUND) || (r == 0 && text.len == 0))
			return 0;
		if (r == 0)
			r = hosts_toml_parse(buf_view(&text), file, ret, &e);
		return r < 0 ? err_move(err, &e) : 1;
	}
	return 0;
}
