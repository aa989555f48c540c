/*
 * The live view. Finished steps are printed once and scroll away like any output; below them a block is redrawn
 * in place: a headline with the time, and every running step with its last lines of output. The block never grows
 * past the height of the terminal, so redrawing by "cursor up" always reaches its first line.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/pool.h"
#include "base/timefmt.h"
#include "cli/progress_int.h"
#include "cli/terminal.h"

#define TAIL_LINES      4
#define REDRAW_INTERVAL 100 /* milliseconds */

typedef struct TtySink {
	ProgressSink sink;
	unsigned drawn; /* lines of the block on the screen */
	unsigned finished, cached;
	struct timespec last_draw;
	Buf frame;
	Job *ticker;
	pthread_cond_t stop_cond;
	bool stop;
} TtySink;

/* One screen line: cut to the width, control characters out, the escape codes around it kept. */
static void put_line(TtySink *t, unsigned columns, const char *color, Str text, const char *right)
{
	size_t right_width = right ? text_width(right) + 1 : 0;
	size_t room = columns > right_width + 1 ? columns - right_width - 1 : 1;
	size_t used = 0;
	buf_cstr(&t->frame, color);
	for (size_t i = 0; i < text.len && used < room; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c == '\033') { /* drop the program's own escape sequences */
			while (i + 1 < text.len &&
				!(text.ptr[i + 1] >= '@' && text.ptr[i + 1] <= '~' &&
					text.ptr[i + 1] != '['))
				i++;
			i++;
			continue;
		}
		if (c < ' ' || c == 0x7f)
			c = ' ';
		used += (c & 0xc0) != 0x80;
		buf_char(&t->frame, (char)c);
	}
	if (right) {
		buf_printf(&t->frame, "%*s%s", (int)(room - used + 1), "", right);
	}
	buf_cstr(&t->frame, "\033[0m\033[K\n");
}

static void erase_block(TtySink *t)
{
	if (t->drawn)
		buf_printf(&t->frame, "\033[%uA\r", t->drawn);
	t->drawn = 0;
}

static unsigned draw_running(
	TtySink *t, unsigned columns, unsigned room, const struct timespec *now)
{
	unsigned lines = 0, running = 0;
	vec_foreach (&t->sink.nodes, it)
		running += (*it)->state == PROGRESS_STARTED;
	vec_foreach (&t->sink.nodes, it) {
		ProgressNode *n = *it;
		if (n->state != PROGRESS_STARTED || lines >= room)
			continue;
		_cleanup_free_ char *time = xasprintf("%.1fs", progress_seconds(&n->started, now));
		_cleanup_free_ char *text = xasprintf(" => %s%s%s", n->name,
			n->transfer ? "  " : "", n->transfer ? n->transfer : "");
		put_line(t, columns, "\033[1m", str_of(text), time);
		lines++;
		size_t tail = MIN(n->tail.len, (size_t)MAX(room / MAX(running, 1u), 1u) - 1);
		for (size_t i = n->tail.len - tail; i < n->tail.len && lines < room; i++, lines++) {
			_cleanup_free_ char *line = xasprintf("    │ %s", n->tail.items[i]);
			put_line(t, columns, "\033[2m", str_of(line), NULL);
		}
	}
	return lines;
}

static void flush_frame(TtySink *t)
{
	buf_cstr(&t->frame, "\033[J");
	fwrite(t->frame.ptr, 1, t->frame.len, stderr);
	fflush(stderr);
	buf_clear(&t->frame);
}

/* Call with the lock held; the frame may already hold permanent lines, printed above the block. */
static void draw(TtySink *t)
{
	unsigned columns, rows;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	terminal_size(STDERR_FILENO, &columns, &rows);
	_cleanup_free_ char *head = xasprintf("[+] %s %.1fs (%u/%u)", t->sink.title,
		progress_seconds(&t->sink.started, &now), t->finished,
		MAX(t->sink.total, (unsigned)t->sink.nodes.len));
	put_line(t, columns, "\033[36m", str_of(head), NULL);
	t->drawn = 1 + draw_running(t, columns, rows > 3 ? rows - 3 : 1, &now);
	t->last_draw = now;
	flush_frame(t);
}

static void draw_if_due(TtySink *t)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (progress_seconds(&t->last_draw, &now) * 1000 < REDRAW_INTERVAL)
		return;
	erase_block(t);
	draw(t);
}

static int tick(void *arg, Err **err _unused_)
{
	TtySink *t = arg;
	pthread_mutex_lock(&t->sink.lock);
	while (!t->stop) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += REDRAW_INTERVAL * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&t->stop_cond, &t->sink.lock, &until);
		if (!t->stop)
			draw_if_due(t);
	}
	pthread_mutex_unlock(&t->sink.lock);
	return 0;
}

static void tty_plan(Progress *p, unsigned total)
{
	TtySink *t = (TtySink *)p;
	pthread_mutex_lock(&t->sink.lock);
	t->sink.total = total;
	pthread_mutex_unlock(&t->sink.lock);
}

static void keep_line(void *arg _unused_, ProgressNode *n, Str line)
{
	if (n->tail.len >= TAIL_LINES) {
		free(n->tail.items[0]);
		memmove(n->tail.items, n->tail.items + 1, n->tail.len * sizeof(char *));
		n->tail.len--;
	}
	strvec_push_str(&n->tail, line);
}

/* The line that stays when a step has ended. */
static void put_finished(TtySink *t, ProgressNode *n, const Err *err)
{
	static const char *const marks[] = {
		[PROGRESS_STARTED] = "",
		[PROGRESS_DONE] = " ✓ ",
		[PROGRESS_CACHED] = " ● CACHED ",
		[PROGRESS_FAILED] = " ✗ ",
		[PROGRESS_CANCELLED] = " – CANCELED ",
	};
	unsigned columns, rows;
	terminal_size(STDERR_FILENO, &columns, &rows);
	const char *color = n->state == PROGRESS_FAILED ? "\033[1;31m"
		: n->state == PROGRESS_DONE             ? "\033[32m"
							: "\033[34m";
	_cleanup_free_ char *text = xasprintf("%s%s", marks[n->state], n->name);
	_cleanup_free_ char *time = xasprintf("%.1fs", progress_seconds(&n->started, &n->ended));
	put_line(t, columns, color, str_of(text), n->state == PROGRESS_CACHED ? NULL : time);
	if (err) {
		_cleanup_free_ char *why = xasprintf("    %s", err->message);
		put_line(t, columns, color, str_of(why), NULL);
	}
}

static void tty_state(
	Progress *p, unsigned id, const char *name, ProgressState state, const Err *err)
{
	TtySink *t = (TtySink *)p;
	pthread_mutex_lock(&t->sink.lock);
	ProgressNode *n = progress_node(&t->sink, id, name);
	clock_gettime(CLOCK_MONOTONIC, state == PROGRESS_STARTED ? &n->started : &n->ended);
	n->state = state;
	if (state == PROGRESS_STARTED) {
		draw_if_due(t);
	} else {
		t->finished++;
		t->cached += state == PROGRESS_CACHED;
		erase_block(t);
		put_finished(t, n, err);
		draw(t);
	}
	pthread_mutex_unlock(&t->sink.lock);
}

static void tty_log(Progress *p, unsigned id, int stream _unused_, const char *text, size_t len)
{
	TtySink *t = (TtySink *)p;
	pthread_mutex_lock(&t->sink.lock);
	progress_lines(progress_node(&t->sink, id, NULL), text, len, false, keep_line, NULL);
	draw_if_due(t);
	pthread_mutex_unlock(&t->sink.lock);
}

static void tty_bytes(Progress *p, unsigned id, const char *what, uint64_t done, uint64_t total)
{
	TtySink *t = (TtySink *)p;
	pthread_mutex_lock(&t->sink.lock);
	ProgressNode *n = progress_node(&t->sink, id, NULL);
	_cleanup_free_ char *have = size_format(done), *all = total ? size_format(total) : NULL;
	free(n->transfer);
	n->transfer = xasprintf("%s%s%s%s%s", what ? what : "", what ? " " : "", have,
		all ? " / " : "", all ? all : "");
	draw_if_due(t);
	pthread_mutex_unlock(&t->sink.lock);
}

static void tty_warn(Progress *p, const char *file, int line, const char *text)
{
	TtySink *t = (TtySink *)p;
	unsigned columns, rows;
	pthread_mutex_lock(&t->sink.lock);
	terminal_size(STDERR_FILENO, &columns, &rows);
	_cleanup_free_ char *where = file && line ? xasprintf("%s:%d: ", file, line) : xstrdup("");
	_cleanup_free_ char *whole = xasprintf(" ! %s%s", where, text);
	erase_block(t);
	put_line(t, MAX(columns, (unsigned)text_width(whole) + 2), "\033[33m", str_of(whole), NULL);
	draw(t);
	pthread_mutex_unlock(&t->sink.lock);
}

static void tty_free(ProgressSink *s)
{
	TtySink *t = (TtySink *)s;
	pthread_mutex_lock(&s->lock);
	t->stop = true;
	pthread_cond_signal(&t->stop_cond);
	pthread_mutex_unlock(&s->lock);
	job_wait(t->ticker, NULL);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	unsigned columns, rows;
	terminal_size(STDERR_FILENO, &columns, &rows);
	erase_block(t);
	_cleanup_free_ char *head = xasprintf("[+] %s %.1fs (%u/%u, %u cached)", s->title,
		progress_seconds(&s->started, &now), t->finished,
		MAX(s->total, (unsigned)s->nodes.len), t->cached);
	put_line(t, columns, "\033[36m", str_of(head), NULL);
	flush_frame(t);
	buf_done(&t->frame);
	pthread_cond_destroy(&t->stop_cond);
	progress_sink_done(s);
	free(t);
}

ProgressSink *progress_tty_new(const char *title)
{
	static const ProgressOps ops = {
		.plan = tty_plan,
		.state = tty_state,
		.log = tty_log,
		.bytes = tty_bytes,
		.warn = tty_warn,
	};
	TtySink *t = xnew(TtySink);
	progress_sink_init(&t->sink, &ops, title);
	t->sink.free = tty_free;
	t->frame = BUF_INIT(1 << 20);
	pthread_cond_init(&t->stop_cond, NULL);
	t->ticker = thread_start("progress", tick, t);
	return &t->sink;
}
