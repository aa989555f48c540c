/*
 * The same run through an OCI runtime (crun, runc, or another with their command line). The helper's child mounts the root file
 * system and everything else exactly as for the built-in sandbox, in its own mount and process namespace, puts a bundle
 * around it in a tmpfs, and runs the runtime there as its program: whatever the runtime leaves behind is gone with the
 * namespaces.
 *
 *	<place>/            tmpfs over the upper directory (or root), seen only in this mount namespace
 *	    config.json     the spec
 *	    rootfs/         the root file system
 *	    mount-0 …       sources of the mounts, bound by the runtime
 *	    hosts …         generated files
 *	    state/          the runtime's own
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/json.h"
#include "sandbox/sandbox_int.h"
#include "sys/atomic.h"
#include "sys/mountfd.h"
#include "sys/root.h"
#include "sys/userns.h"

typedef struct Bundle {
	const SandboxSpec *spec;
	const char *place;
	int fd, root;     /* owned */
	VEC(int) sources; /* owned */
	SandboxUser user;
} Bundle;

static void bundle_done(Bundle *b)
{
	closep(&b->fd);
	closep(&b->root);
	vec_foreach (&b->sources, fd)
		closep(fd);
	vec_done(&b->sources);
	sandbox_user_done(&b->user);
}

static bool is_crun(const char *path)
{
	return str_ends(str_of(path), "/crun");
}

/* ---- config.json ---- */

static json_t *strings(const StrVec *v)
{
	json_t *a = json_array();
	for (size_t i = 0; i < v->len; i++) {
		/* what is not UTF-8 cannot be said in JSON */
		json_t *s = json_string(v->items[i]);
		if (s)
			json_array_append_new(a, s);
	}
	return a;
}

static json_t *names(const char *(*name)(size_t))
{
	json_t *a = json_array();
	for (size_t i = 0; name(i); i++)
		json_array_append_new(a, json_string(name(i)));
	return a;
}

static json_t *all_capabilities(void)
{
	json_t *a = json_array();
	for (cap_value_t c = 0; cap_get_bound(c) == 1; c++) {
		char *name = cap_to_name(c);
		_cleanup_buf_ Buf upper = BUF_INIT(64);
		for (const char *p = name; p && *p; p++)
			buf_char(&upper, (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p));
		json_array_append_new(a, json_string(upper.ptr ? upper.ptr : ""));
		cap_free(name);
	}
	return a;
}

static json_t *capabilities(const Bundle *b)
{
	json_t *set = b->spec->privileged ? all_capabilities() : names(caps_default_name);
	json_t *o = json_object();
	json_object_set(o, "bounding", set);
	if (b->user.uid == 0) {
		json_object_set(o, "effective", set);
		json_object_set(o, "permitted", set);
	}
	json_decref(set);
	return o;
}

/* In the words of the runtime spec. */
static const struct {
	int resource;
	const char *name;
} limit_names[] = {
	{RLIMIT_AS, "RLIMIT_AS"},
	{RLIMIT_CORE, "RLIMIT_CORE"},
	{RLIMIT_CPU, "RLIMIT_CPU"},
	{RLIMIT_DATA, "RLIMIT_DATA"},
	{RLIMIT_FSIZE, "RLIMIT_FSIZE"},
	{RLIMIT_LOCKS, "RLIMIT_LOCKS"},
	{RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
	{RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"},
	{RLIMIT_NICE, "RLIMIT_NICE"},
	{RLIMIT_NOFILE, "RLIMIT_NOFILE"},
	{RLIMIT_NPROC, "RLIMIT_NPROC"},
	{RLIMIT_RSS, "RLIMIT_RSS"},
	{RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},
	{RLIMIT_RTTIME, "RLIMIT_RTTIME"},
	{RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"},
	{RLIMIT_STACK, "RLIMIT_STACK"},
};

/* The library's integers end at 2^63 - 1, which is no limit either. */
static json_int_t limit_value(uint64_t n)
{
	return (json_int_t)MIN(n, (uint64_t)INT64_MAX);
}

static json_t *limits(const SandboxSpec *s)
{
	json_t *a = json_array();
	vec_foreach (&s->limits, l)
		for (size_t i = 0; i < ARRAY_SIZE(limit_names); i++)
			if (limit_names[i].resource == l->resource)
				json_array_append_new(a,
					json_pack("{s:s, s:I, s:I}", "type", limit_names[i].name,
						"soft", limit_value(l->soft), "hard",
						limit_value(l->hard)));
	return a;
}

static json_t *process(const Bundle *b)
{
	const SandboxSpec *s = b->spec;
	_cleanup_strvec_ StrVec env = {0};
	strvec_copy(&env, &s->env);
	if (!strvec_env_get(&env, "HOME"))
		strvec_env_set(&env, "HOME", b->user.home);
	json_t *groups = json_array();
	vec_foreach (&b->user.groups, g)
		json_array_append_new(groups, json_integer(*g));
	return json_pack("{s:b, s:{s:I, s:I, s:o, s:i}, s:o, s:o, s:s, s:o, s:o, s:b}", "terminal",
		0, "user", "uid", (json_int_t)b->user.uid, "gid", (json_int_t)b->user.gid,
		"additionalGids", groups, "umask", 022, "args", strings(&s->argv), "env",
		strings(&env), "cwd", s->cwd && *s->cwd ? s->cwd : "/", "capabilities",
		capabilities(b), "rlimits", limits(s), "noNewPrivileges", 0);
}

static void add_mount(json_t *mounts, const char *type, const char *source, const char *target,
	const char *options)
{
	json_t *list = json_array();
	Str rest = str_of(options), one;
	while (str_cut(&rest, ',', &one))
		json_array_append_new(list, json_stringn(one.ptr, one.len));
	json_array_append_new(mounts,
		json_pack("{s:s, s:s, s:s, s:o}", "destination", target, "type", type, "source",
			source, "options", list));
}

static void add_bind(
	const Bundle *b, json_t *mounts, const char *name, const char *target, bool read_only)
{
	_cleanup_free_ char *source = xasprintf("%s/%s", b->place, name);
	add_mount(mounts, "bind", source, target, read_only ? "rbind,ro" : "rbind,rw");
}

static json_t *mounts(const Bundle *b)
{
	json_t *m = json_array();
	add_mount(m, "proc", "proc", "/proc", "nosuid,noexec,nodev");
	add_mount(m, "tmpfs", "tmpfs", "/dev", "nosuid,strictatime,mode=755,size=65536k");
	add_mount(m, "devpts", "devpts", "/dev/pts",
		userns_inside() ? "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"
				: "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
	if (userns_inside())
		add_mount(m, "bind", "/sys", "/sys", "rbind,nosuid,noexec,nodev,ro");
	else
		add_mount(m, "sysfs", "sysfs", "/sys", "nosuid,noexec,nodev,ro");
	_cleanup_free_ char *shm = xasprintf("nosuid,noexec,nodev,mode=1777,size=%llu",
		(unsigned long long)(b->spec->shm_size ? b->spec->shm_size : SANDBOX_SHM_SIZE));
	add_mount(m, "tmpfs", "shm", "/dev/shm", shm);
	add_mount(m, "mqueue", "mqueue", "/dev/mqueue", "nosuid,noexec,nodev");
	add_bind(b, m, "hosts", "/etc/hosts", false);
	add_bind(b, m, "hostname", "/etc/hostname", false);
	add_bind(b, m, "resolv.conf", "/etc/resolv.conf", false);
	for (size_t i = 0; i < b->spec->mounts.len; i++) {
		char name[32];
		snprintf(name, sizeof(name), "mount-%zu", i);
		add_bind(b, m, name, b->spec->mounts.items[i].target,
			b->spec->mounts.items[i].read_only);
	}
	return m;
}

static void add_rule(json_t *rules, const char *name, const char *action, json_t *argument)
{
	json_t *rule = json_pack("{s:[s], s:s}", "names", name, "action", action);
	if (argument)
		json_object_set_new(rule, "args", json_pack("[o]", argument));
	json_array_append_new(rules, rule);
}

static json_t *argument(const char *op, uint64_t value)
{
	return json_pack("{s:i, s:I, s:i, s:s}", "index", 0, "value", (json_int_t)value, "valueTwo",
		0, "op", op);
}

/* The same profile in the runtime's words. */
static json_t *seccomp_profile(void)
{
	const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
		CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
	static const uint64_t personalities[] = {0, 0x8, 0x20000, 0x20008, 0xffffffff};
	json_t *rules = json_array();
	json_array_append_new(rules,
		json_pack("{s:o, s:s}", "names", names(seccomp_allowed_name), "action",
			"SCMP_ACT_ALLOW"));
	add_rule(rules, "clone", "SCMP_ACT_ALLOW", argument("SCMP_CMP_MASKED_EQ", namespaces));
	add_rule(rules, "socket", "SCMP_ACT_ALLOW", argument("SCMP_CMP_NE", AF_VSOCK));
	for (size_t i = 0; i < ARRAY_SIZE(personalities); i++)
		add_rule(rules, "personality", "SCMP_ACT_ALLOW",
			argument("SCMP_CMP_EQ", personalities[i]));
	json_array_append_new(rules,
		json_pack("{s:[s], s:s, s:i}", "names", "clone3", "action", "SCMP_ACT_ERRNO",
			"errnoRet", ENOSYS));
	return json_pack("{s:s, s:i, s:o, s:o}", "defaultAction", "SCMP_ACT_ERRNO",
		"defaultErrnoRet", EPERM,
#if defined(__x86_64__)
		"architectures",
		json_pack("[s, s, s]", "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
#else
		"architectures", json_pack("[s, s]", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
#endif
		"syscalls", rules);
}

static json_t *linux_part(const Bundle *b)
{
	json_t *namespaces = json_pack("[{s:s}, {s:s}, {s:s}, {s:s}]", "type", "pid", "type", "ipc",
		"type", "uts", "type", "mount");
	if (b->spec->network_none)
		json_array_append_new(namespaces, json_pack("{s:s}", "type", "network"));
	json_t *o = json_pack("{s:o}", "namespaces", namespaces);
	if (!b->spec->privileged) {
		json_object_set_new(o, "maskedPaths", names(rootfs_masked));
		json_object_set_new(o, "readonlyPaths", names(rootfs_read_only));
		json_object_set_new(o, "seccomp", seccomp_profile());
	}
	return o;
}

static int write_config(const Bundle *b, Err **err)
{
	const SandboxSpec *s = b->spec;
	json_t *config = json_pack("{s:s, s:o, s:{s:s, s:b}, s:o, s:o}", "ociVersion", "1.0.2",
		"process", process(b), "root", "path", "rootfs", "readonly",
		s->rootfs_read_only ? 1 : 0, "mounts", mounts(b), "linux", linux_part(b));
	if (!config)
		return err_set(err, ERR_UNSUPPORTED, "an OCI runtime takes only UTF-8 in paths");
	if (s->hostname && *s->hostname)
		json_object_set_new(config, "hostname", json_string(s->hostname));
	_cleanup_free_ char *text = json_text(config);
	json_decref(config);
	return atomic_write(b->fd, "config.json", str_of(text), 0644, false, err);
}

/* ---- the bundle ---- */

static int attach_below(const Bundle *b, int mount_fd, const char *name, Err **err)
{
	_cleanup_close_ int at = -1;
	struct stat st;
	if (fstat(mount_fd, &st) < 0)
		return err_sys(err, "mount '%s'", name);
	int r = S_ISDIR(st.st_mode) ? mkdirat(b->fd, name, 0755)
				    : mknodat(b->fd, name, S_IFREG | 0644, 0);
	if (r < 0)
		return err_sys(err, "create '%s'", name);
	at = openat(b->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return at < 0 ? err_sys(err, "open '%s'", name) : mount_attach(mount_fd, at, name, err);
}

static int mount_all(Bundle *b, Err **err)
{
	static const MountOption options[] = {{"mode", "0755", false}, {"size", "64m", false}};
	_cleanup_close_ int place = -1;
	int r = rootfs_mount(b->spec, &b->root, err);
	for (size_t i = 0; r == 0 && i < b->spec->mounts.len; i++) {
		int fd = -1;
		r = rootfs_mount_source(b->spec, i, &fd, err);
		if (r == 0)
			vec_push(&b->sources, fd);
	}
	if (r == 0)
		r = mount_new("tmpfs", options, ARRAY_SIZE(options), 0, &b->fd, err);
	if (r < 0)
		return r;
	place = open(b->place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place < 0)
		return err_sys(err, "open '%s'", b->place);
	r = mount_attach(b->fd, place, b->place, err);
	if (r == 0)
		r = attach_below(b, b->root, "rootfs", err);
	for (size_t i = 0; r == 0 && i < b->sources.len; i++) {
		char name[32];
		snprintf(name, sizeof(name), "mount-%zu", i);
		r = attach_below(b, b->sources.items[i], name, err);
	}
	if (r == 0 && mkdirat(b->fd, "state", 0700) < 0)
		r = err_sys(err, "create 'state'");
	return r;
}

static int write_texts(const Bundle *b, Err **err)
{
	_cleanup_free_ char *hosts = rootfs_hosts(b->spec), *resolv = rootfs_resolv_conf();
	_cleanup_free_ char *hostname =
		xasprintf("%s\n", b->spec->hostname ? b->spec->hostname : "");
	int r = atomic_write(b->fd, "hosts", str_of(hosts), 0644, false, err);
	if (r == 0)
		r = atomic_write(b->fd, "hostname", str_of(hostname), 0644, false, err);
	if (r == 0)
		r = atomic_write(b->fd, "resolv.conf", str_of(resolv), 0644, false, err);
	return r;
}

/* The runtime would make them too, but it would not say which. */
static int make_points(const Bundle *b, int reply_fd, Err **err)
{
	static const struct {
		const char *path;
		bool is_dir;
	} points[] = {{"/proc", true}, {"/sys", true}, {"/dev", true}, {"/etc/hosts", false},
		{"/etc/hostname", false}, {"/etc/resolv.conf", false}};
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(points); i++) {
		_cleanup_close_ int fd = -1;
		r = mountpoint_open(b->root, points[i].path, points[i].is_dir, reply_fd, &fd, err);
	}
	for (size_t i = 0; r == 0 && i < b->sources.len; i++) {
		_cleanup_close_ int fd = -1;
		struct stat st;
		const char *target = b->spec->mounts.items[i].target;
		if (cstr_starts(target, "/dev/") || cstr_starts(target, "/proc/"))
			continue;
		if (fstat(b->sources.items[i], &st) < 0)
			return err_sys(err, "mount on '%s'", target);
		r = mountpoint_open(b->root, target, S_ISDIR(st.st_mode), reply_fd, &fd, err);
	}
	return r;
}

static int mount_over(const char *type, const char *path, Err **err)
{
	_cleanup_close_ int fd = -1, at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return err_sys(err, "open '%s'", path);
	int r = mount_new(type, NULL, 0, MOUNT_NO_SUID | MOUNT_NO_DEV | MOUNT_NO_EXEC, &fd, err);
	return r < 0 ? r : mount_attach(fd, at, path, err);
}

/* What the runtime itself sees: the processes of its namespace; and for crun, which does without cgroups but looks at
 * them all the same, none of those, since it refuses hybrid ones. */
static int prepare_surroundings(const char *runtime, Err **err)
{
	int r = mount_over("proc", "/proc", err);
	if (r == 0 && is_crun(runtime) && access("/sys/fs/cgroup/unified", F_OK) == 0)
		r = mount_over("tmpfs", "/sys/fs/cgroup", err);
	return r;
}

/* ---- the command line ---- */

static int find_runtime(const char *name, char **ret, Err **err)
{
	static const char *const dirs[] = {
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};
	if (strchr(name, '/')) {
		if (access(name, X_OK) < 0)
			return err_sys(err, "OCI runtime '%s'", name);
		*ret = xstrdup(name);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dirs[i], name);
		if (access(path, X_OK) == 0) {
			*ret = TAKE_PTR(path);
			return 0;
		}
	}
	int r = err_set(err, ERR_NOT_FOUND, "OCI runtime '%s' is not installed", name);
	err_hint(err, "without --runtime the built-in sandbox is used");
	return r;
}

static int command_line(const Bundle *b, StrVec *argv, Err **err)
{
	_cleanup_free_ char *path = NULL;
	int r = find_runtime(b->spec->runtime, &path, err);
	if (r < 0)
		return r;
	strvec_push(argv, path);
	strvec_pushf(argv, "--root=%s/state", b->place);
	/* nothing is limited or counted, so no cgroup is wanted; runc cannot do without */
	if (is_crun(path))
		strvec_push(argv, "--cgroup-manager=disabled");
	strvec_push(argv, "run");
	strvec_pushf(argv, "--bundle=%s", b->place);
	/* cgroups of runc are named after it, and processes here are all number 1 */
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	strvec_pushf(argv, "cruet-%llx-%lx", (unsigned long long)now.tv_sec, now.tv_nsec);
	return 0;
}

int runtime_prepare(const SandboxSpec *spec, int reply_fd, StrVec *argv, Err **err)
{
	Bundle b = {.spec = spec, .place = rootfs_place(spec), .fd = -1, .root = -1};
	int r = command_line(&b, argv, err);
	if (r == 0)
		r = mount_all(&b, err);
	if (r == 0)
		r = make_points(&b, reply_fd, err);
	if (r == 0)
		r = user_of_root(b.root, spec->user, &b.user, err);
	if (r == 0)
		r = write_texts(&b, err);
	if (r == 0)
		r = write_config(&b, err);
	if (r == 0)
		r = prepare_surroundings(argv->items[0], err);
	bundle_done(&b);
	return r;
}
