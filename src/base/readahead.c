#include "base/readahead.h"

#include "base/pool.h"

#define FIRST_BLOCK   (512u << 10)
#define RING_CAPACITY (2u << 20)

typedef struct ReadAhead {
	Reader reader;
	Reader *source;
	char *first;
	size_t pos, filled;
	Job *job;     /* NULL: not begun, or the source ended within the first block */
	Reader *ring; /* our end */
	Writer *into; /* the thread's end */
	ErrCode failed;
} ReadAhead;

static int fill(void *arg, Err **err)
{
	ReadAhead *a = arg;
	int r = ring_fill(a->into, a->source, err);
	writer_free(a->into);
	return r;
}

static int begin(ReadAhead *a, Err **err)
{
	a->first = xmalloc(FIRST_BLOCK);
	ssize_t n = reader_read_up_to(a->source, a->first, FIRST_BLOCK, err);
	if (n < 0)
		return (int)n;
	a->filled = (size_t)n;
	if (a->filled < FIRST_BLOCK)
		return 0;
	ring_new(RING_CAPACITY, &a->ring, &a->into);
	a->job = thread_start("read-ahead", fill, a);
	return 0;
}

/* Why the ring ended: the thread knows. */
static int cause(ReadAhead *a, Err **err)
{
	_cleanup_err_ Err *of_thread = NULL;
	if (err)
		*err = err_free(*err);
	a->ring = reader_free(a->ring);
	(void)job_wait(TAKE_PTR(a->job), &of_thread);
	return err_move(err, &of_thread);
}

static ssize_t read_ahead_view(Reader *r, const void **ret, size_t len, Err **err)
{
	ReadAhead *a = (ReadAhead *)r;
	if (a->failed)
		return err_set(err, a->failed, "the source cannot be read");
	ssize_t n = !a->first && !a->job ? begin(a, err) : 0;
	if (n == 0 && a->pos < a->filled) {
		n = (ssize_t)MIN(len, a->filled - a->pos);
		*ret = a->first + a->pos;
		a->pos += (size_t)n;
	} else if (n == 0 && a->ring) {
		n = reader_view(a->ring, NULL, len, ret, err);
		if (n < 0)
			n = cause(a, err);
	}
	if (n < 0)
		a->failed = (ErrCode)-n;
	return n;
}

static ssize_t read_ahead_read(Reader *r, void *buf, size_t len, Err **err)
{
	const void *data;
	ssize_t n = read_ahead_view(r, &data, len, err);
	if (n > 0)
		memcpy(buf, data, (size_t)n);
	return n;
}

static void read_ahead_free(Reader *r)
{
	ReadAhead *a = (ReadAhead *)r;
	reader_free(a->ring); /* ends the thread, should it still be writing */
	if (a->job)
		(void)job_wait(a->job, NULL);
	reader_free(a->source);
	free(a->first);
	free(a);
}

Reader *read_ahead_new(Reader *source)
{
	static const ReaderOps ops = {read_ahead_read, read_ahead_free, read_ahead_view};
	ReadAhead *a = xnew(ReadAhead);
	a->reader.ops = &ops;
	a->source = source;
	return &a->reader;
}

void read_ahead_forked(Reader *source, Reader *ret[RING_READERS])
{
	Reader *rings[RING_READERS];
	ret[0] = read_ahead_new(source);
	ReadAhead *a = (ReadAhead *)ret[0];
	ring_new_forked(RING_CAPACITY, rings, &a->into);
	a->ring = rings[0];
	a->job = thread_start("read-ahead", fill, a);
	ret[1] = rings[1];
}
