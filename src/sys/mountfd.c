/*
 * Overlay options. Since Linux 6.5 the directories are given one by one ("lowerdir+"), resolved at once, so each
 * can be named "." after going there: no length limit (a value has 256 bytes, the old option string a page), no
 * characters to be escaped, and nothing of the host's paths is seen in mountinfo. Older kernels get the
 * option string, with names relative to the directory that all have in common.
 *
 * Off are: redirect_dir and metacopy (an upper directory must be readable without the lower ones), index (hard links
 * broken by copy-up stay broken, as in docker; and directories can be used again in other stacks), xino.
 * "volatile" leaves a mark in the work directory only, which is thrown away: the upper directory may become a
 * lower one, which is all that ever happens to it.
 */
#include "sys/mountfd.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Appends what the kernel said about the file system (the last line of its message log). */
static int fs_error(Err **err, int fs, int errnum, const char *what, const char *object)
{
	char text[256], last[256] = "";
	for (ssize_t n; (n = read(fs, text, sizeof(text) - 1)) > 0;) {
		Str line = str_trim((Str){text, (size_t)n});
		if (line.len > 2 && line.ptr[1] == ' ')
			line = str_slice(line, 2, line.len);
		memcpy(last, line.ptr, line.len);
		last[line.len] = '\0';
	}
	errno = errnum;
	return *last ? err_sys(err, "%s '%s' (%s)", what, object, last)
		     : err_sys(err, "%s '%s'", what, object);
}

static int fs_option(int fs, const char *type, const MountOption *o, Err **err)
{
	unsigned command = o->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
	if (fsconfig(fs, command, o->key, o->value, 0) == 0)
		return 0;
	if (o->optional)
		return 0;
	_cleanup_free_ char *object = xasprintf("%s: %s", type, o->key);
	return fs_error(err, fs, errno, "mount option", object);
}

static int fs_options(int fs, const char *type, const MountOption *options, size_t n, Err **err)
{
	for (size_t i = 0; i < n; i++) {
		int r = fs_option(fs, type, &options[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fs_attach(int fs, const char *type, unsigned attributes, int *ret_fd, Err **err)
{
	int fd = fsmount(fs, FSMOUNT_CLOEXEC, attributes);
	if (fd < 0)
		return fs_error(err, fs, errno, "mount", type);
	*ret_fd = fd;
	return 0;
}

int mount_new(const char *type, const MountOption *options, size_t n_options, unsigned attributes,
	int *ret_fd, Err **err)
{
	_cleanup_close_ int fs = fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0)
		return err_sys(err, "mount '%s'", type);
	const MountOption source = {"source", type, true};
	int r = fs_options(fs, type, &source, 1, err);
	if (r == 0)
		r = fs_options(fs, type, options, n_options, err);
	if (r < 0)
		return r;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_error(err, fs, errno, "mount", type);
	return fs_attach(fs, type, attributes, ret_fd, err);
}

int mount_clone(int dirfd, const char *path, int *ret_fd, Err **err)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
	int fd = open_tree(dirfd, path, flags | (*path ? 0 : AT_EMPTY_PATH));
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "mount source '%s' does not exist", path);
	if (fd < 0)
		return err_sys(err, "bind mount of '%s'", path);
	*ret_fd = fd;
	return 0;
}

int mount_set(int mount_fd, unsigned attributes, bool recursive, Err **err)
{
	struct mount_attr attr = {.attr_set = attributes};
	if (mount_setattr(mount_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
		    sizeof(attr)) < 0)
		return err_sys(err, "mount attributes");
	return 0;
}

int mount_attach(int mount_fd, int target_fd, const char *name, Err **err)
{
	if (move_mount(mount_fd, "", target_fd, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(err, "mount on '%s'", name);
	return 0;
}

int mount_pivot(int root_fd, Err **err)
{
	_cleanup_close_ int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || fchdir(root_fd) < 0)
		return err_sys(err, "enter the root file system");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(err, "pivot_root");
	if (fchdir(old) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(err, "leave the old root file system");
	return 0;
}

int mount_isolate(Err **err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(err, "isolate the mounts");
	return 0;
}

/* ---- overlay ---- */

static const MountOption overlay_options[] = {
	{"source", "overlay", true},
	{"index", "off", true},
	{"xino", "off", true},
	{"uuid", "null", true},
};
/* userxattr implies both, and excludes saying so */
static const MountOption with_trusted_xattr[] = {
	{"redirect_dir", "off", true}, {"metacopy", "off", true}};
static const MountOption with_user_xattr[] = {{"userxattr", NULL, false}};

/* 0 or -errno. */
static int add_directory(int fs, const char *key, const char *path)
{
	if (chdir(path) < 0 || fsconfig(fs, FSCONFIG_SET_STRING, key, ".", 0) < 0)
		return -errno;
	return 0;
}

/* 1 if the kernel wants the old way: it takes "lowerdir+" for an unknown option, some only at the end. */
static int overlay_by_steps(const OverlayOptions *o, int *ret_fd, Err **err)
{
	_cleanup_close_ int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	if (fs < 0)
		return err_sys(err, "mount 'overlay'");
	for (size_t i = 0; i < o->lowers->len; i++) {
		int r = add_directory(fs, "lowerdir+", o->lowers->items[i]);
		if (r == -EINVAL)
			return 1;
		if (r < 0)
			return fs_error(err, fs, -r, "overlay of", o->lowers->items[i]);
	}
	const char *const writable[][2] = {{"upperdir", o->upper}, {"workdir", o->work}};
	for (size_t i = 0; o->upper && i < ARRAY_SIZE(writable); i++) {
		int r = add_directory(fs, writable[i][0], writable[i][1]);
		if (r < 0)
			return fs_error(err, fs, -r, "overlay of", writable[i][1]);
	}
	int r = fs_options(fs, "overlay", overlay_options, ARRAY_SIZE(overlay_options), err);
	if (r == 0 && o->user_xattr)
		r = fs_options(fs, "overlay", with_user_xattr, ARRAY_SIZE(with_user_xattr), err);
	else if (r == 0)
		r = fs_options(
			fs, "overlay", with_trusted_xattr, ARRAY_SIZE(with_trusted_xattr), err);
	if (r == 0 && o->upper)
		r = fs_option(fs, "overlay", &(MountOption){"volatile", NULL, true}, err);
	if (r < 0)
		return r;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return errno == EINVAL ? 1 : fs_error(err, fs, errno, "mount", "overlay");
	return fs_attach(fs, "overlay", 0, ret_fd, err);
}

/* Length of the directory part that all names share, with its slash. */
static size_t common_prefix(const OverlayOptions *o)
{
	const char *first = o->lowers->items[0];
	size_t n = (size_t)(str_rfind(str_of(first), '/') + 1);
	for (size_t i = 0; i < o->lowers->len + 2; i++) {
		const char *s = i < o->lowers->len ? o->lowers->items[i]
			: i == o->lowers->len      ? o->upper
						   : o->work;
		if (!s)
			continue;
		size_t same = 0;
		while (same < n && s[same] == first[same])
			same++;
		while (same > 0 && first[same - 1] != '/')
			same--;
		n = same;
	}
	return n;
}

/* The option string: ',' and ':' and '\' of a name are escaped. */
static void put_directory(Buf *b, const char *name)
{
	for (; *name; name++) {
		if (*name == ',' || *name == ':' || *name == '\\')
			buf_char(b, '\\');
		buf_char(b, *name);
	}
}

static int overlay_string(const OverlayOptions *o, size_t prefix, char **ret, Err **err)
{
	_cleanup_buf_ Buf b = BUF_INIT((size_t)sysconf(_SC_PAGESIZE) - 1);
	for (size_t i = 0; i < o->lowers->len; i++) {
		buf_cstr(&b, i ? ":" : "lowerdir=");
		put_directory(&b, o->lowers->items[i] + prefix);
	}
	if (o->upper) {
		buf_cstr(&b, ",upperdir=");
		put_directory(&b, o->upper + prefix);
		buf_cstr(&b, ",workdir=");
		put_directory(&b, o->work + prefix);
		buf_cstr(&b, ",volatile");
	}
	if (o->user_xattr)
		buf_cstr(&b, ",userxattr");
	else
		buf_cstr(&b, ",redirect_dir=off,metacopy=off");
	buf_cstr(&b, ",index=off,xino=off");
	int r = buf_take(&b, ret, NULL);
	if (r < 0) {
		r = err_set(err, ERR_LIMIT,
			"%zu directories are too many for one overlay mount here", o->lowers->len);
		err_hint(err,
			"Linux 6.5 and later have no such limit; fewer layers, or a shorter path of "
			"the store, help too");
	}
	return r;
}

static int overlay_by_string(const OverlayOptions *o, int *ret_fd, Err **err)
{
	_cleanup_free_ char *text = NULL;
	size_t prefix = common_prefix(o);
	_cleanup_free_ char *base = str_dup((Str){o->lowers->items[0], prefix});
	int r = overlay_string(o, prefix, &text, err);
	if (r < 0)
		return r;
	if (*base && chdir(base) < 0)
		return err_sys(err, "overlay of '%s'", base);
	/* any directory does: the mount is taken off again */
	const char *place = o->upper ? o->upper : o->lowers->items[0];
	if (mount("overlay", place, "overlay", 0, text) < 0)
		return err_sys(err, "mount 'overlay'");
	r = mount_clone(AT_FDCWD, place, ret_fd, err);
	(void)umount2(place, MNT_DETACH);
	return r;
}

int mount_overlay(const OverlayOptions *o, int *ret_fd, Err **err)
{
	if (o->lowers->len == 0)
		return err_set(err, ERR_USAGE, "an overlay needs a lower directory");
	int r = o->one_string ? 1 : overlay_by_steps(o, ret_fd, err);
	return r == 1 ? overlay_by_string(o, ret_fd, err) : r;
}
