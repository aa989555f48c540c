#include "base/progress.h"

#include <stdio.h>
#include <time.h>

#include "base/stream.h"

#define TELL_INTERVAL 0.1 /* seconds */

unsigned progress_next_id(void)
{
	static unsigned last;
	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

void progress_plan(Progress *p, size_t more)
{
	if (p && p->ops->plan && more)
		p->ops->plan(p, __atomic_add_fetch(&p->planned, (unsigned)more, __ATOMIC_RELAXED));
}

void progress_state(Progress *p, unsigned id, const char *name, ProgressState state, const Err *err)
{
	if (p && p->ops->state)
		p->ops->state(p, id, name, state, err);
}

void progress_log(Progress *p, unsigned id, int stream, const char *text, size_t len)
{
	if (p && p->ops->log && len)
		p->ops->log(p, id, stream, text, len);
}

void progress_bytes(Progress *p, unsigned id, const char *what, uint64_t done, uint64_t total)
{
	if (p && p->ops->bytes)
		p->ops->bytes(p, id, what, done, total);
}

void progress_warn(Progress *p, const char *file, int line, const char *fmt, ...)
{
	if (!p || !p->ops->warn)
		return;
	_cleanup_free_ char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	p->ops->warn(p, file, line, text);
}

typedef struct ProgressReader {
	Reader base;
	Reader *source;
	Progress *progress;
	unsigned id;
	uint64_t done, total;
	struct timespec told;
} ProgressReader;

static bool due(ProgressReader *r)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	double past = (double)(now.tv_sec - r->told.tv_sec) +
		(double)(now.tv_nsec - r->told.tv_nsec) / 1e9;
	if (past < TELL_INTERVAL)
		return false;
	r->told = now;
	return true;
}

static ssize_t progress_read(Reader *reader, void *buf, size_t len, Err **err)
{
	ProgressReader *r = (ProgressReader *)reader;
	ssize_t n = reader_read(r->source, buf, len, err);
	if (n > 0) {
		r->done += (uint64_t)n;
		if (due(r))
			progress_bytes(r->progress, r->id, NULL, r->done, r->total);
	}
	return n;
}

static void progress_reader_free(Reader *reader)
{
	ProgressReader *r = (ProgressReader *)reader;
	if (r->done)
		progress_bytes(r->progress, r->id, NULL, r->done, r->total);
	reader_free(r->source);
	free(r);
}

Reader *progress_reader_new(Reader *source, Progress *p, unsigned id, uint64_t total)
{
	static const ReaderOps ops = {.read = progress_read, .free = progress_reader_free};
	ProgressReader *r = xnew(ProgressReader);
	r->base.ops = &ops;
	r->source = source;
	r->progress = p;
	r->id = id;
	r->total = total;
	clock_gettime(CLOCK_MONOTONIC, &r->told);
	return &r->base;
}
