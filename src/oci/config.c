#include "oci/config.h"

#include <stdio.h>

#include "base/limits.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- reading ---- */

typedef struct Document {
	char *created, *author, *os, *arch, *variant;
	json_t *config, *rootfs, *history;
} Document;

static void document_done(Document *d)
{
	free(d->created);
	free(d->author);
	free(d->os);
	free(d->arch);
	free(d->variant);
	json_decref(d->config);
	json_decref(d->rootfs);
	json_decref(d->history);
}

static int read_healthcheck(const json_t *object, const char *path, Healthcheck *h, Err **err)
{
	static const JsonField fields[] = {
		{"Test", JSON_FIELD_STRINGS, offsetof(Healthcheck, test), false},
		{"Interval", JSON_FIELD_I64, offsetof(Healthcheck, interval), false},
		{"Timeout", JSON_FIELD_I64, offsetof(Healthcheck, timeout), false},
		{"StartPeriod", JSON_FIELD_I64, offsetof(Healthcheck, start_period), false},
		{"StartInterval", JSON_FIELD_I64, offsetof(Healthcheck, start_interval), false},
		{"Retries", JSON_FIELD_I64, offsetof(Healthcheck, retries), false},
	};
	h->present = true;
	return json_read_object(object, path, fields, ARRAY_SIZE(fields), h, err);
}

static int read_process(const json_t *object, const char *name, ImageConfig *c, Err **err)
{
	typedef struct Process {
		ImageConfig c;
		json_t *healthcheck;
	} Process;
	static const JsonField fields[] = {
		{"User", JSON_FIELD_STRING, offsetof(Process, c.user), false},
		{"WorkingDir", JSON_FIELD_STRING, offsetof(Process, c.working_dir), false},
		{"StopSignal", JSON_FIELD_STRING, offsetof(Process, c.stop_signal), false},
		{"Env", JSON_FIELD_STRINGS, offsetof(Process, c.env), false},
		{"Entrypoint", JSON_FIELD_STRINGS, offsetof(Process, c.entrypoint), false},
		{"Cmd", JSON_FIELD_STRINGS, offsetof(Process, c.cmd), false},
		{"Shell", JSON_FIELD_STRINGS, offsetof(Process, c.shell), false},
		{"OnBuild", JSON_FIELD_STRINGS, offsetof(Process, c.on_build), false},
		{"ArgsEscaped", JSON_FIELD_BOOL, offsetof(Process, c.args_escaped), false},
		{"Labels", JSON_FIELD_PAIRS, offsetof(Process, c.labels), false},
		{"ExposedPorts", JSON_FIELD_KEYS, offsetof(Process, c.exposed_ports), false},
		{"Volumes", JSON_FIELD_KEYS, offsetof(Process, c.volumes), false},
		{"Healthcheck", JSON_FIELD_OBJECT, offsetof(Process, healthcheck), false},
	};
	Process p = {.c = *c};
	_cleanup_free_ char *path = xasprintf("%s.config", name);
	int r = json_read_object(object, path, fields, ARRAY_SIZE(fields), &p, err);
	if (r < 0)
		return r;
	*c = p.c;
	c->has_entrypoint = json_is_array(json_object_get(object, "Entrypoint"));
	c->has_cmd = json_is_array(json_object_get(object, "Cmd"));
	c->has_shell = json_is_array(json_object_get(object, "Shell"));
	if (p.healthcheck) {
		_cleanup_free_ char *where = xasprintf("%s.Healthcheck", path);
		r = read_healthcheck(p.healthcheck, where, &c->healthcheck, err);
		json_decref(p.healthcheck);
	}
	return r;
}

static int read_rootfs(const json_t *rootfs, const char *name, ImageConfig *c, Err **err)
{
	size_t i;
	json_t *item, *ids = json_object_get(rootfs, "diff_ids");
	const char *type = json_string_value(json_object_get(rootfs, "type"));
	if (type && *type && strcmp(type, "layers") != 0)
		return err_set(
			err, ERR_UNSUPPORTED, "%s.rootfs.type: '%s' is not 'layers'", name, type);
	if (ids && !json_is_array(ids) && !json_is_null(ids))
		return err_set(
			err, ERR_CORRUPT, "%s.rootfs.diff_ids: is not an array of digests", name);
	if (json_array_size(ids) > LIMIT_LAYERS)
		return err_set(err, ERR_LIMIT, "%s: %zu layers are more than %u", name,
			json_array_size(ids), LIMIT_LAYERS);
	json_array_foreach(ids, i, item)
	{
		Digest d;
		if (!json_is_string(item) ||
			digest_parse(str_of(json_string_value(item)), &d, NULL) < 0)
			return err_set(err, ERR_CORRUPT, "%s.rootfs.diff_ids[%zu]: is not a digest",
				name, i);
		vec_push(&c->diff_ids, d);
	}
	return 0;
}

static int read_history(const json_t *history, const char *name, ImageConfig *c, Err **err)
{
	static const JsonField fields[] = {
		{"created", JSON_FIELD_STRING, offsetof(History, created), false},
		{"created_by", JSON_FIELD_STRING, offsetof(History, created_by), false},
		{"author", JSON_FIELD_STRING, offsetof(History, author), false},
		{"comment", JSON_FIELD_STRING, offsetof(History, comment), false},
		{"empty_layer", JSON_FIELD_BOOL, offsetof(History, empty_layer), false},
	};
	size_t i;
	json_t *item;
	if (json_array_size(history) > 4 * LIMIT_LAYERS)
		return err_set(err, ERR_LIMIT, "%s: %zu history entries are too many", name,
			json_array_size(history));
	json_array_foreach(history, i, item)
	{
		_cleanup_free_ char *path = xasprintf("%s.history[%zu]", name, i);
		History h = {0};
		int r = json_read_object(item, path, fields, ARRAY_SIZE(fields), &h, err);
		if (r < 0)
			return r;
		vec_push(&c->history, h);
	}
	return 0;
}

int config_parse(Str text, const char *name, ImageConfig *ret, Err **err)
{
	static const JsonField fields[] = {
		{"created", JSON_FIELD_STRING, offsetof(Document, created), false},
		{"author", JSON_FIELD_STRING, offsetof(Document, author), false},
		{"os", JSON_FIELD_STRING, offsetof(Document, os), false},
		{"architecture", JSON_FIELD_STRING, offsetof(Document, arch), false},
		{"variant", JSON_FIELD_STRING, offsetof(Document, variant), false},
		{"config", JSON_FIELD_OBJECT, offsetof(Document, config), false},
		{"rootfs", JSON_FIELD_OBJECT, offsetof(Document, rootfs), false},
		{"history", JSON_FIELD_ARRAY, offsetof(Document, history), false},
	};
	_cleanup_(document_done) Document d = {0};
	ImageConfig c = {0};
	int r = json_parse(text, LIMIT_MANIFEST_SIZE, name, &c.raw, err);
	if (r == 0)
		r = json_read_object(c.raw, name, fields, ARRAY_SIZE(fields), &d, err);
	if (r == 0 && d.config)
		r = read_process(d.config, name, &c, err);
	if (r == 0 && d.rootfs)
		r = read_rootfs(d.rootfs, name, &c, err);
	if (r == 0)
		r = read_history(d.history, name, &c, err);
	if (r < 0) {
		config_done(&c);
		return r;
	}
	c.created = TAKE_PTR(d.created);
	c.author = TAKE_PTR(d.author);
	c.platform = (Platform){TAKE_PTR(d.os), TAKE_PTR(d.arch), TAKE_PTR(d.variant)};
	*ret = c;
	return 0;
}

/* ---- writing ---- */

/* Shallow: members are replaced, never changed. An empty object if it is none. */
static json_t *copy_object(const json_t *j)
{
	return json_is_object(j) ? json_copy((json_t *)(uintptr_t)j) : json_object();
}

static void set_flag(json_t *j, const char *key, bool value)
{
	if (value)
		json_object_set_new(j, key, json_true());
	else
		json_object_del(j, key);
}

static void set_string(json_t *j, const char *key, const char *value)
{
	if (value && *value)
		json_set_text(j, key, value);
	else
		json_object_del(j, key);
}

static json_t *strings(const StrVec *v)
{
	json_t *array = json_array();
	for (size_t i = 0; i < v->len; i++)
		json_array_append_new(array, json_from_text(v->items[i]));
	return array;
}

static void set_strings(json_t *j, const char *key, const StrVec *v, bool present)
{
	if (present)
		json_object_set_new(j, key, strings(v));
	else
		json_object_del(j, key);
}

static void set_keys(json_t *j, const char *key, const StrVec *v)
{
	json_object_del(j, key);
	if (v->len == 0)
		return;
	json_t *map = json_object();
	for (size_t i = 0; i < v->len; i++)
		json_set(map, v->items[i], json_object());
	json_set(j, key, map);
}

static void set_number(json_t *j, const char *key, int64_t n)
{
	if (n)
		json_object_set_new(j, key, json_integer(n));
	else
		json_object_del(j, key);
}

static void set_healthcheck(json_t *j, const Healthcheck *h)
{
	if (!h->present) {
		json_object_del(j, "Healthcheck");
		return;
	}
	json_t *o = copy_object(json_object_get(j, "Healthcheck"));
	set_strings(o, "Test", &h->test, h->test.len > 0);
	set_number(o, "Interval", h->interval);
	set_number(o, "Timeout", h->timeout);
	set_number(o, "StartPeriod", h->start_period);
	set_number(o, "StartInterval", h->start_interval);
	set_number(o, "Retries", h->retries);
	json_object_set_new(j, "Healthcheck", o);
}

static json_t *process_json(const ImageConfig *c, const json_t *base)
{
	json_t *j = copy_object(base);
	set_string(j, "User", c->user);
	set_string(j, "WorkingDir", c->working_dir);
	set_string(j, "StopSignal", c->stop_signal);
	set_strings(j, "Env", &c->env, c->env.len > 0);
	set_strings(j, "Entrypoint", &c->entrypoint, c->has_entrypoint && c->entrypoint.len > 0);
	set_strings(j, "Cmd", &c->cmd, c->has_cmd && c->cmd.len > 0);
	set_strings(j, "Shell", &c->shell, c->has_shell && c->shell.len > 0);
	set_strings(j, "OnBuild", &c->on_build, c->on_build.len > 0);
	set_flag(j, "ArgsEscaped", c->args_escaped);
	json_set_pairs(j, "Labels", &c->labels);
	set_keys(j, "ExposedPorts", &c->exposed_ports);
	set_keys(j, "Volumes", &c->volumes);
	set_healthcheck(j, &c->healthcheck);
	return j;
}

/* Entries of a base stay the first ones, so members unknown here are found at the same place. */
static json_t *history_json(const ImageConfig *c, const json_t *base)
{
	json_t *array = json_array();
	for (size_t i = 0; i < c->history.len; i++) {
		const History *h = &c->history.items[i];
		json_t *o = copy_object(json_array_get(base, i));
		set_string(o, "created", h->created);
		set_string(o, "created_by", h->created_by);
		set_string(o, "author", h->author);
		set_string(o, "comment", h->comment);
		set_flag(o, "empty_layer", h->empty_layer);
		json_array_append_new(array, o);
	}
	return array;
}

static json_t *rootfs_json(const ImageConfig *c, const json_t *base)
{
	json_t *j = copy_object(base), *ids = json_array();
	vec_foreach (&c->diff_ids, d)
		json_array_append_new(ids, json_string(digest_str(d).s));
	json_set_text(j, "type", "layers");
	json_set(j, "diff_ids", ids);
	return j;
}

char *config_text(const ImageConfig *c)
{
	/*
	 * Docker's members about the container a base was committed from: wrong for anything
	 * derived of it
	 */
	static const char *const stale[] = {"container", "container_config", "id", "parent",
		"docker_version", "throwaway", "Size", "checksum"};
	_cleanup_json_ json_t *j = c->raw ? json_copy(c->raw) : json_object();
	for (size_t i = 0; i < ARRAY_SIZE(stale); i++)
		json_object_del(j, stale[i]);
	const char *os = c->platform.os, *arch = c->platform.arch;
	set_string(j, "created", c->created);
	set_string(j, "author", c->author);
	set_string(j, "os", os && *os ? os : "linux");
	set_string(j, "architecture", arch && *arch ? arch : "amd64");
	set_string(j, "variant", c->platform.variant);
	json_object_set_new(j, "config", process_json(c, json_object_get(j, "config")));
	json_object_set_new(j, "rootfs", rootfs_json(c, json_object_get(j, "rootfs")));
	json_object_set_new(j, "history", history_json(c, json_object_get(j, "history")));
	return json_text(j);
}

/* ---- the rest ---- */

void config_init_scratch(ImageConfig *c, const Platform *platform)
{
	*c = (ImageConfig){.working_dir = xstrdup("/")};
	platform_copy(platform, &c->platform);
	strvec_push(&c->env, DEFAULT_PATH);
}

void config_copy(const ImageConfig *src, ImageConfig *ret)
{
	ImageConfig c = *src;
	c.raw = json_incref(src->raw);
	c.created = xstrdup(src->created);
	c.author = xstrdup(src->author);
	platform_copy(&src->platform, &c.platform);
	c.user = xstrdup(src->user);
	c.working_dir = xstrdup(src->working_dir);
	c.stop_signal = xstrdup(src->stop_signal);
	StrVec *const lists[] = {&c.env, &c.entrypoint, &c.cmd, &c.shell, &c.on_build, &c.labels,
		&c.exposed_ports, &c.volumes, &c.healthcheck.test};
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		StrVec old = *lists[i]; /* still the source's */
		*lists[i] = (StrVec){0};
		strvec_copy(lists[i], &old);
	}
	memset(&c.diff_ids, 0, sizeof(c.diff_ids));
	memset(&c.history, 0, sizeof(c.history));
	vec_foreach (&src->diff_ids, d)
		vec_push(&c.diff_ids, *d);
	vec_foreach (&src->history, h) {
		History copy = {xstrdup(h->created), xstrdup(h->created_by), xstrdup(h->author),
			xstrdup(h->comment), h->empty_layer};
		vec_push(&c.history, copy);
	}
	*ret = c;
}

void config_done(ImageConfig *c)
{
	json_decref(c->raw);
	free(c->created);
	free(c->author);
	platform_done(&c->platform);
	free(c->user);
	free(c->working_dir);
	free(c->stop_signal);
	strvec_done(&c->env);
	strvec_done(&c->entrypoint);
	strvec_done(&c->cmd);
	strvec_done(&c->shell);
	strvec_done(&c->on_build);
	strvec_done(&c->labels);
	strvec_done(&c->exposed_ports);
	strvec_done(&c->volumes);
	strvec_done(&c->healthcheck.test);
	vec_foreach (&c->history, h) {
		free(h->created);
		free(h->created_by);
		free(h->author);
		free(h->comment);
	}
	vec_done(&c->history);
	vec_done(&c->diff_ids);
	*c = (ImageConfig){0};
}

void config_set_label(ImageConfig *c, const char *key, const char *value)
{
	strvec_env_set(&c->labels, key, value);
}

void config_add_history(ImageConfig *c, const char *created, const char *created_by,
	const char *comment, bool empty_layer)
{
	History h = {xstrdup(created), xstrdup(created_by), NULL, xstrdup(comment), empty_layer};
	vec_push(&c->history, h);
}

void config_fix_history(ImageConfig *c)
{
	size_t with_layer = 0;
	const char *created = NULL;
	vec_foreach (&c->history, h) {
		if (!h->empty_layer && ++with_layer > c->diff_ids.len)
			h->empty_layer = true;
		if (!h->created && created)
			h->created = xstrdup(created);
		if (h->created)
			created = h->created;
	}
	_cleanup_free_ char *last = xstrdup(created ? created : c->created);
	for (; with_layer < c->diff_ids.len; with_layer++)
		config_add_history(c, last, NULL, NULL, false);
}

void config_chain_id(const Digest *diff_ids, size_t n, Digest *ret)
{
	*ret = (Digest){0};
	if (n == 0)
		return;
	*ret = diff_ids[0];
	for (size_t i = 1; i < n; i++) {
		char text[2 * DIGEST_STR_SIZE];
		int len = snprintf(
			text, sizeof(text), "%s %s", digest_str(ret).s, digest_str(&diff_ids[i]).s);
		digest_of(text, (size_t)len, ret);
	}
}
