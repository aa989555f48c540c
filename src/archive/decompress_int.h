/* The parts of a decompressing reader: shell (decompress.c) and one decoder a format. This folder only. */
#pragma once

#include "archive/compress.h"

/* Compressed bytes with a look at those just consumed: a decoder may give back up to INPUT_SLACK. */
#define INPUT_SLACK 16u

typedef struct Input {
	Reader *source; /* owned */
	uint8_t *mem;   /* INPUT_SLACK + capacity bytes */
	uint8_t *next;
	size_t avail;
	uint64_t offset; /* of next in the compressed stream */
	bool eof;
} Input;

/* Reads more behind what is there: 1, or 0 at the end of the source, or if there is no room left. */
int input_more(Input *in, Err **err) _warn_unused_;
/* Makes want bytes available; 0 if the source ends before. */
int input_need(Input *in, size_t want, Err **err) _warn_unused_;
static inline void input_consume(Input *in, size_t n)
{
	in->next += n;
	in->avail -= n;
	in->offset += n;
}
/* Consumes the rest, which must be zeros: 1 if it was. */
int input_rest_is_zero(Input *in, Err **err) _warn_unused_;

typedef struct Decoder {
	Input in;
	uint64_t out_total;
	ResumePoints *points; /* borrowed, may be NULL */
	void *state;          /* the format's */
} Decoder;

typedef struct DecoderOps {
	int (*init)(Decoder *d, Err **err);
	/* As reader_read; len is not 0. */
	ssize_t (*read)(Decoder *d, void *buf, size_t len, Err **err);
	void (*free)(Decoder *d); /* after init, also a failed one */
	unsigned max_ratio;       /* 0: only the total is bounded */
} DecoderOps;

/* Decoding can begin anew at the input's place. */
void decoder_point(Decoder *d);

/* decompress_reader_new with other bounds (tests reach these). c is not COMPRESSION_NONE. */
Reader *bounded_reader_new(Compression c, Reader *source, ResumePoints *points, uint64_t max_total,
	unsigned max_ratio);

extern const DecoderOps decode_gzip;
extern const DecoderOps decode_zstd;
extern const DecoderOps decode_bzip2;
extern const DecoderOps decode_xz;
