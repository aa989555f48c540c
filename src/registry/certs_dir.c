#include "registry/certs_dir.h"

#include <dirent.h>
#include <fcntl.h>

#include "base/limits.h"
#include "sys/atomic.h"

#define DEFAULT_HOST "_default" /* containerd: whatever has no directory of its own */

void tls_files_done(TlsFiles *t)
{
	buf_done(&t->ca);
	freep(&t->cert);
	freep(&t->key);
}

int tls_files_add_ca(TlsFiles *t, const char *path, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_CERTIFICATES);
	int r = file_read(AT_FDCWD, path, LIMIT_CERTIFICATES, &text, err);
	if (r < 0)
		return r;
	Str all = buf_view(&text);
	if (!memmem(all.ptr, all.len, "-----BEGIN ", 11) || memchr(all.ptr, '\0', all.len))
		return err_set(err, ERR_PARSE, "'%s' has no certificate in PEM form", path);
	buf_str(&t->ca, all);
	buf_char(&t->ca, '\n');
	if (t->ca.overflow)
		return err_set(err, ERR_LIMIT, "'%s': more than %u bytes of certificates", path,
			LIMIT_CERTIFICATES);
	return 0;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* X.cert and X.key need each other. */
static int check_pair(const char *dir, const StrVec *names, Str name, const char *of,
	const char *other, Err **err)
{
	_cleanup_free_ char *wanted =
		xasprintf(STR_FMT "%s", STR_ARG(str_slice(name, 0, name.len - strlen(of))), other);
	if (strvec_has(names, wanted))
		return 0;
	int r = err_set(err, ERR_PARSE, "'%s/" STR_FMT "' has no '%s' beside it", dir,
		STR_ARG(name), wanted);
	if (strcmp(of, ".cert") == 0)
		err_hint(err, "certificates of authorities end with .crt");
	return r;
}

static int use_file(const char *dir, const StrVec *names, Str name, TlsFiles *t, Err **err)
{
	_cleanup_free_ char *path = xasprintf("%s/" STR_FMT, dir, STR_ARG(name));
	if (str_ends(name, ".crt"))
		return tls_files_add_ca(t, path, err);
	if (str_ends(name, ".key"))
		return check_pair(dir, names, name, ".key", ".cert", err);
	if (!str_ends(name, ".cert"))
		return 0;
	int r = check_pair(dir, names, name, ".cert", ".key", err);
	if (r == 0 && !t->cert) {
		t->key = xasprintf("%.*s.key", (int)(strlen(path) - strlen(".cert")), path);
		t->cert = TAKE_PTR(path);
	}
	return r;
}

int certs_dir_read(const char *dir, TlsFiles *t, Err **err)
{
	_cleanup_strvec_ StrVec names = {0};
	DIR *d = opendir(dir);
	if (!d && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "there is no directory '%s'", dir);
	if (!d)
		return err_sys(err, "open '%s'", dir);
	for (const struct dirent *e = readdir(d); e; e = readdir(d))
		strvec_push(&names, e->d_name);
	(void)closedir(d);
	if (names.len)
		qsort(names.items, names.len, sizeof(char *), name_cmp);
	int r = 0;
	for (size_t i = 0; r == 0 && i < names.len; i++)
		r = use_file(dir, &names, str_of(names.items[i]), t, err);
	return r;
}

/* A host becomes one component of a path. */
static bool is_component(const char *name)
{
	return name && *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
		strcmp(name, "..") != 0;
}

int certs_dirs_read(
	const char *const *names, size_t n_names, const char *extra, TlsFiles *t, Err **err)
{
	const char *home = getenv("HOME");
	_cleanup_strvec_ StrVec roots = {0};
	if (home && *home)
		strvec_pushf(&roots, "%s/.config/containers/certs.d", home);
	strvec_push(&roots, "/etc/containers/certs.d");
	strvec_push(&roots, "/etc/docker/certs.d");
	if (extra)
		strvec_push(&roots, extra);
	for (size_t i = 0; i < roots.len; i++) {
		bool last = extra && i + 1 == roots.len;
		for (size_t k = 0; k < n_names + last; k++) {
			const char *name = k < n_names ? names[k] : DEFAULT_HOST;
			if (!is_component(name))
				continue;
			_cleanup_err_ Err *e = NULL;
			_cleanup_free_ char *dir = xasprintf("%s/%s", roots.items[i], name);
			_cleanup_free_ char *hosts = xasprintf("%s/hosts.toml", dir);
			/* what lies beside a hosts.toml is what that names, for other hosts too */
			if (last && access(hosts, F_OK) == 0)
				continue;
			int r = certs_dir_read(dir, t, &e);
			/* as podman: what one may not look into is as good as absent */
			bool absent = err_is(e, ERR_NOT_FOUND) && access(dir, F_OK) < 0;
			if (r == 0)
				return 0;
			if (!absent && e->errnum != EACCES)
				return err_move(err, &e);
		}
	}
	return 0;
}
