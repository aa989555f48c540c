/*
 * The root file system of a run. Order matters for safety as much as for function:
 *
 *  1. everything that comes from the host (bind sources, lower directories, device nodes) is opened as a detached mount
 *     while the host is still in sight, by paths that the caller wrote;
 *  2. the root is attached somewhere, made "/", and the host is let go of;
 *  3. the rest is attached by paths that the image controls, which can lead nowhere but into the root.
 *
 * So no link in the image and no race can make a mount land on, or come from, the host.
 */
#include "sandbox/sandbox_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "sys/atomic.h"
#include "sys/mountfd.h"
#include "sys/process.h"
#include "sys/root.h"
#include "sys/userns.h"

#define RESOLV_MAX (64u << 10)

/* As docker: what tells about the host or steers it. */
static const char *const masked[] = {
	"/proc/asound",
	"/proc/acpi",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/sys/firmware",
	"/sys/devices/virtual/powercap",
};
static const char *const read_only[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

const char *rootfs_masked(size_t i)
{
	return i < ARRAY_SIZE(masked) ? masked[i] : NULL;
}

const char *rootfs_read_only(size_t i)
{
	return i < ARRAY_SIZE(read_only) ? read_only[i] : NULL;
}

typedef struct Rootfs {
	const SandboxSpec *spec;
	int reply_fd;
	int root;                /* owned */
	int null;                /* owned: /dev/null of the root */
	int host_proc, host_sys; /* owned detached copies, where new ones are refused */
	Devices devices;
	VEC(int) sources; /* owned: detached mounts in order of spec->mounts */
} Rootfs;

static void rootfs_done(Rootfs *f)
{
	closep(&f->root);
	closep(&f->null);
	closep(&f->host_proc);
	closep(&f->host_sys);
	devices_done(&f->devices);
	vec_foreach (&f->sources, fd)
		closep(fd);
	vec_done(&f->sources);
}

/* ---- generated files ---- */

char *rootfs_hosts(const SandboxSpec *spec)
{
	_cleanup_buf_ Buf b = BUF_INIT(SIZE_MAX);
	buf_cstr(&b,
		"127.0.0.1\tlocalhost\n"
		"::1\tlocalhost ip6-localhost ip6-loopback\n"
		"fe00::0\tip6-localnet\n"
		"ff00::0\tip6-mcastprefix\n"
		"ff02::1\tip6-allnodes\n"
		"ff02::2\tip6-allrouters\n");
	if (spec->hostname && *spec->hostname)
		buf_printf(&b, "127.0.0.1\t%s\n", spec->hostname);
	for (size_t i = 0; i < spec->extra_hosts.len; i++) {
		const char *text = spec->extra_hosts.items[i];
		size_t len = strcspn(text, ":=");
		if (!len || !text[len])
			continue;
		Str ip = str_of(text + len + 1);
		/* the network is the host's own */
		if (str_eq_cstr(ip, "host-gateway"))
			ip = STR("127.0.0.1");
		if (ip.len > 2 && ip.ptr[0] == '[' && ip.ptr[ip.len - 1] == ']')
			ip = str_slice(ip, 1, ip.len - 1);
		buf_printf(&b, STR_FMT "\t%.*s\n", STR_ARG(ip), (int)len, text);
	}
	return buf_steal(&b);
}

char *rootfs_resolv_conf(void)
{
	_cleanup_buf_ Buf b = BUF_INIT(RESOLV_MAX);
	if (file_read(AT_FDCWD, "/etc/resolv.conf", b.max, &b, NULL) < 0)
		buf_clear(&b);
	return b.len ? buf_steal(&b) : xstrdup("");
}

/* ---- 1: from the host ---- */

const char *rootfs_place(const SandboxSpec *spec)
{
	return spec->upper ? spec->upper : spec->rootfs ? spec->rootfs : spec->lowers.items[0];
}

static int mount_read_only_stack(const SandboxSpec *spec, int *ret_fd, Err **err)
{
	OverlayOptions o = {.lowers = &spec->lowers, .user_xattr = userns_inside()};
	int r = spec->lowers.len == 1 ? mount_clone(AT_FDCWD, spec->lowers.items[0], ret_fd, err)
				      : mount_overlay(&o, ret_fd, err);
	return r < 0 ? r : mount_set(*ret_fd, MOUNT_READ_ONLY, true, err);
}

int rootfs_mount(const SandboxSpec *spec, int *ret_fd, Err **err)
{
	if (spec->lowers.len && spec->upper) {
		OverlayOptions o = {.lowers = &spec->lowers,
			.upper = spec->upper,
			.work = spec->work,
			.user_xattr = userns_inside()};
		return mount_overlay(&o, ret_fd, err);
	}
	if (spec->lowers.len)
		return mount_read_only_stack(spec, ret_fd, err);
	const char *dir = spec->rootfs ? spec->rootfs : spec->upper;
	if (!dir)
		return err_set(err, ERR_USAGE, "no root file system given");
	return mount_clone(AT_FDCWD, dir, ret_fd, err);
}

char *rootfs_scratch(const SandboxSpec *spec, size_t i)
{
	return spec->upper ? xasprintf("%s.scratch-%zu", spec->upper, i) : NULL;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return path && strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

static bool any_below(const StrVec *paths, const char *dir)
{
	for (size_t i = 0; i < paths->len; i++)
		if (is_below(paths->items[i], dir))
			return true;
	return false;
}

/* A directory that nothing of this run is in, to be covered for a moment; NULL if there is none. */
static const char *unused_place(const SandboxSpec *spec)
{
	static const char *const places[] = {
		"/tmp", "/mnt", "/var/tmp", "/run", "/media", "/srv", "/opt"};
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		bool used = any_below(&spec->lowers, places[i]) ||
			is_below(spec->rootfs, places[i]) || access(places[i], F_OK) < 0;
		vec_foreach (&spec->mounts, m)
			used = used || any_below(&m->lowers, places[i]) ||
				is_below(m->source, places[i]);
		if (!used)
			return places[i];
	}
	return NULL;
}

/* The two directories of a writable view: beside the upper directory (the caller made them), else in memory. */
static int scratch_dirs(
	const SandboxSpec *spec, size_t i, char **ret_upper, char **ret_work, Err **err)
{
	_cleanup_free_ char *dir = rootfs_scratch(spec, i);
	if (!dir) {
		_cleanup_close_ int fd = -1, target = -1;
		dir = xstrdup(unused_place(spec));
		if (!dir)
			return err_set(
				err, ERR_UNSUPPORTED, "no place for a writable view in memory");
		int r = mount_new("tmpfs", NULL, 0, MOUNT_NO_SUID | MOUNT_NO_DEV, &fd, err);
		if (r < 0)
			return r;
		target = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (target < 0)
			return err_sys(err, "open '%s'", dir);
		r = mount_attach(fd, target, dir, err);
		if (r < 0)
			return r;
		if (mkdirat(fd, "upper", 0755) < 0 || mkdirat(fd, "work", 0755) < 0)
			return err_sys(err, "create directories in memory");
	}
	*ret_upper = xasprintf("%s/upper", dir);
	*ret_work = xasprintf("%s/work", dir);
	return 0;
}

static int mount_view(const SandboxSpec *spec, size_t i, int *ret_fd, Err **err)
{
	const SandboxMount *m = &spec->mounts.items[i];
	_cleanup_free_ char *upper = NULL, *work = NULL;
	_cleanup_close_ int view = -1, place = -1, sub = -1;
	int r = scratch_dirs(spec, i, &upper, &work, err);
	if (r < 0)
		return r;
	OverlayOptions o = {
		.lowers = &m->lowers, .upper = upper, .work = work, .user_xattr = userns_inside()};
	r = mount_overlay(&o, &view, err);
	if (r < 0)
		return r;
	if (!m->subpath || !m->subpath[strspn(m->subpath, "/")]) {
		*ret_fd = TAKE_FD(view);
		return 0;
	}
	/* only what is attached can be bound in part */
	place = open(upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place < 0)
		return err_sys(err, "open '%s'", upper);
	r = mount_attach(view, place, m->target, err);
	if (r == 0)
		r = root_open_path(view, m->subpath, false, &sub, err);
	if (r < 0)
		return r;
	return mount_clone(sub, "", ret_fd, err);
}

static int mount_tmpfs(const SandboxMount *m, int *ret_fd, Err **err)
{
	char mode[16], size[32];
	MountOption options[2] = {{"mode", mode, false}, {"size", size, false}};
	snprintf(mode, sizeof(mode), "%o", m->mode ? m->mode : 01777);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)m->tmpfs_size);
	return mount_new(
		"tmpfs", options, m->tmpfs_size ? 2 : 1, MOUNT_NO_SUID | MOUNT_NO_DEV, ret_fd, err);
}

int rootfs_mount_source(const SandboxSpec *spec, size_t i, int *ret_fd, Err **err)
{
	const SandboxMount *m = &spec->mounts.items[i];
	_cleanup_close_ int fd = -1;
	int r = m->type == SANDBOX_TMPFS     ? mount_tmpfs(m, &fd, err)
		: m->type == SANDBOX_OVERLAY ? mount_view(spec, i, &fd, err)
					     : mount_clone(AT_FDCWD, m->source, &fd, err);
	if (r == 0 && m->read_only)
		r = mount_set(fd, MOUNT_READ_ONLY, true, err);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

static int gather(Rootfs *f, Err **err)
{
	int r = devices_prepare(&f->devices, err);
	for (size_t i = 0; r == 0 && i < f->spec->mounts.len; i++) {
		int fd = -1;
		r = rootfs_mount_source(f->spec, i, &fd, err);
		if (r == 0)
			vec_push(&f->sources, fd);
	}
	if (r == 0 && userns_inside()) {
		/* a new sysfs belongs to the network namespace, which is the host's; a new procfs is refused where
		 * parts of the old one are covered */
		(void)!mount_clone(AT_FDCWD, "/sys", &f->host_sys, NULL);
		(void)!mount_clone(AT_FDCWD, "/proc", &f->host_proc, NULL);
	}
	return r;
}

/* ---- 2: the new root ---- */

static int enter_root(Rootfs *f, Err **err)
{
	_cleanup_close_ int mount_fd = -1, place = -1;
	int r = rootfs_mount(f->spec, &mount_fd, err);
	if (r < 0)
		return r;
	place = open(rootfs_place(f->spec), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place < 0)
		return err_sys(err, "open '%s'", rootfs_place(f->spec));
	r = mount_attach(mount_fd, place, "/", err);
	if (r == 0)
		r = mount_pivot(mount_fd, err);
	f->root = TAKE_FD(mount_fd);
	return r;
}

/* ---- 3: into the root ---- */

static int attach_at(Rootfs *f, int fd, const char *target, Err **err)
{
	_cleanup_close_ int at = -1;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "mount on '%s'", target);
	int r = mountpoint_open(f->root, target, S_ISDIR(st.st_mode), f->reply_fd, &at, err);
	return r < 0 ? r : mount_attach(fd, at, target, err);
}

static int mount_kernel_fs(Rootfs *f, const char *type, const char *target, unsigned attributes,
	int host_copy, Err **err)
{
	_cleanup_close_ int fd = -1;
	_cleanup_(err_freep) Err *refused = NULL;
	attributes |= MOUNT_NO_SUID | MOUNT_NO_DEV | MOUNT_NO_EXEC;
	int r = mount_new(type, NULL, 0, attributes, &fd, &refused);
	if (r == 0)
		return attach_at(f, fd, target, err);
	if (host_copy < 0)
		return err_move(err, &refused);
	r = mount_set(host_copy, attributes, attributes & MOUNT_READ_ONLY, err);
	return r < 0 ? r : attach_at(f, host_copy, target, err);
}

/* Over a path of /proc or /sys, which the image does not control; what is not there needs no cover. */
static int mask(Rootfs *f, const char *path, Err **err)
{
	_cleanup_close_ int at = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), fd = -1;
	struct stat st;
	if (at < 0 || fstat(at, &st) < 0)
		return 0;
	int r = S_ISDIR(st.st_mode) ? mount_new("tmpfs", NULL, 0, MOUNT_READ_ONLY, &fd, err)
				    : mount_clone(f->null, "", &fd, err);
	return r < 0 ? r : mount_attach(fd, at, path, err);
}

static int make_read_only(const char *path, Err **err)
{
	_cleanup_close_ int at = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), fd = -1;
	if (at < 0)
		return 0;
	int r = mount_clone(at, "", &fd, err);
	if (r == 0)
		r = mount_set(fd, MOUNT_READ_ONLY, true, err);
	return r < 0 ? r : mount_attach(fd, at, path, err);
}

static int mount_system(Rootfs *f, Err **err)
{
	int r = mount_kernel_fs(f, "proc", "/proc", 0, f->host_proc, err);
	if (r == 0)
		r = mount_kernel_fs(f, "sysfs", "/sys", MOUNT_READ_ONLY, f->host_sys, err);
	if (r == 0)
		r = devices_mount(&f->devices, f->spec->shm_size, f->root, f->reply_fd, err);
	if (r < 0 || f->spec->privileged)
		return r;
	f->null = open("/dev/null", O_PATH | O_CLOEXEC);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(masked); i++)
		r = mask(f, masked[i], err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(read_only); i++)
		r = make_read_only(read_only[i], err);
	return r;
}

/* A file of the small tmpfs, seen at /etc/<name>. */
static int mount_text(Rootfs *f, int tmpfs, const char *name, const char *text, Err **err)
{
	_cleanup_free_ char *target = xasprintf("/etc/%s", name);
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int file =
		openat(tmpfs, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (file < 0 || !write_all(file, text, strlen(text)))
		return err_sys(err, "write '%s'", target);
	int r = mount_clone(file, "", &fd, err);
	return r < 0 ? r : attach_at(f, fd, target, err);
}

/* The files' tmpfs is attached where the real /dev will hide it: only what is attached can be bound in part. */
static int mount_texts(Rootfs *f, const char *resolv_conf, Err **err)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *hosts = rootfs_hosts(f->spec);
	_cleanup_free_ char *hostname =
		xasprintf("%s\n", f->spec->hostname ? f->spec->hostname : "");
	static const MountOption options[] = {{"mode", "0755", false}, {"size", "4m", false}};
	int r = mount_new(
		"tmpfs", options, 2, MOUNT_NO_SUID | MOUNT_NO_DEV | MOUNT_NO_EXEC, &fd, err);
	if (r == 0)
		r = attach_at(f, fd, "/dev", err);
	if (r == 0)
		r = mount_text(f, fd, "hosts", hosts, err);
	if (r == 0)
		r = mount_text(f, fd, "hostname", hostname, err);
	if (r == 0)
		r = mount_text(f, fd, "resolv.conf", resolv_conf, err);
	return r;
}

/* Links there could put one over the other, and leave /proc without its covers. */
static int check_system_places(Rootfs *f, Err **err)
{
	static const char *const places[] = {"proc", "sys", "dev"};
	struct stat st;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (fstatat(f->root, places[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			!S_ISDIR(st.st_mode))
			return err_set(err, ERR_UNSUPPORTED, "'/%s' of the image is no directory",
				places[i]);
	return 0;
}

static int enter(Rootfs *f, Err **err)
{
	_cleanup_free_ char *resolv_conf = rootfs_resolv_conf();
	int r = gather(f, err);
	if (r == 0)
		r = enter_root(f, err);
	if (r == 0)
		r = check_system_places(f, err);
	if (r == 0)
		r = mount_texts(f, resolv_conf, err);
	if (r == 0)
		r = mount_system(f, err);
	for (size_t i = 0; r == 0 && i < f->sources.len; i++)
		r = attach_at(f, f->sources.items[i], f->spec->mounts.items[i].target, err);
	if (r == 0 && f->spec->rootfs_read_only)
		r = mount_set(f->root, MOUNT_READ_ONLY, false, err);
	return r;
}

int rootfs_enter(const SandboxSpec *spec, int reply_fd, Err **err)
{
	Rootfs f = {.spec = spec,
		.reply_fd = reply_fd,
		.root = -1,
		.null = -1,
		.host_proc = -1,
		.host_sys = -1,
		.devices = DEVICES_INIT};
	int r = enter(&f, err);
	rootfs_done(&f);
	return r;
}
