/*
 * /dev: a small tmpfs with docker's nodes. In a user namespace nodes cannot be made, so those of the host are bound; that
 * has to be prepared while the host's /dev is still in sight.
 */
#include "sandbox/sandbox_int.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "sys/mountfd.h"
#include "sys/root.h"
#include "sys/userns.h"

static const struct {
	const char *name;
	unsigned major, minor;
} nodes[] = {
	{"null", 1, 3},
	{"zero", 1, 5},
	{"full", 1, 7},
	{"random", 1, 8},
	{"urandom", 1, 9},
	{"tty", 5, 0},
};
_Static_assert(ARRAY_SIZE(nodes) == ARRAY_SIZE(((Devices *)0)->nodes), "one descriptor a node");

static const struct {
	const char *name, *target;
} links[] = {
	{"ptmx", "pts/ptmx"},
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
	{"core", "/proc/kcore"},
};

int devices_prepare(Devices *d, Err **err)
{
	for (size_t i = 0; userns_inside() && i < ARRAY_SIZE(nodes); i++) {
		_cleanup_free_ char *path = xasprintf("/dev/%s", nodes[i].name);
		int r = mount_clone(AT_FDCWD, path, &d->nodes[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

void devices_done(Devices *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		closep(&d->nodes[i]);
}

/* A mount over a new directory of /dev. */
static int mount_below(int dev, const char *name, const char *type, const MountOption *options,
	size_t n, unsigned attributes, Err **err)
{
	_cleanup_close_ int target = -1, fd = -1;
	if (mkdirat(dev, name, 0755) < 0)
		return err_sys(err, "create '/dev/%s'", name);
	int r = root_open_path(dev, name, true, &target, err);
	if (r == 0)
		r = mount_new(type, options, n, attributes, &fd, err);
	return r < 0 ? r : mount_attach(fd, target, name, err);
}

static int add_node(int dev, size_t i, int bound, Err **err)
{
	const char *name = nodes[i].name;
	if (bound < 0) {
		if (mknodat(dev, name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) <
				0 ||
			fchmodat(dev, name, 0666, 0) < 0)
			return err_sys(err, "create '/dev/%s'", name);
		return 0;
	}
	_cleanup_close_ int target =
		openat(dev, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	return target < 0 ? err_sys(err, "create '/dev/%s'", name)
			  : mount_attach(bound, target, name, err);
}

static int fill(const Devices *d, int dev, uint64_t shm_size, Err **err)
{
	static const MountOption pts[] = {
		{"ptmxmode", "0666", false},
		{"mode", "0620", false},
		/* group tty: not mapped in every user namespace */
		{"gid", "5", true},
	};
	_cleanup_free_ char *size =
		xasprintf("%llu", (unsigned long long)(shm_size ? shm_size : SANDBOX_SHM_SIZE));
	const MountOption shm[] = {{"mode", "1777", false}, {"size", size, false}};
	const unsigned quiet = MOUNT_NO_SUID | MOUNT_NO_EXEC;
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		int r = add_node(dev, i, d->nodes[i], err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i].target, dev, links[i].name) < 0)
			return err_sys(err, "create '/dev/%s'", links[i].name);
	int r = mount_below(dev, "pts", "devpts", pts, ARRAY_SIZE(pts), quiet, err);
	if (r == 0)
		r = mount_below(
			dev, "shm", "tmpfs", shm, ARRAY_SIZE(shm), quiet | MOUNT_NO_DEV, err);
	if (r == 0)
		r = mount_below(dev, "mqueue", "mqueue", NULL, 0, quiet | MOUNT_NO_DEV, err);
	return r;
}

int devices_mount(const Devices *d, uint64_t shm_size, int root_fd, int reply_fd, Err **err)
{
	static const MountOption options[] = {{"mode", "0755", false}, {"size", "65536k", false}};
	_cleanup_close_ int target = -1, fd = -1, dev = -1;
	int r = mountpoint_open(root_fd, "/dev", true, reply_fd, &target, err);
	if (r == 0)
		r = mount_new("tmpfs", options, ARRAY_SIZE(options), MOUNT_NO_SUID, &fd, err);
	if (r == 0)
		r = mount_attach(fd, target, "/dev", err);
	if (r < 0)
		return r;
	dev = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dev < 0 ? err_sys(err, "open '/dev'") : fill(d, dev, shm_size, err);
}
