#include "base/ring.h"

#include <assert.h>
#include <pthread.h>

/* Of one read of a source: enough to be worth waking somebody, little enough to stay in a cache on the way. */
#define PIECE (256u << 10)

typedef struct Ring Ring;

typedef struct RingReader {
	Reader reader;
	Ring *ring;
	uint64_t at;   /* bytes of the stream that are read */
	size_t viewed; /* behind them, given out by the last view */
	bool gone;
} RingReader;

struct Ring {
	Writer writer;
	pthread_mutex_t lock;
	pthread_cond_t readable, writable;
	size_t capacity;
	uint64_t written; /* bytes of the stream */
	unsigned n_readers;
	RingReader readers[RING_READERS];
	bool finished, writer_gone;
	char data[];
};

/* Gives up one end; the last one releases the memory. */
static void ring_leave(Ring *ring, bool *gone)
{
	pthread_mutex_lock(&ring->lock);
	*gone = true;
	bool last = ring->writer_gone;
	for (unsigned i = 0; i < ring->n_readers; i++)
		last = last && ring->readers[i].gone;
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

/* What the writer has written stays where it is until at passes it, so both sides use it without the lock. */
static ssize_t ring_view(Reader *r, const void **ret, size_t len, Err **err)
{
	RingReader *x = (RingReader *)r;
	Ring *ring = x->ring;
	pthread_mutex_lock(&ring->lock);
	if (x->viewed) {
		x->at += x->viewed;
		x->viewed = 0;
		pthread_cond_signal(&ring->writable);
	}
	while (len && ring->written == x->at && !ring->finished && !ring->writer_gone)
		pthread_cond_wait(&ring->readable, &ring->lock);
	size_t there = (size_t)(ring->written - x->at), place = (size_t)(x->at % ring->capacity);
	x->viewed = MIN(MIN(len, there), ring->capacity - place);
	bool abandoned = ring->writer_gone && !ring->finished;
	pthread_mutex_unlock(&ring->lock);
	if (abandoned)
		return err_set(err, ERR_CANCELLED, "the producer of the data gave up");
	*ret = ring->data + place;
	return (ssize_t)x->viewed;
}

static ssize_t ring_read(Reader *r, void *buf, size_t len, Err **err)
{
	const void *data;
	ssize_t n = ring_view(r, &data, len, err);
	if (n > 0)
		memcpy(buf, data, (size_t)n);
	return n;
}

static void ring_reader_free(Reader *r)
{
	RingReader *x = (RingReader *)r;
	ring_leave(x->ring, &x->gone);
}

/* Waits for room: where, and how much in one piece. */
static int ring_room(Ring *ring, char **ret, size_t *ret_len, Err **err)
{
	bool abandoned = false;
	size_t room;
	pthread_mutex_lock(&ring->lock);
	for (;;) {
		room = ring->capacity;
		for (unsigned i = 0; i < ring->n_readers; i++) {
			const RingReader *x = &ring->readers[i];
			abandoned = abandoned || x->gone;
			room = MIN(room, ring->capacity - (size_t)(ring->written - x->at));
		}
		if (room || abandoned)
			break;
		pthread_cond_wait(&ring->writable, &ring->lock);
	}
	pthread_mutex_unlock(&ring->lock);
	if (abandoned)
		return err_set(err, ERR_CANCELLED, "the consumer of the data gave up");
	size_t place = (size_t)(ring->written % ring->capacity);
	*ret = ring->data + place;
	*ret_len = MIN(room, ring->capacity - place);
	return 0;
}

static void ring_written(Ring *ring, size_t len)
{
	pthread_mutex_lock(&ring->lock);
	ring->written += len;
	pthread_cond_broadcast(&ring->readable);
	pthread_mutex_unlock(&ring->lock);
}

static int ring_write(Writer *w, const void *buf, size_t len, Err **err)
{
	const char *p = buf;
	while (len > 0) {
		char *room;
		size_t n;
		int r = ring_room((Ring *)w, &room, &n, err);
		if (r < 0)
			return r;
		n = MIN(n, len);
		memcpy(room, p, n);
		ring_written((Ring *)w, n);
		p += n;
		len -= n;
	}
	return 0;
}

static int ring_finish(Writer *w, Err **err _unused_)
{
	Ring *ring = (Ring *)w;
	pthread_mutex_lock(&ring->lock);
	ring->finished = true;
	pthread_cond_broadcast(&ring->readable);
	pthread_mutex_unlock(&ring->lock);
	return 0;
}

static void ring_writer_free(Writer *w)
{
	Ring *ring = (Ring *)w;
	ring_leave(ring, &ring->writer_gone);
}

int ring_fill(Writer *w, Reader *source, Err **err)
{
	for (;;) {
		char *room;
		size_t len;
		int r = ring_room((Ring *)w, &room, &len, err);
		if (r < 0)
			return r;
		ssize_t n = reader_read(source, room, MIN(len, (size_t)PIECE), err);
		if (n <= 0)
			return n < 0 ? (int)n : ring_finish(w, err);
		ring_written((Ring *)w, (size_t)n);
	}
}

static Ring *new_ring(size_t capacity, unsigned n_readers)
{
	static const ReaderOps reader_ops = {ring_read, ring_reader_free, ring_view};
	static const WriterOps writer_ops = {ring_write, ring_finish, ring_writer_free};
	assert(capacity > 0);
	Ring *ring = xmalloc(sizeof(*ring) + capacity);
	memset(ring, 0, sizeof(*ring));
	ring->capacity = capacity;
	pthread_mutex_init(&ring->lock, NULL);
	pthread_cond_init(&ring->readable, NULL);
	pthread_cond_init(&ring->writable, NULL);
	ring->writer.ops = &writer_ops;
	ring->n_readers = n_readers;
	for (unsigned i = 0; i < n_readers; i++)
		ring->readers[i] = (RingReader){.reader = {&reader_ops}, .ring = ring};
	return ring;
}

void ring_new(size_t capacity, Reader **ret_reader, Writer **ret_writer)
{
	Ring *ring = new_ring(capacity, 1);
	*ret_reader = &ring->readers[0].reader;
	*ret_writer = &ring->writer;
}

void ring_new_forked(size_t capacity, Reader *ret_readers[RING_READERS], Writer **ret_writer)
{
	Ring *ring = new_ring(capacity, RING_READERS);
	for (unsigned i = 0; i < RING_READERS; i++)
		ret_readers[i] = &ring->readers[i].reader;
	*ret_writer = &ring->writer;
}
