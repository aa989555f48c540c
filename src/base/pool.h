/*
 * Threads: the only place that starts any. A fixed set of workers takes jobs in order of submission.
 */
#pragma once

#include "base/stream.h"

/* threads: 0 = one a processor available to this process. */
Pool *pool_new(unsigned threads);
unsigned pool_threads(const Pool *pool);
/* Runs every job to its end, then stops the workers. */
Pool *pool_free(Pool *pool);
DEFINE_FREEP(Pool, pool_free)
unsigned pool_processors(void);

/* A job with a result. fn returns 0 or -ErrCode with *err set. */
typedef struct Job Job;
typedef int (*JobFn)(void *arg, Err **err);
Job *pool_submit(Pool *pool, JobFn fn, void *arg);
/* Waits, moves the error out, frees the job. A job that no worker has begun is run by the caller
 * himself, so jobs may wait for jobs they submitted. */
int job_wait(Job *job, Err **err);
bool job_done(const Job *job); /* without waiting */

/* A dedicated thread outside the pool, for a stage that may block on a Ring (pool jobs must not
 * do that: what fills the Ring may never get a worker). Same Job interface: job_wait joins it. */
Job *thread_start(const char *name, JobFn fn, void *arg);
/* NULL when there are no more threads, where it goes without; thread_start ends the program then. */
Job *thread_try(const char *name, JobFn fn, void *arg);

/* fn(arg, i) for each i below n, up to at_once of them at a time on threads of their own (they may block). The first failure
 * cancels the others, and is returned (one of ERR_CANCELLED only when there is no other). */
typedef int (*EachFn)(void *arg, size_t i, Err **err);
int threads_each(size_t n, unsigned at_once, EachFn fn, void *arg, Err **err) _warn_unused_;
