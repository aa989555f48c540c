/*
 * Where credentials are looked for, as podman and skopeo do it, with docker's credsStore beside. A file that was named
 * (--authfile, $REGISTRY_AUTH_FILE, $DOCKER_CONFIG) is the only one. Else, the first file that has something wins:
 *
 *	$XDG_RUNTIME_DIR/containers/auth.json (without it /run/containers/<uid>/auth.json): login writes here
 *	$XDG_CONFIG_HOME/containers/auth.json (~/.config)
 *	~/.docker/config.json
 *	~/.dockercfg
 *
 * "credential-helpers" of registries.conf may put helpers for all hosts before or behind these files.
 *
 * In a file a helper for the host (credHelpers) is the only one that is asked; else the helper for all hosts (credsStore),
 * and when that knows nothing, "auths", from the most specific namespace to the host.
 */
#include "registry/credentials.h"

#include <sys/file.h>

#include <fcntl.h>

#include "base/vec.h"
#include "registry/auth_file.h"
#include "registry/credential_helper.h"
#include "registry/registries_conf.h"
#include "sys/atomic.h"
#include "sys/userns.h"

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void credentials_done(Credentials *c)
{
	wipe(c->user);
	wipe(c->password);
	wipe(c->identity_token);
	wipe(c->registry_token);
	free(c->source);
	*c = (Credentials){0};
}

/* ---- which files ---- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

/* The files in their order; the last is ~/.dockercfg where *ret_legacy says so. */
static void list_files(const RegistrySettings *settings, StrVec *ret, bool *ret_legacy)
{
	const char *runtime = variable("XDG_RUNTIME_DIR"), *config = variable("XDG_CONFIG_HOME"),
		   *home = variable("HOME");
	*ret_legacy = false;
	if (settings->authfile) {
		strvec_push(ret, settings->authfile);
	} else if (variable("REGISTRY_AUTH_FILE")) {
		strvec_push(ret, variable("REGISTRY_AUTH_FILE"));
	} else if (variable("DOCKER_CONFIG")) {
		strvec_pushf(ret, "%s/config.json", variable("DOCKER_CONFIG"));
	} else {
		if (runtime)
			strvec_pushf(ret, "%s/containers/auth.json", runtime);
		else
			strvec_pushf(
				ret, "/run/containers/%u/auth.json", (unsigned)userns_caller());
		if (config)
			strvec_pushf(ret, "%s/containers/auth.json", config);
		else if (home)
			strvec_pushf(ret, "%s/.config/containers/auth.json", home);
		if (home) {
			strvec_pushf(ret, "%s/.docker/config.json", home);
			strvec_pushf(ret, "%s/.dockercfg", home);
			*ret_legacy = true;
		}
	}
}

typedef VEC(AuthFile) AuthFiles;

static void auth_files_done(AuthFiles *files)
{
	vec_foreach (files, f)
		auth_file_done(f);
	vec_done(files);
}

/* Some directories are other users' (/run/containers, a $HOME that is root's): what may not be read has nothing for us. */
static int load_files(const RegistrySettings *settings, AuthFiles *ret, Err **err)
{
	_cleanup_strvec_ StrVec paths = {0};
	bool legacy;
	list_files(settings, &paths, &legacy);
	for (size_t i = 0; i < paths.len; i++) {
		AuthFile f = {0};
		_cleanup_err_ Err *e = NULL;
		int r = auth_file_load(paths.items[i], legacy && i + 1 == paths.len, &f, &e);
		bool passed_over = e && e->errnum == EACCES && paths.len > 1;
		if (r < 0 && !passed_over) {
			auth_files_done(ret);
			return err_move(err, &e);
		}
		if (r == 0)
			vec_push(ret, f);
	}
	return 0;
}

/* Where credentials are, in order: CREDENTIAL_FILES, or a helper's name. A file that is named stands alone. */
static int list_places(const RegistrySettings *settings, StrVec *ret, Err **err)
{
	RegistriesConf conf = {0};
	bool named =
		settings->authfile || variable("REGISTRY_AUTH_FILE") || variable("DOCKER_CONFIG");
	int r = named ? 0 : registries_conf_load(settings, &conf, err);
	if (r == 0 && conf.helpers.len)
		strvec_copy(ret, &conf.helpers);
	else if (r == 0)
		strvec_push(ret, CREDENTIAL_FILES);
	registries_conf_done(&conf);
	return r;
}

static bool is_files(const char *place)
{
	return strcmp(place, CREDENTIAL_FILES) == 0;
}

/* ---- finding ---- */

/* The Hub has three names that helpers may have been told. */
static int ask_helper(
	const char *helper, const char *key, const char *host, Credentials *ret, Err **err)
{
	const char *names[] = {key, auth_server(host), host};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool asked = !names[i];
		for (size_t k = 0; k < i; k++)
			asked |= cstr_eq(names[k], names[i]);
		int r = asked ? 0 : credential_helper_get(helper, names[i], ret, err);
		if (r != 0)
			return r;
	}
	return 0;
}

static int find_in_file(
	const AuthFile *f, const char *host, const char *repository, Credentials *ret, Err **err)
{
	const char *key = NULL, *helper = auth_file_host_helper(f, host, &key);
	if (helper)
		return ask_helper(helper, key, host, ret, err);
	helper = auth_file_store_helper(f);
	int r = helper ? ask_helper(helper, NULL, host, ret, err) : 0;
	return r ? r : auth_file_find(f, host, repository, ret, err);
}

static int from_flag(const char *text, Credentials *ret, Err **err)
{
	const char *colon = strchr(text, ':');
	if (!colon || colon == text)
		return err_set(err, ERR_USAGE, "credentials are USER:PASSWORD");
	ret->user = xstrndup(text, (size_t)(colon - text));
	ret->password = xstrdup(colon + 1);
	ret->source = xasprintf("user '%s'", ret->user);
	return 0;
}

int credentials_find(const RegistrySettings *settings, const char *host, const char *repository,
	Credentials *ret, Err **err)
{
	AuthFiles files = {0};
	_cleanup_strvec_ StrVec places = {0};
	_cleanup_free_ char *name = auth_host(host);
	*ret = (Credentials){0};
	if (settings->no_creds)
		return 0;
	if (settings->creds)
		return from_flag(settings->creds, ret, err);
	int r = list_places(settings, &places, err);
	if (r == 0)
		r = load_files(settings, &files, err);
	if (r < 0)
		return r;
	if (settings->authfile && !files.items[0].exists)
		r = err_set(err, ERR_NOT_FOUND, "'%s' does not exist", settings->authfile);
	for (size_t p = 0; r == 0 && p < places.len; p++) {
		bool in_files = is_files(places.items[p]);
		if (!in_files)
			r = ask_helper(places.items[p], NULL, name, ret, err);
		for (size_t i = 0; in_files && r == 0 && i < files.len; i++)
			r = find_in_file(&files.items[i], name, repository, ret, err);
	}
	auth_files_done(&files);
	return MIN(r, 0);
}

/* ---- changing ---- */

/* One at a time among our own: a lock on the directory leaves no file behind. Without one it goes on. */
static int lock_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir =
		slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	if (mkdir_p(AT_FDCWD, dir, 0700, NULL) < 0)
		return -1;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		(void)flock(fd, LOCK_EX);
	return fd;
}

/* The helper that is to keep the host's credentials, of the first file that names one; *ret_key what it is told. */
static const char *helper_for(
	const AuthFiles *files, const char *host, const char **ret_key, size_t *ret_file)
{
	const char *helper = NULL;
	for (size_t i = 0; i < files->len; i++) {
		const AuthFile *f = &files->items[i];
		*ret_file = i;
		helper = auth_file_host_helper(f, host, ret_key);
		if (helper)
			return helper;
		*ret_key = auth_server(host);
		helper = auth_file_store_helper(f);
		if (helper)
			return helper;
	}
	return NULL;
}

int credentials_store(const RegistrySettings *settings, const char *host, const Credentials *c,
	char **ret_where, Err **err)
{
	AuthFiles files = {0};
	_cleanup_strvec_ StrVec paths = {0}, places = {0};
	_cleanup_free_ char *name = auth_key(host), *only_host = auth_host(host);
	const char *key = NULL;
	size_t at = 0;
	bool legacy;
	int r = list_places(settings, &places, err);
	if (r < 0)
		return r;
	/* helpers know hosts, no namespaces */
	if (!is_files(places.items[0]) && !strchr(name, '/')) {
		*ret_where = xasprintf("docker-credential-%s", places.items[0]);
		return credential_helper_store(places.items[0], only_host, c, err);
	}
	list_files(settings, &paths, &legacy);
	_cleanup_close_ int lock _unused_ = lock_directory(paths.items[0]);
	r = load_files(settings, &files, err);
	if (r < 0)
		return r;
	const char *helper = strchr(name, '/') ? NULL : helper_for(&files, only_host, &key, &at);
	if (helper) {
		r = credential_helper_store(helper, key, c, err);
		if (r == 0) {
			*ret_where = xasprintf("docker-credential-%s", helper);
			/* a password that lay in the file goes; docker looks for the empty entry */
			auth_file_set(&files.items[at], name, NULL);
		}
	} else {
		/* the first may be one that may not be read */
		at = 0;
		if (!files.len || strcmp(files.items[0].path, paths.items[0]) != 0)
			r = err_sys_num(err, EACCES, "open '%s'", paths.items[0]);
		else
			auth_file_set(&files.items[0], name, c);
	}
	if (r == 0)
		r = auth_file_save(&files.items[at], err);
	if (r == 0 && !helper)
		*ret_where = xstrdup(files.items[at].path);
	auth_files_done(&files);
	return r;
}

/* From every helper and file that may have it. 1 if something was there. */
static int erase_host(AuthFile *f, const char *name, StrVec *where, Err **err)
{
	_cleanup_free_ char *host = auth_host(name);
	const char *key = auth_server(host), *helper = auth_file_host_helper(f, host, &key);
	if (!helper)
		helper = auth_file_store_helper(f);
	int r = helper && !strchr(name, '/') ? credential_helper_erase(helper, key, err) : 0;
	if (r < 0)
		return r;
	if (r > 0)
		strvec_pushf(where, "docker-credential-%s", helper);
	if (!auth_file_remove(f, name))
		return r;
	strvec_push(where, f->path);
	r = auth_file_save(f, err);
	return r < 0 ? r : 1;
}

/* Of one host, or of all that the helper knows. */
static int erase_in_helper(const char *helper, const char *host, StrVec *where, Err **err)
{
	_cleanup_strvec_ StrVec servers = {0};
	int r = 0, any = 0;
	if (host) {
		strvec_push(&servers, host);
		if (strcmp(auth_server(host), host) != 0)
			strvec_push(&servers, auth_server(host));
	} else {
		r = credential_helper_list(helper, &servers, err);
	}
	for (size_t i = 0; r == 0 && i < servers.len; i++) {
		r = credential_helper_erase(helper, servers.items[i], err);
		any |= r > 0;
		r = MIN(r, 0);
	}
	if (r == 0 && any)
		strvec_pushf(where, "docker-credential-%s", helper);
	return r;
}

static int erase_all(AuthFile *f, StrVec *where, Err **err)
{
	const char *key, *store = auth_file_store_helper(f);
	json_t *value, *helpers = json_object_get(f->root, "credHelpers");
	bool any = json_object_size(json_object_get(f->root, "auths")) > 0;
	int r = 0;
	json_object_foreach(helpers, key, value)
	{
		if (!json_is_string(value))
			continue;
		r = credential_helper_erase(json_string_value(value), key, err);
		if (r < 0)
			return r;
		if (r > 0)
			strvec_pushf(where, "docker-credential-%s", json_string_value(value));
	}
	r = store ? erase_in_helper(store, NULL, where, err) : 0;
	if (r < 0 || !any)
		return r;
	json_t *auths = json_incref(json_object_get(f->root, "auths"));
	json_set(f->root, "auths", json_object());
	json_wipe(auths);
	strvec_push(where, f->path);
	return auth_file_save(f, err);
}

int credentials_erase(
	const RegistrySettings *settings, const char *host, char **ret_where, Err **err)
{
	AuthFiles files = {0};
	_cleanup_strvec_ StrVec where = {0}, paths = {0}, places = {0};
	_cleanup_free_ char *name = host ? auth_key(host) : NULL;
	bool legacy;
	list_files(settings, &paths, &legacy);
	_cleanup_close_ int lock _unused_ = lock_directory(paths.items[0]);
	int r = list_places(settings, &places, err);
	if (r == 0)
		r = load_files(settings, &files, err);
	if (r < 0)
		return r;
	/* all: where login writes, not what other programs keep beside */
	for (size_t i = 0; r >= 0 && i < (host ? places.len : 1); i++)
		if (!is_files(places.items[i]) && !(name && strchr(name, '/')))
			r = erase_in_helper(places.items[i], name, &where, err);
	if (r == 0 && !host && files.len && is_files(places.items[0]))
		r = erase_all(&files.items[0], &where, err);
	for (size_t i = 0; host && r >= 0 && i < files.len; i++)
		r = erase_host(&files.items[i], name, &where, err);
	auth_files_done(&files);
	if (r < 0)
		return r;
	if (where.len == 0)
		return host ? err_set(err, ERR_NOT_FOUND, "there are no credentials for '%s'", name)
			    : err_set(err, ERR_NOT_FOUND, "there are no credentials in '%s'",
				      paths.items[0]);
	*ret_where = strvec_join(&where, ", ");
	return 0;
}
