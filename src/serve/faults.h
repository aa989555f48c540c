/*
 * Answers that are slow or wrong, for tests of clients and for benchmarks; only what the command line names.
 *
 *	--fail WHAT[=N][,on=ROUTE][,method=M][,every=N][,count=N]
 *		status=503	answers with that status
 *		cut[=BYTES]	ends the connection after so many bytes of the body (default: half of it)
 *		stall[=BYTES]	sends nothing more after so many bytes
 *		corrupt[=BYTES]	turns the bits of the byte at that place
 *	on: blob, manifest, tags, uploads, upload, referrers, ping, catalog (default: any)
 *	every: only each N-th request that matches; count: only the first N that would be hit
 */
#pragma once

#include "serve/response.h"
#include "serve/router.h"

typedef enum FaultKind {
	FAULT_NONE,
	FAULT_STATUS,
	FAULT_CUT,
	FAULT_STALL,
	FAULT_CORRUPT
} FaultKind;
typedef struct Fault {
	FaultKind kind;
	uint64_t value; /* status or bytes; UINT64_MAX: the middle */
	RouteKind on;   /* ROUTE_NONE: any */
	Method method;  /* 0: any */
	uint64_t every, count;
	uint64_t seen, hit; /* atomic */
} Fault;

int fault_parse(const char *text, Fault *ret, Err **err) _warn_unused_;

typedef struct Faults Faults;
/* NULL and 0 when there is nothing to do. */
int faults_new(const StrVec *fail, uint64_t limit_rate, unsigned delay_ms, Faults **ret, Err **err)
	_warn_unused_;
Faults *faults_free(Faults *f);
/* The fault this answer gets, and its delay. stopping (atomic) ends every wait. */
Fault faults_pick(Faults *f, const Route *route, Method method);
void faults_delay(const Faults *f, const bool *stopping);
/* Changes the reply: a status, or a body that comes from a source of its own. */
void faults_apply(Faults *f, const Fault *fault, const bool *stopping, Response *reply);
