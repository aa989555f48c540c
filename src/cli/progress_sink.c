#include "cli/progress_sink.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/progress_int.h"
#include "cli/terminal.h"

#define PARTIAL_MAX (64 * 1024) /* bytes of one output line kept together */

void progress_sink_init(ProgressSink *s, const ProgressOps *ops, const char *title)
{
	s->base.ops = ops;
	s->title = title;
	s->results = BUF_INIT(SIZE_MAX / 2);
	pthread_mutex_init(&s->lock, NULL);
	clock_gettime(CLOCK_MONOTONIC, &s->started);
}

void progress_sink_done(ProgressSink *s)
{
	vec_foreach (&s->nodes, it) {
		ProgressNode *n = *it;
		free(n->name);
		buf_done(&n->partial);
		strvec_done(&n->tail);
		free(n);
	}
	vec_done(&s->nodes);
	pthread_mutex_destroy(&s->lock);
}

ProgressNode *progress_node(ProgressSink *s, unsigned id, const char *name)
{
	vec_foreach (&s->nodes, it)
		if ((*it)->id == id)
			return *it;
	ProgressNode *n = xnew(ProgressNode);
	n->id = id;
	n->number = (unsigned)s->nodes.len + 1;
	n->name = xstrdup(name ? name : "");
	n->partial = BUF_INIT(PARTIAL_MAX);
	clock_gettime(CLOCK_MONOTONIC, &n->started);
	vec_push(&s->nodes, n);
	return n;
}

double progress_seconds(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

void progress_lines(ProgressNode *n, const char *text, size_t len, bool flush,
	void (*fn)(void *arg, ProgressNode *n, Str line), void *arg)
{
	Str rest = {text, len};
	for (ssize_t end = str_find(rest, '\n'); end >= 0; end = str_find(rest, '\n')) {
		buf_append(&n->partial, rest.ptr, MIN((size_t)end, PARTIAL_MAX - n->partial.len));
		Str line = buf_view(&n->partial);
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		fn(arg, n, line);
		buf_clear(&n->partial);
		rest = str_slice(rest, (size_t)end + 1, rest.len);
	}
	while (rest.len > 0) {
		size_t take = MIN(rest.len, PARTIAL_MAX - n->partial.len);
		buf_append(&n->partial, rest.ptr, take);
		rest = str_slice(rest, take, rest.len);
		if (n->partial.len == PARTIAL_MAX) {
			fn(arg, n, buf_view(&n->partial));
			buf_clear(&n->partial);
		}
	}
	if (flush && n->partial.len) {
		fn(arg, n, buf_view(&n->partial));
		buf_clear(&n->partial);
	}
}

int progress_sink_new(bool quiet, const char *mode, const char *title, Progress **ret, Err **err)
{
	ProgressSink *s = NULL;
	if (quiet && mode && strcmp(mode, "quiet") != 0)
		return err_set(err, ERR_USAGE,
			"flags '--quiet' and '--progress %s' contradict each other", mode);
	if (quiet)
		mode = "quiet";
	if (!mode || strcmp(mode, "auto") == 0)
		/* a trace on the same terminal would tear the live view apart */
		mode = terminal_moves(STDERR_FILENO) && !log_enabled(NULL) ? "tty" : "plain";
	if (strcmp(mode, "tty") == 0 && !terminal_moves(STDERR_FILENO)) {
		err_set(err, ERR_USAGE, "progress 'tty' needs a terminal on standard error");
		err_hint(err, "leave --progress out: without a terminal it is plain");
		return -ERR_USAGE;
	}
	if (strcmp(mode, "tty") == 0)
		s = progress_tty_new(title);
	else if (strcmp(mode, "plain") == 0)
		s = progress_plain_new(title);
	else if (strcmp(mode, "json") == 0 || strcmp(mode, "rawjson") == 0)
		s = progress_json_new(title);
	else if (strcmp(mode, "quiet") != 0 && strcmp(mode, "none") != 0)
		return err_set(
			err, ERR_USAGE, "progress is one of " PROGRESS_METAVAR ", not '%s'", mode);
	*ret = s ? &s->base : NULL;
	return 0;
}

void progress_result(Progress *p, const char *fmt, ...)
{
	ProgressSink *s = (ProgressSink *)p;
	_cleanup_free_ char *line = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		abort();
	va_end(ap);
	if (s && s->live && terminal_is(STDOUT_FILENO))
		buf_printf(&s->results, "%s\n", line);
	else
		puts(line);
}

Progress *progress_sink_free(Progress *p)
{
	if (p) {
		ProgressSink *s = (ProgressSink *)p;
		_cleanup_buf_ Buf results = s->results;
		s->results = (Buf){0};
		s->free(s);
		if (results.len)
			(void)fwrite(results.ptr, 1, results.len, stdout);
	}
	return NULL;
}
