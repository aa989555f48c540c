#include "base/readahead.h"

#include "base/pool.h"
#include "../check.h"

/* Gives `len` bytes, then the end or an error. */
typedef struct Source {
	Reader reader;
	size_t pos, len;
	bool fails_at_end;
} Source;

static ssize_t source_read(Reader *r, void *buf, size_t len, Err **err)
{
	Source *s = (Source *)r;
	if (s->pos == s->len && s->fails_at_end)
		return err_set(err, ERR_DIGEST, "the source is broken");
	size_t n = MIN(MIN(len, s->len - s->pos), (size_t)30000);
	for (size_t i = 0; i < n; i++)
		((char *)buf)[i] = (char)((s->pos + i) % 251);
	s->pos += n;
	return (ssize_t)n;
}

static void source_free(Reader *r)
{
	((Source *)r)->pos = SIZE_MAX; /* it was */
}

static const ReaderOps ops = {source_read, source_free, NULL};

static int take(Reader *in, size_t len, size_t stop_at, Err **err)
{
	_cleanup_free_ char *chunk = xmalloc(100000);
	size_t got = 0;
	while (got < stop_at) {
		ssize_t n = reader_read(in, chunk, 100000, err);
		if (n < 0) {
			assert_int_equal(reader_read(in, chunk, 1, NULL), n);
			return (int)n;
		}
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			if (chunk[i] != (char)((got + (size_t)i) % 251))
				fail_msg("wrong byte at %zu", got + (size_t)i);
		got += (size_t)n;
	}
	assert_true(got == len || got >= stop_at);
	return 0;
}

static int consume(size_t len, bool fails_at_end, size_t stop_at, Err **err)
{
	Source source = {.reader = {&ops}, .len = len, .fails_at_end = fails_at_end};
	Reader *in = read_ahead_new(&source.reader);
	int r = take(in, len, stop_at, err);
	reader_free(in);
	assert_true(source.pos == SIZE_MAX);
	return r;
}

static void test_sizes(_unused_ void **state)
{
	static const size_t sizes[] = {
		0, 1, (512u << 10) - 1, 512u << 10, (512u << 10) + 1, 9u << 20};
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		ok(consume(sizes[i], false, SIZE_MAX, err));
		fails(ERR_DIGEST, "broken", consume(sizes[i], true, SIZE_MAX, err));
		assert_int_equal(consume(sizes[i], true, SIZE_MAX, NULL), -ERR_DIGEST);
	}
}

/* The consumer has had enough: no hang, and no error of its own making. */
static void test_early_stop(_unused_ void **state)
{
	ok(consume(0, false, 0, err));
	ok(consume(20u << 20, false, 1, err));
	ok(consume(20u << 20, false, 1u << 20, err));
}

typedef struct Second {
	Reader *in;
	size_t len;
} Second;

static int take_second(void *arg, Err **err)
{
	Second *s = arg;
	int r = take(s->in, s->len, SIZE_MAX, err);
	reader_free(s->in);
	return r;
}

static int consume_twice(size_t len, bool fails_at_end, int *ret_second, Err **err)
{
	Source source = {.reader = {&ops}, .len = len, .fails_at_end = fails_at_end};
	Reader *both[RING_READERS];
	read_ahead_forked(&source.reader, both);
	Second second = {both[1], len};
	Job *job = thread_start("second", take_second, &second);
	int r = take(both[0], len, SIZE_MAX, err);
	reader_free(both[0]);
	*ret_second = job_wait(job, NULL);
	return r;
}

static void test_two_consumers(_unused_ void **state)
{
	static const size_t sizes[] = {0, 1, (2u << 20) + 1, 9u << 20};
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int second;
		ok(consume_twice(sizes[i], false, &second, err));
		assert_int_equal(second, 0);
		fails(ERR_DIGEST, "broken", consume_twice(sizes[i], true, &second, err));
		assert_int_equal(second, -ERR_CANCELLED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_early_stop),
		cmocka_unit_test(test_two_consumers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
