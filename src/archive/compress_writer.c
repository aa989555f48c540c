/*
 * Parallel compression with bytes that do not depend on the threads.
 *
 * Input is cut into blocks; each becomes a complete gzip member or zstd frame by itself
 * (RFC 1952 2.2 and RFC 8878 3 let such follow one another). A block ends before the header of a tar entry whose
 * name hashes to a multiple of CUT_ONE_IN once it is three quarters full, before a body that will fill blocks of its
 * own, or when it is full. So the same files make the same blocks whatever precedes them, and blocks of the layer
 * that was built before can be taken from it as they are. Blocks wait in a ring of slots: the writing
 * thread fills one while the pool compresses those before it, and takes finished ones from the old end
 * to the sink, in order. When all slots are in use it waits for the oldest, which job_wait runs in place
 * if no worker has begun it; this is the backpressure and bounds memory to threads + 2 slots. Slots and
 * compressor states are reused; states are taken from a stack that grows to the number of jobs that
 * really ran at the same time.
 *
 * What the default level of gzip is worth, in 1 MiB members against zlib 1.2.13 as one stream
 * (libdeflate 1.14, one core, size relative to zlib -6):
 *
 *	                     zlib -6       level 4       level 5       level 6       level 7
 *	59 MB of Python      1.000  30/s   1.023 107/s   1.001  88/s   0.993  65/s   0.987  52/s  (MB/s)
 *	150 MB of programs   1.000  23/s   1.019 108/s   1.000  80/s   0.993  63/s   0.988  44/s
 *
 * Level 5 is the fastest that is as good as zlib's 6.
 */
#include "archive/compress.h"

#include <libdeflate.h>
#include <pthread.h>
#include <stdatomic.h>
#include <zstd.h>

#include "archive/tar_int.h"

#define GZIP_BLOCK         (1u << 20)
#define GZIP_LEVEL_DEFAULT 5
#define ZSTD_BLOCK         (2u << 20)
#define ZSTD_LEVEL_DEFAULT 3

#define CUT_ONE_IN  16u
#define REUSE_ABOVE (64u << 10) /* smaller blocks are compressed sooner than found */

/* One format: compresses a block into a complete member. */
typedef struct BlockCodec {
	const char *name; /* changes when the compressed bytes may */
	size_t block_size;
	int level_default;
	void *(*state_new)(int level);
	void (*state_free)(void *state);
	size_t (*bound)(size_t block_size);
	size_t (*compress)(void *state, const void *in, size_t in_len, void *out, size_t out_size);
} BlockCodec;

typedef struct CompressWriter CompressWriter;

typedef struct Slot {
	CompressWriter *writer;
	uint8_t *in, *out; /* allocated at first use */
	size_t in_len, out_len;
	CompressedBlock block;
	bool reusable;
	Job *job; /* being compressed, or done and not yet written */
} Slot;

struct CompressWriter {
	Writer writer;
	const BlockCodec *codec;
	int level;
	BlockCache *cache; /* NULL: none */
	Pool *pool;        /* NULL: compresses in place */
	Writer *sink;
	ResumePoints *points;
	Slot *slots; /* a ring; slot `first` is the oldest in use, the one behind the last is filled */
	size_t n_slots, first, n_used;
	size_t scanned;               /* bytes of the open slot that were looked at for a cut */
	uint64_t in_total, out_total; /* of what reached the sink */
	bool any;                     /* a block was submitted */
	ErrCode failed;
	atomic_bool abandoned;
	pthread_mutex_t lock; /* for states */
	VEC(void *) states;
};

/* ---- formats ---- */

static void *gzip_new(int level)
{
	return libdeflate_alloc_compressor(level);
}

static void gzip_free(void *state)
{
	libdeflate_free_compressor(state);
}

static size_t gzip_bound(size_t block_size)
{
	return libdeflate_gzip_compress_bound(NULL, block_size);
}

/* libdeflate's header has no name, mtime 0 and OS 255. */
static size_t gzip_compress(void *state, const void *in, size_t in_len, void *out, size_t out_size)
{
	return libdeflate_gzip_compress(state, in, in_len, out, out_size);
}

static void *zstd_new(int level)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	if (ctx) {
		(void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level);
		(void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	}
	return ctx;
}

static void zstd_free(void *state)
{
	ZSTD_freeCCtx(state);
}

static size_t zstd_bound(size_t block_size)
{
	return ZSTD_compressBound(block_size);
}

static size_t zstd_compress(void *state, const void *in, size_t in_len, void *out, size_t out_size)
{
	size_t n = ZSTD_compress2(state, out, out_size, in, in_len);
	return ZSTD_isError(n) ? 0 : n;
}

static const BlockCodec codecs[_COMPRESSION_MAX] = {
	[COMPRESSION_GZIP] = {"gzip " LIBDEFLATE_VERSION_STRING, GZIP_BLOCK, GZIP_LEVEL_DEFAULT,
		gzip_new, gzip_free, gzip_bound, gzip_compress},
	[COMPRESSION_ZSTD] = {"zstd " ZSTD_VERSION_STRING, ZSTD_BLOCK, ZSTD_LEVEL_DEFAULT, zstd_new,
		zstd_free, zstd_bound, zstd_compress},
};

/* ---- blocks ---- */

static void *take_state(CompressWriter *w)
{
	pthread_mutex_lock(&w->lock);
	void *state = w->states.len ? vec_pop(&w->states) : NULL;
	pthread_mutex_unlock(&w->lock);
	return state ? state : w->codec->state_new(w->level);
}

static void give_state(CompressWriter *w, void *state)
{
	pthread_mutex_lock(&w->lock);
	vec_push(&w->states, state);
	pthread_mutex_unlock(&w->lock);
}

uint32_t compressed_block_crc(const void *bytes, size_t len)
{
	return libdeflate_crc32(0, bytes, len);
}

static void block_key(const CompressWriter *w, const Slot *slot, Digest *ret)
{
	_cleanup_(sha256_freep) Sha256 *h = sha256_new();
	sha256_field(h, str_of(w->codec->name));
	sha256_field_u64(h, (uint64_t)w->level);
	sha256_update(h, slot->in, slot->in_len);
	sha256_final(h, ret);
}

/* Taken from the cache, or compressed. */
static int make_block(CompressWriter *w, Slot *slot, Err **err)
{
	size_t room = w->codec->bound(w->codec->block_size);
	slot->reusable = w->cache && slot->in_len > REUSE_ABOVE;
	if (slot->reusable) {
		block_key(w, slot, &slot->block.key);
		slot->out_len = w->cache->find(w->cache, &slot->block.key, slot->out, room);
		if (slot->out_len)
			return 0;
	}
	void *state = take_state(w);
	if (!state)
		return err_set(err, ERR_SYS, "compression: out of memory");
	slot->out_len = w->codec->compress(state, slot->in, slot->in_len, slot->out, room);
	give_state(w, state);
	if (slot->out_len == 0)
		return err_set(err, ERR_SYS, "compression failed");
	return 0;
}

static int compress_slot(void *arg, Err **err)
{
	Slot *slot = arg;
	CompressWriter *w = slot->writer;
	if (atomic_load(&w->abandoned))
		return 0;
	int r = make_block(w, slot, err);
	if (r == 0 && slot->reusable)
		slot->block.crc = compressed_block_crc(slot->out, slot->out_len);
	return r;
}

static int write_slot(CompressWriter *w, Slot *slot, Err **err)
{
	if (w->points)
		vec_push(w->points, ((ResumePoint){w->out_total, w->in_total}));
	if (slot->reusable) {
		slot->block.offset = w->out_total;
		slot->block.len = (uint32_t)slot->out_len;
		w->cache->add(w->cache, &slot->block);
	}
	w->in_total += slot->in_len;
	w->out_total += slot->out_len;
	return writer_write(w->sink, slot->out, slot->out_len, err);
}

/* Waits for the oldest slot, writes it, and makes it free. */
static int retire_first(CompressWriter *w, Err **err)
{
	Slot *slot = &w->slots[w->first];
	w->first = (w->first + 1) % w->n_slots;
	w->n_used--;
	int r = job_wait(TAKE_PTR(slot->job), err);
	if (r == 0)
		r = write_slot(w, slot, err);
	slot->in_len = 0;
	return r;
}

static Slot *open_slot(CompressWriter *w)
{
	Slot *slot = &w->slots[(w->first + w->n_used) % w->n_slots];
	if (!slot->in) {
		slot->in = xmalloc(w->codec->block_size);
		slot->out = xmalloc(w->codec->bound(w->codec->block_size));
	}
	return slot;
}

/* The open slot is full, or the last. Afterwards at least one slot is free. */
static int submit_open(CompressWriter *w, Err **err)
{
	Slot *slot = open_slot(w);
	w->any = true;
	w->scanned = 0;
	if (!w->pool) {
		int r = compress_slot(slot, err);
		if (r == 0)
			r = write_slot(w, slot, err);
		slot->in_len = 0;
		return r;
	}
	slot->job = pool_submit(w->pool, compress_slot, slot);
	w->n_used++;
	while (w->n_used > 0 && (w->n_used == w->n_slots || job_done(w->slots[w->first].job))) {
		int r = retire_first(w, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- writer ---- */

/* Whether a block of which `filled` bytes are there ends before this header. */
static bool cuts(const CompressWriter *w, size_t filled, const TarHeader *h)
{
	int64_t size;
	if (memcmp(h->magic, "ustar", 5) != 0)
		return false;
	if (tar_number(h->size, sizeof(h->size), &size) && size >= (int64_t)w->codec->block_size)
		return true;
	return filled >= w->codec->block_size / 4 * 3 &&
		libdeflate_crc32(0, h->name, sizeof(h->name)) % CUT_ONE_IN == 0;
}

/* Where the open slot ends early; 0: nowhere in what is there. */
static size_t find_cut(CompressWriter *w, const Slot *slot)
{
	size_t at = MAX(w->scanned, (size_t)w->codec->block_size / 8);
	for (; at + TAR_BLOCK_SIZE <= slot->in_len; at += TAR_BLOCK_SIZE)
		if (cuts(w, at, (const TarHeader *)(slot->in + at)))
			return at;
	w->scanned = at;
	return 0;
}

/* What is behind the cut opens the next slot. */
static int submit_cut(CompressWriter *w, size_t cut, Err **err)
{
	Slot *slot = open_slot(w);
	size_t rest = slot->in_len - cut;
	slot->in_len = cut;
	int r = submit_open(w, err);
	if (r < 0)
		return r;
	Slot *next = open_slot(w);
	memmove(next->in, slot->in + cut, rest);
	next->in_len = rest;
	return 0;
}

static int write_blocks(CompressWriter *w, const uint8_t *p, size_t len, Err **err)
{
	while (len > 0) {
		Slot *slot = open_slot(w);
		size_t n = MIN(len, w->codec->block_size - slot->in_len);
		memcpy(slot->in + slot->in_len, p, n);
		slot->in_len += n;
		p += n;
		len -= n;
		int r = 0;
		for (size_t cut; r == 0 && (cut = find_cut(w, open_slot(w))) > 0;)
			r = submit_cut(w, cut, err);
		if (r == 0 && open_slot(w)->in_len == w->codec->block_size)
			r = submit_open(w, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int finish_blocks(CompressWriter *w, Err **err)
{
	/* No input at all is one empty member: the empty file is no gzip file. */
	if (open_slot(w)->in_len > 0 || !w->any) {
		int r = submit_open(w, err);
		if (r < 0)
			return r;
	}
	while (w->n_used > 0) {
		int r = retire_first(w, err);
		if (r < 0)
			return r;
	}
	return writer_finish(w->sink, err);
}

static int broken(const CompressWriter *w, Err **err)
{
	return err_set(err, w->failed, "compression: an earlier write failed");
}

static int compress_write(Writer *writer, const void *buf, size_t len, Err **err)
{
	CompressWriter *w = (CompressWriter *)writer;
	if (w->failed)
		return broken(w, err);
	int r = write_blocks(w, buf, len, err);
	if (r < 0)
		w->failed = (ErrCode)-r;
	return r;
}

static int compress_finish(Writer *writer, Err **err)
{
	CompressWriter *w = (CompressWriter *)writer;
	if (w->failed)
		return broken(w, err);
	int r = finish_blocks(w, err);
	if (r < 0)
		w->failed = (ErrCode)-r;
	return r;
}

static void compress_free(Writer *writer)
{
	CompressWriter *w = (CompressWriter *)writer;
	atomic_store(&w->abandoned, true);
	for (size_t i = 0; i < w->n_slots; i++) {
		Slot *slot = &w->slots[i];
		if (slot->job)
			(void)job_wait(slot->job, NULL);
		free(slot->in);
		free(slot->out);
	}
	vec_foreach (&w->states, state)
		w->codec->state_free(*state);
	vec_done(&w->states);
	free(w->slots);
	pthread_mutex_destroy(&w->lock);
	writer_free(w->sink);
	free(w);
}

Writer *compress_writer_new(
	Compression c, int level, Pool *pool, Writer *sink, ResumePoints *points, BlockCache *cache)
{
	static const WriterOps ops = {compress_write, compress_finish, compress_free};
	const BlockCodec *codec = &codecs[c];
	if (!codec->compress)
		return sink;
	CompressWriter *w = xnew(CompressWriter);
	w->writer.ops = &ops;
	w->codec = codec;
	w->level = level == COMPRESSION_LEVEL_DEFAULT ? codec->level_default : level;
	w->pool = pool;
	w->sink = sink;
	w->points = points;
	w->cache = cache;
	w->n_slots = pool ? pool_threads(pool) + 2 : 1;
	w->slots = xnew_n(Slot, w->n_slots);
	for (size_t i = 0; i < w->n_slots; i++)
		w->slots[i].writer = w;
	atomic_init(&w->abandoned, false);
	pthread_mutex_init(&w->lock, NULL);
	return &w->writer;
}
