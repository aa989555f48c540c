#include "build/context.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <time.h>

#include "base/cancel.h"
#include "base/limits.h"
#include "build/hashcache.h"
#include "sys/root.h"

#define HASH_BATCH 64 /* files a job hashes */

struct Context {
	int fd;
	char *dir;
	bool unpacked; /* from standard input: dir tells the user nothing */
	GlobSet *ignore;
	Pool *pool;
	HashCache *cache;
	dev_t store_dev; /* the store's root directory, never entered */
	ino_t store_ino;
	struct timespec opened; /* before any file was looked at */
};

int context_open(
	const char *dir, const StrVec *patterns, Store *s, Pool *pool, Context **ret, Err **err)
{
	_cleanup_(context_freep) Context *c = xnew(Context);
	struct stat st;
	Digest key;
	c->dir = xstrdup(dir);
	c->pool = pool;
	clock_gettime(CLOCK_REALTIME, &c->opened);
	c->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->fd < 0) {
		int r = err_sys(err, "build context '%s'", dir);
		err_hint(err, "the context is a directory, or - for a tar on standard input");
		return r;
	}
	static const StrVec none;
	int r = globset_new(patterns ? patterns : &none, &c->ignore, err);
	if (r < 0)
		return r;
	if (fstat(store_fd(s), &st) == 0) {
		c->store_dev = st.st_dev;
		c->store_ino = st.st_ino;
	}
	if (fstat(c->fd, &st) < 0)
		return err_sys(err, "build context '%s'", dir);
	_cleanup_free_ char *where = realpath(dir, NULL);
	_cleanup_free_ char *name = xasprintf("%s %llu %llu", where ? where : dir,
		(unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	digest_of(name, strlen(name), &key);
	_cleanup_free_ char *path = xasprintf("cache/context/%s", digest_hex(&key).s);
	r = mkdir_p(store_fd(s), "cache/context", 0700, err);
	if (r < 0)
		return r;
	c->cache = hashcache_load(store_fd(s), path);
	*ret = TAKE_PTR(c);
	return 0;
}

int context_fd(const Context *c)
{
	return c->fd;
}

const char *context_dir(const Context *c)
{
	return c->dir;
}

void context_set_unpacked(Context *c)
{
	c->unpacked = true;
}

Context *context_free(Context *c)
{
	if (!c)
		return NULL;
	if (c->cache)
		(void)!hashcache_save(c->cache, NULL);
	hashcache_free(c->cache);
	globset_free(c->ignore);
	if (c->fd >= 0)
		close(c->fd);
	free(c->dir);
	free(c);
	return NULL;
}

void context_entries_done(ContextEntries *all)
{
	vec_done(all);
	arena_done(&all->text);
}

/* ---- walking: a job a directory, joined into one sorted list at the end ---- */

typedef struct Node Node;
typedef struct Child {
	ContextEntry entry;
	Node *below;  /* of a directory, else NULL */
	bool ignored; /* a directory that is only there for what may be re-included below it */
} Child;
struct Node {
	struct Walk *walk;
	const char *path; /* in the parent's text */
	VEC(Child) children;
	Arena text;
};

typedef struct Walk {
	Context *context;
	pthread_mutex_t lock;
	VEC(Job *) jobs;
	size_t found; /* entries, also of ignored directories */
	Err *err;
} Walk;

static int child_cmp(const void *a, const void *b)
{
	return strcmp(((const Child *)a)->entry.path, ((const Child *)b)->entry.path);
}

static int read_child(Node *n, int dirfd, const char *name, Err **err)
{
	Context *c = n->walk->context;
	Child child = {0};
	if (fstatat(dirfd, name, &child.entry.st, AT_SYMLINK_NOFOLLOW) <
		0) /* or gone since readdir */
		return errno == ENOENT ? 0 : err_sys(err, "context file '%s/%s'", n->path, name);
	child.entry.path = arena_path(&n->text, str_of(n->path), str_of(name));
	const struct stat *st = &child.entry.st;
	Str path = str_of(child.entry.path);
	child.ignored = globset_match(c->ignore, path);
	if (child.ignored && !(S_ISDIR(st->st_mode) && globset_may_include_below(c->ignore, path)))
		return 0;
	if (S_ISSOCK(st->st_mode) ||
		(S_ISDIR(st->st_mode) && st->st_dev == c->store_dev && st->st_ino == c->store_ino))
		return 0;
	if (S_ISLNK(st->st_mode)) {
		char target[LIMIT_PATH];
		ssize_t len = readlinkat(dirfd, name, target, sizeof(target));
		if (len < 0 || (size_t)len == sizeof(target))
			return err_sys_num(err, len < 0 ? errno : ENAMETOOLONG, "context link '%s'",
				child.entry.path);
		child.entry.link = arena_str(&n->text, (Str){target, (size_t)len});
	}
	vec_push(&n->children, child);
	return 0;
}

/* Children are sorted, and so is the cache: each search goes on from the one before. */
static void find_digests(Node *n)
{
	const HashCache *cache = n->walk->context->cache;
	size_t at = 0;
	vec_foreach (&n->children, child) {
		ContextEntry *e = &child->entry;
		if (S_ISREG(e->st.st_mode))
			e->has_digest = hashcache_find_next(
				cache, &at, str_of(e->path), &e->st, &e->digest, &e->has_xattrs);
	}
}

static bool fd_has_xattrs(int fd)
{
	return flistxattr(fd, NULL, 0) > 0;
}

static int walk_dir(void *arg, Err **err);

static void walk_below(Node *n)
{
	Walk *w = n->walk;
	pthread_mutex_lock(&w->lock);
	w->found += n->children.len;
	pthread_mutex_unlock(&w->lock);
	vec_foreach (&n->children, child) {
		if (!S_ISDIR(child->entry.st.st_mode))
			continue;
		child->below = xnew(Node);
		child->below->walk = w;
		child->below->path = child->entry.path;
		pthread_mutex_lock(&w->lock);
		bool failed = w->err != NULL;
		if (w->context->pool && !failed)
			vec_push(&w->jobs, pool_submit(w->context->pool, walk_dir, child->below));
		pthread_mutex_unlock(&w->lock);
		if (!w->context->pool && !failed)
			(void)walk_dir(child->below, NULL);
	}
}

static int walk_dir_entries(Node *n, Err **err)
{
	_cleanup_close_ int fd = openat(n->walk->context->fd, *n->path ? n->path : ".",
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "context directory '%s'", n->path);
	DIR *d = fdopendir(fd);
	if (!d)
		return err_sys(err, "context directory '%s'", n->path);
	int dir_fd = TAKE_FD(fd);
	int r = cancel_check(err);
	for (struct dirent *e = readdir(d); r == 0 && e; e = readdir(d))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = read_child(n, dir_fd, e->d_name, err);
	closedir(d);
	if (n->children.len)
		qsort(n->children.items, n->children.len, sizeof(Child), child_cmp);
	find_digests(n);
	return r;
}

static int walk_dir(void *arg, Err **err _unused_)
{
	Node *n = arg;
	Walk *w = n->walk;
	_cleanup_err_ Err *e = NULL;
	if (walk_dir_entries(n, &e) == 0) {
		walk_below(n);
		return 0;
	}
	pthread_mutex_lock(&w->lock);
	if (!w->err)
		w->err = TAKE_PTR(e);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

/* What the text holds lives on in the list. */
static void node_free(Node *n, Arena *text)
{
	vec_foreach (&n->children, c)
		if (c->below)
			node_free(c->below, text);
	vec_done(&n->children);
	arena_merge(text, &n->text);
	free(n);
}

/* Depth first, which is index order. An ignored directory appears only if something below it does (41). */
static void flatten(Node *n, ContextEntries *out)
{
	vec_foreach (&n->children, c) {
		size_t at = out->len;
		vec_push(out, c->entry);
		if (c->below)
			flatten(c->below, out);
		if (c->ignored && out->len == at + 1)
			(void)vec_pop(out);
	}
}

static int walk_subtree(Context *c, const char *path, ContextEntries *out, Err **err)
{
	Walk w = {.context = c};
	Node *root = xnew(Node);
	root->walk = &w;
	root->path = path;
	pthread_mutex_init(&w.lock, NULL);
	(void)walk_dir(root, NULL);
	for (;;) {
		pthread_mutex_lock(&w.lock);
		Job *job = w.jobs.len ? vec_pop(&w.jobs) : NULL;
		pthread_mutex_unlock(&w.lock);
		if (!job)
			break; /* a job adds its children before it ends, so nothing is left */
		(void)job_wait(job, NULL);
	}
	vec_done(&w.jobs);
	pthread_mutex_destroy(&w.lock);
	if (!w.err) {
		vec_reserve(out, out->len + w.found);
		flatten(root, out);
	}
	node_free(root, &out->text);
	return err_move(err, &w.err);
}

static int hidden(const Context *c, const char *path, Err **err)
{
	int r = c->unpacked
		? err_set(err, ERR_NOT_FOUND, "'%s' is not in the context on standard input", path)
		: err_set(err, ERR_NOT_FOUND, "'%s' is not in the build context '%s'", path,
			  c->dir);
	if (faccessat(c->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		err_hint(err, "the ignore file excludes it");
	return r;
}

int context_walk(Context *c, const char *path, ContextEntries *ret, Err **err)
{
	ContextEntries all = {0};
	ContextEntry top = {0};
	if (fstatat(c->fd, *path ? path : ".", &top.st, AT_SYMLINK_NOFOLLOW) < 0)
		return hidden(c, path, err);
	top.path = arena_str(&all.text, str_of(path));
	bool is_dir = S_ISDIR(top.st.st_mode);
	bool ignored = *path && globset_match(c->ignore, str_of(path));
	if (S_ISREG(top.st.st_mode))
		top.has_digest = hashcache_find(
			c->cache, str_of(path), &top.st, &top.digest, &top.has_xattrs);
	vec_push(&all, top);
	int r = 0;
	if (is_dir && (!ignored || globset_may_include_below(c->ignore, str_of(path))))
		r = walk_subtree(c, path, &all, err);
	if (r == 0 && ignored && all.len == 1)
		r = hidden(c, path, err);
	if (r < 0) {
		context_entries_done(&all);
		return r;
	}
	*ret = all;
	return 0;
}

/* ---- names ---- */

int context_resolve(Context *c, const char *path, char **ret, Err **err)
{
	/* the kernel resolves inside the root; the answer's place below it comes from /proc */
	_cleanup_close_ int fd = -1;
	_cleanup_err_ Err *e = NULL;
	char target[LIMIT_PATH], root[LIMIT_PATH], link[64];
	if (!*path || strcmp(path, ".") == 0) {
		*ret = xstrdup("");
		return 0;
	}
	if (root_open_path(c->fd, path, false, &fd, &e) < 0)
		return hidden(c, path, err);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, target, sizeof(target) - 1);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", c->fd);
	ssize_t root_len = readlink(link, root, sizeof(root) - 1);
	if (len < 0 || root_len < 0)
		return err_sys(err, "context path '%s'", path);
	Str real = {target, (size_t)len};
	if (root_len == 1)
		root_len = 0; /* the context is "/" */
	if ((size_t)len < (size_t)root_len || memcmp(target, root, (size_t)root_len) != 0)
		return hidden(c, path, err);
	real = str_slice(real, (size_t)root_len, real.len);
	while (real.len && real.ptr[0] == '/')
		real = str_slice(real, 1, real.len);
	*ret = str_dup(real);
	return 0;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Matches component by component, so that only directories that can lead to a match are read. */
static int glob_below(Context *c, const char *dir, Str pattern, StrVec *ret, Err **err)
{
	Str rest = pattern, component = {0};
	str_cut(&rest, '/', &component);
	bool last = rest.ptr == NULL;
	_cleanup_strvec_ StrVec names = {0};
	int r = 0;
	_cleanup_close_ int fd = -1;
	if (root_open(c->fd, *dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, &fd, NULL) <
		0)
		return 0;
	DIR *d = fdopendir(fd);
	if (!d)
		return err_sys(err, "context directory '%s'", dir);
	fd = -1;
	for (struct dirent *e = readdir(d); r == 0 && e; e = readdir(d)) {
		bool match = false;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		r = glob_match(component, str_of(e->d_name), &match, err);
		if (match)
			strvec_push(&names, e->d_name);
	}
	closedir(d);
	if (names.len)
		qsort(names.items, names.len, sizeof(char *), name_cmp);
	for (size_t i = 0; r == 0 && i < names.len; i++) {
		_cleanup_free_ char *path =
			*dir ? xasprintf("%s/%s", dir, names.items[i]) : xstrdup(names.items[i]);
		bool ignored = globset_match(c->ignore, str_of(path));
		if (ignored && !globset_may_include_below(c->ignore, str_of(path)))
			continue;
		if (last)
			strvec_push(ret, path);
		else
			r = glob_below(c, path, rest, ret, err);
	}
	return r;
}

int context_glob(Context *c, Str pattern, StrVec *ret, Err **err)
{
	return glob_below(c, "", pattern, ret, err);
}

/* ---- contents ---- */

static bool same_stat(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
		a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int changed(const Context *c, const ContextEntry *e, Err **err)
{
	int r = err_set(err, ERR_SYS, "'%s/%s' changed while it was read", c->dir, e->path);
	err_hint(err, "build again when nothing writes to the context");
	return r;
}

int context_open_file(const Context *c, const ContextEntry *e, int *ret_fd, Err **err)
{
	_cleanup_close_ int fd =
		openat(c->fd, e->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(err, "context file '%s/%s'", c->dir, e->path);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "context file '%s/%s'", c->dir, e->path);
	/* a directory is the same one while others come and go in it */
	if (S_ISREG(e->st.st_mode) ? !same_stat(&st, &e->st)
				   : st.st_dev != e->st.st_dev || st.st_ino != e->st.st_ino)
		return changed(c, e, err);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int context_learn(Context *c, ContextEntry *e, int fd, const Digest *digest, Err **err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "context file '%s/%s'", c->dir, e->path);
	if (!same_stat(&st, &e->st))
		return changed(c, e, err);
	if (e->has_digest)
		return 0;
	e->digest = *digest;
	e->has_digest = true;
	e->has_xattrs = fd_has_xattrs(fd);
	/* a file that was written a moment before, or since, may be written again without a new time */
	hashcache_add(c->cache, str_of(e->path), &e->st, &c->opened, &e->digest, e->has_xattrs);
	return 0;
}

static int hash_file(
	Context *c, ContextEntry *e, char *chunk, size_t chunk_size, Sha256 *h, Err **err)
{
	_cleanup_close_ int fd = -1;
	Digest digest;
	uint64_t size = 0;
	int r = context_open_file(c, e, &fd, err);
	if (r < 0)
		return r;
	sha256_reset(h);
	for (;;) {
		ssize_t n = read(fd, chunk, chunk_size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read '%s/%s'", c->dir, e->path);
		sha256_update(h, chunk, (size_t)n);
		size += (uint64_t)n;
		if (n == 0 || size >= (uint64_t)e->st.st_size)
			break;
	}
	sha256_final(h, &digest);
	if (size != (uint64_t)e->st.st_size)
		return changed(c, e, err);
	return context_learn(c, e, fd, &digest, err);
}

typedef struct HashJob {
	Context *context;
	ContextEntry *const *entries;
	size_t n;
} HashJob;

static int hash_batch(void *arg, Err **err)
{
	HashJob *j = arg;
	size_t chunk_size = 256 * 1024;
	_cleanup_free_ char *chunk = xmalloc(chunk_size);
	_cleanup_(sha256_freep) Sha256 *h = sha256_new();
	for (size_t i = 0; i < j->n; i++) {
		int r = cancel_check(err);
		if (r == 0)
			r = hash_file(j->context, j->entries[i], chunk, chunk_size, h, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int context_hash(Context *c, ContextEntry *const *entries, size_t n, Err **err)
{
	VEC(ContextEntry *) todo = {0};
	for (size_t i = 0; i < n; i++)
		if (S_ISREG(entries[i]->st.st_mode) && !entries[i]->has_digest)
			vec_push(&todo, entries[i]);
	size_t batches = (todo.len + HASH_BATCH - 1) / HASH_BATCH;
	_cleanup_free_ HashJob *args = xnew_n(HashJob, batches);
	_cleanup_free_ Job **jobs = xnew_n(Job *, batches);
	_cleanup_err_ Err *first = NULL;
	for (size_t b = 0; b < batches; b++) {
		size_t from = b * HASH_BATCH;
		args[b] = (HashJob){c, todo.items + from, MIN((size_t)HASH_BATCH, todo.len - from)};
		if (c->pool && batches > 1)
			jobs[b] = pool_submit(c->pool, hash_batch, &args[b]);
		else if (!first)
			(void)hash_batch(&args[b], &first);
	}
	for (size_t b = 0; b < batches; b++) {
		_cleanup_err_ Err *e = NULL;
		if (jobs[b] && job_wait(jobs[b], &e) < 0 && !first)
			first = TAKE_PTR(e);
	}
	vec_done(&todo);
	return err_move(err, &first);
}
