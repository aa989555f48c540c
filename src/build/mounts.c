#include "build/mounts.h"

#include <ctype.h>

#include "base/glob.h"
#include "base/timefmt.h"
#include "dockerfile/ast.h"

void run_mount_done(RunMount *m)
{
	free(m->from);
	free(m->source);
	free(m->target);
	free(m->id);
	free(m->env);
	*m = (RunMount){0};
}

/* One record of comma-separated values (RFC 4180: a field may stand in double quotes, "" is a quote). */
static int csv_split(const char *text, StrVec *ret, Err **err)
{
	Buf field = BUF_INIT(64 << 10);
	const char *p = text;
	for (;; p++) {
		if (*p == '"' && field.len == 0) {
			for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
				if (*p == '"')
					p++;
				buf_char(&field, *p);
			}
			if (!*p) {
				buf_done(&field);
				return err_set(err, ERR_PARSE, "mount '%s': open quote", text);
			}
			p++;
		}
		if (*p && *p != ',') {
			buf_char(&field, *p);
			continue;
		}
		char *item = NULL;
		int r = buf_take(&field, &item, err);
		if (r < 0) {
			buf_done(&field);
			return r;
		}
		strvec_take(ret, item);
		if (!*p)
			return 0;
	}
}

int run_mount_from(const char *text, char **ret, Err **err)
{
	_cleanup_strvec_ StrVec fields = {0};
	int r = csv_split(text, &fields, err);
	if (r < 0)
		return r;
	*ret = NULL;
	for (size_t i = 0; i < fields.len; i++)
		if (strncasecmp(fields.items[i], "from=", 5) == 0) {
			free(*ret);
			*ret = xstrdup(fields.items[i] + 5);
		}
	return 0;
}

/* State of parsing one flag. */
typedef struct MountParser {
	const char *text;
	RunMount *m;
	bool has_mode, has_sharing, ro_given;
} MountParser;

static int bad_value(const MountParser *p, const char *key, const char *value, Err **err)
{
	return err_set(err, ERR_PARSE, "mount '%s': invalid value '%s' for %s", p->text,
		value ? value : "", key);
}

static int parse_bool(
	const MountParser *p, const char *key, const char *value, bool *ret, Err **err)
{
	if (!value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
		*ret = true;
	else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
		*ret = false;
	else
		return bad_value(p, key, value, err);
	return 0;
}

static int field_type(MountParser *p, const char *key, const char *value, Err **err)
{
	static const char *const names[] = {
		[MOUNT_BIND] = "bind",
		[MOUNT_CACHE] = "cache",
		[MOUNT_TMPFS] = "tmpfs",
		[MOUNT_SECRET] = "secret",
		[MOUNT_SSH] = "ssh",
	};
	for (size_t i = 0; value && i < ARRAY_SIZE(names); i++)
		if (strcasecmp(value, names[i]) == 0) {
			p->m->type = (MountType)i;
			return 0;
		}
	int r = bad_value(p, key, value, err);
	err_hint(err, "a mount's type is bind, cache, tmpfs, secret or ssh");
	return r;
}

static int field_text(
	char **target, const MountParser *p, const char *key, const char *value, Err **err)
{
	if (!value || !*value)
		return bad_value(p, key, value, err);
	free(*target);
	*target = xstrdup(value);
	return 0;
}

static int field_source(MountParser *p, const char *key, const char *value, Err **err)
{
	return field_text(&p->m->source, p, key, value, err);
}

static int field_from(MountParser *p, const char *key, const char *value, Err **err)
{
	return field_text(&p->m->from, p, key, value, err);
}

static int field_target(MountParser *p, const char *key, const char *value, Err **err)
{
	return field_text(&p->m->target, p, key, value, err);
}

static int field_id(MountParser *p, const char *key, const char *value, Err **err)
{
	return field_text(&p->m->id, p, key, value, err);
}

static int field_env(MountParser *p, const char *key, const char *value, Err **err)
{
	return field_text(&p->m->env, p, key, value, err);
}

static int field_ro(MountParser *p, const char *key, const char *value, Err **err)
{
	p->ro_given = true;
	return parse_bool(p, key, value, &p->m->read_only, err);
}

static int field_rw(MountParser *p, const char *key, const char *value, Err **err)
{
	bool writable = false;
	p->ro_given = true;
	int r = parse_bool(p, key, value, &writable, err);
	p->m->read_only = !writable;
	return r;
}

static int field_required(MountParser *p, const char *key, const char *value, Err **err)
{
	return parse_bool(p, key, value, &p->m->required, err);
}

static int field_sharing(MountParser *p, const char *key, const char *value, Err **err)
{
	static const char *const names[] = {
		[MOUNT_SHARED] = "shared",
		[MOUNT_PRIVATE] = "private",
		[MOUNT_LOCKED] = "locked",
	};
	p->has_sharing = true;
	for (size_t i = 0; value && i < ARRAY_SIZE(names); i++)
		if (strcasecmp(value, names[i]) == 0) {
			p->m->sharing = (MountSharing)i;
			return 0;
		}
	return bad_value(p, key, value, err);
}

static int field_number(
	const MountParser *p, const char *key, const char *value, uint32_t *ret, Err **err)
{
	uint64_t n = 0;
	if (!value || str_to_u64(str_of(value), UINT32_MAX - 1, &n, NULL) < 0)
		return bad_value(p, key, value, err);
	*ret = (uint32_t)n;
	return 0;
}

static int field_uid(MountParser *p, const char *key, const char *value, Err **err)
{
	return field_number(p, key, value, &p->m->uid, err);
}

static int field_gid(MountParser *p, const char *key, const char *value, Err **err)
{
	return field_number(p, key, value, &p->m->gid, err);
}

static int field_mode(MountParser *p, const char *key, const char *value, Err **err)
{
	uint64_t n = 0;
	p->has_mode = true;
	if (!value || str_to_octal(str_of(value), 07777, &n, NULL) < 0)
		return bad_value(p, key, value, err);
	p->m->mode = (uint32_t)n;
	return 0;
}

static int field_size(MountParser *p, const char *key, const char *value, Err **err)
{
	if (!value || size_parse(str_of(value), &p->m->size, NULL) < 0 || p->m->size == 0)
		return bad_value(p, key, value, err);
	return 0;
}

#define ON(type) (1u << MOUNT_##type)
#define ON_ALL   (ON(BIND) | ON(CACHE) | ON(TMPFS) | ON(SECRET) | ON(SSH))
static const struct MountField {
	const char *name;
	unsigned types;
	int (*parse)(MountParser *p, const char *key, const char *value, Err **err);
} fields_known[] = {
	{"type", ON_ALL, field_type},
	{"from", ON(BIND) | ON(CACHE), field_from},
	{"source", ON(BIND) | ON(CACHE) | ON(SECRET), field_source},
	{"src", ON(BIND) | ON(CACHE) | ON(SECRET), field_source},
	{"target", ON_ALL, field_target},
	{"dst", ON_ALL, field_target},
	{"destination", ON_ALL, field_target},
	{"id", ON(CACHE) | ON(SECRET) | ON(SSH), field_id},
	{"env", ON(SECRET), field_env},
	{"ro", ON(BIND) | ON(CACHE), field_ro},
	{"readonly", ON(BIND) | ON(CACHE), field_ro},
	{"rw", ON(BIND) | ON(CACHE), field_rw},
	{"readwrite", ON(BIND) | ON(CACHE), field_rw},
	{"required", ON(SECRET) | ON(SSH), field_required},
	{"sharing", ON(CACHE), field_sharing},
	{"mode", ON(CACHE) | ON(SECRET) | ON(SSH), field_mode},
	{"uid", ON(CACHE) | ON(SECRET) | ON(SSH), field_uid},
	{"gid", ON(CACHE) | ON(SECRET) | ON(SSH), field_gid},
	{"size", ON(TMPFS), field_size},
};

static const struct MountField *find_field(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields_known); i++)
		if (strcasecmp(key, fields_known[i].name) == 0)
			return &fields_known[i];
	return NULL;
}

static int unknown_field(const char *text, const char *key, Err **err)
{
	const char *names[ARRAY_SIZE(fields_known)];
	for (size_t i = 0; i < ARRAY_SIZE(fields_known); i++)
		names[i] = fields_known[i].name;
	const char *near = did_you_mean(key, names, ARRAY_SIZE(names));
	int r = err_set(err, ERR_PARSE, "mount '%s': unknown key '%s'", text, key);
	if (near)
		err_hint(err, "did you mean '%s'?", near);
	return r;
}

static int parse_field(
	MountParser *p, const char *item, const Expander *x, unsigned *types, Err **err)
{
	Str rest = str_of(item), name = {0};
	str_cut(&rest, '=', &name);
	_cleanup_free_ char *key = str_dup(str_trim(name)), *value = NULL;
	const struct MountField *f = find_field(key);
	if (!f)
		return unknown_field(p->text, key, err);
	if (rest.ptr && f->parse == field_from)
		value = str_dup(rest);
	else if (rest.ptr) {
		int r = expand_word(x, rest, &value, err);
		if (r < 0)
			return r;
	}
	*types &= f->types;
	return f->parse(p, key, value, err);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static void secret_defaults(RunMount *m)
{
	if (!m->id && m->source)
		m->id = TAKE_PTR(m->source);
	if (!m->id && m->target)
		m->id = xstrdup(base_name(m->target));
	if (!m->target && !m->env && m->id)
		m->target = xasprintf("/run/secrets/%s", base_name(m->id));
}

static int finish(MountParser *p, const char *cwd, Err **err)
{
	RunMount *m = p->m;
	if (m->type == MOUNT_BIND && !p->ro_given)
		m->read_only = true;
	if (m->type == MOUNT_SECRET)
		secret_defaults(m);
	if (m->type == MOUNT_SECRET && !m->id)
		return err_set(err, ERR_PARSE, "mount '%s': a secret needs an id", p->text);
	if (!p->has_mode)
		m->mode = m->type == MOUNT_CACHE ? 0755 : m->type == MOUNT_SECRET ? 0400 : 0600;
	if (!m->target && (m->type == MOUNT_SSH || m->type == MOUNT_SECRET))
		return 0;
	char *target = path_join(str_of(cwd), str_of(m->target ? m->target : ""));
	free(m->target);
	m->target = target;
	if (strcmp(target, "/") == 0)
		return err_set(err, ERR_PARSE, "mount '%s': the target cannot be '/'", p->text);
	if (m->type == MOUNT_CACHE && !m->id)
		m->id = xstrdup(target);
	return 0;
}

int run_mount_parse(const char *text, const Expander *x, const char *cwd, RunMount *ret, Err **err)
{
	_cleanup_strvec_ StrVec items = {0};
	RunMount m = {0};
	MountParser p = {.text = text, .m = &m};
	unsigned types = ON_ALL;
	int r = csv_split(text, &items, err);
	for (size_t i = 0; r == 0 && i < items.len; i++)
		r = parse_field(&p, items.items[i], x, &types, err);
	if (r == 0 && !(types & (1u << m.type)))
		r = err_set(
			err, ERR_PARSE, "mount '%s': a key does not fit the mount's type", text);
	if (r == 0)
		r = finish(&p, cwd, err);
	if (r < 0)
		run_mount_done(&m);
	else
		*ret = m;
	return r;
}
