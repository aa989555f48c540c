/*
 * Running a program over a root file system: namespaces, overlay, mounts, capabilities, seccomp, reaping.
 *
 * All of it happens in a helper process that is forked once, at sandbox_new, while the caller has a single
 * thread; the helper clones a fresh process for every run, so no lock is ever held across clone and nothing
 * is exec'd but the user's program. (spec: build.md 50–61)
 */
#pragma once

#include "base/str.h"
#include "base/vec.h"

typedef enum SandboxMountType {
	SANDBOX_BIND, /* source path on the host → target */
	SANDBOX_TMPFS,
	SANDBOX_OVERLAY, /* writable view of `lowers`, writes thrown away (bind rw of a stage, spec 57) */
} SandboxMountType;

typedef struct SandboxMount {
	SandboxMountType type;
	char *source; /* BIND: absolute host path (file or directory) */
	StrVec lowers; /* OVERLAY: absolute directories, top first; a single one with subpath is fine */
	char *subpath; /* OVERLAY: path inside, or NULL */
	char *target;  /* absolute, resolved inside the root */
	bool read_only;
	uint64_t tmpfs_size; /* bytes, 0 = default */
	unsigned mode;       /* TMPFS: of its root directory; 0 = 01777 */
} SandboxMount;

typedef struct SandboxLimit {
	int resource;        /* RLIMIT_… */
	uint64_t soft, hard; /* UINT64_MAX: none */
} SandboxLimit;
typedef VEC(SandboxLimit) SandboxLimits;

typedef struct SandboxSpec {
	/* root file system: overlay of lowers (absolute, top first) under upper + work, or a plain directory */
	StrVec lowers;
	char *upper, *work; /* absolute; NULL with rootfs */
	char *rootfs;       /* absolute; used when lowers is empty */
	bool rootfs_read_only;
	/* process */
	StrVec argv, env; /* env complete; argv[0] looked up in env's PATH inside the root */
	char *cwd;        /* absolute; must exist */
	char *user; /* "", "name", "uid", "name:group" …: looked up in the root's passwd and group */
	char *hostname;
	VEC(SandboxMount) mounts;
	SandboxLimits limits;
	uint64_t shm_size; /* bytes of /dev/shm, 0 = 64 MiB */
	bool network_none; /* an empty network namespace with lo up; else the host's */
	bool privileged; /* all capabilities, no seccomp filter (not reachable from a Dockerfile) */
	bool tty;        /* stdio is passed through as it is (cruet run), else pipes */
	bool pass_stdin; /* else /dev/null */
	StrVec extra_hosts; /* "name:ip" or "name=ip" for /etc/hosts; host-gateway is an ip too */
	char *runtime; /* "crun", "runc" or a path: run through that OCI runtime; NULL = built in */
	int stdio[3];  /* -1: as described above; else fds to use */
} SandboxSpec;
#define SANDBOX_SPEC_INIT ((SandboxSpec){.stdio = {-1, -1, -1}})
void sandbox_spec_done(SandboxSpec *s);

typedef struct SandboxResult {
	int exit_status; /* 0…255 */
	int signal;      /* >0 if killed by one */
	/* Paths (no leading '/') of mount points that had to be created, are still empty, and could not be removed
	 * again: for DiffOptions.skip. As a rule none. */
	StrVec made;
} SandboxResult;
void sandbox_result_done(SandboxResult *r);

typedef struct Sandbox Sandbox;
/* Before any thread exists. */
int sandbox_new(Sandbox **ret, Err **err) _warn_unused_;
/* Output of the program, called from the calling thread. */
typedef void (*SandboxOutputFn)(void *arg, int stream, const char *text, size_t len);
/* Runs to the end; every process inside is gone and the mounts are undone when it returns, whatever the exit
 * status. Errors mean that the program could not be started: ERR_RUN_FAILED with errnum 127 (no such program, or no
 * interpreter for it) or 126 (it cannot be executed); ERR_NOT_FOUND for a user, working directory or mount source that
 * is not there; ERR_DENIED where namespaces are forbidden; other codes with their reason. ERR_CANCELLED after
 * sandbox_cancel. May be called from several threads at once. */
int sandbox_run(Sandbox *s, const SandboxSpec *spec, SandboxOutputFn output, void *output_arg,
	SandboxResult *ret, Err **err) _warn_unused_;
/* Kills every run in progress; later runs fail. Async-signal-safe. */
void sandbox_cancel(Sandbox *s);
/* Passes a signal on to the program of every run in progress (0: to nobody); false if there is none. Async-signal-safe. */
bool sandbox_signal(Sandbox *s, int number);
Sandbox *sandbox_free(Sandbox *s);
DEFINE_FREEP(Sandbox, sandbox_free)

/* passwd and group of a root directory, with links resolved inside. home is "/" when unknown. */
typedef struct SandboxUser {
	uint32_t uid, gid;
	VEC(uint32_t) groups;
	char *home;
} SandboxUser;
int sandbox_user_lookup(Str passwd_text, Str group_text, const char *user, SandboxUser *ret,
	Err **err) _warn_unused_;
void sandbox_user_done(SandboxUser *u);
