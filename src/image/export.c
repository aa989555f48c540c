#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/map.h"
#include "base/ring.h"
#include "image/transfer.h"

#define COPY_CHUNK (64 * 1024)
#define RING_SIZE  (1u << 20)

typedef struct Export {
	const LayerStack *stack;
	Store *store;
	TarWriter *tar;
	Map seen;  /* (layer, number) of a linked file → first path written */
	Map links; /* the keys that have more than one name */
	char *chunk;
	bool with_root;
} Export;

typedef struct NodeKey {
	uint64_t layer, number;
} NodeKey;

static int note_link(void *arg, const TreeNode *node, Err **err _unused_)
{
	Export *x = arg;
	TreeNode target;
	if (node->entry.type == TAR_HARDLINK &&
		tree_hardlink_target(x->stack->tree, node, &target)) {
		NodeKey key = {target.layer, target.number};
		map_put(&x->links, (Str){(void *)&key, sizeof(key)}, x);
	}
	return 0;
}

static void take_xattrs(const Export *x, const TreeNode *node, TarEntry *t)
{
	t->xattrs = xnew_n(TarXattr, node->entry.n_xattrs);
	for (uint32_t i = 0; i < node->entry.n_xattrs; i++) {
		Str name, value;
		index_xattr(
			tree_layer(x->stack->tree, node->layer), &node->entry, i, &name, &value);
		t->xattrs[t->n_xattrs++] = (TarXattr){.name = str_dup(name),
			.value = xmemdup(value.ptr, value.len),
			.value_len = value.len};
	}
}

static int write_body(Export *x, const TreeNode *file, Err **err)
{
	_cleanup_(reader_freep) Reader *body = NULL;
	int r = layer_stack_open(x->stack, x->store, file, &body, err);
	if (r < 0)
		return r;
	for (uint64_t left = file->entry.size; left > 0;) {
		size_t want = (size_t)MIN(left, (uint64_t)COPY_CHUNK);
		r = reader_read_full(body, x->chunk, want, err);
		if (r == 0)
			r = tar_writer_body(x->tar, x->chunk, want, err);
		if (r < 0)
			return r;
		left -= want;
	}
	return 0;
}

static int export_node(void *arg, const TreeNode *node, Err **err)
{
	Export *x = arg;
	TreeNode real = *node;
	int r = cancel_check(err);
	if (r < 0)
		return r;
	if (node->entry.path.len == 0 && (!x->with_root || (node->entry.flags & INDEX_IMPLIED)))
		return 0;
	if (node->entry.type == TAR_HARDLINK && !tree_hardlink_target(x->stack->tree, node, &real))
		return err_set(err, ERR_CORRUPT, "'" STR_FMT "' is a hard link to nothing",
			STR_ARG(node->entry.path));
	const IndexEntry *e = &real.entry;
	TarEntry t = {
		.path = str_dup(node->entry.path),
		.link = e->type == TAR_SYMLINK ? str_dup(e->link) : NULL,
		.type = e->type,
		.mode = e->mode,
		.uid = e->uid,
		.gid = e->gid,
		.size = e->type == TAR_FILE ? e->size : 0,
		.mtime = e->mtime,
		.dev_major = e->dev_major,
		.dev_minor = e->dev_minor,
	};
	NodeKey key = {real.layer, real.number};
	Str key_bytes = {(void *)&key, sizeof(key)};
	bool linked = map_has(&x->links, key_bytes);
	const char *first = linked ? map_get(&x->seen, key_bytes) : NULL;
	if (first) {
		t.type = TAR_HARDLINK;
		t.link = xstrdup(first);
		t.size = 0;
	} else {
		take_xattrs(x, &real, &t);
		if (linked)
			map_put(&x->seen, key_bytes, xstrdup(t.path));
	}
	r = tar_writer_entry(x->tar, &t, err);
	if (r == 0 && t.type == TAR_FILE)
		r = write_body(x, &real, err);
	tar_entry_done(&t);
	return r;
}

/* with_root: an entry for the root directory itself, when a layer has one. */
static int export_tree(const LayerStack *k, Store *s, Writer *out, bool with_root, Err **err)
{
	Export x = {
		.stack = k,
		.store = s,
		.tar = tar_writer_new(out),
		.seen = MAP_INIT(free),
		.links = MAP_INIT(NULL),
		.chunk = xmalloc(COPY_CHUNK),
		.with_root = with_root,
	};
	int r = tree_walk(k->tree, STR(""), note_link, &x, err);
	if (r == 0)
		r = tree_walk(k->tree, STR(""), export_node, &x, err);
	if (r == 0)
		r = tar_writer_end(x.tar, err);
	tar_writer_free(x.tar);
	map_done(&x.seen);
	map_done(&x.links);
	free(x.chunk);
	return r;
}

int layer_stack_export(const LayerStack *k, Store *s, Writer *out, Err **err)
{
	return export_tree(k, s, out, false, err);
}

int image_export(Store *s, const StoreImage *image, Writer *out, Err **err)
{
	LayerStack stack;
	layer_stack_init(&stack);
	int r = layer_stack_push_image(&stack, s, image, err);
	if (r == 0)
		r = layer_stack_export(&stack, s, out, err);
	layer_stack_done(&stack);
	return r;
}

/* ---- unpack: the exported tar, applied while it is written ---- */

typedef struct Feeder {
	const LayerStack *stack;
	Store *store;
	Writer *out; /* owned */
} Feeder;

static int feed(void *arg, Err **err)
{
	Feeder *f = arg;
	int r = export_tree(f->stack, f->store, f->out, true, err);
	if (r == 0)
		r = writer_finish(f->out, err);
	f->out = writer_free(f->out);
	return r;
}

int layer_stack_unpack(const LayerStack *k, Store *s, int root_fd, unsigned apply_flags,
	StrVec *warnings, Err **err)
{
	Feeder f = {.stack = k, .store = s};
	Reader *in = NULL;
	ApplyOptions o = {.flags = apply_flags, .warnings = warnings};
	_cleanup_err_ Err *apply_error = NULL, *feed_error = NULL;
	ring_new(RING_SIZE, &in, &f.out);
	Job *job = thread_start("export", feed, &f);
	(void)!apply_layer(in, root_fd, &o, &apply_error);
	in = reader_free(in);
	(void)job_wait(job, &feed_error);
	/* each end fails as "cancelled" when the other one failed first: that one is the cause */
	if (apply_error && !(err_is(apply_error, ERR_CANCELLED) && feed_error))
		return err_move(err, &apply_error);
	return err_move(err, &feed_error);
}

static int open_target(const char *dir, int *ret_fd, bool *ret_made, Err **err)
{
	*ret_made = mkdir(dir, 0755) == 0;
	if (!*ret_made && errno != EEXIST)
		return err_sys(err, "create '%s'", dir);
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open '%s'", dir);
	DIR *d = fdopendir(dup(fd));
	bool empty = d != NULL;
	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
	if (d)
		closedir(d);
	if (!empty) {
		int r = err_set(err, ERR_EXISTS, "'%s' is not empty", dir);
		err_hint(err, "name a directory that is empty or does not exist");
		return r;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void empty_target(const char *dir, int fd, bool made)
{
	DIR *d = fdopendir(dup(fd));
	if (d)
		rewinddir(d); /* a duplicate stands where the first look ended */
	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)!remove_tree(fd, e->d_name, NULL);
	if (d)
		closedir(d);
	if (made)
		(void)rmdir(dir);
}

int image_unpack(Store *s, const StoreImage *image, const char *dir, unsigned apply_flags,
	StrVec *warnings, Err **err)
{
	LayerStack stack;
	_cleanup_close_ int fd = -1;
	bool made = false;
	int r = open_target(dir, &fd, &made, err);
	if (r < 0)
		return r;
	layer_stack_init(&stack);
	r = layer_stack_push_image(&stack, s, image, err);
	if (r == 0)
		r = layer_stack_unpack(&stack, s, fd, apply_flags, warnings, err);
	layer_stack_done(&stack);
	if (r < 0)
		empty_target(dir, fd, made);
	return r;
}
