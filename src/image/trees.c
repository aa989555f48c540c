/*
 * Unpacked layers in the form overlayfs stacks. A tree is unpacked below tmp/ and renamed to trees/<chainID> when it is
 * whole, so one that is there can be used at once.
 *
 * Unless the power failed: a file system notes the rename before it has written the files, which are empty then or cut off.
 * So a tree that was there before the machine started is compared with its index once: the sizes of its files. That it was
 * is told by its change time.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/readahead.h"
#include "image/tree_unpack.h"
#include "sys/lock.h"
#include "sys/userns.h"

typedef struct TreeJob {
	const LayerStack *stack;
	Store *store;
	size_t layer;
	Digest chain;
	char *path; /* "trees/<hex>" */
	bool ready; /* there, and of this start of the machine */
	Job *job;
} TreeJob;

static int open_lower(void *arg, const TreeNode *node, Reader **ret, Err **err)
{
	const TreeJob *j = arg;
	return layer_stack_open(j->stack, j->store, node, ret, err);
}

/* The layer that stands at j->layer, or will, on top of those below it. */
static int apply(const TreeJob *j, Reader *plain, int dirfd, Err **err)
{
	_cleanup_(tree_freep) Tree *lower = tree_new();
	_cleanup_strvec_ StrVec warnings = {0};
	for (size_t i = 0; i < j->layer; i++)
		tree_push(lower, j->stack->indexes.items[i]);
	unsigned flags = APPLY_OVERLAY;
	if (userns_inside())
		flags |= APPLY_USERXATTR | APPLY_NO_DEVICES;
	if (userns_kind() == USERNS_SINGLE_ID)
		flags |= APPLY_KEEP_OWNER;
	ApplyOptions o = {
		.flags = flags,
		.lower = lower,
		.lower_open = open_lower,
		.lower_arg = (void *)(uintptr_t)j,
		.warnings = &warnings,
	};
	return apply_layer(plain, dirfd, &o, err);
}

static int unpack(const TreeJob *j, int dirfd, Err **err)
{
	const Descriptor *layer = &j->stack->layers.items[j->layer];
	_cleanup_(reader_freep) Reader *plain = NULL;
	int fd = -1;
	int r = store_blob_open(j->store, &layer->digest, &fd, err);
	if (r < 0)
		return r;
	r = decompress_reader_auto(
		fd_reader_new(fd, true, digest_str(&layer->digest).s), NULL, NULL, &plain, err);
	if (r < 0)
		return r;
	plain = read_ahead_new(plain);
	return apply(j, plain, dirfd, err);
}

/* The name is taken as soon as somebody has it: a second one is thrown away. */
static int publish(Store *s, int from_fd, const char *from, const char *to, Err **err)
{
	if (renameat(from_fd, from, store_fd(s), to) == 0)
		return 0;
	if (errno == EEXIST || errno == ENOTEMPTY)
		return remove_tree(from_fd, from, err);
	return err_sys(err, "rename to '%s'", to);
}

static int make_directory(Store *s, StoreTemp **ret_temp, int *ret_dir, Err **err)
{
	int r = store_temp_new(s, ret_temp, err);
	if (r == 0)
		r = mkdir_p(store_temp_fd(*ret_temp), "tree", 0755, err);
	if (r < 0)
		return r;
	*ret_dir = openat(
		store_temp_fd(*ret_temp), "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *ret_dir < 0 ? err_sys(err, "open a temporary directory") : 0;
}

static bool is_there(const TreeJob *j)
{
	return faccessat(store_fd(j->store), j->path, F_OK, 0) == 0;
}

static bool is_ready(const TreeJob *j)
{
	struct timespec now, up;
	struct stat st;
	if (fstatat(store_fd(j->store), j->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return st.st_ctim.tv_sec > now.tv_sec - up.tv_sec;
}

/* It is ready then. */
static bool is_whole(const TreeJob *j)
{
	const Index *index = j->stack->indexes.items[j->layer];
	struct stat st;
	_cleanup_close_ int dir = openat(
		store_fd(j->store), j->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return false;
	for (size_t i = 0; i < index_count(index); i++) {
		IndexEntry e;
		index_get(index, i, &e);
		_cleanup_free_ char *path = e.type == TAR_FILE ? str_dup(e.path) : NULL;
		if (path && fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(st.st_mode) && (uint64_t)st.st_size != e.size)
			return false;
	}
	if (fstat(dir, &st) == 0)
		(void)!fchmod(dir, st.st_mode & 07777); /* changed now */
	return true;
}

static int run_tree_job(void *arg, Err **err)
{
	TreeJob *j = arg;
	Store *s = j->store;
	_cleanup_(store_temp_freep) StoreTemp *temp = NULL;
	_cleanup_close_ int lock = -1, dir = -1;
	_cleanup_free_ char *name = xasprintf("locks/tree-%s", digest_hex(&j->chain).s);
	ERR_SCOPE(
		err, "Unpacking layer %s", digest_str(&j->stack->layers.items[j->layer].digest).s);
	int r = lock_take(store_fd(s), name, LOCK_EXCLUSIVE, &lock, err);
	if (r < 0 || is_ready(j) || is_whole(j))
		return r;
	r = make_directory(s, &temp, &dir, err);
	if (r == 0 && renameat(store_fd(s), j->path, store_temp_fd(temp), "damaged") == 0)
		r = remote_layers_bring(
			j->stack->remote, &j->stack->layers.items[j->layer], NULL, 1, err);
	if (r == 0)
		r = unpack(j, dir, err);
	return r < 0 ? r : publish(s, store_temp_fd(temp), "tree", j->path, err);
}

/* ---- while the layer arrives ---- */

struct TreeUnpack {
	TreeJob job;
	StoreTemp *temp;
	int lock, dir;
	Reader *plain; /* the thread's */
};

static int run_unpack(void *arg, Err **err)
{
	TreeUnpack *t = arg;
	int r = apply(&t->job, t->plain, t->dir, err);
	t->plain = reader_free(t->plain); /* who still writes is told at once */
	return r;
}

int tree_unpack_begin(
	const LayerStack *below, Store *s, const Digest *diff_id, TreeUnpack **ret, Err **err)
{
	TreeUnpack *t = xnew(TreeUnpack);
	*t = (TreeUnpack){.job = {.stack = below, .store = s, .layer = below->indexes.len},
		.lock = -1,
		.dir = -1};
	*ret = NULL;
	VEC(Digest) chain = {0};
	for (size_t i = 0; i < below->indexes.len; i++)
		vec_push(&chain, below->diff_ids.items[i]);
	vec_push(&chain, *diff_id);
	config_chain_id(chain.items, chain.len, &t->job.chain);
	vec_done(&chain);
	t->job.path = xasprintf("trees/%s", digest_hex(&t->job.chain).s);
	_cleanup_free_ char *name = xasprintf("locks/tree-%s", digest_hex(&t->job.chain).s);
	int r = lock_try(store_fd(s), name, LOCK_EXCLUSIVE, &t->lock, err);
	bool wanted = r > 0 && !is_there(&t->job);
	if (wanted)
		r = make_directory(s, &t->temp, &t->dir, err);
	if (!wanted || r < 0) {
		(void)!tree_unpack_end(t, false, NULL);
		return MIN(r, 0);
	}
	*ret = t;
	return 0;
}

void tree_unpack_start(TreeUnpack *t, Reader *plain)
{
	t->plain = plain;
	t->job.job = thread_start("unpack", run_unpack, t);
}

int tree_unpack_end(TreeUnpack *t, bool verified, Err **err)
{
	int r = 0;
	if (!t)
		return 0;
	_cleanup_err_ Err *of_thread = NULL;
	if (t->job.job && job_wait(t->job.job, &of_thread) < 0)
		r = err_move(err, &of_thread);
	if (r == 0 && verified)
		r = publish(t->job.store, store_temp_fd(t->temp), "tree", t->job.path, err);
	store_temp_free(t->temp);
	closep(&t->lock);
	closep(&t->dir);
	free(t->job.path);
	free(t);
	return r;
}

static int empty_tree(Store *s, StrVec *ret, Err **err)
{
	Digest none = {0};
	_cleanup_free_ char *path = xasprintf("trees/%s", digest_hex(&none).s);
	int r = mkdir_p(store_fd(s), path, 0755, err);
	if (r == 0)
		strvec_pushf(ret, "%s/%s", store_path(s), path);
	return r;
}

int layer_stack_trees(const LayerStack *k, Store *s, Pool *pool, Progress *progress _unused_,
	StrVec *ret, Err **err)
{
	size_t n = k->layers.len;
	_cleanup_free_ TreeJob *jobs = xnew_n(TreeJob, n);
	_cleanup_err_ Err *first = NULL;
	Descriptors missing = {0}; /* borrows */
	if (n == 0)
		return empty_tree(s, ret, err);
	for (size_t i = 0; i < n; i++) {
		TreeJob *j = &jobs[i];
		*j = (TreeJob){.stack = k, .store = s, .layer = i};
		layer_stack_chain(k, i + 1, &j->chain);
		j->path = xasprintf("trees/%s", digest_hex(&j->chain).s);
		j->ready = is_ready(j);
		if (!j->ready && !is_there(j))
			vec_push(&missing, k->layers.items[i]);
	}
	(void)!remote_layers_bring(k->remote, missing.items, NULL, missing.len, &first);
	vec_done(&missing);
	for (size_t i = 0; i < n && !first; i++) {
		TreeJob *j = &jobs[i];
		if (j->ready)
			continue;
		if (pool)
			j->job = pool_submit(pool, run_tree_job, j);
		else
			(void)run_tree_job(j, &first);
	}
	for (size_t i = 0; i < n; i++) {
		_cleanup_err_ Err *e = NULL;
		if (jobs[i].job && job_wait(jobs[i].job, &e) < 0 && !first)
			first = TAKE_PTR(e);
	}
	for (size_t i = n; i-- > 0;) {
		if (!first)
			strvec_pushf(ret, "%s/%s", store_path(s), jobs[i].path);
		free(jobs[i].path);
	}
	return err_move(err, &first);
}

int layer_stack_adopt_tree(const LayerStack *k, Store *s, int dirfd, const char *dir, Err **err)
{
	Digest chain;
	layer_stack_chain(k, k->layers.len, &chain);
	_cleanup_free_ char *path = xasprintf("trees/%s", digest_hex(&chain).s);
	return publish(s, dirfd, dir, path, err);
}
