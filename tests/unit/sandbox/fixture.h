/*
 * A tiny root file system made of a static busybox, and runs over it. Where the sandbox cannot work at all (no
 * namespaces, no overlay) every test that needs it is skipped and says why.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sandbox/sandbox_int.h"

typedef struct Fixture {
	Sandbox *sandbox;
	char *dir;    /* temporary directory: lower/ and one directory a run */
	char *lower;  /* owned */
	char *reason; /* why nothing can be run, or NULL */
	unsigned runs;
} Fixture;
extern Fixture fixture;

int fixture_setup(void **state); /* group setup */
int fixture_teardown(void **state);

/* One run; text is what the program printed to both streams (owned by the struct). */
typedef struct Run {
	SandboxSpec spec;
	SandboxResult result;
	Buf out, err_out;
	Err *err;
	int r;
} Run;
/* A spec with fresh upper and work directories, PATH, and `sh -c script`. Skips when the sandbox cannot work. */
void run_init(Run *run, const char *script);
/* Another program instead: NULL-terminated. */
void run_argv(Run *run, const char *first, ...) __attribute__((sentinel));
SandboxMount *run_mount(Run *run, SandboxMountType type, const char *target);
void run_go(Run *run);
void run_done(Run *run);
#define _cleanup_run_ __attribute__((cleanup(run_done)))
/* run_go, and the program ended with status 0. */
void run_ok(Run *run);
/* The output without the newline at its end. */
const char *run_text(Run *run);
/* Runs the script over the bare lower directory and compares what it prints. */
void assert_prints(const char *script, const char *expected);

char *fixture_path(const char *below); /* owned: in the temporary directory */
void fixture_write(const char *below, const char *text, unsigned mode);
void fixture_mkdir(const char *below);
