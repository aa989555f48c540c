/* What the program of a RUN prints: passed on, kept whole on disk, its end kept for the message when it fails. */
#pragma once

#include "base/progress.h"
#include "sandbox/sandbox.h"
#include "store/store.h"

typedef struct RunOutput {
	Store *store;
	Progress *progress;
	unsigned id;
	char name[32]; /* of the log, below logs/ */
	int fd;        /* -1 until the first output */
	bool broken;   /* the log cannot be written */
	char *tail;    /* ring of the last bytes */
	uint64_t total;
} RunOutput;
void run_output_init(RunOutput *o, Store *s, const Digest *op, Progress *progress, unsigned id);
void run_output_write(void *arg, int stream, const char *text, size_t len); /* SandboxOutputFn */
/* ERR_RUN_FAILED unless the program ended with 0. */
int run_output_check(RunOutput *o, const SandboxResult *result, const StrVec *argv, Err **err)
	_warn_unused_;
void run_output_done(RunOutput *o);
