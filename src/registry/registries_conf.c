#include "registry/registries_conf.h"

#include <dirent.h>
#include <fcntl.h>

#include "base/limits.h"
#include "registry/toml.h"
#include "sys/atomic.h"

#define SYSTEM_FILE "/etc/containers/registries.conf"
#define SYSTEM_DIR  SYSTEM_FILE ".d"
#define USER_FILE   ".config/containers/registries.conf"

static void rule_done(RegistryRule *r)
{
	vec_foreach (&r->mirrors, m)
		free(m->location);
	vec_done(&r->mirrors);
	free(r->prefix);
	free(r->location);
	free(r->file);
	*r = (RegistryRule){0};
}

void registries_conf_done(RegistriesConf *c)
{
	vec_foreach (&c->rules, r)
		rule_done(r);
	vec_done(&c->rules);
	strvec_done(&c->helpers);
}

/* ---- reading a file ---- */

/* Takes the rule. */
static void add_rule(RegistriesConf *c, RegistryRule *rule)
{
	vec_foreach (&c->rules, r) {
		if (strcmp(r->prefix, rule->prefix) == 0) {
			rule_done(r);
			*r = *rule;
			*rule = (RegistryRule){0};
			return;
		}
	}
	vec_push(&c->rules, *rule);
	*rule = (RegistryRule){0};
}

/* A prefix or location; *ret owned, NULL if the key is not there or empty. */
static int read_place(const json_t *table, const char *key, const char *file, char **ret, Err **err)
{
	const char *text = NULL;
	int r = toml_string(table, key, file, &text, err);
	if (r < 0 || !text)
		return r;
	if (cstr_starts(text, "https://") || cstr_starts(text, "http://"))
		return toml_error(table, key, file, err,
			"'%s' is 'host[:port][/path]', without a scheme: '%s'", key, text);
	Str place = str_of(text);
	while (str_ends(place, "/"))
		place.len--;
	if (place.len)
		*ret = str_dup(place);
	return 0;
}

static int read_mirror(
	const json_t *table, bool digest_only, const char *file, RegistryMirror *ret, Err **err)
{
	static const char *const words[] = {"all", "digest-only", "tag-only"};
	const char *pulls = NULL;
	int r = read_place(table, "location", file, &ret->location, err);
	if (r == 0)
		r = toml_bool(table, "insecure", file, &ret->insecure, err);
	if (r == 0)
		r = toml_string(table, "pull-from-mirror", file, &pulls, err);
	if (r < 0)
		return r;
	if (!ret->location)
		return toml_error(table, NULL, file, err, "a mirror needs a 'location'");
	ret->pulls = digest_only ? MIRROR_DIGEST_ONLY : MIRROR_ALL;
	if (!pulls || !*pulls)
		return 0;
	if (digest_only)
		return toml_error(table, "pull-from-mirror", file, err,
			"'pull-from-mirror' cannot stand beside 'mirror-by-digest-only' of the registry");
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(pulls, words[i]) == 0) {
			ret->pulls = (MirrorPulls)i;
			return 0;
		}
	}
	return toml_error(table, "pull-from-mirror", file, err,
		"'pull-from-mirror' is all, digest-only or tag-only, not '%s'", pulls);
}

static int read_mirrors(const json_t *table, const char *file, RegistryRule *rule, Err **err)
{
	bool digest_only = false;
	json_t *mirrors, *m;
	size_t i;
	int r = toml_bool(table, "mirror-by-digest-only", file, &digest_only, err);
	if (r == 0)
		r = toml_tables(table, "mirror", file, &mirrors, err);
	if (r < 0)
		return r;
	json_array_foreach(mirrors, i, m)
	{
		r = read_mirror(m, digest_only, file, vec_add(&rule->mirrors), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_rule(const json_t *table, const char *file, RegistryRule *rule, Err **err)
{
	int r = read_place(table, "prefix", file, &rule->prefix, err);
	if (r == 0)
		r = read_place(table, "location", file, &rule->location, err);
	if (r == 0)
		r = toml_bool(table, "insecure", file, &rule->insecure, err);
	if (r == 0)
		r = toml_bool(table, "blocked", file, &rule->blocked, err);
	if (r == 0)
		r = read_mirrors(table, file, rule, err);
	if (r < 0)
		return r;
	if (!rule->prefix && !rule->location)
		return toml_error(
			table, NULL, file, err, "a registry needs a 'prefix' or a 'location'");
	if (!rule->prefix)
		rule->prefix = xstrdup(rule->location);
	if (rule->prefix[0] == '*' && !cstr_starts(rule->prefix, "*."))
		return toml_error(table, "prefix", file, err,
			"a prefix with '*' is '*.domain', not '%s'", rule->prefix);
	rule->file = xstrdup(file);
	rule->line = toml_line(table, NULL);
	return 0;
}

/* Version 1: [registries.insecure] registries = [...]. */
static int read_old_list(
	const json_t *lists, const char *which, const char *file, RegistriesConf *io, Err **err)
{
	json_t *list;
	_cleanup_strvec_ StrVec names = {0};
	int r = toml_table(lists, which, file, &list, err);
	if (r == 0 && list)
		r = toml_strings(list, "registries", file, &names, err);
	for (size_t i = 0; r == 0 && i < names.len; i++) {
		RegistryRule *rule = NULL;
		vec_foreach (&io->rules, it)
			if (strcmp(it->prefix, names.items[i]) == 0)
				rule = it;
		if (!rule) {
			rule = vec_add(&io->rules);
			rule->prefix = xstrdup(names.items[i]);
			rule->file = xstrdup(file);
			rule->line = toml_line(list, "registries");
		}
		rule->insecure |= strcmp(which, "insecure") == 0;
		rule->blocked |= strcmp(which, "block") == 0;
	}
	return r;
}

static int read_root(const json_t *root, const char *file, RegistriesConf *io, Err **err)
{
	json_t *rules, *old, *table;
	size_t i;
	if (json_object_get(root, "credential-helpers"))
		strvec_clear(&io->helpers);
	int r = toml_strings(root, "credential-helpers", file, &io->helpers, err);
	if (r == 0)
		r = toml_tables(root, "registry", file, &rules, err);
	if (r == 0)
		r = toml_table(root, "registries", file, &old, err);
	if (r == 0 && old)
		r = read_old_list(old, "insecure", file, io, err);
	if (r == 0 && old)
		r = read_old_list(old, "block", file, io, err);
	if (r < 0)
		return r;
	json_array_foreach(rules, i, table)
	{
		RegistryRule rule = {0};
		r = read_rule(table, file, &rule, err);
		if (r == 0)
			add_rule(io, &rule);
		rule_done(&rule);
		if (r < 0)
			return r;
	}
	return 0;
}

int registries_conf_parse(Str text, const char *file, RegistriesConf *io, Err **err)
{
	_cleanup_json_ json_t *root = NULL;
	int r = toml_parse(text, file, &root, err);
	return r < 0 ? r : read_root(root, file, io, err);
}

/* ---- which files ---- */

/* optional: it may be absent. */
static int read_file(
	const char *path, bool optional, RegistriesConf *io, bool *ret_there, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_CONFIG_SIZE);
	_cleanup_err_ Err *e = NULL;
	int r = file_read(AT_FDCWD, path, LIMIT_CONFIG_SIZE, &text, &e);
	*ret_there = !err_is(e, ERR_NOT_FOUND);
	if (optional && !*ret_there)
		return 0;
	return r < 0 ? err_move(err, &e) : registries_conf_parse(buf_view(&text), path, io, err);
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_drop_ins(const char *dir, RegistriesConf *io, Err **err)
{
	_cleanup_strvec_ StrVec paths = {0};
	bool there;
	DIR *d = opendir(dir);
	if (!d && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return 0;
	if (!d)
		return err_sys(err, "open '%s'", dir);
	for (const struct dirent *e = readdir(d); e; e = readdir(d))
		if (str_ends(str_of(e->d_name), ".conf"))
			strvec_pushf(&paths, "%s/%s", dir, e->d_name);
	(void)closedir(d);
	if (paths.len)
		qsort(paths.items, paths.len, sizeof(char *), name_cmp);
	for (size_t i = 0; i < paths.len; i++) {
		int r = read_file(paths.items[i], true, io, &there, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int load(const RegistrySettings *settings, RegistriesConf *ret, Err **err)
{
	const char *home = getenv("HOME"), *named = getenv("CONTAINERS_REGISTRIES_CONF");
	_cleanup_free_ char *user = home && *home ? xasprintf("%s/" USER_FILE, home) : NULL;
	_cleanup_free_ char *user_dir = user ? xasprintf("%s.d", user) : NULL;
	bool there = false;
	int r = 0;
	if (settings->registries)
		named = settings->registries;
	if (named && *named)
		r = read_file(named, false, ret, &there, err);
	else if (user)
		r = read_file(user, true, ret, &there, err);
	if (r == 0 && !there)
		r = read_file(SYSTEM_FILE, true, ret, &there, err);
	if (r == 0)
		r = read_drop_ins(SYSTEM_DIR, ret, err);
	if (r == 0 && user_dir)
		r = read_drop_ins(user_dir, ret, err);
	return r;
}

int registries_conf_load(const RegistrySettings *settings, RegistriesConf *ret, Err **err)
{
	RegistriesConf c = {0};
	int r = load(settings, &c, err);
	if (r < 0)
		registries_conf_done(&c);
	else
		*ret = c;
	return r;
}

/* ---- matching ---- */

/* Where the tag or digest of a place begins, or its end. A ':' in the first part is a port. */
static size_t place_end(const char *place)
{
	const char *slash = strrchr(place, '/'), *at = strchr(place, '@');
	const char *colon = slash ? strchr(slash, ':') : NULL;
	if (colon && (!at || colon < at))
		return (size_t)(colon - place);
	return at ? (size_t)(at - place) : strlen(place);
}

/* The prefix ends where a part of the name does. */
static bool is_boundary(char c)
{
	return c == '\0' || c == '/';
}

/* "*.example.com/a": anything before, within the host; a port may follow a bare domain. */
static size_t match_wildcard(const char *name, const char *prefix)
{
	const char *pattern = prefix + 1, *host_end = strchr(name, '/');
	size_t len = strlen(pattern);
	for (const char *p = strstr(name, pattern); p && p < host_end; p = strstr(p + 1, pattern))
		if (p > name && (is_boundary(p[len]) || p[len] == ':'))
			return (size_t)(p - name) + len;
	return 0;
}

/* Bytes of the name that the prefix stands for; 0: it does not match. */
static size_t match(const char *name, const Reference *ref, const char *prefix)
{
	size_t end = place_end(prefix);
	const char *suffix = prefix + end;
	if (cstr_starts(prefix, "*."))
		return match_wildcard(name, prefix);
	if (strncmp(name, prefix, end) != 0 || !is_boundary(name[end]) || end == 0)
		return 0;
	if (!*suffix)
		return end;
	_cleanup_free_ char *full = reference_full(ref);
	size_t len = strlen(prefix);
	return name[end] == '\0' && strncmp(full, prefix, len) == 0 &&
			(full[len] == '\0' || full[len] == '@')
		? end
		: 0;
}

const RegistryRule *registries_conf_find(
	const RegistriesConf *c, const Reference *ref, size_t *ret_matched)
{
	_cleanup_free_ char *name = xasprintf("%s/%s", ref->host, ref->path);
	const RegistryRule *best = NULL;
	vec_foreach (&c->rules, r) {
		size_t matched = match(name, ref, r->prefix);
		if (matched && (!best || strlen(r->prefix) > strlen(best->prefix))) {
			best = r;
			*ret_matched = matched;
		}
	}
	return best;
}

static int cannot_be(
	const RegistryRule *rule, const char *location, ErrCode code, const char *why, Err **err)
{
	int r = err_set(err, code, "the location '%s' %s", location, why);
	err_at(err, rule->file, rule->line);
	return r;
}

int registry_rule_rewrite(const RegistryRule *rule, const char *location, const Reference *ref,
	size_t matched, char **ret_host, char **ret_path, Err **err)
{
	if (!location) {
		*ret_host = xstrdup(ref->host);
		*ret_path = xstrdup(ref->path);
		return 0;
	}
	_cleanup_free_ char *name = xasprintf("%s/%s", ref->host, ref->path);
	size_t end = place_end(location);
	/* a prefix with a tag may lead to the same tag elsewhere, not to another one */
	if (location[end] && strcmp(location + end, rule->prefix + place_end(rule->prefix)) != 0)
		return cannot_be(
			rule, location, ERR_UNSUPPORTED, "has a tag that is not the prefix's", err);
	_cleanup_free_ char *place = xasprintf("%.*s%s", (int)end, location, name + matched);
	char *slash = strchr(place, '/');
	Reference made = {0};
	if (!slash || !slash[1] || slash == place)
		return cannot_be(rule, location, ERR_PARSE, "leaves no repository", err);
	if (reference_parse(str_of(place), &made, NULL) < 0)
		return cannot_be(rule, location, ERR_PARSE, "leaves no valid name", err);
	reference_done(&made);
	*slash = '\0';
	bool short_hub = strcmp(place, "docker.io") == 0 && !strchr(slash + 1, '/');
	*ret_host = xstrdup(place);
	*ret_path = xasprintf("%s%s", short_hub ? "library/" : "", slash + 1);
	return 0;
}
