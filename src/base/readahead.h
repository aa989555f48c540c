/*
 * Reads a source on a thread of its own, a bounded piece ahead of whoever consumes it, so that inflating a layer and
 * hashing or unpacking it take two processors.
 */
#pragma once

#include "base/ring.h"

/* Owns source. One that ends within the first block costs no thread. */
Reader *read_ahead_new(Reader *source);
/* The same for two consumers on two threads. The source's error is told to the first; the second one's reads are
 * cancelled then, and whenever the first is freed early. */
void read_ahead_forked(Reader *source, Reader *ret[RING_READERS]);
