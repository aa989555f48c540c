/*
 * What long operations tell about themselves. Engines send events to a sink; the command line shows
 * them (terminal, plain lines, JSON). Thread-safe: the sink serialises. A NULL Progress swallows all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef enum ProgressState {
	PROGRESS_STARTED,
	PROGRESS_DONE,
	PROGRESS_CACHED,
	PROGRESS_FAILED,
	PROGRESS_CANCELLED,
} ProgressState;

/* One node of the work: a build step, a layer being loaded … id is unique within the run and stable;
 * the first event of an id carries its name. */
typedef struct ProgressOps {
	/* plan: how many nodes there will be, as far as is known (for "3/12") */
	void (*plan)(Progress *p, unsigned total);
	void (*state)(Progress *p, unsigned id, const char *name, ProgressState state,
		const Err *err /* when FAILED, else NULL */);
	/* output of the node's program; text need not end at a line */
	void (*log)(Progress *p, unsigned id, int stream /* 1 stdout, 2 stderr */, const char *text,
		size_t len);
	/* bytes done of total (0 = unknown) */
	void (*bytes)(Progress *p, unsigned id, const char *what, uint64_t done, uint64_t total);
	/* a warning for the user, shown once; file may be NULL, line 0 */
	void (*warn)(Progress *p, const char *file, int line, const char *text);
} ProgressOps;
struct Progress {
	const ProgressOps *ops;
	unsigned planned;
};

unsigned progress_next_id(void); /* process-wide */
/* So many nodes more than were known of. */
void progress_plan(Progress *p, size_t more);
void progress_state(
	Progress *p, unsigned id, const char *name, ProgressState state, const Err *err);
void progress_log(Progress *p, unsigned id, int stream, const char *text, size_t len);
void progress_bytes(Progress *p, unsigned id, const char *what, uint64_t done, uint64_t total);
/* Passes source on and tells at most ten times a second how much has been read. Owns source; total 0: unknown. */
Reader *progress_reader_new(Reader *source, Progress *p, unsigned id, uint64_t total);
void progress_warn(Progress *p, const char *file, int line, const char *fmt, ...) _printf_(4, 5);
