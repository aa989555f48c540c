/*
 * Mount points. The path is the Dockerfile's, the tree the image's, so every link in it is hostile: each step is resolved
 * inside the root, and what is missing is made in a directory that is held open. A link to nothing (as
 * /etc/resolv.conf often is) is followed by hand, because its target is what has to be made.
 *
 * Nothing of it may be seen in the layer. What is made is reported, and removed after the run if it is still
 * empty; and a directory that something was made in, or removed from, gets its times back, so that it does not look
 * changed. (spec: build.md 51, 60)
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "sandbox/sandbox_int.h"
#include "sys/root.h"

static void restore_times(int dir, const struct stat *st)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};
	(void)futimens(dir, times);
}

/* Tells where the new thing is, unless that is inside of another mount. The working directory says the path. */
static void report(int root, int parent, const char *name, int reply_fd)
{
	char top[LIMIT_PATH], dir[LIMIT_PATH];
	struct stat here, there;
	if (fstat(root, &here) < 0 || fstat(parent, &there) < 0 || here.st_dev != there.st_dev)
		return;
	if (fchdir(root) == 0 && getcwd(top, sizeof(top)) && fchdir(parent) == 0 &&
		getcwd(dir, sizeof(dir)) && cstr_starts(dir, top)) {
		const char *below = dir + strlen(top);
		below += strspn(below, "/");
		_cleanup_free_ char *path = xasprintf("%s%s%s", below, *below ? "/" : "", name);
		record_text(reply_fd, RECORD_MADE, path);
	}
	(void)!chdir("/");
}

static int make(int root, int parent, const char *name, bool is_dir, int reply_fd, Err **err)
{
	struct stat st;
	if (fstat(parent, &st) < 0)
		return err_sys(err, "mount point '%s'", name);
	int r = is_dir ? mkdirat(parent, name, 0755) : mknodat(parent, name, S_IFREG | 0644, 0);
	if (r < 0)
		return err_sys(err, "create the mount point '%s'", name);
	restore_times(parent, &st);
	report(root, parent, name, reply_fd);
	return 0;
}

static int open_or_make(
	int root, const char *path, bool is_dir, int reply_fd, unsigned links, int *ret, Err **err)
{
	if (root_open_path(root, path, false, ret, NULL) == 0)
		return 0;
	Str text = str_of(path);
	while (text.len && text.ptr[text.len - 1] == '/')
		text.len--;
	ssize_t slash = str_rfind(text, '/');
	_cleanup_free_ char *above =
		slash > 0 ? str_dup(str_slice(text, 0, (size_t)slash)) : xstrdup("/");
	_cleanup_free_ char *name = str_dup(str_slice(text, (size_t)(slash + 1), text.len));
	if (!*name || cstr_eq(name, ".") || cstr_eq(name, "..") || links > LIMIT_SYMLINKS)
		return err_set(err, ERR_NOT_FOUND, "mount point '%s' cannot be created", path);
	_cleanup_close_ int above_fd = -1, parent = -1;
	int r = open_or_make(root, above, true, reply_fd, links + 1, &above_fd, err);
	if (r < 0)
		return r;
	parent = openat(above_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return err_sys(err, "mount point '%s'", path);
	char target[LIMIT_PATH];
	ssize_t n = readlinkat(parent, name, target, sizeof(target) - 1);
	if (n >= 0) {
		target[n] = '\0';
		_cleanup_free_ char *next =
			target[0] == '/' ? xstrdup(target) : xasprintf("%s/%s", above, target);
		return open_or_make(root, next, is_dir, reply_fd, links + 1, ret, err);
	}
	r = make(root, parent, name, is_dir, reply_fd, err);
	if (r < 0)
		return r;
	*ret = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? err_sys(err, "mount point '%s'", path) : 0;
}

int mountpoint_open(int root, const char *path, bool is_dir, int reply_fd, int *ret_fd, Err **err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	if (strlen(path) >= LIMIT_PATH)
		return err_set(err, ERR_LIMIT, "mount point '%.64s…' is too long", path);
	int r = open_or_make(root, path, is_dir, reply_fd, 0, &fd, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "mount point '%s'", path);
	if (S_ISDIR(st.st_mode) != is_dir)
		return err_set(err, ERR_SYS, "mount point '%s' is %s", path,
			is_dir ? "no directory" : "a directory, and a file is to be mounted there");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ---- afterwards ---- */

/* Empty still; true also if it is gone or has become something else. *ret_left: empty but still there. */
static bool remove_one(int base, const char *path)
{
	_cleanup_close_ int parent = -1;
	_cleanup_free_ char *name = NULL;
	struct stat st, above;
	if (root_open_parent(base, path, &parent, &name, NULL) < 0 ||
		fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || fstat(parent, &above) < 0)
		return true;
	bool is_dir = S_ISDIR(st.st_mode);
	if (!is_dir && (!S_ISREG(st.st_mode) || st.st_size > 0))
		return true;
	if (unlinkat(parent, name, is_dir ? AT_REMOVEDIR : 0) < 0)
		return errno == ENOTEMPTY || errno == EEXIST;
	restore_times(parent, &above);
	return true;
}

void mountpoints_clear(const char *base, StrVec *made)
{
	StrVec left = {0};
	_cleanup_close_ int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = made->len; i-- > 0;)
		if (fd < 0 || !remove_one(fd, made->items[i]))
			strvec_push(&left, made->items[i]);
	strvec_done(made);
	*made = left;
}
