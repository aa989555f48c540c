/*
 * What a layer removes. A whiteout concerns the layers below, never an entry of its own layer, whichever
 * came first in the tar (OCI image-spec, layer.md); in merged form the paths of this layer are
 * remembered for that, in overlay form whatever lies in the directory is this layer's.
 */
#include "layer/apply_int.h"

#include <dirent.h>
#include <sys/sysmacros.h>

#include "base/limits.h"
#include "sys/atomic.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int list_names(int fd, const char *path, StrVec *ret, Err **err)
{
	/* Not a dup: that would share the position. */
	int own = openat(fd, ".", DIR_FLAGS);
	DIR *dir = own >= 0 ? fdopendir(own) : NULL;
	if (!dir) {
		closep(&own);
		return err_sys(err, "read directory '%s'", path);
	}
	for (;;) {
		errno = 0;
		const struct dirent *e = readdir(dir);
		if (!e)
			break;
		if (!cstr_eq(e->d_name, ".") && !cstr_eq(e->d_name, ".."))
			strvec_push(ret, e->d_name);
	}
	int saved = errno;
	(void)closedir(dir);
	return saved ? err_sys_num(err, saved, "read directory '%s'", path) : 0;
}

/* Merged form: removes what is below the directory and not of this layer. */
static int clear_dir(Apply *a, int fd, const char *path, Err **err)
{
	_cleanup_strvec_ StrVec names = {0};
	int r = list_names(fd, path, &names, err);
	for (size_t i = 0; r == 0 && i < names.len; i++) {
		const char *name = names.items[i];
		_cleanup_free_ char *child = xasprintf("%s%s%s", path, path[0] ? "/" : "", name);
		if (!apply_marked(a, str_of(child))) {
			r = remove_tree(fd, name, err);
			continue;
		}
		_cleanup_close_ int below = openat(fd, name, DIR_FLAGS);
		if (below >= 0)
			r = clear_dir(a, below, child, err);
		else if (errno != ENOTDIR && errno != ELOOP)
			r = err_sys(err, "open directory '%s'", child);
	}
	return r;
}

/* Overlay form: removes the whiteouts below the directory. */
static int clear_whiteouts(Apply *a, int fd, const char *path, Err **err)
{
	_cleanup_strvec_ StrVec names = {0};
	int r = list_names(fd, path, &names, err);
	for (size_t i = 0; r == 0 && i < names.len; i++) {
		const char *name = names.items[i];
		struct stat st;
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(err, "look at '%s' in '%s'", name, path);
		if (apply_is_whiteout(a, &st) && unlinkat(fd, name, 0) < 0)
			return err_sys(err, "remove whiteout '%s' in '%s'", name, path);
		if (!S_ISDIR(st.st_mode))
			continue;
		_cleanup_close_ int below = openat(fd, name, DIR_FLAGS);
		if (below < 0)
			return err_sys(err, "open directory '%s' in '%s'", name, path);
		r = clear_whiteouts(a, below, name, err);
	}
	return r;
}

static int opaque_dir(Apply *a, int fd, const char *path, Err **err)
{
	if (!apply_overlay(a))
		return clear_dir(a, fd, path, err);
	int r = apply_set_opaque(a, fd, path, err);
	return r < 0 ? r : clear_whiteouts(a, fd, path, err);
}

/* Below an opaque directory nothing is merged any more: overlayfs would list a whiteout there as a name that
 * cannot be opened. */
static bool below_opaque(const Apply *a, Str path)
{
	while (path_parent(path, &path))
		if (path_table_find(&a->opaque, path) >= 0)
			return true;
	return false;
}

static int whiteout_device(Apply *a, int dirfd, const char *name, Err **err)
{
	TreeNode node;
	if (!a->options->lower || !tree_lookup(a->options->lower, buf_view(&a->target), &node) ||
		below_opaque(a, buf_view(&a->target)))
		return 0; /* nothing there to be hidden */
	if (mknodat(dirfd, name, S_IFCHR | 0600, makedev(0, 0)) < 0) {
		int r = err_sys(err, "make whiteout for '%s'", a->target.ptr);
		err_hint(err, "whiteouts of overlayfs need Linux 5.8 in a user namespace");
		return r;
	}
	return 0;
}

int apply_whiteout(Apply *a, Err **err)
{
	const OpenDir *dir;
	const char *name;
	int r = apply_parent(a, a->target.ptr, &dir, &name, err);
	if (r < 0)
		return r;
	struct stat st;
	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return err_sys(err, "look at '%s'", a->target.ptr);
		return apply_overlay(a) ? whiteout_device(a, dir->fd, name, err) : 0;
	}
	bool ours = apply_overlay(a) || apply_marked(a, buf_view(&a->target));
	bool ignored;
	if (!ours)
		return apply_clear(a, dir->fd, name, buf_view(&a->target), &ignored, err);
	if (!S_ISDIR(st.st_mode))
		return 0;
	_cleanup_close_ int fd = openat(dir->fd, name, DIR_FLAGS);
	if (fd < 0)
		return err_sys(err, "open directory '%s'", a->target.ptr);
	return opaque_dir(a, fd, a->target.ptr, err);
}

int apply_opaque(Apply *a, Err **err)
{
	/* The directory itself, as the parent of a name that is not used. */
	_cleanup_free_ char *below =
		xasprintf(STR_FMT "%s-", STR_ARG(buf_view(&a->target)), a->target.len ? "/" : "");
	const OpenDir *dir;
	const char *name;
	int r = apply_parent(a, below, &dir, &name, err);
	if (r < 0)
		return r;
	return opaque_dir(a, dir->fd, a->target.len ? a->target.ptr : "", err);
}
