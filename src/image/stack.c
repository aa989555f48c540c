#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "image/layers.h"
#include "sys/root.h"

void layer_stack_init(LayerStack *k)
{
	*k = (LayerStack){.tree = tree_new()};
}

/* Indexes of layers whose blob or index is here, as far as the first that has neither. */
static int index_layers(LayerStack *k, Store *s, bool all, Err **err)
{
	while (k->indexes.len < k->layers.len) {
		size_t n = k->indexes.len;
		const Descriptor *layer = &k->layers.items[n];
		Index *index = NULL;
		if (!all && k->remote && !layers_has_index(s, &k->diff_ids.items[n]) &&
			!store_blob_has(s, &layer->digest, NULL))
			return 0;
		int r = layers_index(
			s, layer, &k->diff_ids.items[n], k->unpack ? k : NULL, &index, err);
		if (r < 0)
			return r;
		vec_push(&k->indexes, index);
		tree_push(k->tree, index);
	}
	return 0;
}

int layer_stack_push(
	LayerStack *k, Store *s, const Descriptor *layer, const Digest *diff_id, Err **err)
{
	if (k->layers.len >= LIMIT_LAYERS)
		return err_set(
			err, ERR_LIMIT, "an image cannot have more than %u layers", LIMIT_LAYERS);
	descriptor_copy(layer, vec_add(&k->layers));
	vec_push(&k->diff_ids, *diff_id);
	int r = index_layers(k, s, false, err);
	if (r < 0) {
		descriptor_done(vec_last(&k->layers));
		k->layers.len--;
		k->diff_ids.len--;
	}
	return r;
}

int layer_stack_load(LayerStack *k, Store *s, Err **err)
{
	Descriptors missing = {0}; /* borrows */
	for (size_t i = k->indexes.len; i < k->layers.len; i++)
		if (!layers_has_index(s, &k->diff_ids.items[i]))
			vec_push(&missing, k->layers.items[i]);
	int r = remote_layers_bring(k->remote, missing.items, NULL, missing.len, err);
	vec_done(&missing);
	return r < 0 ? r : index_layers(k, s, true, err);
}

int layer_stack_bring(const LayerStack *k, bool unpack, Err **err)
{
	return remote_layers_bring(
		k->remote, k->layers.items, unpack ? k->diff_ids.items : NULL, k->layers.len, err);
}

bool layer_stack_is_here(const LayerStack *k, Store *s)
{
	vec_foreach (&k->layers, layer)
		if (!store_blob_has(s, &layer->digest, NULL))
			return false;
	return true;
}

int layer_stack_push_image(LayerStack *k, Store *s, const StoreImage *image, Err **err)
{
	size_t n = image->manifest.layers.len;
	int r = store_image_check(image, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = layer_stack_push(k, s, &image->manifest.layers.items[i],
			&image->config.diff_ids.items[i], err);
	return r;
}

int layer_stack_copy(const LayerStack *src, Store *s, LayerStack *ret, Err **err)
{
	LayerStack copy;
	layer_stack_init(&copy);
	copy.remote = src->remote;
	for (size_t i = 0; i < src->layers.len; i++) {
		int r = layer_stack_push(
			&copy, s, &src->layers.items[i], &src->diff_ids.items[i], err);
		if (r < 0) {
			layer_stack_done(&copy);
			return r;
		}
	}
	*ret = copy;
	return 0;
}

void layer_stack_chain(const LayerStack *k, size_t n, Digest *ret)
{
	config_chain_id(k->diff_ids.items, n, ret);
}

void layer_stack_done(LayerStack *k)
{
	tree_free(k->tree);
	vec_foreach (&k->layers, d)
		descriptor_done(d);
	vec_done(&k->layers);
	vec_foreach (&k->indexes, i)
		index_free(*i);
	vec_done(&k->indexes);
	vec_done(&k->diff_ids);
	k->tree = NULL;
}

/* ---- bodies ---- */

/* From the unpacked layer, when there is one and it still has the file. */
static int open_unpacked(const LayerStack *k, Store *s, const TreeNode *node, Reader **ret)
{
	Digest chain;
	struct stat st;
	_cleanup_close_ int tree = -1, fd = -1;
	layer_stack_chain(k, node->layer + 1, &chain);
	_cleanup_free_ char *dir = xasprintf("trees/%s", digest_hex(&chain).s);
	tree = openat(store_fd(s), dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (tree < 0)
		return -ERR_NOT_FOUND;
	_cleanup_free_ char *path = str_dup(node->entry.path);
	if (root_open(tree, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd, NULL) < 0 ||
		fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		(uint64_t)st.st_size != node->entry.size)
		return -ERR_NOT_FOUND;
	*ret = fd_reader_new(TAKE_FD(fd), true, path);
	return 0;
}

static int open_from_blob(
	const LayerStack *k, Store *s, const TreeNode *node, Reader **ret, Err **err)
{
	const Descriptor *layer = &k->layers.items[node->layer];
	_cleanup_free_ char *dir = store_layer_dir(&k->diff_ids.items[node->layer]);
	_cleanup_close_ int blob = -1, points = -1;
	char head[8];
	int r = remote_layers_bring(k->remote, layer, NULL, 1, err);
	if (r == 0)
		r = store_blob_open(s, &layer->digest, &blob, err);
	if (r < 0)
		return r;
	ssize_t n = pread(blob, head, sizeof(head), 0);
	if (n < 0)
		return err_sys(err, "read the blob %s", digest_str(&layer->digest).s);
	points = openat(store_fd(s), dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	r = layer_body_open(blob, compression_sniff(head, (size_t)n), points, &layer->digest,
		node->entry.body_offset, node->entry.size, ret, err);
	if (r == 0)
		blob = -1; /* taken */
	return r;
}

/* Compares what is read with the index: the end of a gzip member, whose checksum would tell, is mostly not reached,
 * an uncompressed layer has none, and an unpacked file may have lost its content with the power. */
typedef struct BodyReader {
	Reader base;
	Reader *source; /* owned */
	Sha256 *hash;
	uint64_t left;
	Digest digest, layer;
} BodyReader;

static ssize_t body_read(Reader *r, void *buf, size_t len, Err **err)
{
	BodyReader *b = (BodyReader *)r;
	Digest real;
	ssize_t n = reader_read(b->source, buf, (size_t)MIN((uint64_t)len, b->left), err);
	if (n <= 0)
		return n;
	sha256_update(b->hash, buf, (size_t)n);
	b->left -= (uint64_t)n;
	if (b->left)
		return n;
	sha256_final(b->hash, &real);
	if (digest_eq(&real, &b->digest))
		return n;
	int e = err_set(err, ERR_DIGEST, "a file of layer %s is damaged in the store",
		digest_str(&b->layer).s);
	err_hint(err, "'cruet gc --check' finds damaged layers; load or build the image again");
	return e;
}

static void body_free(Reader *r)
{
	BodyReader *b = (BodyReader *)r;
	reader_free(b->source);
	sha256_free(b->hash);
	free(b);
}

static Reader *body_reader_new(Reader *source, const IndexEntry *file, const Digest *layer)
{
	static const ReaderOps ops = {body_read, body_free};
	if (digest_is_zero(&file->digest) || file->size == 0)
		return source;
	BodyReader *b = xnew(BodyReader);
	*b = (BodyReader){.base = {&ops},
		.source = source,
		.hash = sha256_new(),
		.left = file->size,
		.digest = file->digest,
		.layer = *layer};
	return &b->base;
}

int layer_stack_open(const LayerStack *k, Store *s, const TreeNode *node, Reader **ret, Err **err)
{
	TreeNode file = *node;
	if (node->entry.type == TAR_HARDLINK && !tree_hardlink_target(k->tree, node, &file))
		return err_set(err, ERR_CORRUPT, "'" STR_FMT "' is a hard link to nothing",
			STR_ARG(node->entry.path));
	if (file.entry.type != TAR_FILE)
		return err_set(err, ERR_USAGE, "'" STR_FMT "' is no regular file",
			STR_ARG(node->entry.path));
	Reader *body = NULL;
	int r = open_unpacked(k, s, &file, &body);
	if (r < 0)
		r = open_from_blob(k, s, &file, &body, err);
	if (r == 0)
		*ret = body_reader_new(body, &file.entry, &k->layers.items[file.layer].digest);
	return r;
}

int layer_stack_read_file(
	const LayerStack *k, Store *s, const char *path, size_t max, Buf *ret, Err **err)
{
	_cleanup_free_ char *real = NULL;
	_cleanup_(reader_freep) Reader *body = NULL;
	bool found = false;
	TreeNode node;
	int r = tree_resolve(k->tree, str_of(path), true, false, &real, &found, &node, err);
	if (r == 0 && (!found || node.entry.type == TAR_DIR))
		r = err_set(err, ERR_NOT_FOUND, "'%s' is not in the image", path);
	if (r == 0)
		r = layer_stack_open(k, s, &node, &body, err);
	if (r < 0)
		return r;
	Buf content = BUF_INIT(max);
	r = reader_read_all(body, &content, err);
	if (r < 0) {
		buf_done(&content);
		return r;
	}
	buf_done(ret);
	*ret = content;
	return 0;
}
