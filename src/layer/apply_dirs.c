/*
 * Directories while unpacking
 *
 * The tar decides the names, so the way to each entry is walked component by component from the target's
 * file descriptor, every step with O_NOFOLLOW: no link, whoever made it, is ever passed through. Entries come
 * mostly in order, so the directories of the last entry stay open in a small stack and a step
 * costs nothing when it was made before.
 *
 * A directory made here has mode 0700 until the end; its mode and time are set last, children first,
 * because every entry made in it would change the time, and because its final mode may forbid us to
 * write. A directory that was there before and gets new entries keeps its time, as it would under overlayfs.
 */
#include "layer/apply_int.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "sys/atomic.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

size_t apply_mark(Apply *a, Str path)
{
	bool is_new;
	size_t n = path_table_add(&a->seen, path, &is_new);
	if (is_new)
		vec_push(&a->finish_of, 0);
	return n;
}

bool apply_marked(const Apply *a, Str path)
{
	return path_table_find(&a->seen, path) >= 0;
}

void apply_finish_later(Apply *a, Str path, bool set_mode, uint32_t mode, struct timespec mtime)
{
	size_t n = apply_mark(a, path);
	if (!a->finish_of.items[n]) {
		(void)vec_add(&a->dirs);
		a->finish_of.items[n] = (uint32_t)a->dirs.len;
	}
	a->dirs.items[a->finish_of.items[n] - 1] = (DirFinish){
		.number = (uint32_t)n, .mode = mode, .set_mode = set_mode, .mtime = mtime};
}

bool apply_is_whiteout(const Apply *a, const struct stat *st)
{
	return apply_overlay(a) && S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

int apply_set_opaque(Apply *a, int fd, const char *path, Err **err)
{
	const char *name = a->options->flags & APPLY_USERXATTR ? "user.overlay.opaque"
							       : "trusted.overlay.opaque";
	if (fsetxattr(fd, name, "y", 1, 0) < 0)
		return err_sys(err, "mark directory '%s' opaque", path);
	bool is_new;
	(void)path_table_add(&a->opaque, str_of(path), &is_new);
	return 0;
}

/* ---- the stack ---- */

static const OpenDir *top(const Apply *a)
{
	return &a->open[a->n_open - 1];
}

static void pop(Apply *a)
{
	if (a->n_open > 1)
		(void)close(top(a)->fd); /* the lowest is the caller's root */
	a->n_open--;
	if (a->n_open && a->at.ptr) {
		a->at.len = top(a)->path_len;
		a->at.ptr[a->at.len] = '\0';
	}
}

void apply_close_dirs(Apply *a)
{
	while (a->n_open)
		pop(a);
}

/* Takes ownership of fd. */
static void push(Apply *a, int fd, Str path, bool fresh)
{
	if (a->n_open == APPLY_DIR_FDS) {
		/* Deeper than the stack: the last place goes to whoever is deepest. */
		(void)close(top(a)->fd);
		a->n_open--;
	}
	buf_clear(&a->at);
	buf_str(&a->at, path);
	a->open[a->n_open++] = (OpenDir){.fd = fd, .path_len = path.len, .fresh = fresh};
}

static Str top_path(const Apply *a)
{
	return str_slice(buf_view(&a->at), 0, top(a)->path_len);
}

/* Closes what lies at or below path, which is about to be removed. */
static void forget(Apply *a, Str path)
{
	while (a->n_open > 1 && (str_eq(top_path(a), path) || path_below(top_path(a), path)))
		pop(a);
}

int apply_clear(Apply *a, int dirfd, const char *name, Str path, bool *ret_existed, Err **err)
{
	struct stat st;
	*ret_existed = false;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "look at '" STR_FMT "'", STR_ARG(path));
	*ret_existed = true;
	if (S_ISDIR(st.st_mode)) {
		forget(a, path);
		return remove_tree(dirfd, name, err);
	}
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, "replace '" STR_FMT "'", STR_ARG(path));
	return 0;
}

/* ---- making ---- */

/* Metadata of a directory that the tar left out: the lower layer's, if it has one there. */
static bool lower_dir(const Apply *a, const char *path, TarEntry *ret)
{
	TreeNode node;
	if (!apply_overlay(a) || !a->options->lower ||
		!tree_lookup(a->options->lower, str_of(path), &node) || node.entry.type != TAR_DIR)
		return false;
	apply_entry_of_node(a, &node, path, ret);
	return true;
}

int apply_make_dir(Apply *a, const char *path, const TarEntry *e, Err **err)
{
	/* The parent is on top of the stack. */
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	if (mkdirat(top(a)->fd, name, 0700) < 0)
		return err_sys(err, "make directory '%s'", path);
	_cleanup_close_ int fd = openat(top(a)->fd, name, DIR_FLAGS);
	if (fd < 0)
		return err_sys(err, "open directory '%s'", path);
	/* The parent's setgid bit is inherited. */
	if (!top(a)->fresh && fchmod(fd, 0700) < 0)
		return err_sys(err, "set mode of '%s'", path);
	_cleanup_(apply_entry_done) TarEntry lower = {0};
	TarEntry bare = {.path = (char[]){""}, .type = TAR_DIR, .mode = 0755};
	if (!e)
		e = lower_dir(a, path, &lower) ? &lower : &bare;
	int r = apply_meta_dir(a, fd, false, e, err);
	if (r < 0)
		return r;
	apply_finish_later(a, str_of(path), true, e->mode & 07777,
		(struct timespec){.tv_sec = e->mtime, .tv_nsec = e->mtime_nsec});
	push(a, TAKE_FD(fd), str_of(path), true);
	return 0;
}

/* Directory that was there before this layer: keeps its time, and must let us in. */
static int adopt(Apply *a, int fd, Str path, Err **err)
{
	if (apply_marked(a, path))
		return 0;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at '" STR_FMT "'", STR_ARG(path));
	bool locked = a->euid != 0 && (st.st_mode & 0700) != 0700;
	if (locked && fchmod(fd, (st.st_mode & 07777) | 0700) < 0)
		return err_sys(err, "set mode of '" STR_FMT "'", STR_ARG(path));
	apply_finish_later(a, path, locked, st.st_mode & 07777, st.st_mtim);
	return 0;
}

int apply_start_root(Apply *a, Err **err)
{
	a->open[0] = (OpenDir){.fd = a->root_fd, .path_len = 0};
	a->n_open = 1;
	return adopt(a, a->root_fd, STR(""), err);
}

/* Something that is no directory stands where a parent is needed. */
static int replace_by_dir(Apply *a, const char *path, Err **err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	struct stat st;
	if (fstatat(top(a)->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "look at '%s'", path);
	bool whiteout = apply_is_whiteout(a, &st);
	if (!whiteout && (apply_overlay(a) || apply_marked(a, str_of(path))))
		return err_set(err, ERR_CORRUPT,
			"an entry lies below '%s', which is no directory in the same layer", path);
	if (unlinkat(top(a)->fd, name, 0) < 0)
		return err_sys(err, "replace '%s'", path);
	int r = apply_make_dir(a, path, NULL, err);
	return r == 0 && whiteout ? apply_set_opaque(a, top(a)->fd, path, err) : r;
}

/* One step down; path is where it leads. */
static int step(Apply *a, const char *path, bool make, bool *ret_missing, Err **err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	if (!name[0] || cstr_eq(name, ".") || cstr_eq(name, ".."))
		return err_set(err, ERR_CORRUPT, "'%s' is no valid path in a layer", path);
	_cleanup_close_ int fd = openat(top(a)->fd, name, DIR_FLAGS);
	struct stat st = {0};
	bool unlocked = false;
	if (fd < 0 && errno == EACCES && a->euid != 0 &&
		fstatat(top(a)->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
		fchmodat(top(a)->fd, name, 0700, AT_SYMLINK_NOFOLLOW) == 0) {
		unlocked = true;
		fd = openat(top(a)->fd, name, DIR_FLAGS);
	}
	if (fd >= 0) {
		bool known = apply_marked(a, str_of(path));
		int r = adopt(a, fd, str_of(path), err);
		if (r == 0 && unlocked && !known)
			apply_finish_later(a, str_of(path), true, st.st_mode & 07777, st.st_mtim);
		if (r == 0)
			push(a, TAKE_FD(fd), str_of(path), false);
		return r;
	}
	if (!make && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) {
		*ret_missing = true;
		return 0;
	}
	if (errno == ENOENT)
		return apply_make_dir(a, path, NULL, err);
	if (errno == ENOTDIR || errno == ELOOP)
		return replace_by_dir(a, path, err);
	return err_sys(err, "open directory '%s'", path);
}

/* Brings dir (len bytes of path) to the top of the stack. */
static int descend(Apply *a, const char *path, size_t len, bool make, bool *ret_missing, Err **err)
{
	Str dir = {path, len};
	*ret_missing = false;
	while (a->n_open > 1 && !str_eq(top_path(a), dir) && !path_below(dir, top_path(a)))
		pop(a);
	_cleanup_free_ char *way = NULL;
	while (top(a)->path_len < len && !*ret_missing) {
		if (!way)
			way = xstrndup(path, len);
		size_t from = top(a)->path_len ? top(a)->path_len + 1 : 0;
		size_t to = from;
		while (to < len && path[to] != '/')
			to++;
		char kept = way[to];
		way[to] = '\0';
		int r = step(a, way, make, ret_missing, err);
		way[to] = kept;
		if (r < 0)
			return r;
	}
	return 0;
}

int apply_parent(
	Apply *a, const char *path, const OpenDir **ret_dir, const char **ret_name, Err **err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	if (!name[0] || cstr_eq(name, ".") || cstr_eq(name, ".."))
		return err_set(err, ERR_CORRUPT, "'%s' is no valid path in a layer", path);
	bool missing;
	int r = descend(a, path, slash ? (size_t)(slash - path) : 0, true, &missing, err);
	if (r < 0)
		return r;
	*ret_dir = top(a);
	*ret_name = name;
	return 0;
}

/* ---- the end ---- */

static int finish_dir(Apply *a, const DirFinish *d, Err **err)
{
	_cleanup_free_ char *path = str_dup(path_table_get(&a->seen, d->number));
	bool missing;
	int r = descend(a, path, strlen(path), false, &missing, err);
	if (r < 0 || missing) /* a later entry removed it */
		return r;
	int fd = top(a)->fd;
	if (d->set_mode && fchmod(fd, d->mode) < 0)
		return err_sys(err, "set mode of '%s'", path);
	struct timespec times[2] = {d->mtime, d->mtime};
	if (futimens(fd, times) < 0)
		return err_sys(err, "set time of '%s'", path);
	return 0;
}

int apply_finish_dirs(Apply *a, Err **err)
{
	for (size_t i = a->dirs.len; i-- > 0;) {
		int r = finish_dir(a, &a->dirs.items[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}
