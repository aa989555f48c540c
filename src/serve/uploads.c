#include "serve/uploads.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "base/map.h"
#include "store/kept.h"
#include "sys/lock.h"
#include "sys/process.h"

#define ID_BYTES   16
#define FLUSH_EACH (8u << 20)

struct Upload {
	Uploads *all;
	char *id, *path; /* path: below the store */
	char *repository;
	int fd; /* appends; locked, so that gc leaves it alone */
	uint64_t size;
	Sha256 *hash; /* of what is there */
	bool busy;
	time_t touched;
};

struct Uploads {
	Store *store;
	uint64_t max_blob;
	pthread_mutex_t lock;
	Map map; /* id → Upload */
};

static void upload_free(void *arg)
{
	Upload *p = arg;
	if (p->fd >= 0)
		close(p->fd);
	sha256_free(p->hash);
	free(p->id);
	free(p->path);
	free(p->repository);
	free(p);
}

Uploads *uploads_new(Store *s, uint64_t max_blob)
{
	Uploads *u = xnew(Uploads);
	u->store = s;
	u->max_blob = max_blob;
	u->map = MAP_INIT(upload_free);
	pthread_mutex_init(&u->lock, NULL);
	return u;
}

Uploads *uploads_free(Uploads *u)
{
	if (!u)
		return NULL;
	map_done(&u->map);
	pthread_mutex_destroy(&u->lock);
	free(u);
	return NULL;
}

unsigned uploads_count(Uploads *u)
{
	pthread_mutex_lock(&u->lock);
	unsigned n = (unsigned)u->map.live;
	pthread_mutex_unlock(&u->lock);
	return n;
}

/* With the lock: those that nobody goes on with leave the table and, unless they might be taken up again, the disk. */
static void forget_idle(Uploads *u)
{
	_cleanup_strvec_ StrVec idle = {0};
	time_t now = time(NULL);
	map_foreach (&u->map, it) {
		const Upload *p = it->value;
		if (!p->busy && now - p->touched > UPLOADS_IDLE_SECONDS)
			strvec_push(&idle, p->id);
	}
	for (size_t i = 0; i < idle.len; i++) {
		Upload *p = map_get(&u->map, str_of(idle.items[i]));
		(void)unlinkat(store_fd(u->store), p->path, 0);
		map_del(&u->map, str_of(idle.items[i]));
	}
}

static Upload *add(Uploads *u, const char *id, const char *repository)
{
	Upload *p = xnew(Upload);
	p->all = u;
	p->id = xstrdup(id);
	p->path = xasprintf(STORE_UPLOADS "/%s", id);
	p->repository = xstrdup(repository);
	p->fd = -1;
	p->hash = sha256_new();
	p->busy = true;
	p->touched = time(NULL);
	map_put(&u->map, str_of(id), p);
	return p;
}

/* Opens (or creates) the file and locks it. */
static int open_file(Upload *p, Err **err)
{
	int r = lock_try(store_fd(p->all->store), p->path, LOCK_EXCLUSIVE, &p->fd, err);
	if (r == 0)
		return err_set(err, ERR_EXISTS, "another server is writing the upload");
	if (r > 0 && fcntl(p->fd, F_SETFL, O_APPEND) < 0)
		return err_sys(err, "open the upload");
	return MIN(r, 0);
}

/* Each has a file open, and others need some, too. */
static size_t at_once(void)
{
	struct rlimit files;
	return getrlimit(RLIMIT_NOFILE, &files) < 0
		? UPLOADS_MAX
		: (size_t)MIN((rlim_t)UPLOADS_MAX, files.rlim_cur / 3);
}

int upload_begin(Uploads *u, const char *repository, Upload **ret, Err **err)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[ID_BYTES];
	char id[2 * ID_BYTES + 1];
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_sys(err, "make up an upload's name");
	for (size_t i = 0; i < ID_BYTES; i++) {
		id[2 * i] = digits[bytes[i] >> 4];
		id[2 * i + 1] = digits[bytes[i] & 15];
	}
	id[2 * ID_BYTES] = '\0';
	int r = store_turn_begin(u->store, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&u->lock);
	forget_idle(u);
	if (u->map.live >= at_once()) {
		r = err_set(err, ERR_LIMIT, "%zu uploads are on their way already", u->map.live);
	} else {
		Upload *p = add(u, id, repository);
		r = open_file(p, err);
		if (r < 0)
			map_del(&u->map, str_of(id));
		else
			*ret = p;
	}
	pthread_mutex_unlock(&u->lock);
	store_turn_end(u->store);
	return r;
}

static bool id_valid(const char *id)
{
	return strlen(id) == 2 * ID_BYTES && strspn(id, "0123456789abcdef") == 2 * ID_BYTES;
}

static int unknown(const char *id, Err **err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no upload '%.64s'", id);
}

/* One of a server before this one: hashed again. */
static int take_up(Upload *p, Err **err)
{
	char chunk[65536];
	ssize_t n = 0;
	int r = open_file(p, err);
	while (r == 0 && (n = pread(p->fd, chunk, sizeof(chunk), (off_t)p->size)) > 0) {
		sha256_update(p->hash, chunk, (size_t)n);
		p->size += (uint64_t)n;
	}
	return r == 0 && n < 0 ? err_sys(err, "read the upload") : r;
}

int upload_enter(Uploads *u, const char *repository, const char *id, Upload **ret, Err **err)
{
	if (!id_valid(id))
		return unknown(id, err);
	int r = 0;
	bool old = false;
	pthread_mutex_lock(&u->lock);
	Upload *p = map_get(&u->map, str_of(id));
	if (p && p->busy) {
		r = err_set(err, ERR_EXISTS, "another request is writing this upload");
	} else if (p && strcmp(p->repository, repository) != 0) {
		r = unknown(id, err);
	} else if (!p) {
		_cleanup_free_ char *path = xasprintf(STORE_UPLOADS "/%s", id);
		old = faccessat(store_fd(u->store), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
		if (old)
			p = add(u, id, repository);
		else
			r = unknown(id, err);
	} else {
		p->busy = true;
		p->touched = time(NULL);
	}
	pthread_mutex_unlock(&u->lock);
	if (r == 0 && old) {
		r = take_up(p, err);
		if (r < 0) { /* the file stays for another try */
			pthread_mutex_lock(&u->lock);
			map_del(&u->map, str_of(id));
			pthread_mutex_unlock(&u->lock);
		}
	}
	if (r == 0)
		*ret = p;
	return r;
}

const char *upload_id(const Upload *p)
{
	return p->id;
}

uint64_t upload_size(const Upload *p)
{
	return p->size;
}

int upload_write(Upload *p, const void *data, size_t len, Err **err)
{
	if (len > p->all->max_blob - MIN(p->size, p->all->max_blob))
		return err_set(err, ERR_LIMIT, "the blob is longer than %llu bytes",
			(unsigned long long)p->all->max_blob);
	if (!write_all(p->fd, data, len)) {
		int r = err_sys(err, "write the upload");
		/* what the hash does not know must not stay */
		(void)!ftruncate(p->fd, (off_t)p->size);
		return r;
	}
	sha256_update(p->hash, data, len);
	/* the disk begins while the rest comes */
	uint64_t before = p->size / FLUSH_EACH;
	p->size += len;
	if (p->size / FLUSH_EACH > before)
		(void)sync_file_range(
			p->fd, (off_t)(before * FLUSH_EACH), 0, SYNC_FILE_RANGE_WRITE);
	return 0;
}

int upload_commit(Upload *p, const Digest *expected, Err **err)
{
	Store *s = p->all->store;
	Digest real;
	sha256_final(p->hash, &real);
	if (!digest_eq(&real, expected))
		return err_set(err, ERR_DIGEST,
			"the %llu bytes that came have the digest %s, not %s",
			(unsigned long long)p->size, digest_str(&real).s, digest_str(expected).s);
	/* a client that asks for it after a power failure sends it no more */
	if (fdatasync(p->fd) < 0)
		return err_sys(err, "write the upload to the disk");
	int r = store_turn_begin(s, err);
	if (r < 0)
		return r;
	r = store_pending(s, &real, err);
	if (r == 0)
		r = store_blob_adopt(s, p->path, &real, err);
	store_turn_end(s);
	return r;
}

void upload_leave(Upload *p)
{
	Uploads *u = p->all;
	pthread_mutex_lock(&u->lock);
	p->busy = false;
	p->touched = time(NULL);
	pthread_mutex_unlock(&u->lock);
}

void upload_end(Upload *p)
{
	Uploads *u = p->all;
	pthread_mutex_lock(&u->lock);
	(void)unlinkat(store_fd(u->store), p->path, 0);
	map_del(&u->map, str_of(p->id));
	pthread_mutex_unlock(&u->lock);
}
