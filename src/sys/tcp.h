/* How far the other end of a TCP connection is with what it is sent. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* *ret_taken: bytes it has acknowledged since the connection began; *ret_waiting: bytes that still lie here. False when
 * the kernel does not say (it is no TCP, or older than Linux 4.6). */
bool tcp_progress(int fd, uint64_t *ret_taken, uint64_t *ret_waiting);
