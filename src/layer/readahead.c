#include "layer/readahead.h"

#include "base/pool.h"

#define FIRST_BLOCK   (512u << 10)
#define CHUNK         (256u << 10)
#define RING_CAPACITY (2u << 20)

struct ReadAhead {
	Reader reader;
	Reader *source; /* borrowed */
	char *first;
	size_t pos, filled;
	bool begun;
	Job *job;     /* NULL: the source ended within the first block */
	Reader *ring; /* our end */
	Writer *into; /* the thread's end */
	bool source_failed;
};

static int pump(void *arg, Err **err)
{
	ReadAhead *a = arg;
	_cleanup_(writer_freep) Writer *into = a->into;
	_cleanup_free_ char *chunk = xmalloc(CHUNK);
	for (;;) {
		ssize_t n = reader_read(a->source, chunk, CHUNK, err);
		if (n < 0)
			a->source_failed = true;
		if (n <= 0)
			return n < 0 ? (int)n : writer_finish(into, err);
		int r = writer_write(into, chunk, (size_t)n, err);
		if (r < 0)
			return r;
	}
}

static int begin(ReadAhead *a, Err **err)
{
	ssize_t n = reader_read_up_to(a->source, a->first, FIRST_BLOCK, err);
	if (n < 0)
		return (int)n;
	a->begun = true;
	a->filled = (size_t)n;
	if (a->filled < FIRST_BLOCK)
		return 0;
	ring_new(RING_CAPACITY, &a->ring, &a->into);
	a->job = thread_start("read-ahead", pump, a);
	return 0;
}

static ssize_t read_ahead_read(Reader *r, void *buf, size_t len, Err **err)
{
	ReadAhead *a = (ReadAhead *)r;
	if (!a->begun) {
		int rc = begin(a, err);
		if (rc < 0)
			return rc;
	}
	if (a->pos == a->filled)
		return a->ring ? reader_read(a->ring, buf, len, err) : 0;
	size_t n = MIN(len, a->filled - a->pos);
	memcpy(buf, a->first + a->pos, n);
	a->pos += n;
	return (ssize_t)n;
}

ReadAhead *read_ahead_new(Reader *source)
{
	static const ReaderOps ops = {read_ahead_read, NULL};
	ReadAhead *a = xnew(ReadAhead);
	a->reader.ops = &ops;
	a->source = source;
	a->first = xmalloc(FIRST_BLOCK);
	return a;
}

Reader *read_ahead_reader(ReadAhead *a)
{
	return &a->reader;
}

int read_ahead_finish(ReadAhead *a, int r, Err **err)
{
	a->ring = reader_free(a->ring); /* ends the thread, should it still be writing */
	_cleanup_err_ Err *cause = NULL;
	if (a->job && job_wait(a->job, &cause) < 0 && a->source_failed) {
		if (err)
			*err = err_free(*err);
		r = err_move(err, &cause);
	}
	free(a->first);
	free(a);
	return r;
}
