/*
 * Compressed streams both ways, found by content: gzip, zstd (and for ADD: bzip2, xz).
 *
 * What cruet writes as gzip is a sequence of complete members, each of one block of input of at most 1 MiB
 * (RFC 1952 section 2.2), and as zstd a sequence of complete frames of at most 2 MiB: blocks are compressed
 * in parallel, the bytes depend only on input, format and level (never on the number of threads), and
 * every member start is a point from which reading can resume. Blocks of a tar end where some of its entries
 * begin, chosen by their names: a file that grows changes the blocks around it, not all behind it.
 */
#pragma once

#include "base/digest.h"
#include "base/pool.h"
#include "base/stream.h"
#include "base/vec.h"

typedef enum Compression {
	COMPRESSION_NONE,
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
	COMPRESSION_BZIP2, /* reading only */
	COMPRESSION_XZ,    /* reading only */
	_COMPRESSION_MAX
} Compression;

#define COMPRESSION_LEVEL_DEFAULT (-1)       /* gzip: class of zlib level 6; zstd: 3 */
const char *compression_name(Compression c); /* "none", "gzip", … */
/* gzip | zstd | none (also "uncompressed"); ERR_USAGE else. */
int compression_parse(Str text, Compression *ret, Err **err) _warn_unused_;
/* ERR_USAGE unless level is the default, or 1 to 12 (gzip) or 1 to 19 (zstd). */
int compression_check_level(Compression c, int level, Err **err) _warn_unused_;
/* By the first bytes (at least 6 wanted). */
Compression compression_sniff(const void *head, size_t len);

/* A place where decoding can start anew. */
typedef struct ResumePoint {
	uint64_t blob_offset; /* in the compressed bytes */
	uint64_t tar_offset;  /* in the uncompressed bytes */
} ResumePoint;
typedef VEC(ResumePoint) ResumePoints;

/* Compressed blocks of earlier streams, so that no block is compressed twice. The key says the uncompressed bytes,
 * the format and the level. */
typedef struct CompressedBlock {
	Digest key;
	uint64_t offset; /* of the compressed bytes in their stream */
	uint32_t len, crc;
} CompressedBlock;
typedef struct BlockCache BlockCache;
struct BlockCache {
	/* The compressed bytes, exactly as they were; their number, 0 if unknown. Called by many threads. */
	size_t (*find)(BlockCache *c, const Digest *key, void *out, size_t out_size);
	/* Every block of this stream that can be found again, in order. */
	void (*add)(BlockCache *c, const CompressedBlock *block);
};
/* Of the bytes of a CompressedBlock. */
uint32_t compressed_block_crc(const void *bytes, size_t len);

/* Compresses into sink (owned) on the pool's threads, with a bounded number of blocks in flight.
 * points (borrowed, may be NULL) receives every block start. pool may be NULL: in the caller's
 * thread. cache: borrowed, may be NULL. COMPRESSION_NONE passes through. */
Writer *compress_writer_new(Compression c, int level, Pool *pool, Writer *sink,
	ResumePoints *points, BlockCache *cache);
/* Inflates source (owned); concatenated members and frames are one stream. points as above: block
 * starts seen (only those where decoding can really resume). Expansion is bounded by ratio and total
 * of base/limits.h: ERR_LIMIT. */
Reader *decompress_reader_new(Compression c, Reader *source, ResumePoints *points);
/* Sniffs source (owned), then as above; *ret_found (optional) says what it was. source is freed also
 * on failure. */
int decompress_reader_auto(Reader *source, ResumePoints *points, Compression *ret_found,
	Reader **ret, Err **err) _warn_unused_;
