/*
 * zstd (RFC 8878): frames in a row, skippable ones among them (zstd:chunked keeps its table of contents
 * in one). Every frame start is a place to resume. A frame says how large a window it needs; past
 * LIMIT_ZSTD_WINDOW_LOG it is refused instead of allocated. It may say how long its content is; the
 * streaming decoder overlooks a mismatch when the last block is empty, so that is checked here. Zeros behind the last frame are padding.
 */
#include "archive/decompress_int.h"

#include <zstd.h>
#include <zstd_errors.h>

#include "base/limits.h"

/* ZSTD_FRAMEHEADERSIZE_MAX, which only the static interface names. */
#define MAX_FRAME_HEADER 18u

typedef struct Zstd {
	ZSTD_DCtx *ctx;
	bool in_frame;
	unsigned long long promised; /* content of this frame, or ZSTD_CONTENTSIZE_UNKNOWN */
	unsigned long long seen;
	bool ended;
} Zstd;

static int zstd_init(Decoder *d, Err **err)
{
	Zstd *z = xnew(Zstd);
	d->state = z;
	z->ctx = ZSTD_createDCtx();
	if (!z->ctx)
		return err_set(err, ERR_SYS, "zstd: out of memory");
	(void)ZSTD_DCtx_setParameter(z->ctx, ZSTD_d_windowLogMax, LIMIT_ZSTD_WINDOW_LOG);
	return 0;
}

static void zstd_free(Decoder *d)
{
	Zstd *z = d->state;
	ZSTD_freeDCtx(z->ctx);
	free(z);
}

/* Between frames: 1 if another one begins, 0 at the end. */
static int begin_frame(Decoder *d, Err **err)
{
	Input *in = &d->in;
	int r = input_need(in, MAX_FRAME_HEADER, err);
	if (r < 0)
		return r;
	bool magic = compression_sniff(in->next, in->avail) == COMPRESSION_ZSTD;
	if (!magic && in->offset > 0) {
		r = input_rest_is_zero(in, err);
		if (r != 0)
			return r < 0 ? r : 0;
		return err_set(err, ERR_CORRUPT, "zstd: garbage behind the last frame");
	}
	if (!magic)
		return err_set(err, ERR_CORRUPT, "zstd: bad magic number");
	decoder_point(d);
	Zstd *z = d->state;
	z->seen = 0;
	z->promised = ZSTD_getFrameContentSize(in->next, in->avail);
	if (z->promised == ZSTD_CONTENTSIZE_ERROR) /* the decoder will say why */
		z->promised = ZSTD_CONTENTSIZE_UNKNOWN;
	return 1;
}

static int end_frame(const Zstd *z, Err **err)
{
	if (z->promised != ZSTD_CONTENTSIZE_UNKNOWN && z->promised != z->seen)
		return err_set(err, ERR_CORRUPT, "zstd: content does not match its length");
	return 0;
}

static int zstd_error(size_t code, Err **err)
{
	if (ZSTD_getErrorCode(code) == ZSTD_error_frameParameter_windowTooLarge)
		return err_set(err, ERR_LIMIT, "zstd: window is larger than %u MiB",
			1u << (LIMIT_ZSTD_WINDOW_LOG - 20));
	return err_set(err, ERR_CORRUPT, "zstd: %s", ZSTD_getErrorName(code));
}

static ssize_t zstd_read(Decoder *d, void *buf, size_t len, Err **err)
{
	Zstd *z = d->state;
	Input *in = &d->in;
	while (!z->ended) {
		if (!z->in_frame) {
			int r = begin_frame(d, err);
			if (r < 0)
				return r;
			z->in_frame = r > 0;
			z->ended = r == 0;
			continue;
		}
		ZSTD_inBuffer from = {in->next, in->avail, 0};
		ZSTD_outBuffer to = {buf, len, 0};
		size_t code = ZSTD_decompressStream(z->ctx, &to, &from);
		if (ZSTD_isError(code))
			return zstd_error(code, err);
		input_consume(in, from.pos);
		z->in_frame = code != 0;
		z->seen += to.pos;
		int r = z->in_frame ? 0 : end_frame(z, err);
		if (r < 0)
			return r;
		if (to.pos > 0)
			return (ssize_t)to.pos;
		if (!z->in_frame || from.pos > 0)
			continue;
		r = input_need(in, in->avail + 1, err);
		if (r < 0)
			return r;
		if (r == 0)
			return err_set(
				err, ERR_CORRUPT, "zstd: data ends in the middle of a frame");
	}
	return 0;
}

const DecoderOps decode_zstd = {zstd_init, zstd_read, zstd_free, 0};
