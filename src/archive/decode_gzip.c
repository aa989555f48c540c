/*
 * gzip (RFC 1952) over ISA-L's inflate.
 *
 *	member = header  deflate data  crc32  length mod 2^32
 *	header = 1f 8b 08 FLAGS mtime(4) XFL OS [extra] [name\0] [comment\0] [crc16]
 *
 * A file is one member or several in a row, whose contents follow one another. Only the deflate data is
 * left to ISA-L (it computes the CRC on the way): header and trailer are read here, so that the place
 * where a member starts is known exactly, and CRC and length of every member are verified, also at a
 * boundary that falls between two reads. ISA-L takes input ahead in a 64-bit register: what is left there
 * at the end of the data goes back to the input.
 *
 * Behind the last member zeros are padding (tapes, some registries); anything else is corruption.
 */
#include "archive/decompress_int.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "base/limits.h"

enum {
	FLAG_HCRC = 1 << 1,
	FLAG_EXTRA = 1 << 2,
	FLAG_NAME = 1 << 3,
	FLAG_COMMENT = 1 << 4,
	FLAG_RESERVED = 0xe0,
};

#define HEADER_SIZE  10u
#define TRAILER_SIZE 8u
#define MAX_HEADER   (128u * 1024) /* 64 KiB of extra field, and the texts */

typedef struct Gzip {
	struct inflate_state inflate;
	bool in_member;
	bool ended;
	uint32_t length; /* of the member's content, mod 2^32 */
} Gzip;

static int gzip_truncated(Err **err)
{
	return err_set(err, ERR_CORRUPT, "gzip: data ends in the middle of a member");
}

static int gzip_init(Decoder *d, Err **err _unused_)
{
	d->state = xnew(Gzip);
	return 0;
}

static void gzip_free(Decoder *d)
{
	free(d->state);
}

/* Makes the header's first len bytes available. */
static int need_header(Input *in, size_t len, Err **err)
{
	if (len > MAX_HEADER)
		return err_set(
			err, ERR_CORRUPT, "gzip: header is longer than %u bytes", MAX_HEADER);
	int r = input_need(in, len, err);
	return r == 0 ? gzip_truncated(err) : r;
}

/* Moves *len behind the NUL of a text that starts there. */
static int skip_text(Input *in, size_t *len, Err **err)
{
	for (;;) {
		int r = need_header(in, *len + 1, err);
		if (r < 0)
			return r;
		const uint8_t *end = memchr(in->next + *len, 0, in->avail - *len);
		if (end) {
			*len = (size_t)(end - in->next) + 1;
			return 0;
		}
		*len = in->avail;
	}
}

static int read_header(Input *in, Err **err)
{
	size_t len = HEADER_SIZE;
	int r = need_header(in, len, err);
	if (r < 0)
		return r;
	unsigned flags = in->next[3];
	if (in->next[0] != 0x1f || in->next[1] != 0x8b)
		return err_set(err, ERR_CORRUPT, "gzip: bad magic number");
	if (in->next[2] != 8 || flags & FLAG_RESERVED)
		return err_set(err, ERR_CORRUPT, "gzip: unknown method or flags");
	if (flags & FLAG_EXTRA) {
		r = need_header(in, len + 2, err);
		if (r < 0)
			return r;
		len += 2u + in->next[len] + 256u * in->next[len + 1];
		r = need_header(in, len, err);
		if (r < 0)
			return r;
	}
	for (unsigned flag = FLAG_NAME; flag <= FLAG_COMMENT; flag <<= 1) {
		r = flags & flag ? skip_text(in, &len, err) : 0;
		if (r < 0)
			return r;
	}
	if (flags & FLAG_HCRC) {
		r = need_header(in, len + 2, err);
		if (r < 0)
			return r;
		uint32_t crc = crc32_gzip_refl(0, in->next, len);
		if ((crc & 0xffff) != (in->next[len] | (uint32_t)in->next[len + 1] << 8))
			return err_set(err, ERR_CORRUPT, "gzip: header does not match its CRC");
		len += 2;
	}
	input_consume(in, len);
	return 0;
}

/* At a member's start, or the end: 1 if there is a member. */
static int begin_member(Decoder *d, Gzip *g, Err **err)
{
	Input *in = &d->in;
	bool first = in->offset == 0;
	int r = input_need(in, 2, err);
	if (r < 0)
		return r;
	if (!first && (in->avail < 2 || in->next[0] != 0x1f || in->next[1] != 0x8b)) {
		r = input_rest_is_zero(in, err);
		if (r < 0)
			return r;
		return r ? 0 : err_set(err, ERR_CORRUPT, "gzip: garbage behind the last member");
	}
	decoder_point(d);
	r = read_header(in, err);
	if (r < 0)
		return r;
	isal_inflate_init(&g->inflate);
	g->inflate.crc_flag = ISAL_GZIP_NO_HDR;
	g->length = 0;
	return 1;
}

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int end_member(Input *in, const Gzip *g, Err **err)
{
	size_t ahead = (size_t)g->inflate.read_in_length / 8;
	in->next -= ahead;
	in->avail += ahead;
	in->offset -= ahead;
	int r = input_need(in, TRAILER_SIZE, err);
	if (r <= 0)
		return r < 0 ? r : gzip_truncated(err);
	if (le32(in->next) != g->inflate.crc)
		return err_set(err, ERR_CORRUPT, "gzip: content does not match its CRC");
	if (le32(in->next + 4) != g->length)
		return err_set(err, ERR_CORRUPT, "gzip: content does not match its length");
	input_consume(in, TRAILER_SIZE);
	return 0;
}

static const char *inflate_error(int code)
{
	switch (code) {
	case ISAL_INVALID_BLOCK:
		return "invalid block";
	case ISAL_INVALID_SYMBOL:
		return "invalid symbol";
	case ISAL_INVALID_LOOKBACK:
		return "invalid distance";
	default:
		return "invalid data";
	}
}

/* Inflates what is there: bytes put into buf, maybe none. */
static ssize_t inflate_some(Input *in, Gzip *g, void *buf, size_t len, Err **err)
{
	struct inflate_state *s = &g->inflate;
	uint32_t room = (uint32_t)MIN(len, (size_t)1 << 30);
	s->next_in = in->next;
	s->avail_in = (uint32_t)in->avail;
	s->next_out = buf;
	s->avail_out = room;
	int code = isal_inflate(s);
	if (code < 0)
		return err_set(
			err, ERR_CORRUPT, "gzip: %s in the deflate data", inflate_error(code));
	input_consume(in, in->avail - s->avail_in);
	uint32_t n = room - s->avail_out;
	g->length += n;
	return n;
}

static ssize_t gzip_read(Decoder *d, void *buf, size_t len, Err **err)
{
	Gzip *g = d->state;
	Input *in = &d->in;
	while (!g->ended) {
		if (!g->in_member) {
			int r = begin_member(d, g, err);
			if (r < 0)
				return r;
			g->in_member = r > 0;
			g->ended = r == 0;
			continue;
		}
		ssize_t n = inflate_some(in, g, buf, len, err);
		if (n < 0)
			return n;
		bool finished = g->inflate.block_state == ISAL_BLOCK_FINISH;
		if (finished) {
			int r = end_member(in, g, err);
			if (r < 0)
				return r;
			g->in_member = false;
		}
		if (n > 0)
			return n;
		if (finished)
			continue;
		int r = input_need(in, in->avail + 1, err);
		if (r <= 0)
			return r < 0 ? r : gzip_truncated(err);
	}
	return 0;
}

const DecoderOps decode_gzip = {gzip_init, gzip_read, gzip_free, LIMIT_INFLATE_RATIO};
