#include "registry/docker_daemon.h"

#include <fcntl.h>

#include "base/json.h"
#include "base/limits.h"
#include "registry/url.h"
#include "sys/atomic.h"

#define SYSTEM_FILE "/etc/docker/daemon.json"

void docker_daemon_done(DockerDaemon *d)
{
	strvec_done(&d->mirrors);
	strvec_done(&d->insecure);
}

/* As the daemon has it: no path, and a host. */
static int check_mirror(char *mirror, const char *file, Err **err)
{
	size_t len = strlen(mirror);
	_cleanup_free_ char *host = url_host(mirror), *shown = url_shown(mirror);
	const char *slashes = strstr(mirror, "://");
	if (len && mirror[len - 1] == '/')
		mirror[len - 1] = '\0';
	if ((cstr_starts(mirror, "https://") || cstr_starts(mirror, "http://")) && *host &&
		!strpbrk(slashes + 3, "/?#@ "))
		return 0;
	return err_set(
		err, ERR_PARSE, "'%s': the mirror '%s' is no 'https://host[:port]'", file, shown);
}

int docker_daemon_parse(Str text, const char *file, DockerDaemon *ret, Err **err)
{
	static const JsonField fields[] = {
		{"registry-mirrors", JSON_FIELD_STRINGS, offsetof(DockerDaemon, mirrors), false},
		{"insecure-registries", JSON_FIELD_STRINGS, offsetof(DockerDaemon, insecure),
			false},
	};
	_cleanup_json_ json_t *json = NULL;
	DockerDaemon d = {0};
	int r = json_parse(text, LIMIT_CONFIG_SIZE, file, &json, err);
	if (r == 0)
		r = json_read_object(json, file, fields, ARRAY_SIZE(fields), &d, err);
	for (size_t i = 0; r == 0 && i < d.mirrors.len; i++)
		r = check_mirror(d.mirrors.items[i], file, err);
	if (r < 0)
		docker_daemon_done(&d);
	else
		*ret = d;
	return r;
}

int docker_daemon_load(DockerDaemon *ret, Err **err)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	_cleanup_free_ char *user = config && *config
		? xasprintf("%s/docker/daemon.json", config)
		: xasprintf("%s/.config/docker/daemon.json", home ? home : "");
	const char *const files[] = {user, SYSTEM_FILE};
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_buf_ Buf text = BUF_INIT(LIMIT_CONFIG_SIZE);
		_cleanup_err_ Err *e = NULL;
		int r = file_read(AT_FDCWD, files[i], LIMIT_CONFIG_SIZE, &text, &e);
		/* some systems keep the daemon's from others */
		if (r < 0 && (err_is(e, ERR_NOT_FOUND) || e->errnum == EACCES))
			continue;
		if (r < 0)
			return err_move(err, &e);
		return str_trim(buf_view(&text)).len
			? docker_daemon_parse(buf_view(&text), files[i], ret, err)
			: 0;
	}
	return 0;
}

bool docker_daemon_is_insecure(const DockerDaemon *d, const char *host)
{
	Str name = authority_host(str_of(host), NULL);
	for (size_t i = 0; i < d->insecure.len; i++) {
		Str entry = str_of(d->insecure.items[i]);
		if (str_eq_nocase(entry, host) ||
			(str_find(entry, '/') > 0 && address_in(name, entry)))
			return true;
	}
	return false;
}
