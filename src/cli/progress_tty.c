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
#include "cli/screen_text.h"
#include "cli/terminal.h"

#define TAIL_LINES      6
#define REDRAW_INTERVAL 100 /* milliseconds */
#define BAR_WIDTH       20
/* The whole line before it is written, not the rest behind it: so tmux knows how long it is when it rewraps. And line
 * by line: a screen cleared at once would go into the scrollback. */
#define CLEAR_LINE "\033[2K"

typedef struct TtySink {
	ProgressSink sink;
	VEC(unsigned) drawn; /* widths of the lines of the block on the screen */
	unsigned drawn_columns;
	unsigned finished, cached;
	unsigned columns, rows;
	bool rewraps; /* the terminal breaks lines anew when it gets narrower */
	struct timespec last_draw;
	Buf frame;
	Job *ticker;
	pthread_cond_t stop_cond;
	bool stop;
} TtySink;

typedef struct Line {
	const char *color; /* of the mark, and of the text unless plain */
	const char *mark;
	Str text;
	const char *right; /* at the right edge; NULL: nothing */
	bool plain;
} Line;

static const char *color(const char *sequence)
{
	return terminal_color(STDERR_FILENO, sequence);
}

/* One screen line. The last column stays free: some terminals wrap as soon as it is written. Returns its width. */
static unsigned put_line(TtySink *t, const Line *l)
{
	size_t room = MAX(t->columns, 2u) - 1;
	const char *off = color("\033[0m");
	size_t right = l->right ? text_width(l->right) + 1 : 0;
	size_t mark = MIN(text_width(l->mark), room);
	if (right + mark + 4 > room) /* too narrow for both */
		right = 0;
	buf_printf(&t->frame, CLEAR_LINE "%s", color(l->color));
	screen_text(&t->frame, str_of(l->mark), mark, 0);
	if (l->plain)
		buf_cstr(&t->frame, off);
	size_t used = mark + screen_text(&t->frame, l->text, room - mark - right, 0);
	if (right) {
		buf_printf(&t->frame, "%*s%s", (int)(room - right - used + 1), "", l->right);
		used = room;
	}
	buf_printf(&t->frame, "%s\n", off);
	return (unsigned)used;
}

/* A line of the block, redrawn with it. */
static void put_block_line(TtySink *t, const Line *l)
{
	unsigned used = put_line(t, l);
	vec_push(&t->drawn, used);
}

static void look_at_terminal(TtySink *t)
{
	terminal_size(STDERR_FILENO, &t->columns, &t->rows);
}

/* Moves to the first line of the block, which is then written over. Where the window became narrower since, its lines may take several each. */
static void erase_block(TtySink *t)
{
	unsigned up = 0;
	look_at_terminal(t);
	bool broken = t->rewraps && t->columns < t->drawn_columns;
	vec_foreach (&t->drawn, width)
		up += broken && *width > t->columns ? (*width + t->columns - 1) / t->columns : 1;
	if (up)
		buf_printf(&t->frame, "\033[%uA\r", up);
	t->drawn.len = 0;
}

/* "[=====>    ] 12.3MB / 40.0MB 1.2s", as much of it as there is room for; owned. */
static char *right_text(const TtySink *t, const ProgressNode *n, double seconds)
{
	if (n->bytes == 0)
		return xasprintf("%.1fs", seconds);
	_cleanup_free_ char *have = size_format(n->bytes), *all = size_format(n->bytes_total);
	if (n->bytes_total == 0 || n->state != PROGRESS_STARTED)
		return xasprintf("%s %.1fs", have, seconds);
	double part = MIN((double)n->bytes / (double)n->bytes_total, 1.0);
	if (t->columns < 50)
		return xasprintf("%3.0f%% %5.1fs", part * 100, seconds);
	if (t->columns < 72)
		return xasprintf("%6s / %6s %5.1fs", have, all, seconds);
	char bar[BAR_WIDTH + 1];
	size_t full = (size_t)(part * BAR_WIDTH);
	for (size_t i = 0; i < BAR_WIDTH; i++)
		bar[i] = "=> "[i < full ? 0 : i == full ? 1 : 2];
	bar[BAR_WIDTH] = '\0';
	/* the columns of all bars stand below each other */
	return xasprintf("[%s] %6s / %6s %5.1fs", bar, have, all, seconds);
}

static void put_output(TtySink *t, Str text)
{
	put_block_line(t, &(Line){.color = "\033[2m", .mark = "    │ ", .text = screen_line(text)});
}

/* The node and up to `lines` of its last output, the unfinished line included. */
static void put_running(
	TtySink *t, const ProgressNode *n, unsigned lines, const struct timespec *now)
{
	_cleanup_free_ char *right = right_text(t, n, progress_seconds(&n->started, now));
	put_block_line(t,
		&(Line){.color = "\033[1m",
			.mark = " => ",
			.text = str_of(n->name),
			.right = right});
	Str open = screen_line(buf_view(&n->partial));
	unsigned last = lines && open.len;
	unsigned whole = MIN((unsigned)n->tail.len, lines - last);
	for (size_t i = n->tail.len - whole; i < n->tail.len; i++)
		put_output(t, str_of(n->tail.items[i]));
	if (last)
		put_output(t, open);
}

static void put_all_running(TtySink *t, unsigned room, const struct timespec *now)
{
	unsigned running = 0;
	vec_foreach (&t->sink.nodes, it)
		running += (*it)->state == PROGRESS_STARTED;
	unsigned shown = running <= room ? running : room - 1, n = 0;
	vec_foreach (&t->sink.nodes, it) {
		if ((*it)->state != PROGRESS_STARTED || n++ >= shown)
			continue;
		/* an equal share of the rows for output; what cannot be shared goes to the first */
		unsigned spare = room - MIN(room, running);
		unsigned lines = spare / running + (n <= spare % running);
		put_running(t, *it, MIN(lines, (unsigned)TAIL_LINES), now);
	}
	if (shown < running) {
		_cleanup_free_ char *more = xasprintf("%u more", running - shown);
		put_block_line(
			t, &(Line){.color = "\033[1m", .mark = " => … ", .text = str_of(more)});
	}
}

/* One write that terminals which know mode 2026 show at once. The cursor is hidden only within: whatever ends the
 * program finds it shown. */
static void flush_frame(TtySink *t)
{
	_cleanup_buf_ Buf whole = BUF_INIT(SIZE_MAX / 2);
	buf_printf(&whole, "\033[?2026h\033[?25l" STR_FMT "\033[J\033[?25h\033[?2026l",
		STR_ARG(buf_view(&t->frame)));
	fwrite(whole.ptr, 1, whole.len, stderr);
	fflush(stderr);
	buf_clear(&t->frame);
}

/* "[+] Building 1.2s (3/7)" */
static char *headline(const TtySink *t, const struct timespec *now)
{
	return xasprintf("[+] %s %.1fs (%u/%u)", t->sink.title,
		progress_seconds(&t->sink.started, now), t->finished,
		MAX(t->sink.total, (unsigned)t->sink.nodes.len));
}

/* Call with the lock held, after erase_block; the frame may hold lines that stay, printed above the block. */
static void draw(TtySink *t)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	_cleanup_free_ char *head = headline(t, &now);
	t->drawn_columns = t->columns;
	put_block_line(t, &(Line){.color = "\033[36m", .mark = "", .text = str_of(head)});
	put_all_running(t, t->rows > 3 ? t->rows - 2 : 1, &now);
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
	t->sink.total = MAX(t->sink.total, total); /* two threads may tell in any order */
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

/* The line that stays when a step has ended. Why it failed is told at the very end. */
static void put_finished(TtySink *t, const ProgressNode *n)
{
	static const Line lines[] = {
		[PROGRESS_STARTED] = {.color = "\033[33m", .mark = " – CANCELED ", .plain = true},
		[PROGRESS_DONE] = {.color = "\033[32m", .mark = " ✓ ", .plain = true},
		[PROGRESS_CACHED] = {.color = "\033[34m", .mark = " ● CACHED ", .plain = true},
		[PROGRESS_FAILED] = {.color = "\033[1;31m", .mark = " ✗ "},
		[PROGRESS_CANCELLED] = {.color = "\033[33m", .mark = " – CANCELED ", .plain = true},
	};
	Line line = lines[n->state];
	_cleanup_free_ char *right = right_text(t, n, progress_seconds(&n->started, &n->ended));
	line.text = str_of(n->name);
	line.right = n->state == PROGRESS_CACHED ? NULL : right;
	put_line(t, &line);
}

static void tty_state(
	Progress *p, unsigned id, const char *name, ProgressState state, const Err *err _unused_)
{
	TtySink *t = (TtySink *)p;
	pthread_mutex_lock(&t->sink.lock);
	ProgressNode *n = progress_node(&t->sink, id, name);
	clock_gettime(CLOCK_MONOTONIC, state == PROGRESS_STARTED ? &n->started : &n->ended);
	n->state = state;
	if (state == PROGRESS_STARTED) {
		draw_if_due(t);
	} else {
		t->finished += state != PROGRESS_CANCELLED;
		t->cached += state == PROGRESS_CACHED;
		erase_block(t);
		put_finished(t, n);
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

static void tty_bytes(
	Progress *p, unsigned id, const char *what _unused_, uint64_t done, uint64_t total)
{
	TtySink *t = (TtySink *)p;
	pthread_mutex_lock(&t->sink.lock);
	ProgressNode *n = progress_node(&t->sink, id, NULL);
	n->bytes = done;
	n->bytes_total = total;
	draw_if_due(t);
	pthread_mutex_unlock(&t->sink.lock);
}

/* Warnings are kept whole, over as many rows as they need. */
static void tty_warn(Progress *p, const char *file, int line, const char *text)
{
	TtySink *t = (TtySink *)p;
	pthread_mutex_lock(&t->sink.lock);
	_cleanup_free_ char *where = file && line ? xasprintf("%s:%d: ", file, line) : xstrdup("");
	_cleanup_free_ char *whole = xasprintf("%s%s", where, text);
	erase_block(t);
	buf_printf(&t->frame, CLEAR_LINE "%s ! ", color("\033[33m"));
	screen_text(&t->frame, str_of(whole), ALL_COLUMNS, 0);
	buf_printf(&t->frame, "%s\n", color("\033[0m"));
	draw(t);
	pthread_mutex_unlock(&t->sink.lock);
}

/* The headline as it stays, with how it went as far as the steps tell. */
static void put_end(TtySink *t)
{
	struct timespec now;
	unsigned failed = 0, cancelled = 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	vec_foreach (&t->sink.nodes, it) {
		ProgressNode *n = *it;
		failed += n->state == PROGRESS_FAILED;
		cancelled += n->state == PROGRESS_CANCELLED || n->state == PROGRESS_STARTED;
		if (n->state == PROGRESS_STARTED) { /* nobody told of its end */
			n->ended = now;
			put_finished(t, n);
		}
	}
	bool whole = t->finished >= t->sink.total;
	_cleanup_free_ char *head = headline(t, &now);
	_cleanup_free_ char *cached = t->cached ? xasprintf(", %u cached", t->cached) : xstrdup("");
	_cleanup_free_ char *text = xasprintf("%s%s%s", head,
		failed              ? " FAILED"
			: cancelled ? " CANCELED"
			: whole     ? " FINISHED"
				    : "",
		cached);
	put_line(t,
		&(Line){.color = failed     ? "\033[1;31m"
				: cancelled ? "\033[33m"
					    : "\033[36m",
			.mark = "",
			.text = str_of(text)});
}

static void tty_free(ProgressSink *s)
{
	TtySink *t = (TtySink *)s;
	pthread_mutex_lock(&s->lock);
	t->stop = true;
	pthread_cond_signal(&t->stop_cond);
	pthread_mutex_unlock(&s->lock);
	job_wait(t->ticker, NULL);
	erase_block(t);
	if (s->nodes.len)
		put_end(t);
	flush_frame(t);
	buf_done(&t->frame);
	vec_done(&t->drawn);
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
	t->sink.live = true;
	t->frame = BUF_INIT(SIZE_MAX / 2);
	t->rewraps = terminal_rewraps();
	look_at_terminal(t);
	pthread_cond_init(&t->stop_cond, NULL);
	t->ticker = thread_start("progress", tick, t);
	return &t->sink;
}
