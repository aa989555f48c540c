#include "cli/sandbox_args.h"

#include <sys/resource.h>

#include "cli/option.h"

int size_argument(const char *flag, const char *text, uint64_t *ret, Err **err)
{
	static const char units[] = "bkmgt";
	Str number = str_of(text);
	unsigned power = 0;
	char last = number.len ? (char)(number.ptr[number.len - 1] | 0x20) : 0;
	if (last == 'b' && number.len > 1) {
		number.len--;
		last = (char)(number.ptr[number.len - 1] | 0x20);
	}
	const char *unit = last ? strchr(units, last) : NULL;
	if (unit && number.len > 1) {
		power = (unsigned)(unit - units);
		number.len--;
	}
	if (str_to_u64(number, UINT64_MAX >> (10 * power), ret, NULL) < 0 || *ret == 0)
		return err_set(err, ERR_USAGE, "%s '%s' is no size such as 64m", flag, text);
	*ret <<= 10 * power;
	return 0;
}

/* ---- limits ---- */

static const struct {
	const char *name;
	int resource;
} limit_names[] = {
	{"as", RLIMIT_AS},
	{"core", RLIMIT_CORE},
	{"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},
	{"fsize", RLIMIT_FSIZE},
	{"locks", RLIMIT_LOCKS},
	{"memlock", RLIMIT_MEMLOCK},
	{"msgqueue", RLIMIT_MSGQUEUE},
	{"nice", RLIMIT_NICE},
	{"nofile", RLIMIT_NOFILE},
	{"nproc", RLIMIT_NPROC},
	{"rss", RLIMIT_RSS},
	{"rtprio", RLIMIT_RTPRIO},
	{"rttime", RLIMIT_RTTIME},
	{"sigpending", RLIMIT_SIGPENDING},
	{"stack", RLIMIT_STACK},
};

static bool limit_value(Str text, uint64_t *ret)
{
	*ret = UINT64_MAX;
	return str_eq_cstr(text, "-1") || str_eq_cstr(text, "unlimited") ||
		str_to_u64(text, INT64_MAX, ret, NULL) == 0;
}

static int ulimit_argument(const char *text, SandboxLimits *ret, Err **err)
{
	Str value = str_of(text), name, soft;
	SandboxLimit limit = {.resource = -1};
	str_cut(&value, '=', &name);
	for (size_t i = 0; i < ARRAY_SIZE(limit_names); i++)
		if (str_eq_cstr(name, limit_names[i].name))
			limit.resource = limit_names[i].resource;
	bool good = value.ptr && str_cut(&value, ':', &soft) && limit_value(soft, &limit.soft) &&
		limit_value(value.ptr ? value : soft, &limit.hard) && limit.soft <= limit.hard;
	if (good && limit.resource >= 0) {
		vec_push(ret, limit);
		return 0;
	}
	int r = err_set(err, ERR_USAGE, "ulimit '%s' is not NAME=SOFT[:HARD]", text);
	_cleanup_buf_ Buf names = BUF_INIT(1024);
	for (size_t i = 0; i < ARRAY_SIZE(limit_names); i++)
		buf_printf(&names, "%s%s", i ? ", " : "", limit_names[i].name);
	if (limit.resource < 0)
		err_hint(err, "the names are %s", names.ptr);
	return r;
}

int ulimit_arguments(const StrVec *texts, SandboxLimits *ret, Err **err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < texts->len; i++)
		r = ulimit_argument(texts->items[i], ret, err);
	return r;
}

/* ---- mounts ---- */

/* What docker and podman take behind the target; only ro matters here. */
static bool volume_mode(Str modes, bool *ret_read_only)
{
	static const char *const others[] = {"rw", "z", "Z", "cached", "delegated", "consistent",
		"private", "rprivate", "shared", "rshared", "slave", "rslave", "nocopy"};
	Str mode;
	while (str_cut(&modes, ',', &mode)) {
		bool known = str_eq_cstr(mode, "ro");
		*ret_read_only |= known;
		for (size_t i = 0; i < ARRAY_SIZE(others); i++)
			known |= str_eq_cstr(mode, others[i]);
		if (!known)
			return false;
	}
	return true;
}

int volume_argument(SandboxSpec *spec, const char *text, Err **err)
{
	Str rest = str_of(text), source = {0}, target = {0};
	bool read_only = false;
	str_cut(&rest, ':', &source);
	bool both =
		str_cut(&rest, ':', &target) && source.len && target.len && target.ptr[0] == '/';
	if (!both || (rest.ptr && !volume_mode(rest, &read_only)))
		return err_set(err, ERR_USAGE, "volume '%s' is not SOURCE:/TARGET[:ro]", text);
	_cleanup_free_ char *path = str_dup(source);
	char *absolute = realpath(path, NULL);
	if (!absolute) {
		int r = err_sys(err, "volume source '%s'", path);
		if (!strchr(path, '/'))
			err_hint(err,
				"there are no named volumes: name a file or directory of the host");
		return r;
	}
	SandboxMount *m = vec_add(&spec->mounts);
	m->type = SANDBOX_BIND;
	m->source = absolute;
	m->target = str_dup(target);
	m->read_only = read_only;
	return 0;
}

typedef struct MountFields {
	const char *text;
	char *type, *source, *target; /* owned */
	bool read_only;
	uint64_t size;
	unsigned mode;
} MountFields;

static int tmpfs_field(MountFields *f, bool is_size, Str value, Err **err)
{
	_cleanup_free_ char *text = str_dup(value);
	if (is_size)
		return size_argument("the tmpfs size", text, &f->size, err);
	uint64_t mode = 0;
	if (str_to_octal(value, 07777, &mode, NULL) < 0)
		return err_set(
			err, ERR_USAGE, "mount '%s': '%s' is no mode such as 1777", f->text, text);
	f->mode = (unsigned)mode;
	return 0;
}

static int mount_field(void *arg, Str key, Str value, Err **err)
{
	MountFields *f = arg;
	if (str_eq_cstr(key, "type"))
		f->type = str_dup(value);
	else if (str_eq_cstr(key, "source") || str_eq_cstr(key, "src"))
		f->source = str_dup(value);
	else if (str_eq_cstr(key, "target") || str_eq_cstr(key, "dst") ||
		str_eq_cstr(key, "destination"))
		f->target = str_dup(value);
	else if (str_eq_cstr(key, "readonly") || str_eq_cstr(key, "ro"))
		f->read_only = !str_eq_cstr(value, "false");
	else if (str_eq_cstr(key, "tmpfs-size") || str_eq_cstr(key, "tmpfs-mode"))
		return tmpfs_field(f, str_eq_cstr(key, "tmpfs-size"), value, err);
	else if (!str_eq_cstr(key, "bind-propagation") && !str_eq_cstr(key, "consistency"))
		return err_set(err, ERR_USAGE, "mount '%s': unknown key '" STR_FMT "'", f->text,
			STR_ARG(key));
	return 0;
}

static int add_mount(SandboxSpec *spec, const MountFields *f, Err **err)
{
	bool tmpfs = f->type && strcmp(f->type, "tmpfs") == 0;
	if (!tmpfs && !(f->type && strcmp(f->type, "bind") == 0))
		return err_set(err, ERR_USAGE, "mount '%s': type is bind or tmpfs", f->text);
	if (!f->target || f->target[0] != '/' || (!tmpfs && !f->source))
		return err_set(err, ERR_USAGE, "mount '%s' needs %starget=/PATH", f->text,
			tmpfs ? "" : "source=PATH and ");
	char *absolute = tmpfs ? NULL : realpath(f->source, NULL);
	if (!tmpfs && !absolute)
		return err_sys(err, "mount source '%s'", f->source);
	SandboxMount *m = vec_add(&spec->mounts);
	m->type = tmpfs ? SANDBOX_TMPFS : SANDBOX_BIND;
	m->source = absolute;
	m->target = xstrdup(f->target);
	m->read_only = f->read_only;
	m->tmpfs_size = f->size;
	m->mode = f->mode;
	return 0;
}

static void fields_done(MountFields *f)
{
	free(f->type);
	free(f->source);
	free(f->target);
}

int mount_argument(SandboxSpec *spec, const char *text, Err **err)
{
	MountFields f = {.text = text};
	int r = csv_fields(text, mount_field, &f, err);
	if (r == 0)
		r = add_mount(spec, &f, err);
	fields_done(&f);
	return r;
}

static int tmpfs_option(void *arg, Str key, Str value, Err **err)
{
	MountFields *f = arg;
	if (str_eq_cstr(key, "ro"))
		f->read_only = true;
	else if (str_eq_cstr(key, "size") || str_eq_cstr(key, "mode"))
		return tmpfs_field(f, str_eq_cstr(key, "size"), value, err);
	return 0; /* rw, noexec, uid …: what the kernel would take */
}

int tmpfs_argument(SandboxSpec *spec, const char *text, Err **err)
{
	Str rest = str_of(text), target;
	str_cut(&rest, ':', &target);
	MountFields f = {.text = text, .type = xstrdup("tmpfs"), .target = str_dup(target)};
	int r = 0;
	if (rest.ptr) {
		_cleanup_free_ char *options = str_dup(rest);
		r = csv_fields(options, tmpfs_option, &f, err);
	}
	if (r == 0)
		r = add_mount(spec, &f, err);
	fields_done(&f);
	return r;
}
