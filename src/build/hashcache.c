/*
 * File format (little endian, version in the magic): header {magic[8], count u64}, then `count` fixed
 * records sorted by path, then the paths' bytes. Mapped read-only; every offset is checked on use, so
 * a damaged file yields misses, never wild reads. The file is private to one store.
 */
#include "build/hashcache.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "base/vec.h"
#include "sys/atomic.h"

#define MAGIC "CRUETHC1"
/* Kernel timestamps advance in ticks of up to 10 ms (CONFIG_HZ=100); twice that is safe. */
#define RACY_NSEC 20000000L

typedef struct Record {
	uint64_t dev, ino, size;
	int64_t mtime_sec, ctime_sec;
	uint32_t mtime_nsec, ctime_nsec;
	uint32_t path_at, path_len; /* in the bytes behind the records */
	uint32_t has_xattrs, reserved;
	Digest digest;
} Record;

typedef struct Header {
	char magic[8];
	uint64_t count;
} Header;

typedef struct Fresh {
	char *path;
	Record record;
} Fresh;

struct HashCache {
	int dirfd;
	char *path;
	const char *map;
	size_t map_size, count;
	const Record *records;
	const char *paths;
	size_t paths_size;
	pthread_mutex_t lock;
	VEC(Fresh) fresh;
};

HashCache *hashcache_load(int dirfd, const char *path)
{
	HashCache *h = xnew(HashCache);
	h->dirfd = dirfd;
	h->path = xstrdup(path);
	pthread_mutex_init(&h->lock, NULL);
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof(Header))
		return h;
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return h;
	const Header *header = map;
	size_t room = (size_t)st.st_size - sizeof(Header);
	if (memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0 ||
		header->count > room / sizeof(Record)) {
		munmap(map, (size_t)st.st_size);
		return h;
	}
	h->map = map;
	h->map_size = (size_t)st.st_size;
	h->count = (size_t)header->count;
	h->records = (const void *)(h->map + sizeof(Header));
	h->paths = (const char *)(h->records + h->count);
	h->paths_size = room - h->count * sizeof(Record);
	return h;
}

static Str record_path(const HashCache *h, const Record *r)
{
	if (r->path_at > h->paths_size || r->path_len > h->paths_size - r->path_at)
		return STR("");
	return (Str){h->paths + r->path_at, r->path_len};
}

static int path_cmp(Str a, Str b)
{
	int c = memcmp(a.ptr, b.ptr, MIN(a.len, b.len));
	return c ? c : (a.len > b.len) - (a.len < b.len);
}

static bool same_file(const Record *r, const struct stat *st)
{
	return r->dev == st->st_dev && r->ino == st->st_ino && r->size == (uint64_t)st->st_size &&
		r->mtime_sec == st->st_mtim.tv_sec &&
		r->mtime_nsec == (uint32_t)st->st_mtim.tv_nsec &&
		r->ctime_sec == st->st_ctim.tv_sec &&
		r->ctime_nsec == (uint32_t)st->st_ctim.tv_nsec;
}

/* The first record in [low, high) that is not before path. */
static size_t lower_bound(const HashCache *h, size_t low, size_t high, Str path)
{
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (path_cmp(record_path(h, &h->records[mid]), path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool hashcache_find_next(const HashCache *h, size_t *at, Str path, const struct stat *st,
	Digest *ret, bool *ret_has_xattrs)
{
	/* usually it is the very next one: look in steps that double */
	size_t low = MIN(*at, h->count), step = 1;
	while (step < h->count - low &&
		path_cmp(record_path(h, &h->records[low + step - 1]), path) < 0) {
		low += step;
		step *= 2;
	}
	*at = lower_bound(h, low, low + MIN(step, h->count - low), path);
	const Record *r = &h->records[*at];
	if (*at == h->count || !str_eq(record_path(h, r), path) || !same_file(r, st))
		return false;
	*ret = r->digest;
	*ret_has_xattrs = r->has_xattrs;
	return true;
}

bool hashcache_find(
	const HashCache *h, Str path, const struct stat *st, Digest *ret, bool *ret_has_xattrs)
{
	size_t at = 0;
	return hashcache_find_next(h, &at, path, st, ret, ret_has_xattrs);
}

void hashcache_add(HashCache *h, Str path, const struct stat *st, const struct timespec *hashed_at,
	const Digest *digest, bool has_xattrs)
{
	const struct timespec *changed = &st->st_ctim;
	int64_t age = (int64_t)(hashed_at->tv_sec - changed->tv_sec) * 1000000000 +
		(hashed_at->tv_nsec - changed->tv_nsec);
	if (age < RACY_NSEC)
		return;
	Fresh f = {
		.path = str_dup(path),
		.record =
			{
				.dev = st->st_dev,
				.ino = st->st_ino,
				.size = (uint64_t)st->st_size,
				.mtime_sec = st->st_mtim.tv_sec,
				.ctime_sec = changed->tv_sec,
				.mtime_nsec = (uint32_t)st->st_mtim.tv_nsec,
				.ctime_nsec = (uint32_t)changed->tv_nsec,
				.path_len = (uint32_t)path.len,
				.has_xattrs = has_xattrs,
				.digest = *digest,
			},
	};
	pthread_mutex_lock(&h->lock);
	vec_push(&h->fresh, f);
	pthread_mutex_unlock(&h->lock);
}

static int fresh_cmp(const void *a, const void *b)
{
	const Fresh *x = a, *y = b;
	return path_cmp(str_of(x->path), str_of(y->path));
}

/* Old and fresh records merged by path, fresh winning. Records keep pointing to their old path bytes by
 * copying them into the new table. */
static void merge(HashCache *h, Buf *records, Buf *paths)
{
	size_t old = 0, fresh = 0;
	while (old < h->count || fresh < h->fresh.len) {
		Record r;
		Str path;
		int c = old >= h->count         ? 1
			: fresh >= h->fresh.len ? -1
						: path_cmp(record_path(h, &h->records[old]),
							  str_of(h->fresh.items[fresh].path));
		if (c < 0) {
			r = h->records[old];
			path = record_path(h, &h->records[old]);
		} else {
			r = h->fresh.items[fresh].record;
			path = str_of(h->fresh.items[fresh].path);
		}
		old += c <= 0;
		fresh += c >= 0;
		if (path.len != r.path_len ||
			(fresh < h->fresh.len && c >= 0 &&
				str_eq_cstr(path, h->fresh.items[fresh].path)))
			continue; /* damaged, or added twice: the later one comes next */
		r.path_at = (uint32_t)paths->len;
		buf_str(paths, path);
		buf_append(records, &r, sizeof(r));
	}
}

int hashcache_save(HashCache *h, Err **err)
{
	if (h->fresh.len == 0)
		return 0;
	qsort(h->fresh.items, h->fresh.len, sizeof(Fresh), fresh_cmp);
	_cleanup_buf_ Buf records = BUF_INIT(UINT32_MAX), paths = BUF_INIT(UINT32_MAX);
	merge(h, &records, &paths);
	Header header = {.count = records.len / sizeof(Record)};
	memcpy(header.magic, MAGIC, sizeof(header.magic));
	AtomicFile *f = NULL;
	int r = atomic_file_open(h->dirfd, h->path, 0600, &f, err);
	if (r < 0)
		return r;
	_cleanup_(writer_freep) Writer *w = atomic_file_writer(f);
	r = writer_write(w, &header, sizeof(header), err);
	if (r == 0)
		r = writer_write(w, records.ptr, records.len, err);
	if (r == 0)
		r = writer_write(w, paths.ptr, paths.len, err);
	if (r == 0)
		r = atomic_file_commit(f, NULL, false, err);
	atomic_file_free(f);
	return r;
}

HashCache *hashcache_free(HashCache *h)
{
	if (!h)
		return NULL;
	if (h->map)
		munmap((void *)(uintptr_t)h->map, h->map_size);
	vec_foreach (&h->fresh, f)
		free(f->path);
	vec_done(&h->fresh);
	pthread_mutex_destroy(&h->lock);
	free(h->path);
	free(h);
	return NULL;
}
