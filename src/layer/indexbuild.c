/*
 * Building an index. Entries come in any order; what a directory would hold after extracting them
 * one after the other is what the index says:
 *
 *	- a later entry of the same path replaces the earlier one;
 *	- something else than a directory removes what was below that path, here and (also when a directory
 *	  comes back in its place) in the layers below;
 *	- parents that were never mentioned exist as implied directories (0755, owner 0);
 *	- a whiteout concerns the layers below only: of a path that is an entry of this layer as well, just
 *	  the opaqueness of a directory remains of it, whichever of the two came first (OCI image-spec,
 *	  layer.md, "Whiteouts").
 *
 * Paths live in one block of bytes (pathtable.h), a record of the file format each; sorting permutes
 * numbers, and is skipped when the entries came sorted, as those of our own layers do.
 */
#include "layer/index_int.h"

#include "base/vec.h"
#include "layer/pathtable.h"
#include "sys/atomic.h"

#define WRITE_CHUNK (256u << 10)

/* A directory that was replaced by something else: what is below it and older is gone. Rare; a list. */
typedef struct Cleared {
	uint32_t number; /* of the path */
	uint32_t when;
} Cleared;

struct IndexBuilder {
	PathTable paths;
	VEC(IndexRecord) records; /* parallel to paths.keys */
	VEC(uint32_t) added;      /* parallel, too: when, counting calls */
	VEC(Cleared) cleared;
	uint32_t now;
	VEC(IndexXattr) xattrs;
	/* The parent of the last entry: known to be a directory, if set. */
	size_t parent;
	bool parent_known;
	size_t implied; /* directories that were implied once */
};

IndexBuilder *index_builder_new(void)
{
	return xnew(IndexBuilder);
}

IndexBuilder *index_builder_free(IndexBuilder *b)
{
	if (!b)
		return NULL;
	path_table_done(&b->paths);
	vec_done(&b->records);
	vec_done(&b->added);
	vec_done(&b->cleared);
	vec_done(&b->xattrs);
	free(b);
	return NULL;
}

int index_builder_check(const IndexBuilder *b, Err **err)
{
	if (b->implied > INDEX_IMPLIED_MAX)
		return err_set(err, ERR_LIMIT, "a layer leaves out more than %u parent directories",
			INDEX_IMPLIED_MAX);
	if (b->cleared.len > INDEX_CLEARED_MAX)
		return err_set(err, ERR_LIMIT,
			"a layer replaces more than %u of its own directories", INDEX_CLEARED_MAX);
	if (b->paths.strings_len > INDEX_STRINGS_MAX)
		return err_set(err, ERR_LIMIT,
			"names and attributes of a layer take more than %u bytes",
			INDEX_STRINGS_MAX);
	return 0;
}

static bool is_dir(const IndexRecord *r)
{
	return r->type == TAR_DIR && !(r->flags & INDEX_WHITEOUT);
}

static IndexRecord implied_dir(unsigned flags)
{
	return (IndexRecord){
		.type = TAR_DIR, .mode = 0755, .flags = (uint8_t)(flags | INDEX_IMPLIED)};
}

static IndexRecord *record_of(IndexBuilder *b, size_t n, bool is_new)
{
	if (is_new) {
		(void)vec_add(&b->records);
		vec_push(&b->added, b->now);
	}
	return &b->records.items[n];
}

/* Whether the record was not removed together with a directory above it. */
static bool is_live(const IndexBuilder *b, size_t n)
{
	for (size_t i = 0; i < b->cleared.len; i++) {
		const Cleared *c = &b->cleared.items[i];
		if (c->when > b->added.items[n] &&
			path_below(
				path_table_get(&b->paths, n), path_table_get(&b->paths, c->number)))
			return false;
	}
	return true;
}

static void clear_below(IndexBuilder *b, size_t n)
{
	b->parent_known = false;
	for (size_t i = 0; i < b->cleared.len; i++)
		if (b->cleared.items[i].number == n) {
			b->cleared.items[i].when = b->now;
			return;
		}
	if (b->cleared.len <= INDEX_CLEARED_MAX)
		vec_push(&b->cleared, ((Cleared){.number = (uint32_t)n, .when = b->now}));
}

/* Makes every parent of a path that is in the table a directory. */
static void add_parents(IndexBuilder *b, size_t number)
{
	Str path = path_table_get(&b->paths, number), dir;
	if (!path_parent(path, &dir))
		return;
	if (b->parent_known && str_eq(dir, path_table_get(&b->paths, b->parent)))
		return;
	b->parent_known = false;
	do {
		bool is_new;
		size_t n = path_table_add_prefix(&b->paths, number, dir.len, &is_new);
		bool there = !is_new && is_live(b, n);
		IndexRecord *r = record_of(b, n, is_new);
		if (!b->parent_known)
			b->parent = n;
		b->parent_known = true;
		if (there && is_dir(r))
			return;
		*r = implied_dir(there ? INDEX_OPAQUE : 0);
		b->added.items[n] = b->now;
		b->implied++;
	} while (path_parent(dir, &dir));
}

/* Number of the path; its parents are directories afterwards. */
static size_t number_of(IndexBuilder *b, Str path, bool *ret_new)
{
	/* The root first, so that entries that come sorted stay so. */
	if (b->paths.n_keys == 0 && path.len) {
		size_t root = path_table_add(&b->paths, STR(""), ret_new);
		*record_of(b, root, true) = implied_dir(0);
	}
	size_t n = path_table_add(&b->paths, path, ret_new);
	IndexRecord *r = record_of(b, n, *ret_new);
	if (!*ret_new && !is_live(b, n)) {
		*r = (IndexRecord){0};
		*ret_new = true;
	}
	add_parents(b, n);
	return n;
}

static void fill(IndexBuilder *b, IndexRecord *r, const TarEntry *e, const Digest *digest)
{
	r->type = (uint8_t)e->type;
	r->mode = e->mode & 07777;
	r->uid = (uint32_t)e->uid;
	r->gid = (uint32_t)e->gid;
	r->mtime = e->mtime;
	if (e->type == TAR_CHAR || e->type == TAR_BLOCK) {
		r->dev_major = e->dev_major;
		r->dev_minor = e->dev_minor;
	}
	if (e->type == TAR_FILE) {
		r->size = e->size;
		r->body_offset = e->body_offset;
		if (digest)
			memcpy(r->digest, digest->bytes, DIGEST_SIZE);
	}
	if ((e->type == TAR_SYMLINK || e->type == TAR_HARDLINK) && e->link) {
		r->link_len = (uint32_t)strlen(e->link);
		r->link_offset = path_table_store(&b->paths, e->link, r->link_len);
	}
	r->n_xattrs = (uint32_t)e->n_xattrs;
	r->xattr_pos = (uint32_t)b->xattrs.len;
	for (size_t i = 0; i < e->n_xattrs; i++) {
		const TarXattr *x = &e->xattrs[i];
		IndexXattr *stored = vec_add(&b->xattrs);
		stored->name_len = (uint32_t)strlen(x->name);
		stored->name_offset = path_table_store(&b->paths, x->name, stored->name_len);
		stored->value_len = (uint32_t)x->value_len;
		stored->value_offset = path_table_store(&b->paths, x->value, x->value_len);
	}
}

/* Flags of a directory entry that comes where `old` is (NULL: nothing). */
static unsigned dir_flags(const IndexRecord *old, unsigned flags)
{
	flags &= INDEX_OPAQUE | INDEX_IMPLIED;
	if (!old)
		return flags;
	/* Whatever hid the layers below keeps them hidden. */
	return flags | (is_dir(old) ? old->flags & INDEX_OPAQUE : INDEX_OPAQUE);
}

void index_builder_add(IndexBuilder *b, const TarEntry *e, unsigned flags, const Digest *digest)
{
	Str path = str_of(e->path);
	bool is_new;
	b->now++;
	size_t n = number_of(b, path, &is_new);
	IndexRecord *r = &b->records.items[n];
	bool was_dir = !is_new && is_dir(r);
	if (flags & INDEX_WHITEOUT) {
		if (is_new)
			*r = (IndexRecord){.type = TAR_FILE, .flags = INDEX_WHITEOUT};
		else if (was_dir)
			r->flags |= INDEX_OPAQUE;
	} else if (e->type == TAR_DIR) {
		flags = dir_flags(is_new ? NULL : r, flags);
		if ((flags & INDEX_IMPLIED) && was_dir) {
			r->flags |= (uint8_t)(flags & INDEX_OPAQUE); /* the entry stays */
		} else {
			*r = (IndexRecord){.flags = (uint8_t)flags};
			fill(b, r, e, digest);
		}
	} else {
		if (was_dir)
			clear_below(b, n);
		*r = (IndexRecord){0};
		fill(b, r, e, digest);
	}
	if (is_new)
		b->added.items[n] = b->now;
}

bool index_builder_has(const IndexBuilder *b, Str path)
{
	ssize_t n = path_table_find(&b->paths, path);
	return n >= 0 && is_live(b, (size_t)n) &&
		!(b->records.items[n].flags & (INDEX_WHITEOUT | INDEX_IMPLIED));
}

bool index_builder_parent_blocked(const IndexBuilder *b, Str path, Str *ret_by)
{
	Str dir;
	if (!path_parent(path, &dir) ||
		(b->parent_known && str_eq(dir, path_table_get(&b->paths, b->parent))))
		return false;
	do {
		ssize_t n = path_table_find(&b->paths, dir);
		if (n < 0 || !is_live(b, (size_t)n))
			continue;
		const IndexRecord *r = &b->records.items[n];
		if (is_dir(r))
			return false;
		if (!(r->flags & INDEX_WHITEOUT)) {
			*ret_by = dir;
			return true;
		}
	} while (path_parent(dir, &dir));
	return false;
}

/* ---- writing ---- */

static int cmp_numbers(const void *a, const void *b, void *arg)
{
	const PathTable *paths = arg;
	return index_path_cmp(path_table_get(paths, *(const uint32_t *)a),
		path_table_get(paths, *(const uint32_t *)b));
}

/* Numbers of the live records in order. Owned. */
static uint32_t *sorted_numbers(IndexBuilder *b, size_t *ret_n)
{
	size_t n = b->records.len;
	uint32_t *order = xreallocarray(NULL, n ? n : 1, sizeof(*order));
	bool sorted = true;
	for (size_t i = 0; i < n; i++) {
		order[i] = (uint32_t)i;
		if (i && sorted)
			sorted = cmp_numbers(&order[i - 1], &order[i], &b->paths) < 0;
	}
	if (!sorted)
		qsort_r(order, n, sizeof(*order), cmp_numbers, &b->paths);
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (is_live(b, order[i]))
			order[kept++] = order[i];
	*ret_n = kept;
	return order;
}

/* Fills in what depends on the order: paths and where each subtree ends. */
static void link_records(IndexBuilder *b, const uint32_t *order, size_t n)
{
	VEC(uint32_t) open = {0}; /* positions whose subtree is not over yet */
	for (size_t i = 0; i < n; i++) {
		Str path = path_table_get(&b->paths, order[i]);
		while (open.len) {
			uint32_t at = *vec_last(&open);
			if (path_below(path, path_table_get(&b->paths, order[at])))
				break;
			b->records.items[order[at]].subtree_end = (uint32_t)i;
			open.len--;
		}
		vec_push(&open, (uint32_t)i);
		IndexRecord *r = &b->records.items[order[i]];
		r->path_offset = b->paths.keys[order[i]].offset;
		r->path_len = b->paths.keys[order[i]].len;
	}
	vec_foreach (&open, at)
		b->records.items[order[*at]].subtree_end = (uint32_t)n;
	vec_done(&open);
}

static int emit(IndexBuilder *b, Writer *out, const Digest *diff_id, uint64_t tar_size, Err **err)
{
	int rc = index_builder_check(b, err);
	if (rc < 0)
		return rc;
	size_t n;
	_cleanup_free_ uint32_t *order = sorted_numbers(b, &n);
	link_records(b, order, n);
	IndexHeader h = {.magic = {0},
		.byte_order = INDEX_BYTE_ORDER,
		.record_size = sizeof(IndexRecord),
		.n_records = n,
		.n_xattrs = b->xattrs.len,
		.strings_len = b->paths.strings_len,
		.tar_size = tar_size};
	memcpy(h.magic, INDEX_MAGIC, sizeof(h.magic));
	memcpy(h.diff_id, diff_id->bytes, DIGEST_SIZE);
	for (size_t i = 0; i < n; i++)
		h.unpacked_size += b->records.items[order[i]].size;
	rc = writer_write(out, &h, sizeof(h), err);
	size_t per_chunk = WRITE_CHUNK / sizeof(IndexRecord);
	_cleanup_free_ IndexRecord *chunk = xnew_n(IndexRecord, per_chunk);
	for (size_t i = 0; rc == 0 && i < n;) {
		size_t filled = 0;
		for (; filled < per_chunk && i < n; i++)
			chunk[filled++] = b->records.items[order[i]];
		rc = writer_write(out, chunk, filled * sizeof(*chunk), err);
	}
	if (rc == 0 && b->xattrs.len)
		rc = writer_write(
			out, b->xattrs.items, b->xattrs.len * sizeof(*b->xattrs.items), err);
	if (rc == 0 && b->paths.strings_len)
		rc = writer_write(out, b->paths.strings, b->paths.strings_len, err);
	return rc == 0 ? writer_finish(out, err) : rc;
}

int index_builder_write(IndexBuilder *b, int dirfd, const char *path, const Digest *diff_id,
	uint64_t tar_size, Err **err)
{
	_cleanup_(atomic_file_freep) AtomicFile *file = NULL;
	int r = atomic_file_open(dirfd, path, 0644, &file, err);
	if (r < 0)
		return r;
	_cleanup_(writer_freep) Writer *out = atomic_file_writer(file);
	r = emit(b, out, diff_id, tar_size, err);
	return r < 0 ? r : atomic_file_commit(file, NULL, false, err);
}

int index_builder_index(
	IndexBuilder *b, const Digest *diff_id, uint64_t tar_size, Index **ret, Err **err)
{
	_cleanup_buf_ Buf image = BUF_INIT(SIZE_MAX / 2);
	_cleanup_(writer_freep) Writer *out = buf_writer_new(&image);
	int r = emit(b, out, diff_id, tar_size, err);
	if (r < 0)
		return r;
	size_t len = image.len;
	_cleanup_free_ char *bytes = NULL;
	r = buf_take(&image, &bytes, err);
	if (r == 0)
		r = index_from_memory(bytes, len, "(in memory)", ret, err);
	if (r == 0)
		(void)TAKE_PTR(bytes);
	return r;
}
