/*
 * Reading layers: the index of a tar that somebody else made, resume points, and single bodies.
 *
 * The points file: "cruetPt1", a byte order mark, the number of points, then pairs of offsets (blob, tar), both
 * ascending. It only saves time: one that is missing, damaged or of another machine is as good as none, and
 * reading starts at the front of the blob.
 */
#include "layer/layerfile.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/log.h"
#include "layer/index_int.h"
#include "layer/whiteout.h"
#include "sys/atomic.h"

#define HASH_BLOCK        (256u << 10)
#define POINTS_MAGIC      "cruetPt1"
#define POINTS_BYTE_ORDER 0x01020304u

/* Hashes what it gives out, when that is given back: until then those behind it may hash a part of it together with
 * something else, in one pass. */
typedef struct HashReader {
	Reader reader;
	Reader *source; /* borrowed */
	Sha256 *hash;
	char *block;      /* for sources without memory of their own */
	const char *data; /* given out, and not hashed so far */
	size_t len;
	uint64_t total;
} HashReader;

static void hash_up_to(HashReader *h, const char *end)
{
	size_t n = (size_t)(end - h->data);
	sha256_update(h->hash, h->data, n);
	h->data += n;
	h->len -= n;
}

static ssize_t hash_reader_view(Reader *r, const void **ret, size_t len, Err **err)
{
	HashReader *h = (HashReader *)r;
	if (h->len)
		hash_up_to(h, h->data + h->len);
	ssize_t n = reader_view(h->source, h->block, MIN(len, (size_t)HASH_BLOCK), ret, err);
	if (n > 0) {
		h->data = *ret;
		h->len = (size_t)n;
		h->total += (uint64_t)n;
	}
	return n;
}

static ssize_t hash_reader_read(Reader *r, void *buf, size_t len, Err **err)
{
	const void *data;
	ssize_t n = hash_reader_view(r, &data, len, err);
	if (n > 0)
		memcpy(buf, data, (size_t)n);
	return n;
}

/* A part of what was given out last, or a copy of something older. */
static void hash_part(HashReader *h, Sha256 *part_hash, const char *part, size_t len)
{
	if (h->len && part >= h->data && part + len <= h->data + h->len) {
		hash_up_to(h, part);
		sha256_update_both(h->hash, part_hash, part, len);
		h->data += len;
		h->len -= len;
	} else {
		sha256_update(part_hash, part, len);
	}
}

static void hash_reader_done(HashReader *h)
{
	sha256_free(h->hash);
	free(h->block);
}

typedef struct Indexer {
	HashReader *in;
	TarReader *tar;
	IndexBuilder *builder;
	Sha256 *body_hash;
	Buf target; /* of a whiteout */
} Indexer;

static void indexer_done(Indexer *x)
{
	tar_reader_free(x->tar);
	sha256_free(x->body_hash);
	buf_done(&x->target);
}

static int hash_body(Indexer *x, Digest *ret, Err **err)
{
	for (;;) {
		const void *data;
		ssize_t n = tar_reader_body_view(x->tar, &data, err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		hash_part(x->in, x->body_hash, data, (size_t)n);
	}
	sha256_final(x->body_hash, ret);
	sha256_reset(x->body_hash);
	return 0;
}

static int index_entry(Indexer *x, const TarEntry *e, Err **err)
{
	WhiteoutKind kind;
	int r = whiteout_parse(str_of(e->path), &kind, &x->target, err);
	if (r < 0)
		return r;
	if (kind == WHITEOUT_IGNORED)
		return 0;
	Str by;
	r = index_builder_check(x->builder, err);
	if (r < 0)
		return r;
	if (index_builder_parent_blocked(x->builder, str_of(e->path), &by))
		return err_set(err, ERR_CORRUPT,
			"'%s' lies below '" STR_FMT "', which is no directory in the same layer",
			e->path, STR_ARG(by));
	if (kind != WHITEOUT_NOT) {
		TarEntry marked = {.path = x->target.ptr ? x->target.ptr : (char[]){""},
			.type = kind == WHITEOUT_DIR ? TAR_DIR : TAR_FILE,
			.mode = 0755};
		index_builder_add(x->builder, &marked,
			kind == WHITEOUT_DIR ? INDEX_OPAQUE | INDEX_IMPLIED : INDEX_WHITEOUT, NULL);
		return 0;
	}
	if (e->uid >= UINT32_MAX || e->gid >= UINT32_MAX)
		return err_set(err, ERR_CORRUPT, "owner of '%s' is out of range", e->path);
	Digest digest = {0};
	if (e->type == TAR_FILE)
		r = hash_body(x, &digest, err);
	if (r == 0)
		index_builder_add(x->builder, e, 0, e->type == TAR_FILE ? &digest : NULL);
	return r;
}

static int index_entries(Indexer *x, Err **err)
{
	for (uint64_t entries = 0;; entries++) {
		TarEntry *e;
		int r = tar_reader_next(x->tar, &e, err);
		if (r < 0)
			return r;
		if (r == 0)
			return tar_reader_drain(x->tar, err);
		if (entries == LIMIT_LAYER_ENTRIES)
			return err_set(err, ERR_LIMIT, "a layer has more than %u entries",
				LIMIT_LAYER_ENTRIES);
		r = index_entry(x, e, err);
		if (r < 0)
			return r;
	}
}

int layer_index_tar(Reader *source, IndexBuilder *builder, Digest *ret_diff_id,
	uint64_t *ret_tar_size, Err **err)
{
	static const ReaderOps ops = {hash_reader_read, NULL, hash_reader_view};
	_cleanup_(hash_reader_done) HashReader in = {.reader = {&ops},
		.source = source,
		.hash = sha256_new(),
		.block = xmalloc(HASH_BLOCK)};
	_cleanup_(indexer_done) Indexer x = {.in = &in,
		.tar = tar_reader_new(&in.reader),
		.builder = builder,
		.body_hash = sha256_new(),
		.target = BUF_INIT(LIMIT_PATH)};
	int r = index_entries(&x, err);
	if (r < 0)
		return r;
	sha256_final(in.hash, ret_diff_id);
	*ret_tar_size = in.total;
	return 0;
}

/* ---- resume points ---- */

typedef struct PointsHeader {
	char magic[8];
	uint32_t byte_order;
	uint32_t n;
} PointsHeader;

static char *points_name(const Digest *blob)
{
	return xasprintf("%s.points", digest_hex(blob).s);
}

int layer_points_write(int dirfd, const Digest *blob, const ResumePoints *points, Err **err)
{
	_cleanup_buf_ Buf file = BUF_INIT(SIZE_MAX / 2);
	PointsHeader h = {.byte_order = POINTS_BYTE_ORDER, .n = (uint32_t)points->len};
	memcpy(h.magic, POINTS_MAGIC, sizeof(h.magic));
	buf_append(&file, &h, sizeof(h));
	if (points->len)
		buf_append(&file, points->items, points->len * sizeof(*points->items));
	_cleanup_free_ char *name = points_name(blob);
	return atomic_write(dirfd, name, buf_view(&file), 0644, false, err);
}

/* The last point at or before the offset; {0, 0} when there is none. */
static ResumePoint nearest(const ResumePoint *points, size_t n, uint64_t tar_offset)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (points[middle].tar_offset <= tar_offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? points[low - 1] : (ResumePoint){0};
}

static ResumePoint points_find(
	int dirfd, const Digest *blob, uint64_t blob_size, uint64_t tar_offset)
{
	ResumePoint found = {0};
	if (dirfd < 0)
		return found;
	_cleanup_free_ char *name = points_name(blob);
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= (off_t)sizeof(PointsHeader))
		return found;
	size_t len = (size_t)st.st_size;
	void *file = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return found;
	const PointsHeader *h = file;
	if (memcmp(h->magic, POINTS_MAGIC, sizeof(h->magic)) == 0 &&
		h->byte_order == POINTS_BYTE_ORDER &&
		(len - sizeof(*h)) / sizeof(ResumePoint) == h->n &&
		(len - sizeof(*h)) % sizeof(ResumePoint) == 0)
		found = nearest((const ResumePoint *)(h + 1), h->n, tar_offset);
	else
		log_debug("layer", "resume points '%s' are damaged and not used", name);
	(void)munmap(file, len);
	if (found.tar_offset > tar_offset || found.blob_offset >= blob_size)
		found = (ResumePoint){0};
	return found;
}

int layer_body_open(int blob_fd, Compression c, int points_dirfd, const Digest *blob,
	uint64_t tar_offset, uint64_t len, Reader **ret, Err **err)
{
	struct stat st;
	if (fstat(blob_fd, &st) < 0)
		return err_sys(err, "stat layer '%s'", digest_str(blob).s);
	ResumePoint from = {.blob_offset = tar_offset, .tar_offset = tar_offset};
	if (c != COMPRESSION_NONE)
		from = points_find(points_dirfd, blob, (uint64_t)st.st_size, tar_offset);
	if (from.blob_offset > INT64_MAX || lseek(blob_fd, (off_t)from.blob_offset, SEEK_SET) < 0)
		return err_sys(err, "seek in layer '%s'", digest_str(blob).s);
	/* A duplicate, since blob_fd stays the caller's until nothing can fail any more. */
	int fd = fcntl(blob_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_sys(err, "open layer '%s'", digest_str(blob).s);
	_cleanup_(reader_freep) Reader *in = fd_reader_new(fd, true, digest_str(blob).s);
	if (c != COMPRESSION_NONE)
		in = decompress_reader_new(c, in, NULL);
	int r = reader_skip(in, tar_offset - from.tar_offset, err);
	if (r < 0)
		return r;
	*ret = limit_reader_new(TAKE_PTR(in), true, len);
	(void)close(blob_fd);
	return 0;
}
