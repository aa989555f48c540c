#include "image/layers.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/readahead.h"
#include "image/blocks.h"
#include "image/ingest.h"
#include "image/tree_unpack.h"
#include "sys/lock.h"

static int open_index(Store *s, const Digest *diff_id, Index **ret, Err **err)
{
	_cleanup_free_ char *path = xasprintf("layers/%s/index", digest_hex(diff_id).s);
	Digest real;
	int r = index_open(store_fd(s), path, ret, err);
	if (r < 0)
		return r;
	index_diff_id(*ret, &real);
	if (digest_eq(&real, diff_id))
		return 0;
	*ret = index_free(*ret);
	return err_set(err, ERR_CORRUPT, "'%s' belongs to another layer", path);
}

bool layers_has_index(Store *s, const Digest *diff_id)
{
	_cleanup_free_ char *dir = store_layer_dir(diff_id);
	_cleanup_free_ char *path = xasprintf("%s/index", dir);
	return faccessat(store_fd(s), path, F_OK, 0) == 0;
}

static int index_blob(Store *s, Reader *compressed, const Descriptor *layer, const Digest *diff_id,
	TreeUnpack *unpack, Err **err)
{
	_cleanup_(index_builder_freep) IndexBuilder *builder = index_builder_new();
	ResumePoints points = {0};
	Digest digest, real;
	uint64_t tar_size = 0;
	Reader *raw = digest_reader_new(compressed);
	_cleanup_(reader_freep) Reader *plain = NULL;
	Reader *inflating = NULL;
	int r = decompress_reader_auto(raw, &points, NULL, &inflating, err);
	if (r == 0 && unpack) {
		Reader *both[RING_READERS];
		read_ahead_forked(inflating, both);
		plain = both[0];
		tree_unpack_start(unpack, both[1]);
	} else if (r == 0) {
		plain = read_ahead_new(inflating);
	}
	if (r == 0)
		r = layer_index_tar(plain, builder, &real, &tar_size, err);
	if (r == 0) {
		digest_reader_result(raw, &digest, NULL);
		if (!digest_eq(&digest, &layer->digest))
			r = err_set(err, ERR_DIGEST, "the blob really has the digest %s",
				digest_str(&digest).s);
		else if (!digest_eq(&real, diff_id))
			r = err_set(err, ERR_DIGEST,
				"its content has the diffID %s, the config says %s",
				digest_str(&real).s, digest_str(diff_id).s);
	}
	if (r == 0) {
		_cleanup_free_ char *dir = store_layer_dir(diff_id);
		_cleanup_free_ char *path = xasprintf("%s/index", dir);
		_cleanup_close_ int dirfd = -1;
		r = mkdir_p(store_fd(s), dir, 0755, err);
		if (r == 0) {
			dirfd = openat(store_fd(s), dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			r = dirfd < 0 ? err_sys(err, "open '%s'", dir)
				      : layer_points_write(dirfd, &layer->digest, &points, err);
		}
		if (r == 0)
			r = index_builder_write(builder, store_fd(s), path, diff_id, tar_size, err);
	}
	vec_done(&points);
	return r;
}

int layers_make_index(Store *s, Reader *compressed, const Descriptor *layer, const Digest *diff_id,
	const LayerStack *below, Err **err)
{
	TreeUnpack *unpack = NULL;
	_cleanup_err_ Err *of_index = NULL, *of_unpack = NULL;
	int r = below ? tree_unpack_begin(below, s, diff_id, &unpack, err) : 0;
	if (r < 0) {
		reader_free(compressed);
		return r;
	}
	r = index_blob(s, compressed, layer, diff_id, unpack, &of_index);
	int unpacked = tree_unpack_end(unpack, r == 0, &of_unpack);
	/* what went wrong there is the cause of the rest, unless it was cut off itself */
	bool cause = unpacked < 0 && (r == 0 || unpacked != -ERR_CANCELLED);
	return err_move(err, cause ? &of_unpack : &of_index);
}

int layers_index(Store *s, const Descriptor *layer, const Digest *diff_id, const LayerStack *below,
	Index **ret, Err **err)
{
	if (open_index(s, diff_id, ret, NULL) == 0)
		return 0;
	ERR_SCOPE(err, "Layer %s", digest_str(&layer->digest).s);
	_cleanup_free_ char *name = xasprintf("locks/layer-%s", digest_hex(diff_id).s);
	_cleanup_close_ int lock = -1;
	int fd = -1;
	int r = lock_take(store_fd(s), name, LOCK_EXCLUSIVE, &lock, err);
	if (r < 0)
		return r;
	if (open_index(s, diff_id, ret, NULL) == 0) /* another process was faster */
		return 0;
	r = store_blob_open(s, &layer->digest, &fd, err);
	if (r == 0)
		r = layers_make_index(s, fd_reader_new(fd, true, digest_str(&layer->digest).s),
			layer, diff_id, below, err);
	return r < 0 ? r : open_index(s, diff_id, ret, err);
}

/* ---- new layers ---- */

struct NewLayer {
	Store *store;
	Compression compression;
	BlobWriter *blob;
	StoreBlocks *blocks;
	LayerWriter *writer;
};

int new_layer_begin(Store *s, Compression c, int level, Pool *pool, NewLayer **ret, Err **err)
{
	_cleanup_(new_layer_freep) NewLayer *n = xnew(NewLayer);
	n->store = s;
	n->compression = c;
	int r = store_blob_begin(s, &n->blob, err);
	if (r < 0)
		return r;
	n->blocks = store_blocks_new(s);
	n->writer = layer_writer_new(
		c, level, pool, blob_writer_stream(n->blob), store_blocks_cache(n->blocks));
	*ret = TAKE_PTR(n);
	return 0;
}

LayerWriter *new_layer_writer(NewLayer *n)
{
	return n->writer;
}

int new_layer_commit(NewLayer *n, Descriptor *ret, Digest *ret_diff_id, Err **err)
{
	LayerResult result = {0};
	Descriptor d = {0};
	int r = layer_writer_finish(n->writer, &result, err);
	if (r == 0)
		r = blob_writer_commit(n->blob, NULL, UINT64_MAX, &d.digest, &d.size, err);
	if (r == 0) {
		_cleanup_free_ char *dir = store_layer_dir(&result.diff_id);
		r = mkdir_p(store_fd(n->store), dir, 0755, err);
		_cleanup_close_ int fd = r < 0
			? -1
			: openat(store_fd(n->store), dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (r == 0 && fd < 0)
			r = err_sys(err, "open '%s'", dir);
		if (r == 0)
			r = layer_points_write(fd, &d.digest, &result.points, err);
		if (r == 0 && faccessat(fd, "index", F_OK, 0) < 0)
			r = layer_writer_index_write(n->writer, fd, "index", err);
	}
	vec_done(&result.points);
	if (r < 0)
		return r;
	store_blocks_commit(n->blocks, &d.digest);
	d.media_type = xstrdup(layer_media_type(n->compression));
	*ret = d;
	*ret_diff_id = result.diff_id;
	return 0;
}

NewLayer *new_layer_free(NewLayer *n)
{
	if (n) {
		layer_writer_free(n->writer);
		store_blocks_free(n->blocks);
		blob_writer_free(n->blob);
		free(n);
	}
	return NULL;
}

int layers_empty(
	Store *s, Compression c, int level, Descriptor *ret, Digest *ret_diff_id, Err **err)
{
	/* a layer without entries is the two zero blocks that end a tar: the canonical one (75) */
	_cleanup_(new_layer_freep) NewLayer *n = NULL;
	int r = new_layer_begin(s, c, level, NULL, &n, err);
	return r < 0 ? r : new_layer_commit(n, ret, ret_diff_id, err);
}
