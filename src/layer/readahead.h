/*
 * Reads a source on a thread of its own, a bounded piece ahead of whoever consumes it, so that inflating a
 * layer and hashing or unpacking it take two processors. A source that ends within the first block costs no
 * thread. Internal to layer/.
 */
#pragma once

#include "base/stream.h"

typedef struct ReadAhead ReadAhead;
/* Borrows source, which nobody else may touch until finish. */
ReadAhead *read_ahead_new(Reader *source);
Reader *read_ahead_reader(ReadAhead *a); /* borrowed */
/* Stops and frees; r and *err are the consumer's result so far. When it is the source that failed, its error takes
 * their place. */
int read_ahead_finish(ReadAhead *a, int r, Err **err) _warn_unused_;
