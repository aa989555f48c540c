#include "registry/auth_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/limits.h"
#include "sys/atomic.h"

#define HUB     "docker.io"
#define HUB_KEY "https://index.docker.io/v1/" /* docker's name for it, since there was a v1 */

/* ---- names ---- */

static Str without_scheme(Str key)
{
	static const char *const schemes[] = {"https://", "http://"};
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (str_starts(key, schemes[i]))
			return str_slice(key, strlen(schemes[i]), key.len);
	return key;
}

static Str up_to_slash(Str key)
{
	ssize_t slash = str_find(key, '/');
	return slash < 0 ? key : str_slice(key, 0, (size_t)slash);
}

static char *one_name(Str host)
{
	static const char *const hub[] = {"index.docker.io", "registry-1.docker.io", HUB};
	for (size_t i = 0; i < ARRAY_SIZE(hub); i++)
		if (str_eq_cstr(host, hub[i]))
			return xstrdup(HUB);
	return str_dup(host);
}

char *auth_host(const char *host)
{
	return one_name(up_to_slash(without_scheme(str_of(host))));
}

/* What has a scheme is a URL, and its path is the API's. Without one, a path is a namespace, but for the API's own. */
char *auth_key(const char *key)
{
	static const char *const api[] = {"", "/", "/v1", "/v1/", "/v2", "/v2/"};
	Str all = str_of(key), bare = without_scheme(all), host = up_to_slash(bare);
	Str path = str_slice(bare, host.len, bare.len);
	if (bare.len != all.len)
		return one_name(host);
	for (size_t i = 0; i < ARRAY_SIZE(api); i++)
		if (str_eq_cstr(path, api[i]))
			return one_name(host);
	_cleanup_free_ char *name = one_name(host);
	return xasprintf("%s" STR_FMT, name, STR_ARG(path));
}

const char *auth_server(const char *host)
{
	return strcmp(host, HUB) == 0 ? HUB_KEY : host;
}

/* ---- reading ---- */

/* A buffer of the right size from the start: what grows leaves copies of secrets behind. */
static int read_secret(const char *path, char **ret, size_t *ret_len, Err **err)
{
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open '%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_sys_num(err, EISDIR, "open '%s'", path);
	size_t max = S_ISREG(st.st_mode) ? (size_t)st.st_size : LIMIT_CONFIG_SIZE, len = 0;
	if (st.st_size > LIMIT_CONFIG_SIZE)
		return err_set(
			err, ERR_LIMIT, "'%s' is longer than %u bytes", path, LIMIT_CONFIG_SIZE);
	char *text = xmalloc(max + 1);
	for (;;) {
		ssize_t n = len < max ? read(fd, text + len, max - len) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(text);
			return err_sys(err, "read '%s'", path);
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	*ret = text;
	*ret_len = len;
	return 1;
}

static int check_object(const AuthFile *f, const char *key, Err **err)
{
	const json_t *v = json_object_get(f->root, key);
	if (v && !json_is_object(v) && !json_is_null(v))
		return err_set(err, ERR_CORRUPT, "'%s': '%s' is not an object", f->path, key);
	return 0;
}

int auth_file_parse(Str text, const char *path, bool legacy, AuthFile *ret, Err **err)
{
	AuthFile f = {.path = xstrdup(path), .exists = true, .legacy = legacy};
	_cleanup_free_ char *name = xasprintf("'%s'", path);
	int r = 0;
	if (str_trim(text).len == 0)
		f.root = json_object();
	else
		r = json_parse_secret(text, LIMIT_CONFIG_SIZE, name, &f.root, err);
	if (r == 0 && !json_is_object(f.root))
		r = err_set(err, ERR_CORRUPT, "'%s': is not a JSON object", path);
	if (r == 0 && !legacy)
		r = check_object(&f, "auths", err);
	if (r == 0 && !legacy)
		r = check_object(&f, "credHelpers", err);
	if (r < 0) {
		auth_file_done(&f);
		return r;
	}
	*ret = f;
	return 0;
}

int auth_file_load(const char *path, bool legacy, AuthFile *ret, Err **err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = read_secret(path, &text, &len, err);
	if (r < 0)
		return r;
	bool exists = r > 0;
	r = auth_file_parse((Str){text, len}, path, legacy, ret, err);
	if (text)
		explicit_bzero(text, len);
	if (r == 0)
		ret->exists = exists;
	return r;
}

void auth_file_done(AuthFile *f)
{
	json_wipe(f->root);
	free(f->path);
	*f = (AuthFile){0};
}

static json_t *entries(const AuthFile *f)
{
	return f->legacy ? f->root : json_object_get(f->root, "auths");
}

const char *auth_file_host_helper(const AuthFile *f, const char *host, const char **ret_key)
{
	const char *key;
	json_t *value;
	if (f->legacy)
		return NULL;
	json_object_foreach(json_object_get(f->root, "credHelpers"), key, value)
	{
		_cleanup_free_ char *name = auth_host(key);
		if (json_is_string(value) && *json_string_value(value) && strcmp(name, host) == 0) {
			*ret_key = key;
			return json_string_value(value);
		}
	}
	return NULL;
}

const char *auth_file_store_helper(const AuthFile *f)
{
	const char *name =
		f->legacy ? NULL : json_string_value(json_object_get(f->root, "credsStore"));
	return name && *name ? name : NULL;
}

static const char *text_of(const json_t *entry, const char *key)
{
	const char *text = json_string_value(json_object_get(entry, key));
	return text && *text ? text : NULL;
}

/* "auth" is base64 of user:password; docker pads the password with NULs. */
static int decode_auth(
	const AuthFile *f, const char *key, const char *auth, Credentials *ret, Err **err)
{
	char *plain = NULL;
	size_t len = 0;
	if (!base64_decode(str_of(auth), &plain, &len))
		return err_set(
			err, ERR_CORRUPT, "'%s': 'auth' of '%s' is not base64", f->path, key);
	char *colon = memchr(plain, ':', len);
	if (colon) {
		ret->user = xstrndup(plain, (size_t)(colon - plain));
		ret->password = xstrdup(colon + 1);
	}
	explicit_bzero(plain, len);
	free(plain);
	return colon ? 0
		     : err_set(err, ERR_CORRUPT, "'%s': 'auth' of '%s' is not USER:PASSWORD",
			       f->path, key);
}

static bool is_empty(const Credentials *c)
{
	return !(c->user && *c->user && c->password && *c->password) && !c->identity_token &&
		!c->registry_token;
}

static int read_entry(
	const AuthFile *f, const char *key, const json_t *entry, Credentials *ret, Err **err)
{
	Credentials c = {0};
	const char *auth = text_of(entry, "auth");
	if (!json_is_object(entry) && !json_is_null(entry))
		return err_set(
			err, ERR_CORRUPT, "'%s': the entry of '%s' is not an object", f->path, key);
	int r = auth ? decode_auth(f, key, auth, &c, err) : 0;
	if (r < 0)
		return r;
	if (!auth) {
		c.user = xstrdup(text_of(entry, "username"));
		c.password = xstrdup(text_of(entry, "password"));
	}
	c.identity_token = xstrdup(text_of(entry, "identitytoken"));
	c.registry_token = xstrdup(text_of(entry, "registrytoken"));
	if (is_empty(&c)) {
		credentials_done(&c);
		return 0;
	}
	if (c.user && strcmp(c.user, "<token>") == 0 && !c.identity_token)
		c.identity_token = TAKE_PTR(c.password);
	c.source = xstrdup(f->path);
	*ret = c;
	return 1;
}

/* An entry whose key is that very text comes before one whose key only means the same. */
static int find_key(const AuthFile *f, const char *name, Credentials *ret, Err **err)
{
	const char *key;
	json_t *entry = json_object_get(entries(f), name);
	int r = entry ? read_entry(f, name, entry, ret, err) : 0;
	if (r != 0)
		return r;
	json_object_foreach(entries(f), key, entry)
	{
		_cleanup_free_ char *means = auth_key(key);
		if (strcmp(means, name) != 0)
			continue;
		r = read_entry(f, key, entry, ret, err);
		if (r != 0)
			return r;
	}
	return 0;
}

int auth_file_find(
	const AuthFile *f, const char *host, const char *repository, Credentials *ret, Err **err)
{
	_cleanup_free_ char *name =
		repository && !f->legacy ? xasprintf("%s/%s", host, repository) : xstrdup(host);
	for (;;) {
		int r = find_key(f, name, ret, err);
		if (r != 0)
			return r;
		char *slash = strrchr(name, '/');
		if (!slash)
			return 0;
		*slash = '\0';
	}
}

/* ---- changing ---- */

bool auth_file_remove(AuthFile *f, const char *host)
{
	const char *key;
	json_t *value;
	void *next;
	bool removed = false;
	_cleanup_free_ char *name = auth_key(host);
	json_object_foreach_safe(entries(f), next, key, value)
	{
		_cleanup_free_ char *means = auth_key(key);
		if (strcmp(means, name) != 0)
			continue;
		json_wipe(json_incref(value));
		(void)json_object_del(entries(f), key);
		removed = true;
	}
	return removed;
}

/* Docker finds the Hub under its old name only. */
static const char *written_key(const AuthFile *f, const char *name)
{
	bool docker = f->legacy || str_ends(str_of(f->path), "/config.json");
	return docker ? auth_server(name) : name;
}

void auth_file_set(AuthFile *f, const char *host, const Credentials *c)
{
	_cleanup_free_ char *name = auth_key(host);
	json_t *entry = json_object();
	(void)auth_file_remove(f, host);
	if (!json_is_object(entries(f)))
		json_set(f->root, "auths", json_object());
	if (c && c->user && c->password) {
		char *plain = xasprintf("%s:%s", c->user, c->password);
		char *auth = base64_encode(str_of(plain));
		json_set_text(entry, "auth", auth);
		explicit_bzero(plain, strlen(plain));
		explicit_bzero(auth, strlen(auth));
		free(plain);
		free(auth);
	}
	if (c && c->identity_token)
		json_set_text(entry, "identitytoken", c->identity_token);
	if (c && c->registry_token)
		json_set_text(entry, "registrytoken", c->registry_token);
	json_set(entries(f), written_key(f, name), entry);
}

/* ---- writing ---- */

/* Where the links that path may be lead to, even when nothing is there. */
static int follow_links(const char *path, char **ret, Err **err)
{
	_cleanup_free_ char *at = xstrdup(path);
	for (unsigned n = 0; n < LIMIT_SYMLINKS; n++) {
		char target[PATH_MAX];
		ssize_t len = readlink(at, target, sizeof(target) - 1);
		if (len < 0) {
			*ret = TAKE_PTR(at);
			return 0;
		}
		target[len] = '\0';
		const char *slash = strrchr(at, '/');
		char *next = target[0] == '/' || !slash
			? xstrdup(target)
			: xasprintf("%.*s/%s", (int)(slash - at), at, target);
		free(at);
		at = next;
	}
	return err_sys_num(err, ELOOP, "'%s'", path);
}

static int write_file(const char *path, Str text, Err **err)
{
	struct stat st;
	_cleanup_(atomic_file_freep) AtomicFile *f = NULL;
	int r = atomic_file_open(AT_FDCWD, path, 0600, &f, err);
	if (r < 0)
		return r;
	/* it stays the user's when root writes it; if it cannot, it is the writer's */
	if (stat(path, &st) == 0 && st.st_uid != geteuid())
		(void)!fchown(atomic_file_fd(f), st.st_uid, st.st_gid);
	_cleanup_(writer_freep) Writer *w = atomic_file_writer(f);
	r = writer_write(w, text.ptr, text.len, err);
	return r < 0 ? r : atomic_file_commit(f, NULL, true, err);
}

int auth_file_save(const AuthFile *f, Err **err)
{
	_cleanup_free_ char *path = NULL;
	int r = follow_links(f->path, &path, err);
	if (r < 0)
		return r;
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	r = mkdir_p(AT_FDCWD, dir, 0700, err);
	if (r < 0)
		return r;
	char *text = json_text_pretty(f->root);
	r = write_file(path, str_of(text), err);
	explicit_bzero(text, strlen(text));
	free(text);
	return r;
}
