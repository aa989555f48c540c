/*
 * Workers.
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

#include "base/cancel.h"

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
	const CancelScope *scopes; /* of its thread */
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
	cancel_scopes_enter(job->scopes);
	run_job(job);
	atomic_store(&job->state, JOB_DONE);
	return NULL;
}

Job *thread_try(const char *name, JobFn fn, void *arg)
{
	Job *job = job_new(NULL, fn, arg);
	job->scopes = cancel_scopes();
	for (size_t i = 0; i + 1 < sizeof(job->name) && name[i]; i++)
		job->name[i] = name[i];
	atomic_store(&job->state, JOB_RUNNING);
	if (start_thread(&job->thread, own_thread, job) == 0)
		return job;
	free(job);
	return NULL;
}

Job *thread_start(const char *name, JobFn fn, void *arg)
{
	Job *job = thread_try(name, fn, arg);
	if (job)
		return job;
	/* Whoever holds the other end of the ring would wait for ever. */
	fputs("cruet: there are no more threads (see 'ulimit -u', pids.max of the cgroup)\n",
		stderr);
	_exit(1);
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
	_cleanup_(cancel_scope_end) CancelScope scope;
	cancel_scope_begin(&scope, &e->failed);
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
		/* what was cancelled because of another is not the cause */
		if (!e->failed ||
			(err_is(e->error, ERR_CANCELLED) && !err_is(mine, ERR_CANCELLED))) {
			err_free(e->error);
			e->error = TAKE_PTR(mine);
		}
		cancel_set(&e->failed);
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
		jobs[i] = thread_try("each", each_loop, &e);
	(void)each_loop(&e, NULL);
	for (size_t i = 0; i < others; i++)
		if (jobs[i])
			(void)job_wait(jobs[i], NULL);
	pthread_mutex_destroy(&e.mutex);
	return err_move(err, &e.error);
}
