/* Shared by the progress sinks of this folder. */
#pragma once

#include <pthread.h>
#include <time.h>

#include "base/vec.h"
#include "cli/progress_sink.h"

typedef struct ProgressNode {
	unsigned id, number; /* number: order of appearance, 1-based, as BuildKit prints "#3" */
	char *name;
	ProgressState state;
	struct timespec started, ended;
	struct timespec told;        /* when bytes were last written (plain, JSON) */
	Buf partial;                 /* output behind the last line end */
	StrVec tail;                 /* last lines of output (tty) */
	uint64_t bytes, bytes_total; /* 0: nothing transferred, size unknown */
} ProgressNode;

typedef struct ProgressSink {
	Progress base;
	pthread_mutex_t lock;
	const char *title;
	struct timespec started;
	unsigned total; /* planned nodes; 0 = unknown */
	VEC(ProgressNode *) nodes;
	void (*free)(struct ProgressSink *s); /* of the kind */
	bool live;                            /* it redraws what is on the screen */
	Buf results; /* for standard output, when the live view is gone from it */
} ProgressSink;

void progress_sink_init(ProgressSink *s, const ProgressOps *ops, const char *title);
void progress_sink_done(ProgressSink *s);
/* The node of id, made on first sight (name may be NULL then). Call with the lock held. */
ProgressNode *progress_node(ProgressSink *s, unsigned id, const char *name);
double progress_seconds(const struct timespec *from, const struct timespec *to);
/* Splits output into whole lines; fn gets each without its line end. flush: the rest as well. */
void progress_lines(ProgressNode *n, const char *text, size_t len, bool flush,
	void (*fn)(void *arg, ProgressNode *n, Str line), void *arg);

ProgressSink *progress_plain_new(const char *title);
ProgressSink *progress_json_new(const char *title);
ProgressSink *progress_tty_new(const char *title);
