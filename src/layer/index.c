/*
 * The index file
 *
 *	header		96 bytes: magic "cruetIx1", byte order mark, sizes, tar size, diffID
 *	records		120 bytes each, sorted by path ('/' lowest)
 *	attributes	24 bytes each: where name and value of an extended attribute are
 *	strings		paths, link targets, attribute names and values, without separators
 *
 * Everything lies where the sizes of the header say, so opening is one mmap and one look at the header.
 * The file is written and read by one machine: numbers are in its byte order, and a file of another one is
 * refused by the mark (the index is made again from the layer).
 *
 * Trust: the file may be cut short or damaged. At open the sizes of the header must add up to the size
 * of the file exactly. Offsets in records are checked at each access instead, which costs two
 * comparisons: what does not fit reads as an empty string, a plain empty file, no attributes. Numbers of
 * subtrees always move forward, so that no walk loops. A damaged record thus gives wrong values, never a wild
 * read.
 */
#include "layer/index_int.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/limits.h"

struct Index {
	const IndexHeader *header; /* start of the image */
	const IndexRecord *records;
	const IndexXattr *xattrs;
	const char *strings;
	size_t len;
	bool mapped; /* else malloc'ed */
};

static unsigned rank_byte(char c)
{
	return c == '/' ? 0 : (unsigned)(uint8_t)c + 1;
}

int index_path_cmp(Str a, Str b)
{
	size_t n = MIN(a.len, b.len), i = 0;
	for (; i + 8 <= n; i += 8) {
		uint64_t x, y;
		memcpy(&x, a.ptr + i, 8);
		memcpy(&y, b.ptr + i, 8);
		if (x != y)
			break;
	}
	while (i < n && a.ptr[i] == b.ptr[i])
		i++;
	if (i == n)
		return a.len < b.len ? -1 : a.len > b.len;
	return rank_byte(a.ptr[i]) < rank_byte(b.ptr[i]) ? -1 : 1;
}

/* Whether count items of size fit into *rest; takes them off. */
static bool take_items(uint64_t *rest, uint64_t count, uint64_t size)
{
	if (count > *rest / size)
		return false;
	*rest -= count * size;
	return true;
}

static bool header_fits(const IndexHeader *h, size_t len)
{
	uint64_t rest = len - sizeof(*h);
	return memcmp(h->magic, INDEX_MAGIC, sizeof(h->magic)) == 0 &&
		h->byte_order == INDEX_BYTE_ORDER && h->record_size == sizeof(IndexRecord) &&
		h->n_records < UINT32_MAX && h->n_xattrs < UINT32_MAX &&
		take_items(&rest, h->n_records, sizeof(IndexRecord)) &&
		take_items(&rest, h->n_xattrs, sizeof(IndexXattr)) && rest == h->strings_len;
}

static int index_make(
	const void *image, size_t len, bool mapped, const char *name, Index **ret, Err **err)
{
	const IndexHeader *h = image;
	if (len < sizeof(*h) || !header_fits(h, len))
		return err_set(
			err, ERR_CORRUPT, "'%s' is not a layer index, or a damaged one", name);
	Index *i = xnew(Index);
	i->header = h;
	i->records = (const IndexRecord *)(h + 1);
	i->xattrs = (const IndexXattr *)(i->records + h->n_records);
	i->strings = (const char *)(i->xattrs + h->n_xattrs);
	i->len = len;
	i->mapped = mapped;
	*ret = i;
	return 0;
}

int index_from_memory(void *image, size_t len, const char *name, Index **ret, Err **err)
{
	return index_make(image, len, false, name, ret, err);
}

int index_open(int dirfd, const char *path, Index **ret, Err **err)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "there is no layer index '%s'", path);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open layer index '%s'", path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < sizeof(IndexHeader) ||
		(uint64_t)st.st_size > SIZE_MAX)
		return err_set(
			err, ERR_CORRUPT, "'%s' is not a layer index, or a damaged one", path);
	size_t len = (size_t)st.st_size;
	void *image = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED)
		return err_sys(err, "map layer index '%s'", path);
	int r = index_make(image, len, true, path, ret, err);
	if (r < 0)
		(void)munmap(image, len);
	return r;
}

Index *index_free(Index *i)
{
	if (!i)
		return NULL;
	union {
		const void *borrowed;
		void *owned;
	} image = {.borrowed = i->header};
	if (i->mapped)
		(void)munmap(image.owned, i->len);
	else
		free(image.owned);
	free(i);
	return NULL;
}

size_t index_count(const Index *i)
{
	return (size_t)i->header->n_records;
}

static Str string_at(const Index *i, uint64_t offset, uint64_t len)
{
	uint64_t total = i->header->strings_len;
	if (offset > total || len > total - offset)
		return STR("");
	return (Str){i->strings + offset, (size_t)len};
}

static Str path_at(const Index *i, size_t n)
{
	return string_at(i, i->records[n].path_offset, i->records[n].path_len);
}

void index_get(const Index *i, size_t n, IndexEntry *ret)
{
	*ret = (IndexEntry){.path = STR(""), .link = STR("")};
	if (n >= index_count(i))
		return;
	const IndexRecord *r = &i->records[n];
	ret->path = path_at(i, n);
	ret->link = string_at(i, r->link_offset, r->link_len);
	ret->flags = r->flags & (INDEX_WHITEOUT | INDEX_OPAQUE | INDEX_IMPLIED);
	ret->mode = r->mode & 07777;
	ret->uid = r->uid;
	ret->gid = r->gid;
	ret->mtime = r->mtime;
	ret->dev_major = r->dev_major;
	ret->dev_minor = r->dev_minor;
	if (r->type < _TAR_TYPE_MAX)
		ret->type = (TarType)r->type;
	if (r->type == TAR_FILE) {
		ret->size = r->size;
		ret->body_offset = r->body_offset;
		memcpy(ret->digest.bytes, r->digest, DIGEST_SIZE);
	}
	if (r->xattr_pos <= i->header->n_xattrs &&
		r->n_xattrs <= i->header->n_xattrs - r->xattr_pos) {
		ret->n_xattrs = r->n_xattrs;
		ret->xattr_pos = r->xattr_pos;
	}
}

ssize_t index_find(const Index *i, Str path)
{
	size_t low = 0, high = index_count(i);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = index_path_cmp(path_at(i, middle), path);
		if (c == 0)
			return (ssize_t)middle;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

size_t index_subtree_end(const Index *i, size_t n)
{
	size_t count = index_count(i);
	if (n >= count)
		return count;
	size_t end = i->records[n].subtree_end;
	return MIN(MAX(end, n + 1), count);
}

void index_xattr(const Index *i, const IndexEntry *e, uint32_t n, Str *ret_name, Str *ret_value)
{
	*ret_name = *ret_value = STR("");
	uint64_t at = (uint64_t)e->xattr_pos + n;
	if (n >= e->n_xattrs || at >= i->header->n_xattrs)
		return;
	const IndexXattr *x = &i->xattrs[at];
	*ret_name = string_at(i, x->name_offset, x->name_len);
	*ret_value = string_at(i, x->value_offset, x->value_len);
}

uint64_t index_tar_size(const Index *i)
{
	return i->header->tar_size;
}

void index_diff_id(const Index *i, Digest *ret)
{
	memcpy(ret->bytes, i->header->diff_id, DIGEST_SIZE);
}

uint64_t index_unpacked_size(const Index *i)
{
	return i->header->unpacked_size;
}
