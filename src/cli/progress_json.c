/* One JSON object a line on stderr: {"event":"state"|"log"|"bytes"|"warning"|"plan", "time":seconds, …}. */
#include <stdio.h>

#include "base/json.h"
#include "cli/progress_int.h"

#define TIME_DIGITS    12  /* that count: milliseconds of many years */
#define BYTES_INTERVAL 0.1 /* seconds between two events of a node */

static void emit(ProgressSink *s, json_t *event)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t ms = (int64_t)(progress_seconds(&s->started, &now) * 1000);
	json_set(event, "time", json_real((double)ms / 1000));
	_cleanup_free_ char *text =
		json_dumps(event, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(TIME_DIGITS));
	json_decref(event);
	if (text)
		fprintf(stderr, "%s\n", text);
}

static void json_plan(Progress *p, unsigned total)
{
	ProgressSink *s = (ProgressSink *)p;
	pthread_mutex_lock(&s->lock);
	if (total > s->total) { /* two threads may tell in any order */
		s->total = total;
		emit(s, json_pack("{s:s, s:i}", "event", "plan", "total", (int)total));
	}
	pthread_mutex_unlock(&s->lock);
}

static void json_state(
	Progress *p, unsigned id, const char *name, ProgressState state, const Err *err)
{
	static const char *const words[] = {
		[PROGRESS_STARTED] = "started",
		[PROGRESS_DONE] = "done",
		[PROGRESS_CACHED] = "cached",
		[PROGRESS_FAILED] = "failed",
		[PROGRESS_CANCELLED] = "cancelled",
	};
	ProgressSink *s = (ProgressSink *)p;
	pthread_mutex_lock(&s->lock);
	ProgressNode *n = progress_node(s, id, name);
	json_t *j = json_pack(
		"{s:s, s:i, s:s}", "event", "state", "id", (int)n->number, "state", words[state]);
	json_set_text(j, "name", n->name);
	if (err)
		json_set_text(j, "error", err->message);
	emit(s, j);
	pthread_mutex_unlock(&s->lock);
}

static void json_log(Progress *p, unsigned id, int stream, const char *text, size_t len)
{
	ProgressSink *s = (ProgressSink *)p;
	pthread_mutex_lock(&s->lock);
	ProgressNode *n = progress_node(s, id, NULL);
	json_t *data = json_stringn(text, len);
	if (!data) { /* not UTF-8: one code point a byte */
		_cleanup_buf_ Buf latin = BUF_INIT(SIZE_MAX / 2);
		for (size_t i = 0; i < len; i++) {
			unsigned char c = (unsigned char)text[i];
			if (c >= 0x80)
				buf_char(&latin, (char)(0xc0 | c >> 6));
			buf_char(&latin, (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
		}
		data = json_stringn(latin.ptr, latin.len);
	}
	emit(s,
		json_pack("{s:s, s:i, s:i, s:o}", "event", "log", "id", (int)n->number, "stream",
			stream, "data", data));
	pthread_mutex_unlock(&s->lock);
}

static void json_bytes(Progress *p, unsigned id, const char *what, uint64_t done, uint64_t total)
{
	ProgressSink *s = (ProgressSink *)p;
	struct timespec now;
	pthread_mutex_lock(&s->lock);
	ProgressNode *n = progress_node(s, id, NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((done == total && n->bytes != total) ||
		progress_seconds(&n->told, &now) >= BYTES_INTERVAL) {
		n->bytes = done;
		n->told = now;
		emit(s,
			json_pack("{s:s, s:i, s:s, s:I, s:I}", "event", "bytes", "id",
				(int)n->number, "what", what ? what : "", "done", (json_int_t)done,
				"total", (json_int_t)total));
	}
	pthread_mutex_unlock(&s->lock);
}

static void json_warn(Progress *p, const char *file, int line, const char *text)
{
	ProgressSink *s = (ProgressSink *)p;
	json_t *j = json_pack("{s:s, s:i}", "event", "warning", "line", line);
	if (file)
		json_set_text(j, "file", file);
	else
		json_set(j, "file", json_null());
	json_set_text(j, "text", text);
	pthread_mutex_lock(&s->lock);
	emit(s, j);
	pthread_mutex_unlock(&s->lock);
}

static void json_free(ProgressSink *s)
{
	progress_sink_done(s);
	free(s);
}

ProgressSink *progress_json_new(const char *title)
{
	static const ProgressOps ops = {
		.plan = json_plan,
		.state = json_state,
		.log = json_log,
		.bytes = json_bytes,
		.warn = json_warn,
	};
	ProgressSink *s = xnew(ProgressSink);
	progress_sink_init(s, &ops, title);
	s->free = json_free;
	return s;
}
