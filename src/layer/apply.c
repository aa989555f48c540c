/*
 * Unpacking a layer
 *
 * An attacker writes the tar: names, types, order, link targets, sizes. What keeps it inside the directory:
 *
 *	- every entry is made relative to the file descriptor of its parent, which was reached without
 *	  passing through any link (apply_dirs.c);
 *	- files are made with O_CREAT|O_EXCL|O_NOFOLLOW, so that nothing that exists is ever written
 *	  through; what stands in the way is removed first, by name in that directory;
 *	- a hard link's target is looked up the same way, must exist and must be no directory;
 *	- attributes that overlayfs would read as its own are not set (apply_meta.c), nor is a device 0:0 made for
 *	  an entry in overlay form: only whiteouts are whiteouts.
 */
#include "layer/apply_int.h"

#include <sys/sysmacros.h>

#include "base/limits.h"
#include "layer/whiteout.h"

#define FILE_FLAGS (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)

void apply_entry_of_node(const Apply *a, const TreeNode *node, const char *path, TarEntry *ret)
{
	const IndexEntry *n = &node->entry;
	*ret = (TarEntry){.path = xstrdup(path),
		.link = str_dup(n->link),
		.type = n->type,
		.mode = n->mode,
		.uid = n->uid,
		.gid = n->gid,
		.size = n->size,
		.mtime = n->mtime,
		.dev_major = n->dev_major,
		.dev_minor = n->dev_minor};
	ret->xattrs = xnew_n(TarXattr, n->n_xattrs ? n->n_xattrs : 1);
	for (uint32_t i = 0; i < n->n_xattrs; i++) {
		Str name, value;
		index_xattr(tree_layer(a->options->lower, node->layer), n, i, &name, &value);
		ret->xattrs[ret->n_xattrs++] = (TarXattr){.name = str_dup(name),
			.value = xmemdup(value.ptr, value.len),
			.value_len = value.len};
	}
}

void apply_entry_done(TarEntry *e)
{
	for (size_t i = 0; i < e->n_xattrs; i++) {
		free(e->xattrs[i].name);
		free(e->xattrs[i].value);
	}
	free(e->xattrs);
	free(e->path);
	free(e->link);
	*e = (TarEntry){0};
}

/* ---- files ---- */

static int write_all(int fd, const char *data, size_t len, const char *path, Err **err)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "write '%s'", path);
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* body: NULL = that of the tar's current entry. */
static int write_body(Apply *a, int fd, Reader *body, const char *path, Err **err)
{
	for (;;) {
		const void *data;
		ssize_t n = body ? reader_view(body, a->chunk, APPLY_CHUNK, &data, err)
				 : tar_reader_body_view(a->tar, &data, err);
		if (n <= 0)
			return (int)n;
		int r = write_all(fd, data, (size_t)n, path, err);
		if (r < 0)
			return r;
	}
}

static int make_file(
	Apply *a, const OpenDir *dir, const char *name, const TarEntry *e, Reader *body, Err **err)
{
	_cleanup_close_ int fd = openat(dir->fd, name, FILE_FLAGS, 0600);
	if (fd < 0 && errno == EEXIST) {
		bool ignored;
		int r = apply_clear(a, dir->fd, name, str_of(e->path), &ignored, err);
		if (r < 0)
			return r;
		fd = openat(dir->fd, name, FILE_FLAGS, 0600);
	}
	if (fd < 0)
		return err_sys(err, "create '%s'", e->path);
	int r = e->size ? write_body(a, fd, body, e->path, err) : 0;
	return r < 0 ? r : apply_meta_file(a, fd, dir->fresh, e, err);
}

/* ---- links ---- */

static int make_symlink(
	Apply *a, const OpenDir *dir, const char *name, const TarEntry *e, Err **err)
{
	if (symlinkat(e->link, dir->fd, name) < 0) {
		bool ignored;
		if (errno != EEXIST)
			return err_sys(err, "make link '%s'", e->path);
		int r = apply_clear(a, dir->fd, name, str_of(e->path), &ignored, err);
		if (r < 0)
			return r;
		if (symlinkat(e->link, dir->fd, name) < 0)
			return err_sys(err, "make link '%s'", e->path);
	}
	return apply_meta_node(a, dir->fd, name, e, err);
}

static int no_target(const TarEntry *e, Err **err)
{
	return err_set(err, ERR_CORRUPT, "hard link '%s' points to '%s', which does not exist",
		e->path, e->link);
}

/* Opens the directory of the target without making anything; -1 when it is not there. */
static int open_target_dir(const Apply *a, const char *target, const char **ret_name)
{
	_cleanup_close_ int fd = fcntl(a->root_fd, F_DUPFD_CLOEXEC, 3);
	const char *slash;
	for (; fd >= 0 && (slash = strchr(target, '/')); target = slash + 1) {
		_cleanup_free_ char *word = xstrndup(target, (size_t)(slash - target));
		if (!word[0] || cstr_eq(word, ".") || cstr_eq(word, ".."))
			return -1;
		int next = openat(fd, word, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		(void)close(fd);
		fd = next;
	}
	*ret_name = target;
	return !target[0] || cstr_eq(target, ".") || cstr_eq(target, "..") ? -1 : TAKE_FD(fd);
}

static int make_node(
	Apply *a, const OpenDir *dir, const char *name, const TarEntry *e, Reader *body, Err **err);

/* Copies the file that a link into the layers below means: directories of different layers cannot share an
 * inode. */
static int copy_from_lower(
	Apply *a, const OpenDir *dir, const char *name, const TarEntry *e, Err **err)
{
	TreeNode node;
	const ApplyOptions *o = a->options;
	if (!o->lower || !o->lower_open || !tree_lookup(o->lower, str_of(e->link), &node) ||
		(node.entry.type == TAR_HARDLINK &&
			!tree_hardlink_target(o->lower, &node, &node)) ||
		node.entry.type == TAR_DIR)
		return no_target(e, err);
	_cleanup_(reader_freep) Reader *body = NULL;
	if (node.entry.type == TAR_FILE && node.entry.size) {
		int r = o->lower_open(o->lower_arg, &node, &body, err);
		if (r < 0)
			return r;
	}
	_cleanup_(apply_entry_done) TarEntry copy = {0};
	apply_entry_of_node(a, &node, e->path, &copy);
	return make_node(a, dir, name, &copy, body, err);
}

/* The file system refuses hard links (or one more): a copy has the same content. */
static int copy_target(Apply *a, const OpenDir *dir, const char *name, const TarEntry *e,
	int target_dir, const char *target, const struct stat *st, Err **err)
{
	if (!S_ISREG(st->st_mode))
		return err_sys(err, "link '%s' to '%s'", e->path, e->link);
	apply_warn(a, APPLY_WARN_LINK,
		"hard links are not possible here and became copies (first: '%s')", e->path);
	int fd = openat(target_dir, target, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open '%s'", e->link);
	_cleanup_(reader_freep) Reader *body = fd_reader_new(fd, true, e->link);
	TarEntry copy = {.path = e->path,
		.type = TAR_FILE,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = (uint64_t)st->st_size,
		.mtime = st->st_mtim.tv_sec,
		.mtime_nsec = (uint32_t)st->st_mtim.tv_nsec};
	return make_file(a, dir, name, &copy, body, err);
}

static int make_hardlink(
	Apply *a, const OpenDir *dir, const char *name, const TarEntry *e, Err **err)
{
	if (cstr_eq(e->link, e->path) || path_below(str_of(e->link), str_of(e->path)))
		return no_target(e, err);
	const char *target = NULL;
	_cleanup_close_ int target_dir = open_target_dir(a, e->link, &target);
	struct stat st;
	if (target_dir < 0 || fstatat(target_dir, target, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return apply_overlay(a) ? copy_from_lower(a, dir, name, e, err) : no_target(e, err);
	if (S_ISDIR(st.st_mode) || apply_is_whiteout(a, &st))
		return no_target(e, err);
	int r = linkat(target_dir, target, dir->fd, name, 0);
	if (r < 0 && errno == EEXIST) {
		bool ignored;
		int cleared = apply_clear(a, dir->fd, name, str_of(e->path), &ignored, err);
		if (cleared < 0)
			return cleared;
		r = linkat(target_dir, target, dir->fd, name, 0);
	}
	if (r == 0)
		return 0;
	if (errno == EPERM || errno == EMLINK || errno == ENOTSUP || errno == EXDEV)
		return copy_target(a, dir, name, e, target_dir, target, &st, err);
	return err_sys(err, "link '%s' to '%s'", e->path, e->link);
}

/* ---- devices and fifos ---- */

static mode_t node_type(TarType type)
{
	return type == TAR_CHAR ? S_IFCHR : type == TAR_BLOCK ? S_IFBLK : S_IFIFO;
}

static int make_device(Apply *a, const OpenDir *dir, const char *name, const TarEntry *e, Err **err)
{
	bool ignored;
	int r = apply_clear(a, dir->fd, name, str_of(e->path), &ignored, err);
	if (r < 0)
		return r;
	bool device = e->type != TAR_FIFO;
	if (device && (a->options->flags & APPLY_NO_DEVICES))
		return 0;
	if (apply_overlay(a) && e->type == TAR_CHAR && !e->dev_major && !e->dev_minor) {
		apply_warn(a, APPLY_WARN_DEVICE,
			"device '%s' (0:0) was left out: it means a removed file to overlayfs",
			e->path);
		return 0;
	}
	dev_t number = device ? makedev(e->dev_major, e->dev_minor) : 0;
	if (mknodat(dir->fd, name, node_type(e->type) | 0600, number) < 0) {
		if (!device || (errno != EPERM && errno != EINVAL))
			return err_sys(err, "make '%s'", e->path);
		apply_warn(a, APPLY_WARN_DEVICE,
			"device nodes cannot be made here and were left out (first: '%s')",
			e->path);
		return 0;
	}
	return apply_meta_node(a, dir->fd, name, e, err);
}

static int make_node(
	Apply *a, const OpenDir *dir, const char *name, const TarEntry *e, Reader *body, Err **err)
{
	switch (e->type) {
	case TAR_FILE:
		return make_file(a, dir, name, e, body, err);
	case TAR_SYMLINK:
		return make_symlink(a, dir, name, e, err);
	case TAR_HARDLINK:
		return make_hardlink(a, dir, name, e, err);
	case TAR_CHAR:
	case TAR_BLOCK:
	case TAR_FIFO:
		return make_device(a, dir, name, e, err);
	case TAR_DIR:
	case _TAR_TYPE_MAX:
		break;
	}
	return err_set(err, ERR_CORRUPT, "'%s' has an unknown type", e->path);
}

/* ---- directories ---- */

static struct timespec entry_time(const TarEntry *e)
{
	return (struct timespec){.tv_sec = e->mtime, .tv_nsec = e->mtime_nsec};
}

static int take_over_dir(Apply *a, int fd, const TarEntry *e, Err **err)
{
	int r = apply_meta_dir(a, fd, true, e, err);
	if (r == 0)
		apply_finish_later(a, str_of(e->path), true, e->mode & 07777, entry_time(e));
	return r;
}

static int put_dir(Apply *a, const TarEntry *e, Err **err)
{
	if (!e->path[0])
		return take_over_dir(a, a->root_fd, e, err);
	const OpenDir *dir;
	const char *name;
	int r = apply_parent(a, e->path, &dir, &name, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = -1;
	struct stat st;
	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
		fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return err_sys(err, "open directory '%s'", e->path);
		/* Writable until the end, like a new one. */
		if (a->euid != 0 && fchmod(fd, 0700) < 0)
			return err_sys(err, "set mode of '%s'", e->path);
		return take_over_dir(a, fd, e, err);
	}
	bool existed;
	r = apply_clear(a, dir->fd, name, str_of(e->path), &existed, err);
	if (r == 0)
		r = apply_make_dir(a, e->path, e, err);
	/* A whiteout, or an earlier entry of this tar: what it hid stays hidden. */
	if (r == 0 && existed && apply_overlay(a))
		r = apply_set_opaque(a, a->open[a->n_open - 1].fd, e->path, err);
	return r;
}

/* ---- the loop ---- */

static int put_entry(Apply *a, const TarEntry *e, Err **err)
{
	WhiteoutKind kind = WHITEOUT_NOT;
	int r = a->options->flags & APPLY_NO_WHITEOUTS
		? 0
		: whiteout_parse(str_of(e->path), &kind, &a->target, err);
	if (r < 0 || kind == WHITEOUT_IGNORED)
		return r;
	if (kind == WHITEOUT_PATH)
		return apply_whiteout(a, err);
	if (kind == WHITEOUT_DIR)
		return apply_opaque(a, err);
	if (e->uid >= UINT32_MAX || e->gid >= UINT32_MAX)
		return err_set(err, ERR_CORRUPT, "owner of '%s' is out of range", e->path);
	if (e->type == TAR_DIR)
		return put_dir(a, e, err);
	if (!e->path[0])
		return err_set(err, ERR_CORRUPT, "the root of a layer is no directory");
	const OpenDir *dir;
	const char *name;
	r = apply_parent(a, e->path, &dir, &name, err);
	if (r == 0)
		r = make_node(a, dir, name, e, NULL, err);
	if (r == 0 && !apply_overlay(a))
		(void)apply_mark(a, str_of(e->path));
	return r;
}

static int put_entries(Apply *a, Err **err)
{
	int r = apply_start_root(a, err);
	for (uint64_t entries = 0; r == 0; entries++) {
		TarEntry *e;
		int more = tar_reader_next(a->tar, &e, err);
		if (more < 0)
			return more;
		if (more == 0)
			break;
		if (entries == LIMIT_LAYER_ENTRIES)
			return err_set(err, ERR_LIMIT, "a layer has more than %u entries",
				LIMIT_LAYER_ENTRIES);
		r = put_entry(a, e, err);
		if (r == 0 && a->seen.strings_len > APPLY_SEEN_MAX)
			return err_set(err, ERR_LIMIT,
				"names of a layer's directories take more than %u bytes",
				APPLY_SEEN_MAX);
	}
	if (r == 0)
		r = tar_reader_drain(a->tar, err);
	return r < 0 ? r : apply_finish_dirs(a, err);
}

int apply_layer(Reader *source, int root_fd, const ApplyOptions *options, Err **err)
{
	Apply a = {.options = options,
		.root_fd = root_fd,
		.tar = tar_reader_new(source),
		.at = BUF_INIT((size_t)LIMIT_PATH * 4),
		.target = BUF_INIT((size_t)LIMIT_PATH),
		.chunk = xmalloc(APPLY_CHUNK),
		.euid = geteuid(),
		.egid = getegid()};
	int r = put_entries(&a, err);
	apply_close_dirs(&a);
	tar_reader_free(a.tar);
	path_table_done(&a.seen);
	path_table_done(&a.opaque);
	vec_done(&a.finish_of);
	vec_done(&a.dirs);
	buf_done(&a.at);
	buf_done(&a.target);
	free(a.chunk);
	return r;
}
