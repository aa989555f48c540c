/*
 * Fetches are shared: whoever asks for a blob that is on its way reads behind the one that brings it. The file grows in
 * registry/uploads as a push's does, is hashed as it grows, and becomes a blob only with the right digest; a client that
 * was given wrong bytes meanwhile finds the connection cut before the last of them.
 */
#include "serve/mirror.h"

#include <fcntl.h>
#include <pthread.h>
#include <time.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/pool.h"
#include "oci/document.h"
#include "oci/reference.h"
#include "serve/uploads.h"
#include "store/kept.h"

#define TAGS_REMEMBERED 4096

/* A manifest whose blobs are not all here. */
typedef struct Waiting {
	char *repository;
	StrVec tags; /* full names it gets */
	Descriptor descriptor;
	Buf text;
	Descriptors needs; /* config and layers, or the manifests of an index that were asked for */
	bool is_index;
	uint64_t number; /* the oldest is the smallest */
} Waiting;

typedef struct Fetch {
	Mirror *mirror;
	char *repository;
	Digest digest;
	uint64_t size;
	Upload *upload;
	int fd;           /* for the readers */
	unsigned readers; /* and the job */
	uint64_t there;   /* bytes in the file */
	bool done, failed;
	pthread_cond_t grown;
} Fetch;

struct Mirror {
	Store *store;
	const Upstream *upstream;
	Uploads *uploads;
	pthread_mutex_t lock;
	Map waiting; /* hex → Waiting */
	uint64_t waiting_bytes, next;
	Map fetches; /* hex → Fetch */
	Map fresh;   /* "repository:tag" → time_t * */
	Map asking;  /* "repository:target" of manifests that upstream is being asked for */
	pthread_cond_t answered;
	VEC(Job *) jobs;
};

static void waiting_free(void *arg)
{
	Waiting *w = arg;
	free(w->repository);
	strvec_done(&w->tags);
	descriptor_done(&w->descriptor);
	buf_done(&w->text);
	vec_foreach (&w->needs, d)
		descriptor_done(d);
	vec_done(&w->needs);
	free(w);
}

Mirror *mirror_new(Store *s, const Upstream *upstream)
{
	Mirror *m = xnew(Mirror);
	m->store = s;
	m->upstream = upstream;
	m->uploads = uploads_new(s, UINT64_MAX);
	m->waiting = MAP_INIT(waiting_free);
	m->fetches = MAP_INIT(NULL);
	m->fresh = MAP_INIT(free);
	m->asking = MAP_INIT(NULL);
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->answered, NULL);
	return m;
}

Mirror *mirror_free(Mirror *m)
{
	if (!m)
		return NULL;
	vec_foreach (&m->jobs, job)
		(void)!job_wait(*job, NULL);
	vec_done(&m->jobs);
	map_done(&m->waiting);
	map_done(&m->fetches);
	map_done(&m->fresh);
	map_done(&m->asking);
	pthread_cond_destroy(&m->answered);
	uploads_free(m->uploads);
	pthread_mutex_destroy(&m->lock);
	free(m);
	return NULL;
}

const char *mirror_repository(const Mirror *m, const StrVec *repositories)
{
	size_t len = strlen(m->upstream->host);
	for (size_t i = 0; i < repositories->len; i++)
		if (cstr_starts(repositories->items[i], m->upstream->host) &&
			repositories->items[i][len] == '/')
			return repositories->items[i];
	return NULL;
}

/* With the lock. */
static bool is_fresh(const Mirror *m, const char *name)
{
	const time_t *seen = map_get(&m->fresh, str_of(name));
	return seen && time(NULL) - *seen < MIRROR_FRESH_SECONDS;
}

bool mirror_is_fresh(Mirror *m, const char *repository, const char *tag)
{
	_cleanup_free_ char *name = xasprintf("%s:%s", repository, tag);
	pthread_mutex_lock(&m->lock);
	bool fresh = is_fresh(m, name);
	pthread_mutex_unlock(&m->lock);
	return fresh;
}

/* With the lock. */
static void remember_tag(Mirror *m, const char *name)
{
	time_t now = time(NULL);
	if (m->fresh.live >= TAGS_REMEMBERED) {
		map_done(&m->fresh);
		m->fresh = MAP_INIT(free);
	}
	map_put(&m->fresh, str_of(name), xmemdup(&now, sizeof(now)));
}

void mirror_put_off(Mirror *m, const char *repository, const char *tag)
{
	_cleanup_free_ char *name = xasprintf("%s:%s", repository, tag);
	pthread_mutex_lock(&m->lock);
	remember_tag(m, name);
	pthread_mutex_unlock(&m->lock);
}

/* ---- manifests that wait ---- */

/* With the lock. */
static bool complete(const Mirror *m, const Waiting *w)
{
	vec_foreach (&w->needs, d)
		if (!store_blob_has(m->store, &d->digest, NULL) ||
			map_has(&m->waiting, str_of(digest_hex(&d->digest).s)))
			return false;
	return !w->is_index || w->needs.len > 0;
}

static int settle(Mirror *m, const Waiting *w, Err **err)
{
	int r = store_turn_begin(m->store, err);
	if (r < 0)
		return r;
	if (complete(m, w)) {
		r = store_blob_put(m->store, buf_view(&w->text), NULL, err);
		if (r == 0 && w->tags.len)
			r = store_tag(m->store, &w->tags, &w->descriptor, err);
		else if (r == 0)
			r = store_keep(m->store, w->repository, &w->descriptor, err);
		vec_foreach (&w->needs, d)
			if (r == 0)
				store_pending_end(m->store, &d->digest);
	}
	store_turn_end(m->store);
	return r;
}

/* With the lock: writes and names what is whole by now; an index after the manifests it waited for. */
static void settle_all(Mirror *m)
{
	for (bool more = true; more;) {
		more = false;
		map_foreach (&m->waiting, it) {
			const Waiting *w = it->value;
			if (!complete(m, w) || settle(m, w, NULL) < 0)
				continue;
			m->waiting_bytes -= w->text.len;
			map_del(&m->waiting, (Str){it->key, it->key_len});
			more = true;
			break;
		}
	}
}

/* With the lock. */
static void drop_oldest(Mirror *m)
{
	const Waiting *oldest = NULL;
	map_foreach (&m->waiting, it) {
		const Waiting *w = it->value;
		if (!oldest || w->number < oldest->number)
			oldest = w;
	}
	if (oldest) {
		DigestHex hex = digest_hex(&oldest->descriptor.digest);
		m->waiting_bytes -= oldest->text.len;
		map_del(&m->waiting, str_of(hex.s));
	}
}

/* With the lock: a manifest that an index waits for was asked for, so it is part of what has to be here. */
static void tell_indexes(Mirror *m, const Descriptor *d)
{
	map_foreach (&m->waiting, it) {
		Waiting *w = it->value;
		bool known = false;
		if (!w->is_index)
			continue;
		vec_foreach (&w->needs, have)
			known = known || digest_eq(&have->digest, &d->digest);
		DigestHex key = digest_hex(&d->digest);
		Str hex = str_of(key.s);
		if (!known && memmem(w->text.ptr, w->text.len, hex.ptr, hex.len))
			descriptor_copy(d, vec_add(&w->needs));
	}
}

static int add_waiting(Mirror *m, const char *repository, const char *tag, const Descriptor *d,
	Str text, Err **err)
{
	OciDocument doc = {0};
	int r = oci_document_parse(text, d->media_type, "the manifest", &doc, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&m->lock);
	DigestHex hex = digest_hex(&d->digest);
	Waiting *w = map_get(&m->waiting, str_of(hex.s));
	if (!w) {
		w = xnew(Waiting);
		w->repository = xstrdup(repository);
		w->is_index = doc.is_index;
		w->number = m->next++;
		descriptor_copy(d, &w->descriptor);
		w->text = BUF_INIT(LIMIT_MANIFEST_SIZE);
		buf_str(&w->text, text);
		if (!doc.is_index) {
			descriptor_copy(&doc.config, vec_add(&w->needs));
			vec_foreach (&doc.below, layer)
				descriptor_copy(layer, vec_add(&w->needs));
		}
		m->waiting_bytes += text.len;
		while (m->waiting_bytes > MIRROR_WAITING_BYTES && m->waiting.live > 0)
			drop_oldest(m);
		map_put(&m->waiting, str_of(hex.s), w);
		tell_indexes(m, d);
	}
	if (tag) {
		_cleanup_free_ char *name = xasprintf("%s:%s", repository, tag);
		map_foreach (&m->waiting, it) /* the tag has moved on from there */
			strvec_drop(&((Waiting *)it->value)->tags, name);
		strvec_push(&w->tags, name);
		remember_tag(m, name);
	}
	settle_all(m);
	pthread_mutex_unlock(&m->lock);
	oci_document_done(&doc);
	return 0;
}

/* With the lock: what waits under that digest, or under a tag that was looked up lately. */
static const Waiting *find_waiting(
	const Mirror *m, const char *repository, const char *name, const Digest *d)
{
	if (d) {
		const Waiting *w = map_get(&m->waiting, str_of(digest_hex(d).s));
		return w && strcmp(w->repository, repository) == 0 ? w : NULL;
	}
	if (is_fresh(m, name))
		map_foreach (&m->waiting, it)
			if (strvec_has(&((Waiting *)it->value)->tags, name))
				return it->value;
	return NULL;
}

/*
 * 1: from those that wait. 0: upstream has to be asked; *ret_first: others wait for that. They wait for one answer only:
 * when it was none, all of them ask at once.
 */
static int ask_begin(Mirror *m, const char *repository, const char *name, const Digest *d,
	Descriptor *ret, Buf *ret_bytes, bool *ret_first, Err **err)
{
	pthread_mutex_lock(&m->lock);
	const void *asker = map_get(&m->asking, str_of(name));
	bool waited = asker != NULL;
	while (asker && map_get(&m->asking, str_of(name)) == asker)
		pthread_cond_wait(&m->answered, &m->lock);
	const Waiting *w = find_waiting(m, repository, name, d);
	int r = w != NULL;
	if (w) {
		*ret_bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
		buf_str(ret_bytes, buf_view(&w->text));
		descriptor_copy(&w->descriptor, ret);
	} else if (waited && (d ? store_blob_has(m->store, d, NULL) : is_fresh(m, name))) {
		r = err_set(err, ERR_EXISTS, "the store has '%s' by now", name);
	}
	*ret_first = r == 0 && !map_has(&m->asking, str_of(name));
	if (*ret_first)
		map_put(&m->asking, str_of(name), ret);
	pthread_mutex_unlock(&m->lock);
	return r;
}

static void ask_end(Mirror *m, const char *name)
{
	pthread_mutex_lock(&m->lock);
	map_del(&m->asking, str_of(name));
	pthread_cond_broadcast(&m->answered);
	pthread_mutex_unlock(&m->lock);
}

int mirror_manifest(Mirror *m, const char *repository, const char *target, Descriptor *ret,
	Buf *ret_bytes, Err **err)
{
	_cleanup_free_ char *name = xasprintf("%s:%s", repository, target);
	Digest d;
	bool by_digest = digest_parse(str_of(target), &d, NULL) == 0, first = false;
	int r = ask_begin(m, repository, name, by_digest ? &d : NULL, ret, ret_bytes, &first, err);
	if (r != 0)
		return MIN(r, 0);
	Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
	Descriptor got = {0};
	r = m->upstream->manifest(m->upstream->arg, repository, target, &got, &text, err);
	if (r == 0)
		r = add_waiting(
			m, repository, by_digest ? NULL : target, &got, buf_view(&text), err);
	if (first)
		ask_end(m, name);
	if (r < 0) {
		buf_done(&text);
		descriptor_done(&got);
		return r;
	}
	*ret = got;
	*ret_bytes = text;
	return 0;
}

/* ---- blobs ---- */

/* With the lock. The last one that lets go frees it. */
static void fetch_unref(Fetch *f)
{
	if (--f->readers > 0)
		return;
	close(f->fd);
	pthread_cond_destroy(&f->grown);
	free(f->repository);
	free(f);
}

typedef struct Sink {
	Writer writer;
	Fetch *fetch;
} Sink;

static int sink_write(Writer *w, const void *data, size_t len, Err **err)
{
	Fetch *f = ((Sink *)w)->fetch;
	if (len > f->size - upload_size(f->upload))
		return err_set(err, ERR_DIGEST, "upstream sends more than %llu bytes",
			(unsigned long long)f->size);
	int r = upload_write(f->upload, data, len, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&f->mirror->lock);
	f->there = upload_size(f->upload);
	pthread_cond_broadcast(&f->grown);
	pthread_mutex_unlock(&f->mirror->lock);
	return 0;
}

static int run_fetch(void *arg, Err **err)
{
	static const WriterOps ops = {.write = sink_write};
	Fetch *f = arg;
	Mirror *m = f->mirror;
	Sink sink = {.writer = {&ops}, .fetch = f};
	const Upstream *u = m->upstream;
	int r = u->blob(u->arg, f->repository, &f->digest, f->size, &sink.writer, err);
	if (r == 0)
		r = upload_commit(f->upload, &f->digest, err);
	upload_end(f->upload);
	pthread_mutex_lock(&m->lock);
	f->done = true;
	f->failed = r < 0;
	map_del(&m->fetches, str_of(digest_hex(&f->digest).s));
	pthread_cond_broadcast(&f->grown);
	if (r == 0)
		settle_all(m);
	fetch_unref(f);
	pthread_mutex_unlock(&m->lock);
	return r;
}

typedef struct FetchSource {
	BodySource source;
	Fetch *fetch;
} FetchSource;

/* The last byte is given only when the whole has proved right. */
static ssize_t fetch_read(BodySource *s, uint64_t offset, void *buf, size_t len)
{
	Fetch *f = ((FetchSource *)s)->fetch;
	pthread_mutex_lock(&f->mirror->lock);
	for (;;) {
		uint64_t may = f->done ? f->there : MIN(f->there, f->size - 1);
		if (f->failed || offset < may || f->done) {
			len = f->failed ? 0 : (size_t)MIN((uint64_t)len, may - MIN(offset, may));
			break;
		}
		pthread_cond_wait(&f->grown, &f->mirror->lock);
	}
	pthread_mutex_unlock(&f->mirror->lock);
	return len ? pread(f->fd, buf, len, (off_t)offset) : 0;
}

static void fetch_source_free(BodySource *s)
{
	Fetch *f = ((FetchSource *)s)->fetch;
	Mirror *m = f->mirror;
	pthread_mutex_lock(&m->lock);
	fetch_unref(f);
	pthread_mutex_unlock(&m->lock);
	free(s);
}

/* With the lock: lets go of the threads that have ended. */
static void reap(Mirror *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->jobs.len; i++) {
		if (job_done(m->jobs.items[i]))
			(void)!job_wait(m->jobs.items[i], NULL);
		else
			m->jobs.items[n++] = m->jobs.items[i];
	}
	m->jobs.len = n;
}

/* With the lock. */
static int begin_fetch(
	Mirror *m, const char *repository, const Digest *d, uint64_t size, Fetch **ret, Err **err)
{
	Upload *upload = NULL;
	int r = upload_begin(m->uploads, repository, &upload, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *path = xasprintf(STORE_UPLOADS "/%s", upload_id(upload));
	int fd = openat(store_fd(m->store), path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		upload_end(upload);
		return err_sys(err, "open the blob that is fetched");
	}
	Fetch *f = xnew(Fetch);
	f->mirror = m;
	f->repository = xstrdup(repository);
	f->digest = *d;
	f->size = size;
	f->upload = upload;
	f->fd = fd;
	f->readers = 1;
	pthread_cond_init(&f->grown, NULL);
	reap(m);
	Job *job = thread_try("mirror", run_fetch, f); /* its end waits for the lock */
	if (!job) {
		upload_end(upload);
		fetch_unref(f);
		return err_set(err, ERR_LIMIT, "there are no more threads");
	}
	vec_push(&m->jobs, job);
	map_put(&m->fetches, str_of(digest_hex(d).s), f);
	*ret = f;
	return 0;
}

/* With the lock. */
static BodySource *read_behind(Fetch *f)
{
	FetchSource *s = xnew(FetchSource);
	s->source = (BodySource){fetch_read, fetch_source_free};
	s->fetch = f;
	f->readers++;
	return &s->source;
}

static int keep_empty(Mirror *m, const Digest *d, Err **err)
{
	int r = store_turn_begin(m->store, err);
	if (r < 0)
		return r;
	r = store_pending(m->store, d, err);
	if (r == 0)
		r = store_blob_put(m->store, STR(""), NULL, err);
	store_turn_end(m->store);
	return r;
}

int mirror_blob(Mirror *m, const char *repository, const Digest *d, bool get, uint64_t *ret_size,
	BodySource **ret, Err **err)
{
	DigestHex key = digest_hex(d);
	Str hex = str_of(key.s);
	uint64_t size = 0;
	int r = 0;
	pthread_mutex_lock(&m->lock);
	Fetch *f = map_get(&m->fetches, hex);
	if (!f) {
		pthread_mutex_unlock(&m->lock);
		r = m->upstream->blob_size(m->upstream->arg, repository, d, &size, err);
		if (r < 0)
			return r;
		pthread_mutex_lock(&m->lock);
		f = map_get(&m->fetches, hex);
	}
	if (!f && get)
		r = size ? begin_fetch(m, repository, d, size, &f, err) : keep_empty(m, d, err);
	if (r == 0) {
		*ret_size = f ? f->size : size;
		*ret = f && get ? read_behind(f) : NULL;
	}
	pthread_mutex_unlock(&m->lock);
	return r;
}
