/*
 * Interruption of the whole program (Ctrl-C, SIGTERM), or of what a thread does: flags that long work looks at. File
 * streams and requests check them all the time and end with ERR_CANCELLED, so engines stop by themselves and clean up.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

void cancel_request(void); /* async-signal-safe */
bool cancel_requested(void);
/* 0, or ERR_CANCELLED once it was requested. */
int cancel_check(Err **err);

/* For this thread, and for those that thread_start makes of it, it is requested too when somebody has set *stop
 * (cancel_set) because the work is of no use any more. Scopes nest; all that was started in one ends before it. */
typedef struct CancelScope {
	const bool *stop;
	const struct CancelScope *outer;
} CancelScope;
void cancel_scope_begin(CancelScope *scope, const bool *stop);
void cancel_scope_end(CancelScope *scope);
void cancel_set(bool *stop);
/* For a new thread: what its creator's scopes are. */
const CancelScope *cancel_scopes(void);
void cancel_scopes_enter(const CancelScope *scopes);
