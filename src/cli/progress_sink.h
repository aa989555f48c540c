/* Progress on a terminal (live), as plain lines, as JSON events (one object a line), or not at all; on stderr. */
#pragma once

#include "base/progress.h"
#include "base/str.h"

#define PROGRESS_METAVAR "auto|tty|plain|json|quiet"

/* mode as in PROGRESS_METAVAR, NULL = auto (a terminal gets tty, else plain). quiet: none; a mode besides it is
 * ERR_USAGE. title: "Building". */
int progress_sink_new(bool quiet, const char *mode, const char *title, Progress **ret, Err **err)
	_warn_unused_;
/* A line on standard output; where that is the terminal of the live view, behind it. NULL is fine. */
void progress_result(Progress *p, const char *fmt, ...) _printf_(2, 3);
/* Draws the last state, prints the results, and releases; NULL is fine. */
Progress *progress_sink_free(Progress *p);
DEFINE_FREEP(Progress, progress_sink_free)
