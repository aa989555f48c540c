#include "base/ring.h"

#include "base/pool.h"
#include "../check.h"

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + i / 251);
}

/* ---- writing sides ---- */

typedef struct Feed {
	Writer *writer; /* taken over */
	size_t total, step;
	bool finish;
} Feed;

static int feed(void *arg, Err **err)
{
	Feed *f = arg;
	_cleanup_(writer_freep) Writer *w = f->writer;
	_cleanup_free_ uint8_t *chunk = xmalloc(f->step);
	for (size_t done = 0; done < f->total;) {
		size_t n = MIN(f->step, f->total - done);
		for (size_t i = 0; i < n; i++)
			chunk[i] = pattern(done + i);
		int r = writer_write(w, chunk, n, err);
		if (r < 0)
			return r;
		done += n;
	}
	return f->finish ? writer_finish(w, err) : 0;
}

typedef struct Source {
	Reader reader;
	size_t at, total, step;
	bool fails_at_end;
} Source;

static ssize_t source_read(Reader *r, void *buf, size_t len, Err **err)
{
	Source *s = (Source *)r;
	if (s->at == s->total && s->fails_at_end)
		return err_set(err, ERR_DIGEST, "the source is broken");
	size_t n = MIN(MIN(len, s->step), s->total - s->at);
	for (size_t i = 0; i < n; i++)
		((uint8_t *)buf)[i] = pattern(s->at + i);
	s->at += n;
	return (ssize_t)n;
}

static const ReaderOps source_ops = {source_read, NULL, NULL};

typedef struct Fill {
	Writer *writer; /* taken over */
	Source source;
} Fill;

static int fill(void *arg, Err **err)
{
	Fill *f = arg;
	int r = ring_fill(f->writer, &f->source.reader, err);
	writer_free(f->writer);
	return r;
}

/* ---- reading sides ---- */

static size_t check(const uint8_t *data, ssize_t n, size_t at)
{
	for (size_t k = 0; k < (size_t)n; k++)
		if (data[k] != pattern(at + k))
			fail_msg("wrong byte at %zu", at + k);
	return (size_t)n;
}

static size_t read_all(Reader *r, size_t step, Err **err)
{
	uint8_t buf[4096];
	size_t got = 0;
	ssize_t n;
	while ((n = reader_read(r, buf, step, err)) > 0)
		got += check(buf, n, got);
	return got;
}

static size_t view_all(Reader *r, size_t step, Err **err)
{
	const void *data;
	size_t got = 0;
	ssize_t n;
	while ((n = reader_view(r, NULL, step, &data, err)) > 0)
		got += check(data, n, got);
	return got;
}

static const struct {
	size_t capacity, step, read;
} rows[] = {{1, 1, 1}, {7, 3, 5}, {16, 100, 3}, {4096, 1000, 333}, {100, 1, 4096}};

static void test_carries_bytes(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (unsigned views = 0; views <= 1; views++) {
			Reader *r;
			Feed f = {.total = 10000, .step = rows[i].step, .finish = true};
			ring_new(rows[i].capacity, &r, &f.writer);
			Job *job = thread_start("feed", feed, &f);
			size_t got = views ? view_all(r, rows[i].read, NULL)
					   : read_all(r, rows[i].read, NULL);
			char one;
			assert_int_equal(reader_read(r, &one, 1, NULL), 0);
			assert_int_equal(got, 10000);
			reader_free(r);
			assert_int_equal(job_wait(job, NULL), 0);
		}
}

typedef struct Second {
	Reader *reader;
	size_t step, got;
} Second;

static int consume(void *arg, Err **err)
{
	Second *s = arg;
	_cleanup_err_ Err *e = NULL;
	s->got = view_all(s->reader, s->step, &e);
	reader_free(s->reader);
	return err_move(err, &e);
}

static void test_two_readers_get_all_of_it(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Reader *both[RING_READERS];
		Fill f = {.source = {{&source_ops}, 0, 10000, rows[i].step, false}};
		ring_new_forked(rows[i].capacity, both, &f.writer);
		Second second = {both[1], rows[i].read, 0};
		Job *filling = thread_start("fill", fill, &f);
		Job *reading = thread_start("second", consume, &second);
		assert_int_equal(read_all(both[0], rows[i].read, NULL), 10000);
		reader_free(both[0]);
		assert_int_equal(job_wait(reading, NULL), 0);
		assert_int_equal(job_wait(filling, NULL), 0);
		assert_int_equal(second.got, 10000);
	}
}

static void test_one_of_two_gives_up(void **state _unused_)
{
	Reader *both[RING_READERS];
	Fill f = {.source = {{&source_ops}, 0, 1 << 20, 100, false}};
	ring_new_forked(256, both, &f.writer);
	Second second = {both[1], 64, 0};
	Job *filling = thread_start("fill", fill, &f);
	Job *reading = thread_start("second", consume, &second);
	char one;
	assert_int_equal(reader_read(both[0], &one, 1, NULL), 1);
	reader_free(both[0]);
	fails(ERR_CANCELLED, "consumer", job_wait(filling, err));
	fails(ERR_CANCELLED, "producer", job_wait(reading, err));
}

static void test_source_fails(void **state _unused_)
{
	Reader *r;
	_cleanup_err_ Err *e = NULL;
	Fill f = {.source = {{&source_ops}, 0, 50, 7, true}};
	ring_new(1000, &r, &f.writer);
	fails(ERR_DIGEST, "broken", fill(&f, err));
	(void)read_all(r, 10, &e);
	assert_true(err_is(e, ERR_CANCELLED));
	reader_free(r);
}

static void test_reader_gives_up(void **state _unused_)
{
	Reader *r;
	Feed f = {.total = 10000, .step = 100, .finish = true};
	ring_new(64, &r, &f.writer);
	Job *job = thread_start("feed", feed, &f);
	char one;
	assert_int_equal(reader_read(r, &one, 1, NULL), 1);
	reader_free(r);
	fails(ERR_CANCELLED, "consumer", job_wait(job, err));
}

static void test_writer_gives_up(void **state _unused_)
{
	Reader *r;
	Feed f = {.total = 0, .step = 1, .finish = false};
	ring_new(64, &r, &f.writer);
	Job *job = thread_start("feed", feed, &f);
	char buf[16];
	fails(ERR_CANCELLED, "producer", (int)reader_read(r, buf, sizeof(buf), err));
	assert_int_equal(job_wait(job, NULL), 0);
	reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_carries_bytes),
		cmocka_unit_test(test_two_readers_get_all_of_it),
		cmocka_unit_test(test_one_of_two_gives_up),
		cmocka_unit_test(test_source_fails),
		cmocka_unit_test(test_reader_gives_up),
		cmocka_unit_test(test_writer_gives_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
