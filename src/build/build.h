/*
 * Builds an image from a Dockerfile: graph of steps, cache, execution, result. The command line fills
 * BuildOptions, this does the rest and tells Progress.
 */
#pragma once

#include "base/pool.h"
#include "base/progress.h"
#include "image/pull.h"
#include "sandbox/sandbox.h"

typedef struct BuildSecret {
	char *id;
	char *src; /* file, or NULL */
	char *env; /* environment variable, or NULL */
} BuildSecret;

typedef enum BuildOutputType {
	BUILD_OUTPUT_IMAGE,  /* in the store (always done for tagging) */
	BUILD_OUTPUT_OCI,    /* OCI archive, or directory with tar=false */
	BUILD_OUTPUT_DOCKER, /* docker-archive */
	BUILD_OUTPUT_LOCAL,  /* tree in a directory */
	BUILD_OUTPUT_TAR,    /* tree as a tar */
} BuildOutputType;
typedef struct BuildOutput {
	BuildOutputType type;
	char *dest;  /* path, "-" = stdout; NULL for image */
	bool as_dir; /* type=oci,tar=false */
} BuildOutput;

typedef struct BuildContext {
	char *name;  /* --build-context name=… */
	char *value; /* directory, or docker-image://NAME, or oci-layout://PATH */
} BuildContext;

typedef struct BuildOptions {
	char *context; /* directory, "-" (tar or Dockerfile on stdin) */
	char *file;    /* -f; NULL = <context>/Dockerfile; "-" = stdin */
	StrVec tags, build_args /* "K=V" or "K" (from the environment) */, labels, add_hosts,
		no_cache_filter, annotations /* "K=V" of the manifest */;
	SandboxLimits limits; /* of RUN */
	uint64_t shm_size;    /* bytes of RUN's /dev/shm, 0 = the default */
	VEC(BuildSecret) secrets;
	VEC(BuildOutput) outputs;
	VEC(BuildContext) contexts;
	char *target, *platform, *network /* "host" | "none", NULL = host */, *runtime;
	char *iidfile, *metadata_file;
	bool no_cache, quiet;
	bool check;                         /* look for mistakes and build nothing */
	PullPolicy pull;                    /* of bases */
	bool push;                          /* to the repositories of the tags, while it is built */
	const RegistrySettings *registries; /* borrowed */
	Compression compression;
	int compression_level;
	unsigned jobs; /* threads; 0 = one a processor */
} BuildOptions;
void build_options_done(BuildOptions *o);

typedef struct BuildResult {
	Descriptor manifest;
	Digest config; /* image ID */
	unsigned steps, cached;
	bool stored; /* under its names; else it was pushed, and layers of its base never came here */
} BuildResult;
void build_result_done(BuildResult *r);

/* sandbox: made before any thread existed; NULL if this process cannot have one (a build without RUN still works,
 * and one with RUN gives sandbox_error, owned by the caller). */
int build(Store *s, Sandbox *sandbox, const Err *sandbox_error, const BuildOptions *options,
	Progress *progress, BuildResult *ret, Err **err) _warn_unused_;
