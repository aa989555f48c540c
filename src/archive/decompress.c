/*
 * Decompressing readers: the part that all formats share. It holds the compressed bytes in one buffer,
 * bounds what comes out, and notes the places from which reading can resume.
 *
 * A hostile stream controls how much comes out for what goes in. Deflate cannot pass 1032:1, so a bound
 * on the ratio costs honest data nothing; zstd, xz and bzip2 pack a gigabyte of zeros into some kilobytes
 * and are bounded by the total alone. Output goes straight to the caller's buffer: memory does not
 * depend on the stream (but for the windows of zstd and xz).
 */
#include "archive/decompress_int.h"

#include "base/limits.h"

#define INPUT_CAPACITY (256u * 1024)
/* Streams of tiny members would make more points than anybody needs. */
#define POINT_DISTANCE (256u * 1024)
#define SNIFF_SIZE     8u

/* ---- input ---- */

int input_more(Input *in, Err **err)
{
	uint8_t *start = in->mem + INPUT_SLACK;
	if (in->eof || in->avail >= INPUT_CAPACITY)
		return 0;
	if (in->next != start) {
		/* The bytes before next move along, as far back as a decoder may ask. */
		size_t back = MIN((size_t)(in->next - in->mem), (size_t)INPUT_SLACK);
		memmove(start - back, in->next - back, back + in->avail);
		in->next = start;
	}
	ssize_t n = reader_read(in->source, start + in->avail, INPUT_CAPACITY - in->avail, err);
	if (n < 0)
		return (int)n;
	in->eof = n == 0;
	in->avail += (size_t)n;
	return n > 0;
}

int input_need(Input *in, size_t want, Err **err)
{
	while (in->avail < want) {
		int r = input_more(in, err);
		if (r <= 0)
			return r;
	}
	return 1;
}

int input_rest_is_zero(Input *in, Err **err)
{
	for (;;) {
		for (size_t i = 0; i < in->avail; i++) {
			if (in->next[i] != 0)
				return 0;
		}
		input_consume(in, in->avail);
		int r = input_need(in, 1, err);
		if (r <= 0)
			return r < 0 ? r : 1;
	}
}

/* ---- reader ---- */

typedef struct DecompressReader {
	Reader reader;
	const DecoderOps *ops;
	Decoder decoder;
	uint64_t max_total;
	unsigned max_ratio; /* 0: any */
	bool begun;
	ErrCode failed;
} DecompressReader;

static const DecoderOps *const decoders[_COMPRESSION_MAX] = {
	[COMPRESSION_GZIP] = &decode_gzip,
	[COMPRESSION_ZSTD] = &decode_zstd,
	[COMPRESSION_BZIP2] = &decode_bzip2,
	[COMPRESSION_XZ] = &decode_xz,
};

void decoder_point(Decoder *d)
{
	ResumePoints *points = d->points;
	if (!points)
		return;
	if (points->len > 0 && d->out_total - vec_last(points)->tar_offset < POINT_DISTANCE)
		return;
	vec_push(points, ((ResumePoint){d->in.offset, d->out_total}));
}

static int check_bounds(const DecompressReader *r, Err **err)
{
	uint64_t in = r->decoder.in.offset;
	uint64_t out = r->decoder.out_total;
	if (out > r->max_total)
		return err_set(err, ERR_LIMIT, "compressed data inflates to more than %llu bytes",
			(unsigned long long)r->max_total);
	if (r->max_ratio && out > LIMIT_INFLATE_SLACK + in * r->max_ratio)
		return err_set(err, ERR_LIMIT, "compressed data inflates more than %u times",
			r->max_ratio);
	return 0;
}

static ssize_t read_decoded(DecompressReader *r, void *buf, size_t len, Err **err)
{
	if (!r->begun) {
		r->begun = true;
		int rc = r->ops->init(&r->decoder, err);
		if (rc < 0)
			return rc;
	}
	ssize_t n = r->ops->read(&r->decoder, buf, len, err);
	if (n <= 0)
		return n;
	r->decoder.out_total += (uint64_t)n;
	int rc = check_bounds(r, err);
	return rc < 0 ? rc : n;
}

static ssize_t decompress_read(Reader *reader, void *buf, size_t len, Err **err)
{
	DecompressReader *r = (DecompressReader *)reader;
	if (r->failed)
		return err_set(err, r->failed, "compressed data is unusable");
	if (len == 0)
		return 0;
	ssize_t n = read_decoded(r, buf, len, err);
	if (n < 0)
		r->failed = (ErrCode)-n;
	return n;
}

static void decompress_free(Reader *reader)
{
	DecompressReader *r = (DecompressReader *)reader;
	if (r->begun)
		r->ops->free(&r->decoder);
	reader_free(r->decoder.in.source);
	free(r->decoder.in.mem);
	free(r);
}

Reader *decompress_reader_new(Compression c, Reader *source, ResumePoints *points)
{
	if (c == COMPRESSION_NONE)
		return source;
	return bounded_reader_new(c, source, points, LIMIT_INFLATED, decoders[c]->max_ratio);
}

Reader *bounded_reader_new(
	Compression c, Reader *source, ResumePoints *points, uint64_t max_total, unsigned max_ratio)
{
	static const ReaderOps ops = {decompress_read, decompress_free};
	DecompressReader *r = xnew(DecompressReader);
	r->reader.ops = &ops;
	r->ops = decoders[c];
	r->max_total = max_total;
	r->max_ratio = max_ratio;
	Input *in = &r->decoder.in;
	in->source = source;
	in->mem = xmalloc(INPUT_SLACK + INPUT_CAPACITY);
	memset(in->mem, 0, INPUT_SLACK);
	in->next = in->mem + INPUT_SLACK;
	r->decoder.points = points;
	return &r->reader;
}

/* ---- sniffing ---- */

typedef struct HeadReader {
	Reader reader;
	Reader *source;
	uint8_t head[SNIFF_SIZE];
	size_t pos, len;
} HeadReader;

static ssize_t head_read(Reader *r, void *buf, size_t len, Err **err)
{
	HeadReader *h = (HeadReader *)r;
	if (h->pos == h->len)
		return reader_read(h->source, buf, len, err);
	size_t n = MIN(len, h->len - h->pos);
	memcpy(buf, h->head + h->pos, n);
	h->pos += n;
	return (ssize_t)n;
}

static void head_free(Reader *r)
{
	reader_free(((HeadReader *)r)->source);
	free(r);
}

int decompress_reader_auto(
	Reader *source, ResumePoints *points, Compression *ret_found, Reader **ret, Err **err)
{
	static const ReaderOps ops = {head_read, head_free};
	HeadReader *h = xnew(HeadReader);
	h->reader.ops = &ops;
	h->source = source;
	ssize_t n = reader_read_up_to(source, h->head, sizeof(h->head), err);
	if (n < 0) {
		reader_free(&h->reader);
		return (int)n;
	}
	h->len = (size_t)n;
	Compression found = compression_sniff(h->head, h->len);
	if (ret_found)
		*ret_found = found;
	*ret = decompress_reader_new(found, &h->reader, points);
	return 0;
}
