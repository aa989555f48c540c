/*
 * A big blob over as many connections as make it faster. One begins with all that is missing. After a while a second is added
 * and, as long as another one makes the whole faster, a third … From then on each takes the next chunk that nobody has,
 * by closed ranges, so that connections are used again.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/pool.h"
#include "registry/range_int.h"

#define CHUNK        (8ull << 20)
#define MAX_STREAMS  6
#define WINDOW_MS    400  /* of a measurement */
#define GAIN_PERCENT 15   /* that much faster, or the last one was not worth it */
#define WORTH_MS     1000 /* what must be left at the present speed for another connection to pay */

typedef struct Fetch Fetch;

typedef struct Stream {
	Writer writer;
	Fetch *fetch;
	Job *job;
	uint64_t at, end; /* what it works on; end may come nearer while it does */
	bool working;
	bool cut_short; /* others took the rest of what it asked for */
	RangeAnswer answer;
} Stream;

struct Fetch {
	Repository *repository;
	const Descriptor *blob;
	int fd;
	void (*grown)(void *arg, uint64_t prefix);
	void *arg;
	pthread_mutex_t mutex; /* of all that follows */
	Stream streams[MAX_STREAMS];
	unsigned n_streams;
	Spans orphans;   /* given up by a stream, or gaps that an earlier run left */
	uint64_t cursor; /* nobody works on what is behind it */
	uint64_t received;
	bool settled; /* no more streams */
	bool failed;
	int64_t window_start;
	uint64_t window_received, last_speed; /* bytes a second */
	Err *error;
};

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Everything below is there: what is below the cursor is complete unless somebody works on it. */
static uint64_t prefix_of(const Fetch *f)
{
	uint64_t prefix = f->cursor;
	for (unsigned i = 0; i < f->n_streams; i++)
		if (f->streams[i].working)
			prefix = MIN(prefix, f->streams[i].at);
	vec_foreach (&f->orphans, o)
		prefix = MIN(prefix, o->at);
	return prefix;
}

static bool take_work(Fetch *f, Stream *s)
{
	if (f->failed)
		return false;
	if (f->orphans.len) {
		Span *first = f->orphans.items; /* whoever reads waits for that */
		vec_foreach (&f->orphans, o)
			first = o->at < first->at ? o : first;
		s->at = first->at;
		s->end = first->end;
		*first = vec_pop(&f->orphans);
	} else if (f->cursor < f->blob->size) {
		s->at = f->cursor;
		s->end = f->cursor = MIN(f->cursor + CHUNK, f->blob->size);
	} else {
		return false;
	}
	return s->working = true;
}

static int run_stream(void *arg, Err **err);

/* The first stream has asked for all of it: it keeps a chunk, the rest is for everybody. */
static void add_stream(Fetch *f)
{
	Stream *first = &f->streams[0];
	if (f->n_streams == 1 && first->working && first->end == f->blob->size)
		first->end = f->cursor = MIN(first->at + CHUNK, f->blob->size);
	Stream *s = &f->streams[f->n_streams];
	s->writer.ops = first->writer.ops;
	s->fetch = f;
	s->job = thread_try("fetch", run_stream, s); /* waits for the mutex */
	if (!s->job) {
		f->settled = true;
		return;
	}
	f->n_streams++;
	log_debug("registry", "blob %.19s: %u connections", digest_str(&f->blob->digest).s,
		f->n_streams);
}

/* Is it time for another connection? */
static void measure(Fetch *f)
{
	int64_t now = now_ms(), took = now - f->window_start;
	if (f->settled || took < WINDOW_MS)
		return;
	uint64_t speed = (f->received - f->window_received) * 1000 / (uint64_t)took;
	uint64_t left = f->blob->size - MIN(f->cursor, f->blob->size);
	if (f->n_streams == 1 && f->streams[0].working)
		left += f->streams[0].end - f->streams[0].at;
	f->window_start = now;
	f->window_received = f->received;
	if (speed * 100 < f->last_speed * (100 + GAIN_PERCENT) || f->n_streams == MAX_STREAMS ||
		left < 2 * CHUNK || left * 1000 < speed * WORTH_MS) {
		f->settled = f->n_streams > 1 || left < 2 * CHUNK;
		return;
	}
	f->last_speed = speed;
	add_stream(f);
}

/* A server without ranges: the first stream takes everything, what it gave away as well. */
static void no_ranges(Fetch *f, Stream *s)
{
	Stream *first = &f->streams[0];
	f->settled = true;
	if (f->n_streams > (s == first ? 1 : 2) || !first->working)
		return;
	if (s != first)
		s->working = false;
	vec_clear(&f->orphans);
	first->end = f->cursor = f->blob->size;
}

static int stream_write(Writer *w, const void *buf, size_t len, Err **err)
{
	Stream *s = (Stream *)w;
	Fetch *f = s->fetch;
	const char *data = buf;
	size_t skip = (size_t)MIN(s->answer.skip, (uint64_t)len);
	pthread_mutex_lock(&f->mutex);
	if (s->answer.whole)
		no_ranges(f, s);
	bool stop = f->failed || !s->working;
	size_t room = stop ? 0 : (size_t)MIN(s->end - s->at, (uint64_t)len - skip);
	s->cut_short = stop || room < len - skip;
	pthread_mutex_unlock(&f->mutex);
	s->answer.skip -= skip;
	for (size_t done = 0; done < room;) {
		ssize_t n = pwrite(f->fd, data + skip + done, room - done, (off_t)(s->at + done));
		if (n < 0 && errno != EINTR)
			return err_sys(err, "write the blob");
		done += n < 0 ? 0 : (size_t)n;
	}
	pthread_mutex_lock(&f->mutex);
	s->at += room;
	f->received += room;
	measure(f);
	uint64_t prefix = prefix_of(f);
	pthread_mutex_unlock(&f->mutex);
	f->grown(f->arg, prefix);
	return s->cut_short ? err_set(err, ERR_CANCELLED, "the rest is not wanted") : 0;
}

static int stream_finish(Writer *w _unused_, Err **err _unused_)
{
	return 0;
}

static void stream_free(Writer *w _unused_)
{
}

/* What the stream works on, from one endpoint, as often as it takes. */
static int work_from(Stream *s, const Endpoint *e, Err **err)
{
	Fetch *f = s->fetch;
	unsigned tries = 0;
	for (;;) {
		_cleanup_err_ Err *why = NULL;
		pthread_mutex_lock(&f->mutex);
		uint64_t before = s->at;
		s->answer = (RangeAnswer){.from = s->at, .end = s->end, .size = f->blob->size};
		s->cut_short = false;
		pthread_mutex_unlock(&f->mutex);
		int r = range_call(
			f->repository, e, &f->blob->digest, &s->answer, &s->writer, &why);
		pthread_mutex_lock(&f->mutex);
		bool complete = s->at == s->end || (s->cut_short && !s->working);
		/* it ended where its work did, and has been given more since */
		bool more = s->cut_short && s->working && !f->failed;
		pthread_mutex_unlock(&f->mutex);
		if (complete)
			return 0;
		if (more)
			continue;
		if (r == 0)
			r = range_short(e, &f->blob->digest, &s->answer, s->at, &why);
		if (!range_try_again(f->repository, e, &s->answer, s->at - before, &tries, why))
			return err_move(err, &why);
	}
}

static int work(Stream *s, Err **err)
{
	Fetch *f = s->fetch;
	_cleanup_err_ Err *last = NULL;
	vec_foreach (&f->repository->endpoints, e) {
		if (!(e->can & ENDPOINT_PULL) || endpoint_is_absent(f->repository, e))
			continue;
		if (last)
			progress_warn(
				f->repository->registry->progress, NULL, 0, "%s", last->message);
		last = err_free(last);
		if (work_from(s, e, &last) == 0)
			return 0;
		if (err_is(last, ERR_CANCELLED) || err_is(last, ERR_SYS) ||
			err_is(last, ERR_NO_SPACE))
			break;
	}
	if (!last)
		return err_set(err, ERR_UNSUPPORTED,
			"no server is configured that '%s' may be pulled from",
			f->repository->host);
	return err_move(err, &last);
}

static int run_stream(void *arg, Err **err _unused_)
{
	Stream *s = arg;
	Fetch *f = s->fetch;
	bool first = s == &f->streams[0];
	pthread_mutex_lock(&f->mutex);
	while (s->working || take_work(f, s)) {
		_cleanup_err_ Err *e = NULL;
		pthread_mutex_unlock(&f->mutex);
		int r = work(s, &e);
		pthread_mutex_lock(&f->mutex);
		if (r == 0) {
			/* no_ranges may have given it more just now */
			s->working = s->working && s->at < s->end;
			continue;
		}
		if (!first && f->n_streams > 1 && !err_is(e, ERR_CANCELLED) && !f->failed) {
			/* the others go on without this one */
			log_debug("registry", "%s; one connection less", e->message);
			vec_push(&f->orphans, ((Span){s->at, s->end}));
			s->working = false;
			f->settled = true;
			break;
		}
		if (!f->failed)
			f->error = TAKE_PTR(e);
		cancel_set(&f->failed);
		break;
	}
	pthread_mutex_unlock(&f->mutex);
	return 0;
}

/* The first piece is the first stream's; the others are orphans, but the last, which may be long, is for all. */
static void share_out(Fetch *f, const Spans *missing)
{
	Stream *first = &f->streams[0];
	const Span *last = vec_last(missing);
	first->at = missing->items[0].at;
	first->end = missing->items[0].end;
	first->working = true;
	f->cursor = missing->len > 1 && last->end == f->blob->size ? last->at : f->blob->size;
	for (size_t i = 1; i < missing->len && missing->items[i].at < f->cursor; i++)
		vec_push(&f->orphans, missing->items[i]);
}

int repository_blob_fetch(Repository *p, const Descriptor *d, int fd, const Spans *missing,
	void (*grown)(void *arg, uint64_t prefix), void *arg, Err **err)
{
	static const WriterOps ops = {stream_write, stream_finish, stream_free};
	if (missing->len == 0)
		return 0;
	Fetch f = {.repository = p,
		.blob = d,
		.fd = fd,
		.grown = grown,
		.arg = arg,
		.n_streams = 1,
		.window_start = now_ms()};
	pthread_mutex_init(&f.mutex, NULL);
	f.streams[0] = (Stream){.writer = {&ops}, .fetch = &f};
	share_out(&f, missing);
	/* of all streams: any of them may be the first to end, the one that started another as well */
	_cleanup_(cancel_scope_end) CancelScope scope;
	cancel_scope_begin(&scope, &f.failed);
	(void)run_stream(&f.streams[0], NULL);
	for (unsigned i = 1; i < MAX_STREAMS; i++) {
		pthread_mutex_lock(&f.mutex);
		Job *job = f.streams[i].job;
		pthread_mutex_unlock(&f.mutex);
		if (job)
			(void)job_wait(job, NULL);
	}
	while (!f.failed && f.orphans.len) /* what the last of the others left */
		(void)run_stream(&f.streams[0], NULL);
	vec_done(&f.orphans);
	pthread_mutex_destroy(&f.mutex);
	return err_move(err, &f.error);
}
