/*
 * Writing a layer: entries go in once and come out as tar → {diffID, index} → compressed → {digest,
 * blob}, all in one pass, compression on the pool's threads.
 */
#pragma once

#include "archive/compress.h"
#include "layer/index.h"

typedef struct LayerWriter LayerWriter;
typedef struct LayerResult {
	Digest diff_id;
	uint64_t tar_size;
	uint64_t entries;
	ResumePoints points; /* of the compressed stream; vec_done by the caller */
} LayerResult;

/* blob: where the compressed bytes go (borrowed, not finished: the caller commits it and learns digest and
 * size there). pool may be NULL, cache (borrowed) too. */
LayerWriter *layer_writer_new(
	Compression c, int level, Pool *pool, Writer *blob, BlockCache *cache);
/* Entries must come in tar order: parents before children, link targets before links; whiteouts before
 * the other entries of their directory. `digest` of a file's body is computed here. body may be NULL when
 * e->size is 0 or e is no file. A name that starts with ".wh." is ERR_UNSUPPORTED (spec 42). */
int layer_writer_add(LayerWriter *w, const TarEntry *e, Reader *body, Err **err) _warn_unused_;
int layer_writer_add_bytes(LayerWriter *w, const TarEntry *e, Str body, Err **err) _warn_unused_;
/* Digest of the body added last. */
void layer_writer_last_digest(const LayerWriter *w, Digest *ret);
/* Removes path from the layers below / hides what they have below path. */
int layer_writer_whiteout(LayerWriter *w, Str path, Err **err) _warn_unused_;
int layer_writer_opaque(LayerWriter *w, Str dir, Err **err) _warn_unused_;
bool layer_writer_has(const LayerWriter *w, Str path); /* added already */
/* End of tar, everything flushed into blob. */
int layer_writer_finish(LayerWriter *w, LayerResult *ret, Err **err) _warn_unused_;
/* After finish: the index, into dirfd/path or in memory. */
int layer_writer_index_write(LayerWriter *w, int dirfd, const char *path, Err **err) _warn_unused_;
int layer_writer_index(LayerWriter *w, Index **ret, Err **err) _warn_unused_;
LayerWriter *layer_writer_free(LayerWriter *w);
DEFINE_FREEP(LayerWriter, layer_writer_free)

/* The other way: reads an uncompressed tar layer to its end and makes its index. *ret_diff_id is over every
 * byte of source (borrowed). Whiteout names become flags. */
int layer_index_tar(Reader *source, IndexBuilder *builder, Digest *ret_diff_id,
	uint64_t *ret_tar_size, Err **err) _warn_unused_;
/* Resume points of a blob, beside the index: "<blob hex>.points". */
int layer_points_write(int dirfd, const Digest *blob, const ResumePoints *points, Err **err)
	_warn_unused_;
/* Reads len bytes at tar_offset out of the compressed blob: a Reader over just them. Uses the points when
 * there are any (points_dirfd may be -1), else inflates from the start. Owns blob_fd on success. */
int layer_body_open(int blob_fd, Compression c, int points_dirfd, const Digest *blob,
	uint64_t tar_offset, uint64_t len, Reader **ret, Err **err) _warn_unused_;
