/*
 * Workers, rings and tees.
 *
 * A pool is one queue and up to `threads` workers, each started when a job comes and nobody is idle.
 * Somebody who waits for a job that no worker has begun takes it out of the queue and runs it himself:
 * the waiting thread adds its processor instead of sleeping, and a pool whose threads cannot be created
 * still finishes everything. A job may therefore wait for a job submitted after it, as long as the waits
 * have no cycle; it must never wait for anything else that only another job brings forth (a Ring: use
 * thread_start).
 *
 * All threads block all signals, so that the thread which installed the handlers gets them.
 */
#include "base/pool.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

typedef enum JobState {
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_DONE,
} JobState;

struct Job {
	Pool *pool; /* NULL: a thread of its own */
	JobFn fn;
	void *arg;
	Job *prev, *next; /* while queued */
	_Atomic JobState state;
	pthread_t thread;
	char name[16];
	int result;
	Err *err;
};

struct Pool {
	pthread_mutex_t lock;
	pthread_cond_t work; /* a job was queued, or stop */
	pthread_cond_t done; /* a job ended */
	Job *first, *last;
	pthread_t *workers;
	unsigned threads; /* the most there may be */
	unsigned started;
	unsigned idle;
	bool stop;
};

unsigned pool_processors(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) < 0) {
		long n = sysconf(_SC_NPROCESSORS_ONLN);
		return n > 0 ? (unsigned)n : 1;
	}
	return MAX((unsigned)CPU_COUNT(&set), 1u);
}

static int start_thread(pthread_t *ret, void *(*fn)(void *), void *arg)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = pthread_create(ret, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static void run_job(Job *job)
{
	job->result = job->fn(job->arg, &job->err);
	assert((job->result < 0) == (job->err != NULL));
}

/* ---- pool ---- */

static void queue_remove(Pool *pool, Job *job)
{
	*(job->prev ? &job->prev->next : &pool->first) = job->next;
	*(job->next ? &job->next->prev : &pool->last) = job->prev;
	job->prev = job->next = NULL;
}

/* With the lock held, which is given up meanwhile. */
static void run_queued(Pool *pool, Job *job)
{
	queue_remove(pool, job);
	atomic_store(&job->state, JOB_RUNNING);
	pthread_mutex_unlock(&pool->lock);
	run_job(job);
	pthread_mutex_lock(&pool->lock);
	atomic_store(&job->state, JOB_DONE);
	pthread_cond_broadcast(&pool->done);
}

static void *worker(void *arg)
{
	Pool *pool = arg;
	pthread_mutex_lock(&pool->lock);
	for (;;) {
		if (pool->first) {
			run_queued(pool, pool->first);
		} else if (pool->stop) {
			break;
		} else {
			pool->idle++;
			pthread_cond_wait(&pool->work, &pool->lock);
			pool->idle--;
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

Pool *pool_new(unsigned threads)
{
	Pool *pool = xnew(Pool);
	pool->threads = threads ? threads : pool_processors();
	pool->workers = xnew_n(pthread_t, pool->threads);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->done, NULL);
	return pool;
}

unsigned pool_threads(const Pool *pool)
{
	return pool->threads;
}

Pool *pool_free(Pool *pool)
{
	if (!pool)
		return NULL;
	pthread_mutex_lock(&pool->lock);
	while (pool->first)
		run_queued(pool, pool->first);
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->started; i++)
		pthread_join(pool->workers[i], NULL);
	pthread_cond_destroy(&pool->done);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool->workers);
	free(pool);
	return NULL;
}

/* ---- jobs ---- */

static Job *job_new(Pool *pool, JobFn fn, void *arg)
{
	Job *job = xnew(Job);
	job->pool = pool;
	job->fn = fn;
	job->arg = arg;
	atomic_init(&job->state, JOB_QUEUED);
	return job;
}

Job *pool_submit(Pool *pool, JobFn fn, void *arg)
{
	Job *job = job_new(pool, fn, arg);
	pthread_mutex_lock(&pool->lock);
	job->prev = pool->last;
	*(pool->last ? &pool->last->next : &pool->first) = job;
	pool->last = job;
	if (pool->idle > 0)
		pthread_cond_signal(&pool->work);
	else if (pool->started < pool->threads &&
		start_thread(&pool->workers[pool->started], worker, pool) == 0)
		pool->started++;
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void wait_in_pool(Pool *pool, Job *job)
{
	pthread_mutex_lock(&pool->lock);
	if (atomic_load(&job->state) == JOB_QUEUED)
		run_queued(pool, job);
	while (atomic_load(&job->state) != JOB_DONE)
		pthread_cond_wait(&pool->done, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}

int job_wait(Job *job, Err **err)
{
	if (!job->pool)
		pthread_join(job->thread, NULL);
	else if (!job_done(job))
		wait_in_pool(job->pool, job);
	_cleanup_err_ Err *failure = job->err;
	int r = job->result;
	free(job);
	return r < 0 ? err_move(err, &failure) : 0;
}

bool job_done(const Job *job)
{
	return atomic_load(&job->state) == JOB_DONE;
}

static void *own_thread(void *arg)
{
	Job *job = arg;
	(void)pthread_setname_np(pthread_self(), job->name);
	run_job(job);
	atomic_store(&job->state, JOB_DONE);
	return NULL;
}

Job *thread_start(const char *name, JobFn fn, void *arg)
{
	Job *job = job_new(NULL, fn, arg);
	for (size_t i = 0; i + 1 < sizeof(job->name) && name[i]; i++)
		job->name[i] = name[i];
	atomic_store(&job->state, JOB_RUNNING);
	if (start_thread(&job->thread, own_thread, job) != 0) {
		/* Whoever holds the other end of the ring would wait for ever. */
		fputs("cruet: out of threads\n", stderr);
		abort();
	}
	return job;
}

/* ---- one after the other, several at a time ---- */

typedef struct Each {
	size_t n, next;
	EachFn fn;
	void *arg;
	pthread_mutex_t mutex;
	Err *error; /* the first */
	bool failed;
} Each;

static int each_loop(void *arg, Err **err _unused_)
{
	Each *e = arg;
	for (;;) {
		_cleanup_err_ Err *mine = NULL;
		pthread_mutex_lock(&e->mutex);
		size_t i = e->failed ? e->n : e->next;
		e->next = i + 1;
		pthread_mutex_unlock(&e->mutex);
		if (i >= e->n)
			return 0;
		if (e->fn(e->arg, i, &mine) == 0)
			continue;
		pthread_mutex_lock(&e->mutex);
		if (!e->failed)
			e->error = TAKE_PTR(mine);
		e->failed = true;
		pthread_mutex_unlock(&e->mutex);
	}
}

int threads_each(size_t n, unsigned at_once, EachFn fn, void *arg, Err **err)
{
	Each e = {.n = n, .fn = fn, .arg = arg};
	size_t others = n > 1 ? MIN(n, (size_t)at_once) - 1 : 0;
	_cleanup_free_ Job **jobs = xnew_n(Job *, others + 1);
	pthread_mutex_init(&e.mutex, NULL);
	for (size_t i = 0; i < others; i++)
		jobs[i] = thread_start("each", each_loop, &e);
	(void)each_loop(&e, NULL);
	for (size_t i = 0; i < others; i++)
		(void)job_wait(jobs[i], NULL);
	pthread_mutex_destroy(&e.mutex);
	return err_move(err, &e.error);
}

/* ---- ring ---- */

typedef struct Ring Ring;

typedef struct RingReader {
	Reader reader;
	Ring *ring;
} RingReader;

typedef struct RingWriter {
	Writer writer;
	Ring *ring;
} RingWriter;

struct Ring {
	RingReader reader;
	RingWriter writer;
	pthread_mutex_t lock;
	pthread_cond_t readable, writable;
	size_t capacity;
	size_t head; /* where the reader is */
	size_t used; /* unread bytes */
	bool finished;
	bool reader_gone, writer_gone;
	char data[];
};

/* Gives up one end; the last one releases the memory. */
static void ring_leave(Ring *ring, bool *gone)
{
	pthread_mutex_lock(&ring->lock);
	*gone = true;
	bool last = ring->reader_gone && ring->writer_gone;
	pthread_cond_broadcast(&ring->readable);
	pthread_cond_broadcast(&ring->writable);
	pthread_mutex_unlock(&ring->lock);
	if (!last)
		return;
	pthread_cond_destroy(&ring->readable);
	pthread_cond_destroy(&ring->writable);
	pthread_mutex_destroy(&ring->lock);
	free(ring);
}

/* The bytes themselves are copied without the lock: only this end touches them. */
static ssize_t ring_read(Reader *r, void *buf, size_t len, Err **err)
{
	Ring *ring = ((RingReader *)r)->ring;
	if (len == 0)
		return 0;
	pthread_mutex_lock(&ring->lock);
	while (ring->used == 0 && !ring->finished && !ring->writer_gone)
		pthread_cond_wait(&ring->readable, &ring->lock);
	size_t n = MIN(MIN(len, ring->used), ring->capacity - ring->head);
	bool abandoned = ring->writer_gone && !ring->finished;
	pthread_mutex_unlock(&ring->lock);
	if (abandoned)
		return err_set(err, ERR_CANCELLED, "the producer of the data gave up");
	if (n == 0)
		return 0;
	memcpy(buf, ring->data + ring->head, n);
	pthread_mutex_lock(&ring->lock);
	ring->head = (ring->head + n) % ring->capacity;
	ring->used -= n;
	pthread_cond_signal(&ring->writable);
	pthread_mutex_unlock(&ring->lock);
	return (ssize_t)n;
}

static void ring_reader_free(Reader *r)
{
	Ring *ring = ((RingReader *)r)->ring;
	ring_leave(ring, &ring->reader_gone);
}

static int ring_write(Writer *w, const void *buf, size_t len, Err **err)
{
	Ring *ring = ((RingWriter *)w)->ring;
	const char *p = buf;
	while (len > 0) {
		pthread_mutex_lock(&ring->lock);
		while (ring->used == ring->capacity && !ring->reader_gone)
			pthread_cond_wait(&ring->writable, &ring->lock);
		size_t tail = (ring->head + ring->used) % ring->capacity;
		size_t n = MIN(MIN(len, ring->capacity - ring->used), ring->capacity - tail);
		bool abandoned = ring->reader_gone;
		pthread_mutex_unlock(&ring->lock);
		if (abandoned)
			return err_set(err, ERR_CANCELLED, "the consumer of the data gave up");
		memcpy(ring->data + tail, p, n);
		pthread_mutex_lock(&ring->lock);
		ring->used += n;
		pthread_cond_signal(&ring->readable);
		pthread_mutex_unlock(&ring->lock);
		p += n;
		len -= n;
	}
	return 0;
}

static int ring_finish(Writer *w, Err **err _unused_)
{
	Ring *ring = ((RingWriter *)w)->ring;
	pthread_mutex_lock(&ring->lock);
	ring->finished = true;
	pthread_cond_signal(&ring->readable);
	pthread_mutex_unlock(&ring->lock);
	return 0;
}

static void ring_writer_free(Writer *w)
{
	Ring *ring = ((RingWriter *)w)->ring;
	ring_leave(ring, &ring->writer_gone);
}

void ring_new(size_t capacity, Reader **ret_reader, Writer **ret_writer)
{
	static const ReaderOps reader_ops = {ring_read, ring_reader_free};
	static const WriterOps writer_ops = {ring_write, ring_finish, ring_writer_free};
	assert(capacity > 0);
	Ring *ring = xmalloc(sizeof(*ring) + capacity);
	memset(ring, 0, sizeof(*ring));
	ring->capacity = capacity;
	pthread_mutex_init(&ring->lock, NULL);
	pthread_cond_init(&ring->readable, NULL);
	pthread_cond_init(&ring->writable, NULL);
	ring->reader.reader.ops = &reader_ops;
	ring->reader.ring = ring;
	ring->writer.writer.ops = &writer_ops;
	ring->writer.ring = ring;
	*ret_reader = &ring->reader.reader;
	*ret_writer = &ring->writer.writer;
}

/* ---- tee ---- */

typedef struct TeeWriter {
	Writer writer;
	Writer *first, *second;
} TeeWriter;

static int tee_write(Writer *w, const void *buf, size_t len, Err **err)
{
	TeeWriter *t = (TeeWriter *)w;
	int r = writer_write(t->first, buf, len, err);
	return r < 0 ? r : writer_write(t->second, buf, len, err);
}

static int tee_finish(Writer *w, Err **err)
{
	TeeWriter *t = (TeeWriter *)w;
	int r = writer_finish(t->first, err);
	return r < 0 ? r : writer_finish(t->second, err);
}

static void tee_free(Writer *w)
{
	TeeWriter *t = (TeeWriter *)w;
	writer_free(t->first);
	writer_free(t->second);
	free(t);
}

Writer *tee_writer_new(Writer *first, Writer *second)
{
	static const WriterOps ops = {tee_write, tee_finish, tee_free};
	TeeWriter *t = xnew(TeeWriter);
	t->writer.ops = &ops;
	t->first = first;
	t->second = second;
	return &t->writer;
}
