/*
 * The diff of a RUN
 *
 * An overlay upper directory holds what changed and a good deal that did not: a directory is there
 * because something below it changed, a file because somebody opened it for writing or changed its time and
 * back. What is written (spec 62–70):
 *
 *	- directories lazily: an entry is written right before the first thing below it, or when it differs
 *	  from the lower one itself;
 *	- files unless type, size, whole-second time, owner, mode, attributes and content are those of the
 *	  lower one; content is compared by digest, since the index knows no nanoseconds;
 *	- names of one inode as hard links to the first of them in order. With the overlay options used a
 *	  count above one means that a link was made in this RUN, so such names are always written;
 *	- character device 0:0 as a whiteout if the lower tree has that path; an opaque directory as such if
 *	  there is something to hide. Inside a directory that hides the lower tree nothing below exists
 *	  any more, neither to compare with nor to remove;
 *	- no sockets (tar has none), no root directory (its metadata is the overlay's, as docker has it), of
 *	  the attributes only security.capability and user.*.
 *
 * The upper directory is read only; nobody writes to it any more, but nothing is followed either: all steps are
 * openat with O_NOFOLLOW.
 */
#include "layer/diff.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/limits.h"
#include "base/map.h"
#include "layer/diff_int.h"
#include "layer/pathtable.h"

/* A directory on the way down. */
typedef struct Level {
	struct Level *parent;
	int fd;
	const char *path;
	struct stat st;
	const Tree *lower; /* NULL: nothing below exists here */
	bool opaque;       /* something of the lower tree is hidden */
	bool written;
	bool stub;       /* made by the sandbox: not written for itself */
	bool time_noise; /* a stub below was left out, the time tells nothing */
} Level;

typedef struct Differ {
	const DiffOptions *options;
	LayerWriter *out;
	Map inodes; /* (dev, ino) → path of the first name, owned */
	Map skip;   /* options->skip */
} Differ;

static int64_t diff_mtime(const Differ *d, const struct stat *st)
{
	int64_t mtime = st->st_mtim.tv_sec;
	return d->options->clamp ? MIN(mtime, d->options->epoch) : mtime;
}

static void fill_entry(const Differ *d, const struct stat *st, char *path, TarEntry *e)
{
	*e = (TarEntry){.path = path,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = diff_mtime(d, st)};
	if (S_ISREG(st->st_mode)) {
		e->type = TAR_FILE;
		e->size = (uint64_t)st->st_size;
	} else if (S_ISDIR(st->st_mode)) {
		e->type = TAR_DIR;
	} else if (S_ISLNK(st->st_mode)) {
		e->type = TAR_SYMLINK;
	} else if (S_ISFIFO(st->st_mode)) {
		e->type = TAR_FIFO;
	} else {
		e->type = S_ISCHR(st->st_mode) ? TAR_CHAR : TAR_BLOCK;
		e->dev_major = major(st->st_rdev);
		e->dev_minor = minor(st->st_rdev);
	}
}

/* ---- directories ---- */

/* Writes the entries of a directory and of its parents, unless they are written already. */
static int write_level(Differ *d, Level *l, Err **err)
{
	if (l->written || !l->parent)
		return 0;
	int r = write_level(d, l->parent, err);
	if (r < 0)
		return r;
	l->written = true;
	_cleanup_free_ char *path = xstrdup(l->path);
	TarEntry e;
	fill_entry(d, &l->st, path, &e);
	_cleanup_(diff_xattrs_done) DiffXattrs x = {0};
	r = diff_xattrs_read(l->fd, l->path, &x, err);
	if (r < 0)
		return r;
	diff_xattrs_put(&x, &e);
	r = layer_writer_add(d->out, &e, NULL, err);
	if (r == 0 && l->opaque)
		r = layer_writer_opaque(d->out, str_of(l->path), err);
	return r;
}

/* The lower entry may be of a base image, whose times are as they are, or of a layer of this build, which
 * was clamped while the file below still has the later time. */
static bool same_time(const Differ *d, const struct stat *st, int64_t lower)
{
	return lower == st->st_mtim.tv_sec || lower == diff_mtime(d, st);
}

static bool same_owner_mode(
	const Differ *d, const struct stat *st, const IndexEntry *lower, bool with_time)
{
	return lower->mode == (st->st_mode & 07777) && lower->uid == st->st_uid &&
		lower->gid == st->st_gid && (!with_time || same_time(d, st, lower->mtime));
}

/* Whether the directory says something by itself. */
static int dir_changed(const Differ *d, const Level *l, const Level *parent, bool *ret, Err **err)
{
	TreeNode lower;
	*ret = true;
	if (l->opaque || !parent->lower || !tree_lookup(parent->lower, str_of(l->path), &lower) ||
		lower.entry.type != TAR_DIR ||
		!same_owner_mode(d, &l->st, &lower.entry, !l->time_noise))
		return 0;
	_cleanup_(diff_xattrs_done) DiffXattrs x = {0};
	int r = diff_xattrs_read(l->fd, l->path, &x, err);
	if (r == 0)
		*ret = !diff_xattrs_equal(&x, tree_layer(parent->lower, lower.layer), &lower.entry);
	return r;
}

static int has_child(void *arg, const TreeNode *node, _unused_ Err **err)
{
	const Str *dir = arg;
	return path_below(node->entry.path, *dir) ? -1 : 0;
}

/* What the layers below are for the content of this directory. */
static void see_lower(Level *l, const Level *parent, bool opaque)
{
	TreeNode node;
	l->lower = parent->lower;
	if (!l->lower || !tree_lookup(l->lower, str_of(l->path), &node) ||
		node.entry.type != TAR_DIR) {
		l->lower = NULL;
		return;
	}
	if (!opaque)
		return;
	Str dir = str_of(l->path);
	l->opaque = tree_walk(l->lower, dir, has_child, &dir, NULL) < 0;
	l->lower = NULL;
}

static int walk_dir(Differ *d, Level *l, Err **err);

static int diff_dir(Differ *d, Level *parent, const char *name, const char *path,
	const struct stat *st, Err **err)
{
	_cleanup_close_ int fd =
		openat(parent->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open directory '%s'", path);
	Level l = {.parent = parent,
		.fd = fd,
		.path = path,
		.st = *st,
		.stub = map_has(&d->skip, str_of(path))};
	bool opaque;
	int r = diff_is_opaque(fd, path, d->options->userxattr, &opaque, err);
	if (r < 0)
		return r;
	see_lower(&l, parent, opaque);
	/* A directory that is new, or hides something, comes before what is in it anyway. */
	bool changed = false;
	r = walk_dir(d, &l, err);
	if (r < 0 || l.written)
		return r;
	if (l.stub) {
		parent->time_noise = true;
		return 0;
	}
	r = dir_changed(d, &l, parent, &changed, err);
	return r == 0 && changed ? write_level(d, &l, err) : r;
}

/* ---- everything else ---- */

static int hash_file(int fd, const char *path, Digest *ret, Err **err)
{
	_cleanup_(writer_freep) Writer *hash = digest_writer_new(NULL);
	_cleanup_(reader_freep) Reader *in = fd_reader_new(fd, false, path);
	int r = stream_copy(in, hash, NULL, err);
	if (r == 0)
		r = writer_finish(hash, err);
	if (r < 0)
		return r;
	digest_writer_result(hash, ret, NULL);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "seek in '%s'", path);
	return 0;
}

/* Copied up, but as it was. */
static int file_unchanged(const Differ *d, const Level *l, int fd, const TarEntry *e,
	const struct stat *st, const DiffXattrs *x, bool *ret, Err **err)
{
	TreeNode lower;
	*ret = false;
	if (!l->lower || st->st_nlink > 1 || !tree_lookup(l->lower, str_of(e->path), &lower))
		return 0;
	if (lower.entry.type == TAR_HARDLINK && !tree_hardlink_target(l->lower, &lower, &lower))
		return 0;
	if (lower.entry.type != TAR_FILE || lower.entry.size != e->size ||
		!same_owner_mode(d, st, &lower.entry, true) ||
		!diff_xattrs_equal(x, tree_layer(l->lower, lower.layer), &lower.entry))
		return 0;
	Digest digest;
	int r = hash_file(fd, e->path, &digest, err);
	if (r == 0)
		*ret = digest_eq(&digest, &lower.entry.digest);
	return r;
}

/* The path under which this inode was written; NULL (and noted) when this is its first name. */
static const char *first_name(Differ *d, const struct stat *st, const char *path)
{
	if (st->st_nlink < 2)
		return NULL;
	uint64_t key[2] = {st->st_dev, st->st_ino};
	Str bytes = {(const char *)key, sizeof(key)};
	const char *first = map_get(&d->inodes, bytes);
	if (!first)
		map_put(&d->inodes, bytes, xstrdup(path));
	return first;
}

static int diff_file(
	Differ *d, Level *l, const char *name, TarEntry *e, const struct stat *st, Err **err)
{
	const char *first = first_name(d, st, e->path);
	if (first) {
		int r = write_level(d, l, err);
		_cleanup_free_ char *link = xstrdup(first);
		TarEntry linked = *e;
		linked.type = TAR_HARDLINK;
		linked.size = 0;
		linked.link = link;
		return r < 0 ? r : layer_writer_add(d->out, &linked, NULL, err);
	}
	_cleanup_close_ int fd = openat(l->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open '%s'", e->path);
	_cleanup_(diff_xattrs_done) DiffXattrs x = {0};
	int r = diff_xattrs_read(fd, e->path, &x, err);
	if (r < 0)
		return r;
	diff_xattrs_put(&x, e);
	bool unchanged;
	r = file_unchanged(d, l, fd, e, st, &x, &unchanged, err);
	if (r < 0 || unchanged)
		return r;
	r = write_level(d, l, err);
	if (r < 0)
		return r;
	_cleanup_(reader_freep) Reader *body = fd_reader_new(fd, false, e->path);
	return layer_writer_add(d->out, e, body, err);
}

static bool node_unchanged(
	const Differ *d, const Level *l, const TarEntry *e, const struct stat *st)
{
	TreeNode lower;
	return l->lower && tree_lookup(l->lower, str_of(e->path), &lower) &&
		lower.entry.type == e->type && same_owner_mode(d, st, &lower.entry, true) &&
		str_eq(lower.entry.link, str_of(e->link)) &&
		lower.entry.dev_major == e->dev_major && lower.entry.dev_minor == e->dev_minor;
}

/* Symlinks, fifos, devices. */
static int diff_node(
	Differ *d, Level *l, const char *name, TarEntry *e, const struct stat *st, Err **err)
{
	_cleanup_free_ char *link = NULL;
	if (e->type == TAR_SYMLINK) {
		link = xcalloc(1, LIMIT_PATH + 2);
		ssize_t n = readlinkat(l->fd, name, link, LIMIT_PATH + 1);
		if (n < 0)
			return err_sys(err, "read link '%s'", e->path);
		if (n > (ssize_t)LIMIT_PATH)
			return err_set(err, ERR_LIMIT, "target of link '%s' is too long", e->path);
		e->link = link;
		e->mode = 0777;
	}
	if (node_unchanged(d, l, e, st))
		return 0;
	int r = write_level(d, l, err);
	return r < 0 ? r : layer_writer_add(d->out, e, NULL, err);
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static int diff_child(Differ *d, Level *l, const char *name, Err **err)
{
	_cleanup_free_ char *path = l->path[0] ? xasprintf("%s/%s", l->path, name) : xstrdup(name);
	if (strlen(path) > LIMIT_PATH)
		return err_set(
			err, ERR_LIMIT, "path '%.64s…' is longer than %u bytes", path, LIMIT_PATH);
	struct stat st;
	if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "look at '%s'", path);
	if (is_whiteout(&st) || S_ISSOCK(st.st_mode))
		return 0; /* whiteouts were written before */
	if (S_ISDIR(st.st_mode))
		return diff_dir(d, l, name, path, &st, err);
	if (S_ISREG(st.st_mode) && st.st_size == 0 && map_has(&d->skip, str_of(path))) {
		l->time_noise = true;
		return 0;
	}
	TarEntry e;
	fill_entry(d, &st, path, &e);
	return e.type == TAR_FILE ? diff_file(d, l, name, &e, &st, err)
				  : diff_node(d, l, name, &e, &st, err);
}

/* ---- one directory ---- */

typedef struct Name {
	char *name;  /* owned */
	bool device; /* may be a whiteout */
} Name;
typedef VEC(Name) Names;

static void names_done(Names *n)
{
	vec_foreach (n, it)
		free(it->name);
	vec_done(n);
}

static int cmp_names(const void *a, const void *b)
{
	return strcmp(((const Name *)a)->name, ((const Name *)b)->name);
}

static int read_names(const Level *l, Names *ret, Err **err)
{
	int own = openat(l->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own >= 0 ? fdopendir(own) : NULL;
	if (!dir) {
		closep(&own);
		return err_sys(err, "read directory '/%s'", l->path);
	}
	for (;;) {
		errno = 0;
		const struct dirent *e = readdir(dir);
		if (!e)
			break;
		if (cstr_eq(e->d_name, ".") || cstr_eq(e->d_name, ".."))
			continue;
		bool device = e->d_type == DT_CHR || e->d_type == DT_UNKNOWN;
		vec_push(ret, ((Name){.name = xstrdup(e->d_name), .device = device}));
	}
	int saved = errno;
	(void)closedir(dir);
	if (saved)
		return err_sys_num(err, saved, "read directory '/%s'", l->path);
	if (ret->len)
		qsort(ret->items, ret->len, sizeof(*ret->items), cmp_names);
	return 0;
}

static int write_whiteout(Differ *d, Level *l, const char *name, Err **err)
{
	struct stat st;
	TreeNode node;
	_cleanup_free_ char *path = l->path[0] ? xasprintf("%s/%s", l->path, name) : xstrdup(name);
	if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "look at '%s'", path);
	if (!is_whiteout(&st) || !l->lower || !tree_lookup(l->lower, str_of(path), &node))
		return 0;
	int r = write_level(d, l, err);
	return r < 0 ? r : layer_writer_whiteout(d->out, str_of(path), err);
}

static int walk_dir(Differ *d, Level *l, Err **err)
{
	_cleanup_(names_done) Names names = {0};
	int r = read_names(l, &names, err);
	vec_foreach (&names, n)
		if (r == 0 && n->device)
			r = write_whiteout(d, l, n->name, err);
	vec_foreach (&names, n)
		if (r == 0)
			r = diff_child(d, l, n->name, err);
	return r;
}

int diff_upper(
	int upper_fd, const Tree *lower, const DiffOptions *options, LayerWriter *out, Err **err)
{
	Differ d = {
		.options = options, .out = out, .inodes = MAP_INIT(free), .skip = MAP_INIT(NULL)};
	for (size_t i = 0; options->skip && i < options->skip->len; i++)
		map_put(&d.skip, str_of(options->skip->items[i]), &d);
	Level root = {.fd = upper_fd, .path = "", .lower = lower};
	int r = walk_dir(&d, &root, err);
	map_done(&d.inodes);
	map_done(&d.skip);
	return r;
}
