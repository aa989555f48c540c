/*
 * Compressed streams both ways, found by content: gzip, zstd (and for ADD: bzip2, xz).
 *
 * What cruet writes as gzip is a sequence of complete members, each of one fixed 1 MiB block of input
 * (RFC 1952 section 2.2), and as zstd a sequence of complete frames of 4 MiB: blocks are compressed
 * in parallel, the bytes depend only on input, format and level (never on the number of threads), and
 * every member start is a point from which reading can resume.
 */
#pragma once

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

/* Compresses into sink (owned) on the pool's threads, with a bounded number of blocks in flight.
 * points (borrowed, may be NULL) receives every block start. pool may be NULL: in the caller's
 * thread. COMPRESSION_NONE passes through. */
Writer *compress_writer_new(
	Compression c, int level, Pool *pool, Writer *sink, ResumePoints *points);
/* Inflates source (owned); concatenated members and frames are one stream. points as above: block
 * starts seen (only those where decoding can really resume). Expansion is bounded by ratio and total
 * of base/limits.h: ERR_LIMIT. */
Reader *decompress_reader_new(Compression c, Reader *source, ResumePoints *points);
/* Sniffs source (owned), then as above; *ret_found (optional) says what it was. source is freed also
 * on failure. */
int decompress_reader_auto(Reader *source, ResumePoints *points, Compression *ret_found,
	Reader **ret, Err **err) _warn_unused_;
