#include "sys/gaps.h"

#include "scratch.h"

#define KIB(n) ((uint64_t)(n) << 10)

typedef struct Case {
	Span written[4];
	uint64_t size;
	Span gaps[4]; /* at most these */
	size_t n_gaps;
} Case;

static void check(const Case *c)
{
	static char ones[256 << 10];
	_cleanup_close_ int fd = openat(AT_FDCWD, "file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	Spans found = {0};
	memset(ones, 1, sizeof(ones));
	for (size_t i = 0; c->written[i].end; i++)
		for (uint64_t at = c->written[i].at; at < c->written[i].end;) {
			size_t n = (size_t)MIN(c->written[i].end - at, (uint64_t)sizeof(ones));
			assert_int_equal(pwrite(fd, ones, n, (off_t)at), n);
			at += n;
		}
	file_gaps(fd, c->size, &found);
	assert_int_equal(found.len, c->n_gaps);
	for (size_t i = 0; i < found.len; i++) {
		assert_true(found.items[i].at == c->gaps[i].at);
		assert_true(found.items[i].end == c->gaps[i].end);
	}
	vec_done(&found);
}

static void gaps(void **state _unused_)
{
	static const Case cases[] = {
		{{{0, 0}}, 0, {{0, 0}}, 0},
		{{{0, 0}}, 100, {{0, 100}}, 1},
		/* the last block may be written in part */
		{{{0, KIB(256)}}, KIB(1024), {{KIB(192), KIB(1024)}}, 1},
		{{{0, KIB(256)}}, KIB(256), {{KIB(192), KIB(256)}}, 1},
		{{{0, 5}}, 10, {{0, 10}}, 1},
		/* longer than it is to be */
		{{{0, KIB(512)}}, KIB(256), {{KIB(192), KIB(256)}}, 1},
		/* pieces with gaps between, which begin and end within blocks */
		{{{0, KIB(256) + 1}, {KIB(1024) + 7, KIB(1536) + 5}}, KIB(4096),
			{{KIB(192), KIB(1088)}, {KIB(1472), KIB(4096)}}, 2},
		/* the beginning is missing; what is too short counts for nothing */
		{{{KIB(512), KIB(1024)}, {KIB(2048), KIB(2050)}}, KIB(4096),
			{{0, KIB(576)}, {KIB(960), KIB(4096)}}, 2},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gaps, scratch_begin, scratch_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
