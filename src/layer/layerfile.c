/*
 * Writing a layer
 *
 *	entry, body ── tar writer ─┬─ sha256 → diffID, and of bodies at the same time → index
 *	                           └─ gather (256 KiB) ── compress (pool) ── blob
 *
 * The tar stream consists of 512-byte headers and small bodies; handing on such crumbs costs more than the work
 * itself. The gatherer collects them so that the compressor is called a few times per megabyte. Compression is
 * what takes the time; it runs on the pool's threads while this thread reads and hashes on.
 */
#include "layer/layerfile.h"

#include "base/limits.h"
#include "layer/index_int.h"
#include "layer/pathtable.h"
#include "layer/whiteout.h"

#define GATHER_SIZE (256u << 10)
#define BODY_CHUNK  (256u << 10)

typedef struct Gather {
	Writer writer;
	Writer *sink; /* owned */
	Sha256 *hash; /* owned */
	Sha256 *body; /* takes the next body_left bytes as well; borrowed */
	size_t body_left;
	uint8_t *block;
	size_t filled;
	uint64_t total;
} Gather;

struct LayerWriter {
	Gather gather;
	TarWriter *tar;
	IndexBuilder *index;
	ResumePoints points;
	Sha256 *body_hash;
	char *chunk;
	Digest diff_id, last_body;
	uint64_t entries;
	bool finished;
};

/* ---- the blob as a sink that is neither finished nor freed here ---- */

typedef struct BorrowedWriter {
	Writer writer;
	Writer *sink; /* borrowed */
} BorrowedWriter;

static int borrowed_write(Writer *w, const void *buf, size_t len, Err **err)
{
	return writer_write(((BorrowedWriter *)w)->sink, buf, len, err);
}

static int borrowed_finish(_unused_ Writer *w, _unused_ Err **err)
{
	return 0;
}

static void borrowed_free(Writer *w)
{
	free(w);
}

static Writer *borrowed_writer_new(Writer *sink)
{
	static const WriterOps ops = {borrowed_write, borrowed_finish, borrowed_free};
	BorrowedWriter *w = xnew(BorrowedWriter);
	w->writer.ops = &ops;
	w->sink = sink;
	return &w->writer;
}

/* ---- gathering ---- */

static int gather_flush(Gather *g, const void *data, size_t len, Err **err)
{
	g->total += len;
	return writer_write(g->sink, data, len, err);
}

static int gather_write(Writer *w, const void *buf, size_t len, Err **err)
{
	Gather *g = (Gather *)w;
	const uint8_t *p = buf;
	size_t body = MIN(len, g->body_left);
	sha256_update_both(g->hash, g->body, p, body);
	sha256_update(g->hash, p + body, len - body);
	g->body_left -= body;
	while (len > 0) {
		if (g->filled == 0 && len >= GATHER_SIZE) {
			int r = gather_flush(g, p, GATHER_SIZE, err);
			if (r < 0)
				return r;
			p += GATHER_SIZE;
			len -= GATHER_SIZE;
			continue;
		}
		size_t n = MIN(len, GATHER_SIZE - g->filled);
		memcpy(g->block + g->filled, p, n);
		g->filled += n;
		p += n;
		len -= n;
		if (g->filled < GATHER_SIZE)
			break;
		g->filled = 0;
		int r = gather_flush(g, g->block, GATHER_SIZE, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int gather_finish(Writer *w, Err **err)
{
	Gather *g = (Gather *)w;
	size_t rest = g->filled;
	g->filled = 0;
	int r = rest ? gather_flush(g, g->block, rest, err) : 0;
	return r < 0 ? r : writer_finish(g->sink, err);
}

/* Part of LayerWriter, which frees what it holds. */
static void gather_free(_unused_ Writer *w)
{
}

/* ---- the writer ---- */

LayerWriter *layer_writer_new(Compression c, int level, Pool *pool, Writer *blob, BlockCache *cache)
{
	static const WriterOps ops = {gather_write, gather_finish, gather_free};
	LayerWriter *w = xnew(LayerWriter);
	w->gather.writer.ops = &ops;
	w->gather.hash = sha256_new();
	w->gather.block = xmalloc(GATHER_SIZE);
	w->gather.sink =
		compress_writer_new(c, level, pool, borrowed_writer_new(blob), &w->points, cache);
	w->tar = tar_writer_new(&w->gather.writer);
	w->index = index_builder_new();
	w->body_hash = sha256_new();
	w->gather.body = w->body_hash;
	w->chunk = xmalloc(BODY_CHUNK);
	return w;
}

LayerWriter *layer_writer_free(LayerWriter *w)
{
	if (!w)
		return NULL;
	tar_writer_free(w->tar);
	writer_free(w->gather.sink);
	sha256_free(w->gather.hash);
	free(w->gather.block);
	index_builder_free(w->index);
	vec_done(&w->points);
	sha256_free(w->body_hash);
	free(w->chunk);
	free(w);
	return NULL;
}

/* What neither tar nor index could say. */
static int check_entry(const TarEntry *e, Err **err)
{
	if (strlen(e->path) > LIMIT_PATH)
		return err_set(err, ERR_LIMIT, "path '%.64s…' is longer than %u bytes", e->path,
			LIMIT_PATH);
	if (e->uid >= UINT32_MAX || e->gid >= UINT32_MAX)
		return err_set(err, ERR_CORRUPT, "owner of '%s' is out of range", e->path);
	return 0;
}

static int start_entry(LayerWriter *w, const TarEntry *e, uint64_t *ret_body_offset, Err **err)
{
	int r = check_entry(e, err);
	if (r < 0)
		return r;
	if (whiteout_name_in(str_of(e->path)))
		return err_set(err, ERR_UNSUPPORTED,
			"'%s': a name that starts with '.wh.' would remove another file when the "
			"layer is unpacked",
			e->path);
	if (++w->entries > LIMIT_LAYER_ENTRIES)
		return err_set(
			err, ERR_LIMIT, "a layer has more than %u entries", LIMIT_LAYER_ENTRIES);
	r = tar_writer_entry(w->tar, e, err);
	*ret_body_offset = tar_writer_offset(w->tar);
	return r;
}

static void note_entry(LayerWriter *w, const TarEntry *e, uint64_t body_offset)
{
	TarEntry noted = *e;
	Digest digest = {0};
	noted.body_offset = body_offset;
	if (e->type == TAR_FILE) {
		sha256_final(w->body_hash, &digest);
		sha256_reset(w->body_hash);
		w->last_body = digest;
	}
	index_builder_add(w->index, &noted, 0, e->type == TAR_FILE ? &digest : NULL);
}

static int write_piece(LayerWriter *w, const void *data, size_t len, Err **err)
{
	w->gather.body_left = len; /* what follows is padding */
	return tar_writer_body(w->tar, data, len, err);
}

static int write_body(LayerWriter *w, const TarEntry *e, Reader *body, Err **err)
{
	for (uint64_t left = e->size; left > 0;) {
		size_t want = (size_t)MIN(left, (uint64_t)BODY_CHUNK);
		ssize_t n = body ? reader_read(body, w->chunk, want, err) : 0;
		if (n < 0)
			return (int)n;
		if (n == 0)
			return err_set(err, ERR_CORRUPT,
				"'%s' ends %llu bytes before its size: it changed while it was read",
				e->path, (unsigned long long)left);
		int r = write_piece(w, w->chunk, (size_t)n, err);
		if (r < 0)
			return r;
		left -= (uint64_t)n;
	}
	return 0;
}

int layer_writer_add(LayerWriter *w, const TarEntry *e, Reader *body, Err **err)
{
	uint64_t offset;
	int r = start_entry(w, e, &offset, err);
	if (r == 0 && e->type == TAR_FILE && e->size > 0)
		r = write_body(w, e, body, err);
	if (r == 0)
		note_entry(w, e, offset);
	return r;
}

int layer_writer_add_bytes(LayerWriter *w, const TarEntry *e, Str body, Err **err)
{
	if (e->type == TAR_FILE && e->size != body.len)
		return err_set(err, ERR_CORRUPT, "'%s' has %zu bytes, not %llu", e->path, body.len,
			(unsigned long long)e->size);
	uint64_t offset;
	int r = start_entry(w, e, &offset, err);
	if (r == 0 && e->type == TAR_FILE && body.len)
		r = write_piece(w, body.ptr, body.len, err);
	if (r == 0)
		note_entry(w, e, offset);
	return r;
}

void layer_writer_last_digest(const LayerWriter *w, Digest *ret)
{
	*ret = w->last_body;
}

/* Writes the empty file that is the marker, and notes what it stands for. */
static int write_marker(LayerWriter *w, Str dir, const char *prefix, Str name, Err **err)
{
	_cleanup_free_ char *path = xasprintf(
		STR_FMT "%s%s" STR_FMT, STR_ARG(dir), dir.len ? "/" : "", prefix, STR_ARG(name));
	TarEntry marker = {.path = path, .type = TAR_FILE};
	if (++w->entries > LIMIT_LAYER_ENTRIES)
		return err_set(
			err, ERR_LIMIT, "a layer has more than %u entries", LIMIT_LAYER_ENTRIES);
	return tar_writer_entry(w->tar, &marker, err);
}

int layer_writer_whiteout(LayerWriter *w, Str path, Err **err)
{
	Str dir, name = path_base(path);
	if (!path_parent(path, &dir) || whiteout_name_in(path))
		return err_set(err, ERR_UNSUPPORTED,
			"'" STR_FMT "' cannot be removed by a whiteout", STR_ARG(path));
	int r = write_marker(w, dir, WHITEOUT_PREFIX, name, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *target = str_dup(path);
	TarEntry noted = {.path = target, .type = TAR_FILE};
	index_builder_add(w->index, &noted, INDEX_WHITEOUT, NULL);
	return 0;
}

int layer_writer_opaque(LayerWriter *w, Str dir, Err **err)
{
	if (whiteout_name_in(dir))
		return err_set(
			err, ERR_UNSUPPORTED, "'" STR_FMT "' cannot be made opaque", STR_ARG(dir));
	int r = write_marker(w, dir, WHITEOUT_OPAQUE, STR(""), err);
	if (r < 0)
		return r;
	_cleanup_free_ char *target = str_dup(dir);
	TarEntry noted = {.path = target, .type = TAR_DIR, .mode = 0755};
	index_builder_add(w->index, &noted, INDEX_OPAQUE | INDEX_IMPLIED, NULL);
	return 0;
}

bool layer_writer_has(const LayerWriter *w, Str path)
{
	return index_builder_has(w->index, path);
}

int layer_writer_finish(LayerWriter *w, LayerResult *ret, Err **err)
{
	int r = tar_writer_end(w->tar, err);
	if (r == 0)
		r = writer_finish(&w->gather.writer, err);
	if (r < 0)
		return r;
	sha256_final(w->gather.hash, &w->diff_id);
	w->finished = true;
	*ret = (LayerResult){
		.diff_id = w->diff_id, .tar_size = w->gather.total, .entries = w->entries};
	ret->points = w->points;
	w->points = (ResumePoints){0};
	return 0;
}

int layer_writer_index_write(LayerWriter *w, int dirfd, const char *path, Err **err)
{
	return index_builder_write(w->index, dirfd, path, &w->diff_id, w->gather.total, err);
}

int layer_writer_index(LayerWriter *w, Index **ret, Err **err)
{
	return index_builder_index(w->index, &w->diff_id, w->gather.total, ret, err);
}
