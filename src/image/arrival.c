#include "image/arrival.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/pool.h"
#include "image/ingest.h"

#define CHUNK      (256 * 1024)
#define SMALL_BLOB (64u << 10) /* configs: not worth a thread, a lock and a part to go on from */

/* Between those who write the file and the one who reads it. */
typedef struct Arrival {
	Store *store;
	Repository *from;
	const Descriptor *layer;
	Progress *progress;
	unsigned progress_id;
	int fd;
	const Spans *missing;
	LayerUse use;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	uint64_t prefix; /* readable */
	bool ended;      /* nothing more will come */
	bool unwanted;   /* the reader has given up */
} Arrival;

static uint64_t arrived; /* bytes of all layers, by all threads */

static void on_grown(void *arg, uint64_t prefix)
{
	Arrival *a = arg;
	pthread_mutex_lock(&a->mutex);
	if (prefix > a->prefix)
		__atomic_add_fetch(&arrived, prefix - a->prefix, __ATOMIC_RELAXED);
	a->prefix = MAX(a->prefix, prefix);
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->mutex);
	progress_bytes(a->progress, a->progress_id, "download", prefix, a->layer->size);
}

static int fetch(void *arg, Err **err)
{
	Arrival *a = arg;
	_cleanup_(cancel_scope_end) CancelScope scope;
	cancel_scope_begin(&scope, &a->unwanted);
	int r = repository_blob_fetch(a->from, a->layer, a->fd, a->missing, on_grown, a, err);
	if (r == 0)
		progress_bytes(
			a->progress, a->progress_id, "download", a->layer->size, a->layer->size);
	pthread_mutex_lock(&a->mutex);
	if (r == 0)
		a->prefix = a->layer->size;
	a->ended = true;
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->mutex);
	return r;
}

/* The file as it grows. */
typedef struct ArrivalReader {
	Reader reader;
	Arrival *arrival;
	uint64_t at;
} ArrivalReader;

static ssize_t arrival_read(Reader *r, void *buf, size_t len, Err **err)
{
	ArrivalReader *x = (ArrivalReader *)r;
	Arrival *a = x->arrival;
	pthread_mutex_lock(&a->mutex);
	while (a->prefix <= x->at && !a->ended)
		pthread_cond_wait(&a->changed, &a->mutex);
	uint64_t there = a->prefix > x->at ? a->prefix - x->at : 0;
	pthread_mutex_unlock(&a->mutex);
	if (there == 0)
		return x->at == a->layer->size
			? 0
			: err_set(err, ERR_CANCELLED, "the blob did not come to its end");
	ssize_t n;
	while ((n = pread(a->fd, buf, (size_t)MIN(there, (uint64_t)len), (off_t)x->at)) < 0)
		if (errno != EINTR)
			return err_sys(err, "read the blob");
	x->at += (uint64_t)n;
	return n;
}

static void arrival_free(Reader *r)
{
	free(r);
}

static Reader *arrival_reader(Arrival *a)
{
	static const ReaderOps ops = {arrival_read, arrival_free};
	ArrivalReader *x = xnew(ArrivalReader);
	*x = (ArrivalReader){.reader = {&ops}, .arrival = a};
	return &x->reader;
}

/* ---- links faster than inflating ---- */

#define PROBE_SECONDS 0.25
#define FAST_RATE     200e6      /* bytes a second: what two processors inflate, hash and receive */
#define SMALL         (8u << 20) /* looked into in any case */

static double clock_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Watches the beginning. What arrives meanwhile is not lost for the reader, who is quicker than a link that is not fast. */
static bool link_is_fast(Arrival *a)
{
	if (a->use != LAYER_KEPT || a->layer->size < SMALL)
		return false;
	double start = clock_seconds(), passed = 0;
	uint64_t before = __atomic_load_n(&arrived, __ATOMIC_RELAXED);
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)(PROBE_SECONDS * 1e9);
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&a->mutex);
	while (!a->ended && (passed = clock_seconds() - start) < PROBE_SECONDS)
		if (pthread_cond_timedwait(&a->changed, &a->mutex, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&a->mutex);
	passed = clock_seconds() - start;
	uint64_t bytes = __atomic_load_n(&arrived, __ATOMIC_RELAXED) - before;
	return (double)bytes > FAST_RATE * passed;
}

/* Its digest only. */
static int read_through(Arrival *a, Err **err)
{
	Digest real;
	_cleanup_(reader_freep) Reader *in = digest_reader_new(arrival_reader(a));
	_cleanup_free_ char *chunk = xmalloc(CHUNK);
	ssize_t n;
	while ((n = reader_read(in, chunk, CHUNK, err)) > 0)
		;
	if (n < 0)
		return (int)n;
	digest_reader_result(in, &real, NULL);
	if (digest_eq(&real, &a->layer->digest))
		return 0;
	return err_set(err, ERR_DIGEST, "the blob really has the digest %s", digest_str(&real).s);
}

/* One thread brings it, this one reads; the fetch's error is the cause when both fail. */
static int bring(Arrival *a, const Digest *diff_id, const LayerStack *below, Err **err)
{
	_cleanup_err_ Err *of_fetch = NULL, *of_reader = NULL;
	pthread_mutex_init(&a->mutex, NULL);
	pthread_cond_init(&a->changed, NULL);
	a->prefix = a->missing->len ? a->missing->items[0].at : a->layer->size;
	Job *job = thread_start("arrival", fetch, a);
	int r = !diff_id || link_is_fast(a) ? read_through(a, &of_reader)
					    : layers_make_index(a->store, arrival_reader(a),
						      a->layer, diff_id, below, &of_reader);
	if (r < 0)
		cancel_set(&a->unwanted);
	int fetched = job_wait(job, &of_fetch);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->mutex);
	bool cause = fetched < 0 && (r == 0 || err_is(of_reader, ERR_CANCELLED));
	return err_move(err, cause ? &of_fetch : &of_reader);
}

static bool is_here(Store *s, const Descriptor *d)
{
	uint64_t size = 0;
	return store_blob_has(s, &d->digest, &size) && size == d->size;
}

/* Those under the i-th, if all of them are indexed. */
static bool stack_below(
	Store *s, const Descriptor *layers, const Digest *diff_ids, size_t i, LayerStack *k)
{
	for (size_t n = 0; n < i; n++)
		if (!layers_has_index(s, &diff_ids[n]) ||
			layer_stack_push(k, s, &layers[n], &diff_ids[n], NULL) < 0)
			return false;
	return true;
}

static int arrive(Store *s, Repository *from, const Descriptor *layer, const Digest *diff_id,
	LayerUse use, const LayerStack *below, Progress *progress, unsigned progress_id, Err **err)
{
	_cleanup_(partial_blob_freep) PartialBlob *partial = NULL;
	_cleanup_(index_freep) Index *index = NULL;
	ERR_SCOPE(err, "%s %.19s", diff_id ? "Layer" : "Blob", digest_str(&layer->digest).s);
	if (!is_here(s, layer)) {
		int r = store_partial_open(s, &layer->digest, &partial, err);
		if (r < 0)
			return r;
	}
	if (is_here(s, layer)) { /* always, or since somebody else was waited for */
		if (partial)
			partial_blob_discard(partial);
		return use == LAYER_KEPT || !diff_id
			? 0
			: layers_index(s, layer, diff_id, NULL, &index, err);
	}
	for (;;) {
		_cleanup_err_ Err *e = NULL;
		_cleanup_(spans_done) Spans missing = {0};
		const char *source = repository_source(from);
		file_gaps(partial_blob_fd(partial), layer->size, &missing);
		Arrival a = {.store = s,
			.from = from,
			.layer = layer,
			.progress = progress,
			.progress_id = progress_id,
			.fd = partial_blob_fd(partial),
			.missing = &missing,
			.use = use};
		if (bring(&a, diff_id, below, &e) == 0)
			return partial_blob_commit(partial, layer->size, err);
		bool wrong =
			err_is(e, ERR_DIGEST) || err_is(e, ERR_CORRUPT) || err_is(e, ERR_LIMIT);
		bool old = missing.len &&
			(missing.items[0].at > 0 || missing.items[0].end < layer->size);
		/* the old part may be what was wrong, or the mirror */
		if (wrong && (old || repository_leave_source(from, source)) &&
			ftruncate(a.fd, 0) == 0)
			continue;
		if (wrong)
			partial_blob_discard(partial);
		return err_move(err, &e);
	}
}

int layer_arrive(Store *s, Repository *from, const Descriptor *layers, const Digest *diff_ids,
	size_t i, LayerUse use, Progress *progress, Err **err)
{
	const Descriptor *layer = &layers[i];
	LayerStack below;
	unsigned id = progress_next_id();
	_cleanup_free_ char *name = xasprintf("layer %.19s", digest_str(&layer->digest).s);
	_cleanup_err_ Err *e = NULL;
	bool known = is_here(s, layer);
	progress_state(progress, id, name, known ? PROGRESS_CACHED : PROGRESS_STARTED, NULL);
	layer_stack_init(&below);
	bool unpack =
		use == LAYER_UNPACKED && diff_ids && stack_below(s, layers, diff_ids, i, &below);
	int r = arrive(s, from, layer, diff_ids ? &diff_ids[i] : NULL, use, unpack ? &below : NULL,
		progress, id, &e);
	layer_stack_done(&below);
	if (!known || r < 0)
		progress_state(progress, id, name,
			r == 0                             ? PROGRESS_DONE
				: err_is(e, ERR_CANCELLED) ? PROGRESS_CANCELLED
							   : PROGRESS_FAILED,
			e);
	return err_move(err, &e);
}

int blob_arrive(Store *s, Repository *from, const Descriptor *blob, Progress *progress,
	unsigned progress_id, Err **err)
{
	_cleanup_(blob_writer_freep) BlobWriter *writer = NULL;
	if (blob->size > SMALL_BLOB)
		return arrive(s, from, blob, NULL, LAYER_KEPT, NULL, progress, progress_id, err);
	if (is_here(s, blob))
		return 0;
	int r = store_blob_begin(s, &writer, err);
	if (r == 0)
		r = repository_blob_get(from, blob, 0, blob_writer_stream(writer), err);
	return r < 0 ? r : blob_writer_commit(writer, &blob->digest, blob->size, NULL, NULL, err);
}
