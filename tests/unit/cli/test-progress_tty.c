#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <pty.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/stream.h"
#include "cli/progress_sink.h"
#include "cli/screen_text.h"

static int master, old_stderr;

/* Standard error becomes a terminal of this width. */
static Progress *begin(unsigned short columns)
{
	int slave;
	Progress *p = NULL;
	struct winsize size = {.ws_col = columns, .ws_row = 24};
	setenv("TERM", "xterm", 1);
	setenv("NO_COLOR", "1", 1);
	assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
	fcntl(master, F_SETFL, O_NONBLOCK);
	old_stderr = dup(STDERR_FILENO);
	dup2(slave, STDERR_FILENO);
	close(slave);
	assert_int_equal(progress_sink_new(false, "tty", "Testing", &p, NULL), 0);
	return p;
}

static void drain(Buf *got)
{
	char part[4096];
	for (ssize_t n; (n = read(master, part, sizeof(part))) > 0;)
		buf_append(got, part, (size_t)n);
}

/* Reads until the text was drawn; the ticker draws ten times a second. */
static void wait_for(Buf *got, const char *text)
{
	for (int i = 0; i < 300; i++) {
		drain(got);
		if (got->ptr && strstr(got->ptr, text))
			return;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	print_error("'%s' never came in:\n%s\n", text, got->ptr ? got->ptr : "");
	fail();
}

static void end(Progress *p, Buf *got)
{
	progress_sink_free(p);
	drain(got);
	dup2(old_stderr, STDERR_FILENO);
	close(old_stderr);
	close(master);
}

static void bars(void **state)
{
	(void)state;
	static const struct {
		unsigned short columns;
		const char *shown;
	} cases[] = {
		{100, " [==========>         ]    5MB /   10MB "},
		{60, "    5MB /   10MB "},
		{40, " 50% "},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ Buf got = BUF_INIT(1 << 20);
		Progress *p = begin(cases[i].columns);
		progress_state(p, 1, "layer x", PROGRESS_STARTED, NULL);
		progress_bytes(p, 1, NULL, 5000000, 10000000);
		wait_for(&got, cases[i].shown);
		assert_null(strstr(got.ptr, "10MB 0.0s\r\n ✓"));
		buf_clear(&got);
		progress_bytes(p, 1, NULL, 20000000, 10000000); /* more than was promised */
		progress_state(p, 1, NULL, PROGRESS_DONE, NULL);
		end(p, &got);
		assert_non_null(strstr(got.ptr, " ✓ layer x"));
		assert_non_null(strstr(got.ptr, " 20MB 0."));
		assert_non_null(strstr(got.ptr, "(1/1) FINISHED"));
	}
}

static void unknown_size(void **state)
{
	(void)state;
	_cleanup_buf_ Buf got = BUF_INIT(1 << 20);
	Progress *p = begin(80);
	progress_state(p, 1, "pipe", PROGRESS_STARTED, NULL);
	progress_bytes(p, 1, NULL, 5000000, 0);
	wait_for(&got, " 5MB 0.");
	assert_null(strchr(got.ptr, '%'));
	end(p, &got);
	/* nobody told how it ended */
	assert_non_null(strstr(got.ptr, " – CANCELED pipe"));
	assert_non_null(strstr(got.ptr, "(0/1) CANCELED"));
}

static void nothing_to_show(void **state)
{
	(void)state;
	_cleanup_buf_ Buf got = BUF_INIT(1 << 20);
	Progress *p = begin(80);
	end(p, &got);
	assert_null(got.ptr ? strstr(got.ptr, "[+]") : NULL);
}

static void warnings_are_whole(void **state)
{
	(void)state;
	_cleanup_buf_ Buf got = BUF_INIT(1 << 20);
	Progress *p = begin(30);
	progress_warn(
		p, "Dockerfile", 7, "%s", "a warning that is wider than the terminal \033[2Jis");
	end(p, &got);
	assert_non_null(
		strstr(got.ptr, " ! Dockerfile:7: a warning that is wider than the terminal is"));
}

static void narrow_lines(void **state)
{
	(void)state;
	for (unsigned short columns = 1; columns < 40; columns++) {
		_cleanup_buf_ Buf got = BUF_INIT(1 << 20);
		Progress *p = begin(columns);
		progress_state(p, 1, "日本語日本語日本語日本語日本語", PROGRESS_STARTED, NULL);
		progress_log(p, 1, 1, "日本語日本語日本語日本語日本語\n", 46);
		progress_state(p, 1, NULL, PROGRESS_CACHED, NULL);
		end(p, &got);
		Str rest = buf_view(&got), line;
		while (str_cut(&rest, '\n', &line)) {
			_cleanup_free_ char *text = str_dup(line);
			_cleanup_buf_ Buf clean = BUF_INIT(1 << 16);
			assert_true(
				screen_text(&clean, screen_line(line), ALL_COLUMNS, 0) <= columns);
		}
	}
}

/* Events of a reader: what was read, and all of it at the end. */
typedef struct Count {
	Progress base;
	uint64_t done, total;
	unsigned events;
} Count;

static void count_bytes(
	Progress *p, unsigned id, const char *what _unused_, uint64_t done, uint64_t total)
{
	Count *c = (Count *)p;
	assert_int_equal(id, 9);
	assert_true(done >= c->done);
	c->done = done;
	c->total = total;
	c->events++;
}

static void readers(void **state)
{
	(void)state;
	static const ProgressOps ops = {.bytes = count_bytes};
	static char data[300000];
	char part[100];
	Count c = {.base.ops = &ops};
	Reader *r =
		progress_reader_new(mem_reader_new(data, sizeof(data)), &c.base, 9, sizeof(data));
	while (reader_read(r, part, sizeof(part), NULL) > 0)
		;
	reader_free(r);
	assert_int_equal(c.done, sizeof(data));
	assert_int_equal(c.total, sizeof(data));
	assert_in_range(c.events, 1, 20); /* not one a read */
	c = (Count){.base.ops = &ops};
	reader_free(progress_reader_new(mem_reader_new(data, 1), &c.base, 9, 0));
	assert_int_equal(c.events, 0);
	r = progress_reader_new(mem_reader_new(data, 1), NULL, 9, 0);
	assert_int_equal(reader_read(r, part, 1, NULL), 1);
	reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bars),
		cmocka_unit_test(unknown_size),
		cmocka_unit_test(nothing_to_show),
		cmocka_unit_test(warnings_are_whole),
		cmocka_unit_test(narrow_lines),
		cmocka_unit_test(readers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
