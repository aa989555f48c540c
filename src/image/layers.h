/*
 * Layers of the store: a blob, its index, and its unpacked directory, each made when first wanted.
 *
 *	layers/<diffid hex>/index		the index (layer/index.h)
 *	layers/<diffid hex>/<blob hex>.points	resume points of that blob
 *	trees/<chainid hex>/			unpacked in overlay form; keyed by chain, not diffID, because parent
 *						directories and hard links may come from the layers below
 *
 * Two processes that want the same object wait for one another on locks/<kind>-<hex> and share the result.
 */
#pragma once

#include "base/pool.h"
#include "base/progress.h"
#include "layer/apply.h"
#include "image/remote.h"
#include "layer/layerfile.h"

typedef struct LayerStack LayerStack;

/* Index of a layer, made from its blob when there is none yet (diffID verified: ERR_DIGEST). below: as
 * layers_make_index. */
int layers_index(Store *s, const Descriptor *layer, const Digest *diff_id, const LayerStack *below,
	Index **ret, Err **err) _warn_unused_;

bool layers_has_index(Store *s, const Digest *diff_id);
/* The same out of the blob's bytes as they come (owned): they and the tar in them must have the digests promised
 * (ERR_DIGEST). below (may be NULL): the indexed layers of the stack are those under it, and it is unpacked in the same
 * pass. */
int layers_make_index(Store *s, Reader *compressed, const Descriptor *layer, const Digest *diff_id,
	const LayerStack *below, Err **err) _warn_unused_;

/* A stack of layers with its merged tree; grows while a stage is built. */
struct LayerStack {
	Descriptors layers; /* owned copies */
	VEC(Digest) diff_ids;
	VEC(Index *)
	indexes;              /* owned; fewer than layers while some are left in their registry */
	Tree *tree;           /* over the indexes; NULL while empty is not allowed: made by init */
	RemoteLayers *remote; /* where layers may be that are not here; borrowed, or NULL */
	bool unpack;          /* what has to be indexed is unpacked in the same pass */
};
void layer_stack_init(LayerStack *k); /* without remote */
/* A layer that is neither indexed nor here, and those above it, wait for layer_stack_load if there is a remote. */
int layer_stack_push(LayerStack *k, Store *s, const Descriptor *layer, const Digest *diff_id,
	Err **err) _warn_unused_;
int layer_stack_push_image(LayerStack *k, Store *s, const StoreImage *image, Err **err)
	_warn_unused_;
int layer_stack_copy(const LayerStack *src, Store *s, LayerStack *ret, Err **err) _warn_unused_;
/* Completes the tree. */
int layer_stack_load(LayerStack *k, Store *s, Err **err) _warn_unused_;
/* All blobs are in the store afterwards; unpack: those that come are unpacked on the way, as far as that goes. */
int layer_stack_bring(const LayerStack *k, bool unpack, Err **err) _warn_unused_;
bool layer_stack_is_here(const LayerStack *k, Store *s);            /* all blobs */
void layer_stack_chain(const LayerStack *k, size_t n, Digest *ret); /* chainID of the lowest n */
void layer_stack_done(LayerStack *k);
/* Body of a file node (hard links followed), from the unpacked tree if there is one, else from the blob, which is
 * brought if need be. */
int layer_stack_open(const LayerStack *k, Store *s, const TreeNode *node, Reader **ret, Err **err)
	_warn_unused_;
/* Whole small file by path, links followed inside the root; ERR_NOT_FOUND. For passwd, group, os-release. */
int layer_stack_read_file(const LayerStack *k, Store *s, const char *path, size_t max, Buf *ret,
	Err **err) _warn_unused_;
/* Absolute directories for overlay, top layer first; unpacks what is missing, layers in parallel. The tree must be
 * complete. */
int layer_stack_trees(const LayerStack *k, Store *s, Pool *pool, Progress *progress,
	StrVec *ret_lowers, Err **err) _warn_unused_;
/* Makes dir (on the store's file system; e.g. a RUN's upper directory) the unpacked tree of the whole stack's
 * top layer, by rename; no-op (dir removed) when there is one already. */
int layer_stack_adopt_tree(const LayerStack *k, Store *s, int dirfd, const char *dir, Err **err)
	_warn_unused_;

/* Making a layer in the store: blob, index and points appear together at commit. */
typedef struct NewLayer NewLayer;
int new_layer_begin(Store *s, Compression c, int level, Pool *pool, NewLayer **ret, Err **err)
	_warn_unused_;
LayerWriter *new_layer_writer(NewLayer *n); /* borrowed */
/* ret: descriptor with the OCI media type of the compression. */
int new_layer_commit(NewLayer *n, Descriptor *ret, Digest *ret_diff_id, Err **err) _warn_unused_;
NewLayer *new_layer_free(NewLayer *n); /* abandons */
DEFINE_FREEP(NewLayer, new_layer_free)
/* The canonical empty layer (1024 zero bytes, spec 75) in this compression. */
int layers_empty(Store *s, Compression c, int level, Descriptor *ret, Digest *ret_diff_id,
	Err **err) _warn_unused_;

/* Writes config and manifest (OCI media types) and tags the image with names (full references; may be empty; NULL: it
 * stays unlisted). config's diff_ids are taken from the stack. */
int image_commit(Store *s, ImageConfig *config, const LayerStack *k, const StrVec *annotations,
	const StrVec *names, Descriptor *ret_manifest, Digest *ret_config, Err **err) _warn_unused_;
