/*
 * Interruption of the whole program (Ctrl-C, SIGTERM): a flag that long work looks at. File streams check it
 * at every read and write and end with ERR_CANCELLED, so engines stop by themselves and clean up.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

void cancel_request(void); /* async-signal-safe */
bool cancel_requested(void);
/* 0, or ERR_CANCELLED once it was requested. */
int cancel_check(Err **err);
