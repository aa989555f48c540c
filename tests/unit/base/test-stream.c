#include "base/stream.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/cancel.h"

/* Gives at most `step` bytes a read, and fails after `good` bytes. */
typedef struct StingyReader {
	Reader reader;
	size_t step, good;
} StingyReader;

static ssize_t stingy_read(Reader *r, void *buf, size_t len, Err **err)
{
	StingyReader *s = (StingyReader *)r;
	if (s->good == 0)
		return err_set(err, ERR_NET, "source broke");
	size_t n = MIN(MIN(len, s->step), s->good);
	memset(buf, 'x', n);
	s->good -= n;
	return (ssize_t)n;
}

static void stingy_free(Reader *r _unused_)
{
}

static const ReaderOps stingy_ops = {stingy_read, stingy_free};

static void test_read_full(void **state _unused_)
{
	char buf[8] = "";
	Reader *r = mem_reader_new("abcdef", 6);
	assert_int_equal(reader_read_full(r, buf, 4, NULL), 0);
	assert_memory_equal(buf, "abcd", 4);
	Err *err = NULL;
	assert_int_equal(reader_read_full(r, buf, 4, &err), -ERR_CORRUPT);
	assert_string_equal(err->message, "data ends early: 2 bytes are missing");
	err_free(err);
	reader_free(r);
}

static void test_read_up_to(void **state _unused_)
{
	StingyReader s = {{&stingy_ops}, 3, 10};
	char buf[16];
	assert_int_equal(reader_read_up_to(&s.reader, buf, 7, NULL), 7);
	assert_int_equal(reader_read_up_to(&s.reader, buf, 7, NULL), -ERR_NET);
	Reader *r = mem_reader_new("ab", 2);
	assert_int_equal(reader_read_up_to(r, buf, 7, NULL), 2);
	assert_int_equal(reader_read_up_to(r, buf, 7, NULL), 0);
	reader_free(r);
}

static void test_read_all(void **state _unused_)
{
	static const struct {
		size_t len, max;
		int result;
	} rows[] = {{0, 10, 0}, {10, 10, 0}, {11, 10, -ERR_LIMIT}, {50000, 60000, 0},
		{50000, 20000, -ERR_LIMIT}};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *data = xcalloc(1, rows[i].len);
		_cleanup_buf_ Buf buf = BUF_INIT(rows[i].max);
		Reader *r = mem_reader_new(data, rows[i].len);
		assert_int_equal(reader_read_all(r, &buf, NULL), rows[i].result);
		if (rows[i].result == 0)
			assert_int_equal(buf.len, rows[i].len);
		reader_free(r);
	}
}

static void test_skip(void **state _unused_)
{
	char c;
	Reader *r = mem_reader_new("abcdef", 6);
	assert_int_equal(reader_skip(r, 0, NULL), 0);
	assert_int_equal(reader_skip(r, 4, NULL), 0);
	assert_int_equal(reader_read(r, &c, 1, NULL), 1);
	assert_int_equal(c, 'e');
	assert_int_equal(reader_skip(r, 2, NULL), -ERR_CORRUPT);
	reader_free(r);
	assert_null(reader_free(NULL));
	assert_null(writer_free(NULL));
}

static void test_copy(void **state _unused_)
{
	_cleanup_buf_ Buf buf = BUF_INIT(100);
	uint64_t total = 5;
	Reader *r = mem_reader_new("hello", 5);
	Writer *w = buf_writer_new(&buf);
	assert_int_equal(stream_copy(r, w, &total, NULL), 0);
	assert_int_equal(total, 10);
	assert_string_equal(buf.ptr, "hello");
	StingyReader s = {{&stingy_ops}, 4, 7};
	assert_int_equal(stream_copy(&s.reader, w, &total, NULL), -ERR_NET);
	assert_string_equal(buf.ptr, "helloxxxxxxx");
	StingyReader more = {{&stingy_ops}, 50, 500};
	assert_int_equal(stream_copy(&more.reader, w, NULL, NULL), -ERR_LIMIT);
	reader_free(r);
	writer_free(w);
}

static void test_limit(void **state _unused_)
{
	char buf[16];
	Reader *r = limit_reader_new(mem_reader_new("abcdef", 6), true, 4);
	assert_int_equal(reader_read_up_to(r, buf, sizeof(buf), NULL), 4);
	assert_memory_equal(buf, "abcd", 4);
	reader_free(r);
	Reader *source = mem_reader_new("abcdef", 6);
	r = limit_reader_new(source, false, 2);
	assert_int_equal(reader_read_up_to(r, buf, sizeof(buf), NULL), 2);
	reader_free(r);
	assert_int_equal(reader_read_up_to(source, buf, sizeof(buf), NULL), 4);
	reader_free(source);
	r = limit_reader_new(mem_reader_new("abc", 3), true, 4);
	assert_int_equal(reader_read_up_to(r, buf, sizeof(buf), NULL), -ERR_CORRUPT);
	reader_free(r);
}

#define ABC_DIGEST "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_digest(void **state _unused_)
{
	char buf[16];
	Digest d;
	uint64_t size;
	Reader *r = digest_reader_new(mem_reader_new("abc", 3));
	assert_int_equal(reader_read_up_to(r, buf, 1, NULL), 1);
	assert_int_equal(reader_read_up_to(r, buf, sizeof(buf), NULL), 2);
	digest_reader_result(r, &d, &size);
	assert_int_equal(size, 3);
	assert_string_equal(digest_str(&d).s, ABC_DIGEST);
	reader_free(r);

	_cleanup_buf_ Buf out = BUF_INIT(100);
	for (int with_sink = 0; with_sink < 2; with_sink++) {
		Writer *w = digest_writer_new(with_sink ? buf_writer_new(&out) : NULL);
		assert_int_equal(writer_write(w, "ab", 2, NULL), 0);
		assert_int_equal(writer_write(w, "c", 1, NULL), 0);
		assert_int_equal(writer_finish(w, NULL), 0);
		digest_writer_result(w, &d, &size);
		assert_int_equal(size, 3);
		assert_string_equal(digest_str(&d).s, ABC_DIGEST);
		writer_free(w);
	}
	assert_string_equal(out.ptr, "abc");
}

static void test_fd(void **state _unused_)
{
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	Reader *r = fd_reader_new(fds[0], true, "pipe");
	Writer *w = fd_writer_new(fds[1], true, "pipe");
	char buf[16];
	assert_int_equal(writer_write(w, "hello", 5, NULL), 0);
	assert_int_equal(writer_finish(w, NULL), 0);
	writer_free(w);
	assert_int_equal(reader_read_up_to(r, buf, sizeof(buf), NULL), 5);
	assert_memory_equal(buf, "hello", 5);
	reader_free(r);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
}

static void test_fd_errors(void **state _unused_)
{
	char buf[16];
	Err *err = NULL;
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	Reader *r = fd_reader_new(dir, true, "the root");
	assert_int_equal(reader_read(r, buf, sizeof(buf), &err), -ERR_SYS);
	assert_int_equal(err->errnum, EISDIR);
	assert_non_null(strstr(err->message, "'the root'"));
	err = err_free(err);
	reader_free(r);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (full < 0)
		return;
	Writer *w = fd_writer_new(full, false, "full");
	assert_int_equal(writer_write(w, "x", 1, &err), -ERR_NO_SPACE);
	err_free(err);
	writer_free(w);
	assert_int_equal(close(full), 0);
}

/* Last: the request cannot be taken back. */
static void test_cancel(void **state _unused_)
{
	char buf[16];
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	Reader *r = fd_reader_new(fd, true, "zero");
	Writer *w = fd_writer_new(fd, false, "zero");
	assert_int_equal(reader_read(r, buf, sizeof(buf), NULL), sizeof(buf));
	cancel_request();
	assert_int_equal(reader_read(r, buf, sizeof(buf), NULL), -ERR_CANCELLED);
	assert_int_equal(writer_write(w, "x", 1, NULL), -ERR_CANCELLED);
	writer_free(w);
	reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_full),
		cmocka_unit_test(test_read_up_to),
		cmocka_unit_test(test_read_all),
		cmocka_unit_test(test_skip),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_fd),
		cmocka_unit_test(test_fd_errors),
		cmocka_unit_test(test_cancel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
