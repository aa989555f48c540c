/*
 * Flags of docker build that scripts carry and that need nothing done here: taken without a word where the result is the
 * same, with a warning where something is left out that only costs time, refused where the result would be another.
 */
#pragma once

#include "base/progress.h"
#include "cli/option.h"

typedef struct DockerFlags {
	bool ignored, squash;
	char *provenance, *sbom, *call;
	StrVec ignored_values, attest, ssh, cache_from, cache_to, limits, security;
} DockerFlags;

/* Rows whose values land in a DockerFlags at offset `at` of the verb's options. Not in --help. */
#define DOCKER_FLAG(at, field) (at) + offsetof(DockerFlags, field)
#define DOCKER_FLAG_ROWS(at)                                                                       \
	{0, "load", OPTION_FLAG, DOCKER_FLAG(at, ignored), NULL, NULL},                            \
		{0, "rm", OPTION_FLAG, DOCKER_FLAG(at, ignored), NULL, NULL},                      \
		{0, "force-rm", OPTION_FLAG, DOCKER_FLAG(at, ignored), NULL, NULL},                \
		{0, "compress", OPTION_FLAG, DOCKER_FLAG(at, ignored), NULL, NULL},                \
		{0, "layers", OPTION_FLAG, DOCKER_FLAG(at, ignored), NULL, NULL},                  \
		{0, "disable-content-trust", OPTION_FLAG, DOCKER_FLAG(at, ignored), NULL, NULL},   \
		{0, "builder", OPTION_STRINGS, DOCKER_FLAG(at, ignored_values), "NAME", NULL},     \
		{0, "isolation", OPTION_STRINGS, DOCKER_FLAG(at, ignored_values), "NAME", NULL},   \
		{0, "allow", OPTION_STRINGS, DOCKER_FLAG(at, ignored_values), "RIGHT", NULL},      \
		{0, "cache-from", OPTION_STRINGS, DOCKER_FLAG(at, cache_from), "CACHE", NULL},     \
		{0, "cache-to", OPTION_STRINGS, DOCKER_FLAG(at, cache_to), "CACHE", NULL},         \
		{'m', "memory", OPTION_STRINGS, DOCKER_FLAG(at, limits), "SIZE", NULL},            \
		{0, "memory-swap", OPTION_STRINGS, DOCKER_FLAG(at, limits), "SIZE", NULL},         \
		{'c', "cpu-shares", OPTION_STRINGS, DOCKER_FLAG(at, limits), "N", NULL},           \
		{0, "cpu-period", OPTION_STRINGS, DOCKER_FLAG(at, limits), "N", NULL},             \
		{0, "cpu-quota", OPTION_STRINGS, DOCKER_FLAG(at, limits), "N", NULL},              \
		{0, "cpuset-cpus", OPTION_STRINGS, DOCKER_FLAG(at, limits), "LIST", NULL},         \
		{0, "cpuset-mems", OPTION_STRINGS, DOCKER_FLAG(at, limits), "LIST", NULL},         \
		{0, "cgroup-parent", OPTION_STRINGS, DOCKER_FLAG(at, limits), "PATH", NULL},       \
		{0, "security-opt", OPTION_STRINGS, DOCKER_FLAG(at, security), "OPTION", NULL},    \
		{0, "provenance", OPTION_OPTIONAL, DOCKER_FLAG(at, provenance), "MODE", NULL},     \
		{0, "sbom", OPTION_OPTIONAL, DOCKER_FLAG(at, sbom), "MODE", NULL},                 \
		{0, "attest", OPTION_STRINGS, DOCKER_FLAG(at, attest), "ATTESTATION", NULL},       \
		{0, "squash", OPTION_FLAG, DOCKER_FLAG(at, squash), NULL, NULL},                   \
		{0, "ssh", OPTION_STRINGS, DOCKER_FLAG(at, ssh), "AGENT", NULL},                   \
	{                                                                                          \
		0, "call", OPTION_STRING, DOCKER_FLAG(at, call), "METHOD", NULL                    \
	}

/* ERR_UNSUPPORTED for what is asked and not done. */
int docker_flags_check(const DockerFlags *f, Err **err) _warn_unused_;
void docker_flags_warn(const DockerFlags *f, Progress *progress);
