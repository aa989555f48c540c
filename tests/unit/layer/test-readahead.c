#include "layer_test.h"

#include "layer/readahead.h"

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

static const ReaderOps ops = {source_read, NULL};

static int consume(size_t len, bool fails_at_end, size_t stop_at, Err **err)
{
	Source source = {.reader = {&ops}, .len = len, .fails_at_end = fails_at_end};
	ReadAhead *a = read_ahead_new(&source.reader);
	_cleanup_free_ char *chunk = xmalloc(100000);
	size_t got = 0;
	int r = 0;
	while (got < stop_at) {
		ssize_t n = reader_read(read_ahead_reader(a), chunk, 100000, err);
		r = n < 0 ? (int)n : 0;
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			if (chunk[i] != (char)((got + (size_t)i) % 251))
				fail_msg("wrong byte at %zu", got + (size_t)i);
		got += (size_t)n;
	}
	r = read_ahead_finish(a, r, err);
	if (r == 0)
		assert_true(got == len || got >= stop_at);
	return r;
}

static void test_sizes(_unused_ void **state)
{
	static const size_t sizes[] = {
		0, 1, (512u << 10) - 1, 512u << 10, (512u << 10) + 1, 9u << 20};
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		ok(consume(sizes[i], false, SIZE_MAX, err));
		fails(ERR_DIGEST, consume(sizes[i], true, SIZE_MAX, err));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_early_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
