/* The mounts of one RUN: their part of the key, and what the sandbox gets (spec: build.md 56–61, 76). */
#pragma once

#include "build/build_int.h"
#include "build/mounts.h"

/* The directory of a cache id, for all mounts of the id in one RUN. */
typedef struct CacheLock {
	DigestHex id;
	MountSharing sharing; /* the strictest that is asked for */
	unsigned slot;
	int fd; /* owned */
} CacheLock;

typedef struct MountSet {
	VEC(RunMount) mounts;
	VEC(CacheLock) locks; /* by id, so that no two RUNs wait for each other */
	char *secrets;        /* directory in memory with the secrets' files; absolute */
	int secrets_fd;       /* holds it against the sweep of another build */
} MountSet;
/* Parses every --mount of the step, sorted by target. */
int mount_set_parse(Step *t, MountSet *m, Err **err) _warn_unused_;
/* Adds to the key what matters: contents of binds, ids of secrets; not what caches and secrets hold. */
int mount_set_key(Step *t, const MountSet *m, Sha256 *h, Err **err) _warn_unused_;
/* Makes the sources and adds them to spec; secrets that are variables go to spec->env. */
int mount_set_prepare(Step *t, MountSet *m, SandboxSpec *spec, Err **err) _warn_unused_;
void mount_set_done(MountSet *m); /* unlocks caches, removes secrets */
