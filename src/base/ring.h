/*
 * A bounded pipe of bytes between threads: one writer, and one reader, or two that get all of it each. The writer waits
 * while the slower one has capacity bytes unread. Each end is freed on its own thread; freeing a reader early makes
 * writes fail with ERR_CANCELLED, freeing the writer without finish makes reads fail with ERR_CANCELLED.
 */
#pragma once

#include "base/stream.h"

#define RING_READERS 2

void ring_new(size_t capacity, Reader **ret_reader, Writer **ret_writer);
void ring_new_forked(size_t capacity, Reader *ret_readers[RING_READERS], Writer **ret_writer);
/* All of source, which reads into the ring's own memory, and finish. ring came from one of the above. */
int ring_fill(Writer *ring, Reader *source, Err **err) _warn_unused_;
