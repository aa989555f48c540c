#include "image/blocks.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sys/lock.h"

#define PATH "cache/blocks"
/* About 28 GB of layers; then the older half goes. */
#define MAX_RECORDS 32768u
/* Layers whose blobs are kept open; blocks of one layer mostly come from one other. */
#define MAX_BLOBS 8u

typedef struct Record {
	CompressedBlock block;
	Digest blob;
} Record;

typedef struct OpenBlob {
	Digest digest;
	int fd; /* -1: not in the store any more */
} OpenBlob;

struct StoreBlocks {
	BlockCache cache;
	Store *store;
	pthread_mutex_t lock; /* for all below */
	bool loaded;
	const Record *records; /* mapped */
	size_t map_size, count;
	uint32_t *table; /* open addressing by key; number of the record + 1, 0 = free */
	size_t mask;
	OpenBlob blobs[MAX_BLOBS];
	size_t n_blobs;
	VEC(CompressedBlock) added;
};

static uint32_t *place_of(const StoreBlocks *b, const Digest *key)
{
	uint64_t hash;
	memcpy(&hash, key->bytes, sizeof(hash));
	for (size_t at = (size_t)hash & b->mask;; at = (at + 1) & b->mask) {
		uint32_t *place = &b->table[at];
		if (*place == 0 || digest_eq(&b->records[*place - 1].block.key, key))
			return place;
	}
}

static void load(StoreBlocks *b)
{
	struct stat st;
	_cleanup_close_ int fd =
		openat(store_fd(b->store), PATH, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	b->loaded = true;
	if (fd < 0 || fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof(Record))
		return;
	size_t count = MIN((size_t)st.st_size / sizeof(Record), (size_t)MAX_RECORDS * 2);
	void *map = mmap(NULL, count * sizeof(Record), PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return;
	size_t places = 64;
	while (places < count * 2)
		places *= 2;
	b->records = map;
	b->map_size = count * sizeof(Record);
	b->count = count;
	b->mask = places - 1;
	b->table = xnew_n(uint32_t, places);
	for (size_t i = 0; i < count; i++)
		*place_of(b, &b->records[i].block.key) = (uint32_t)i + 1;
}

static int blob_fd(StoreBlocks *b, const Digest *digest)
{
	for (size_t i = 0; i < b->n_blobs; i++)
		if (digest_eq(&b->blobs[i].digest, digest))
			return b->blobs[i].fd;
	if (b->n_blobs == MAX_BLOBS)
		return -1;
	OpenBlob *o = &b->blobs[b->n_blobs++];
	o->digest = *digest;
	if (store_blob_open(b->store, digest, &o->fd, NULL) < 0)
		o->fd = -1;
	return o->fd;
}

static bool find_record(StoreBlocks *b, const Digest *key, CompressedBlock *ret, int *ret_fd)
{
	pthread_mutex_lock(&b->lock);
	if (!b->loaded)
		load(b);
	uint32_t number = b->count ? *place_of(b, key) : 0;
	if (number) {
		*ret = b->records[number - 1].block;
		*ret_fd = blob_fd(b, &b->records[number - 1].blob);
	}
	pthread_mutex_unlock(&b->lock);
	return number && *ret_fd >= 0;
}

static size_t find(BlockCache *c, const Digest *key, void *out, size_t out_size)
{
	CompressedBlock found;
	int fd = -1;
	if (!find_record((StoreBlocks *)c, key, &found, &fd) || found.len > out_size)
		return 0;
	for (size_t at = 0; at < found.len;) {
		ssize_t n = pread(fd, (char *)out + at, found.len - at, (off_t)(found.offset + at));
		if (n <= 0)
			return 0;
		at += (size_t)n;
	}
	return compressed_block_crc(out, found.len) == found.crc ? found.len : 0;
}

static void add(BlockCache *c, const CompressedBlock *block)
{
	StoreBlocks *b = (StoreBlocks *)c;
	vec_push(&b->added, *block);
}

StoreBlocks *store_blocks_new(Store *s)
{
	StoreBlocks *b = xnew(StoreBlocks);
	b->cache = (BlockCache){find, add};
	b->store = s;
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

BlockCache *store_blocks_cache(StoreBlocks *b)
{
	return &b->cache;
}

static void keep_newer_half(Store *s, int fd, size_t count)
{
	size_t len = count / 2 * sizeof(Record);
	_cleanup_free_ char *newer = xmalloc(len);
	if (pread(fd, newer, len, (off_t)(count * sizeof(Record) - len)) == (ssize_t)len)
		(void)!atomic_write(store_fd(s), PATH, (Str){newer, len}, 0600, false, NULL);
}

void store_blocks_commit(StoreBlocks *b, const Digest *blob)
{
	_cleanup_close_ int lock = -1, fd = -1;
	struct stat st;
	if (b->added.len == 0 ||
		lock_take(store_fd(b->store), "locks/blocks", LOCK_EXCLUSIVE, &lock, NULL) < 0)
		return;
	fd = openat(store_fd(b->store), PATH, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	/* a process that was killed, or a full disk, may have left half a record */
	size_t count = (size_t)st.st_size / sizeof(Record);
	if ((size_t)st.st_size % sizeof(Record) &&
		ftruncate(fd, (off_t)(count * sizeof(Record))) < 0)
		return;
	Record *records = xnew_n(Record, b->added.len);
	for (size_t i = 0; i < b->added.len; i++)
		records[i] = (Record){b->added.items[i], *blob};
	ssize_t n = write(fd, records, b->added.len * sizeof(Record));
	free(records);
	b->added.len = 0;
	if (n > 0 && count + (size_t)n / sizeof(Record) > MAX_RECORDS)
		keep_newer_half(b->store, fd, count + (size_t)n / sizeof(Record));
}

StoreBlocks *store_blocks_free(StoreBlocks *b)
{
	if (!b)
		return NULL;
	for (size_t i = 0; i < b->n_blobs; i++)
		if (b->blobs[i].fd >= 0)
			close(b->blobs[i].fd);
	if (b->map_size)
		munmap((void *)(uintptr_t)b->records, b->map_size);
	free(b->table);
	vec_done(&b->added);
	pthread_mutex_destroy(&b->lock);
	free(b);
	return NULL;
}
