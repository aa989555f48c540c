/* Plain lines in BuildKit's form, which people and log parsers know: "#3 [2/4] RUN make", "#3 0.512 text". */
#include <stdio.h>
#include <unistd.h>

#include "base/timefmt.h"
#include "cli/progress_int.h"
#include "cli/screen_text.h"
#include "cli/terminal.h"

#define BYTES_INTERVAL 5 /* seconds between two lines of a node */

/* As it came; on a terminal without what would move the cursor or wipe the screen. */
static void print_line(void *arg, ProgressNode *n, Str line)
{
	_cleanup_buf_ Buf clean = BUF_INIT(SIZE_MAX / 2);
	if (terminal_is(STDERR_FILENO)) {
		screen_text(&clean, screen_line(line), ALL_COLUMNS, SCREEN_TEXT_COLORS);
		line = buf_view(&clean);
	}
	fprintf(stderr, "#%u %.3f " STR_FMT "\n", n->number, *(double *)arg, STR_ARG(line));
}

static void plain_state(
	Progress *p, unsigned id, const char *name, ProgressState state, const Err *err)
{
	ProgressSink *s = (ProgressSink *)p;
	pthread_mutex_lock(&s->lock);
	size_t known = s->nodes.len;
	ProgressNode *n = progress_node(s, id, name);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (s->nodes.len > known)
		fprintf(stderr, "#%u %s\n", n->number, n->name);
	double at = progress_seconds(&n->started, &now);
	_cleanup_free_ char *size = n->bytes ? size_format(n->bytes) : NULL;
	if (state != PROGRESS_STARTED)
		progress_lines(n, "", 0, true, print_line, &at);
	switch (state) {
	case PROGRESS_STARTED:
		n->started = n->told = now;
		break;
	case PROGRESS_DONE:
		fprintf(stderr, "#%u DONE %.1fs%s%s\n", n->number, at, size ? ", " : "",
			size ? size : "");
		break;
	case PROGRESS_CACHED:
		fprintf(stderr, "#%u CACHED\n", n->number);
		break;
	case PROGRESS_FAILED:
		fprintf(stderr, "#%u ERROR: %s\n", n->number, err ? err->message : "failed");
		break;
	case PROGRESS_CANCELLED:
		fprintf(stderr, "#%u CANCELED\n", n->number);
		break;
	}
	pthread_mutex_unlock(&s->lock);
}

static void plain_log(Progress *p, unsigned id, int stream _unused_, const char *text, size_t len)
{
	ProgressSink *s = (ProgressSink *)p;
	pthread_mutex_lock(&s->lock);
	ProgressNode *n = progress_node(s, id, NULL);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	double at = progress_seconds(&n->started, &now);
	progress_lines(n, text, len, false, print_line, &at);
	pthread_mutex_unlock(&s->lock);
}

/* A line now and then: so that a log shows that something moves. */
static void plain_bytes(
	Progress *p, unsigned id, const char *what _unused_, uint64_t done, uint64_t total)
{
	ProgressSink *s = (ProgressSink *)p;
	struct timespec now;
	pthread_mutex_lock(&s->lock);
	ProgressNode *n = progress_node(s, id, NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	n->bytes = done;
	if (progress_seconds(&n->told, &now) >= BYTES_INTERVAL) {
		_cleanup_free_ char *have = size_format(done), *all = size_format(total);
		n->told = now;
		fprintf(stderr, "#%u %.3f %s%s%s\n", n->number, progress_seconds(&n->started, &now),
			have, total ? " / " : "", total ? all : "");
	}
	pthread_mutex_unlock(&s->lock);
}

static void plain_warn(Progress *p, const char *file, int line, const char *text)
{
	ProgressSink *s = (ProgressSink *)p;
	_cleanup_free_ char *shown = str_printable(str_of(text));
	pthread_mutex_lock(&s->lock);
	if (file && line)
		fprintf(stderr, "warning: %s:%d: %s\n", file, line, shown);
	else
		fprintf(stderr, "warning: %s\n", shown);
	pthread_mutex_unlock(&s->lock);
}

static void plain_free(ProgressSink *s)
{
	double at = 0;
	vec_foreach (&s->nodes, it)
		progress_lines(*it, "", 0, true, print_line, &at);
	progress_sink_done(s);
	free(s);
}

ProgressSink *progress_plain_new(const char *title)
{
	static const ProgressOps ops = {
		.state = plain_state,
		.log = plain_log,
		.bytes = plain_bytes,
		.warn = plain_warn,
	};
	ProgressSink *s = xnew(ProgressSink);
	progress_sink_init(s, &ops, title);
	s->free = plain_free;
	return s;
}
