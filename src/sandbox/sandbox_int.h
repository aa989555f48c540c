/*
 * Inside the sandbox: what goes between the caller, the helper and the first process of a run.
 *
 *	caller (sandbox.c)      helper (helper.c)           first process (init.c)      program (program.c)
 *	    request + fds ──────▶ fork into namespaces ────▶ mounts, names ───────────▶ ids, filter, exec
 *	    ◀────────────────────────── reply pipe ────────── error / made / status ◀── error
 *	    end of the pipe  ◀── closes it once the first process, and so all of them, are gone
 *
 * A request is one datagram of a Request, with the descriptors of RequestFd; the spec itself lies packed in a
 * memfd. The reply pipe carries records; its end is the end of the run.
 */
#pragma once

#include "sandbox/sandbox.h"

typedef struct Request {
	uint32_t flags; /* REQUEST_… */
	uint32_t size;  /* of the packed spec; with REQUEST_SIGNAL the number of a signal */
} Request;
enum {
	REQUEST_NO_NETWORK = 1 << 0,
	REQUEST_RUNTIME = 1 << 1,
	REQUEST_SIGNAL =
		1 << 2, /* no new run, no descriptors: a signal for the programs of all runs */
};
typedef enum RequestFd {
	REQUEST_SPEC,
	REQUEST_REPLY,
	REQUEST_STDIN,
	REQUEST_STDOUT,
	REQUEST_STDERR,
	_REQUEST_FD_MAX
} RequestFd;
#define SPEC_SIZE_MAX (64u << 20) /* packed; the kernel takes 6 MiB of arguments and environment */

/* ---- wire.c ---- */

void spec_pack(const SandboxSpec *spec, Buf *b);
int spec_unpack(Str bytes, SandboxSpec *ret, Err **err) _warn_unused_;
typedef enum RecordType {
	RECORD_ERROR = 1, /* the program could not be started */
	RECORD_MADE,      /* a mount point was made: its path */
	RECORD_EXIT,      /* the program's exit status */
	RECORD_SIGNAL,    /* … or the signal that ended it */
	RECORD_LOST,      /* the first process itself was killed by this signal */
} RecordType;
void record_error(int fd, const Err *e);
void record_text(int fd, RecordType type, const char *text);
void record_number(int fd, RecordType type, int number);
/* What the records say together. Their writers are not trusted further than to ruin their own run. */
typedef struct Reply {
	bool has_status;
	SandboxResult result;
	Err *error; /* owned */
	int lost;   /* signal */
} Reply;
void reply_parse(Str bytes, Reply *ret);
void reply_done(Reply *r);

/* ---- helper.c ---- */

/* The helper's life; sock is its end. Never returns. */
_noreturn_ void helper_main(int sock, pid_t caller);

/* ---- init.c ---- */

typedef struct InitArgs {
	int fds[_REQUEST_FD_MAX];
	uint32_t size;
	int helper_pidfd;
	const struct Seccomp *seccomp; /* NULL: none */
	int seccomp_errno;             /* why not */
} InitArgs;
/* The first process of a run, in its namespaces. */
_noreturn_ void init_main(const InitArgs *args);

/* ---- rootfs.c ---- */

/* Mounts everything and makes it the root of this process. made: where mount points were created. */
int rootfs_enter(const SandboxSpec *spec, int reply_fd, Err **err) _warn_unused_;
/* The bare root file system, detached. */
int rootfs_mount(const SandboxSpec *spec, int *ret_fd, Err **err) _warn_unused_;
/* The mount of spec->mounts[i], detached. */
int rootfs_mount_source(const SandboxSpec *spec, size_t i, int *ret_fd, Err **err) _warn_unused_;
/* A directory of the host that something may be mounted over in this namespace: nobody looks below. */
const char *rootfs_place(const SandboxSpec *spec);
/* Throw-away directory of the overlay mount i; NULL if it has to be in memory. Owned. */
char *rootfs_scratch(const SandboxSpec *spec, size_t i);
/* Content of /etc/hosts and /etc/resolv.conf. Owned. */
char *rootfs_hosts(const SandboxSpec *spec);
char *rootfs_resolv_conf(void);

/* ---- mountpoint.c ---- */

/* The directory or file at path inside the root, made where it is missing; what is made is told to reply_fd. */
int mountpoint_open(int root_fd, const char *path, bool is_dir, int reply_fd, int *ret_fd,
	Err **err) _warn_unused_;
/* After the run: removes those of *made that are still empty, deepest first. The rest stays in *made only
 * if it is empty and could not be removed. */
void mountpoints_clear(const char *base, StrVec *made);

/* ---- devices.c ---- */

#define SANDBOX_SHM_SIZE (64u << 20) /* of /dev/shm, as docker makes it */

typedef struct Devices {
	int nodes[6]; /* in a user namespace: the host's nodes, detached */
} Devices;
#define DEVICES_INIT ((Devices){.nodes = {-1, -1, -1, -1, -1, -1}})
/* Before the root is left, and after. */
int devices_prepare(Devices *d, Err **err) _warn_unused_;
int devices_mount(const Devices *d, uint64_t shm_size, int root_fd, int reply_fd, Err **err)
	_warn_unused_;
void devices_done(Devices *d);

/* ---- caps.c ---- */

/* docker's default set, as bits. */
uint64_t caps_default(void);
/* The bounding set of the calling process and all it starts. */
int caps_limit(uint64_t keep, Err **err) _warn_unused_;
/* Becomes the user with this set (root) or none of it (everybody else); nothing is inheritable or ambient. */
int caps_become(const SandboxUser *user, uint64_t caps, bool privileged, Err **err) _warn_unused_;
/* The first process keeps only what it needs to reap and kill. */
int caps_shrink(Err **err) _warn_unused_;
/* "CAP_CHOWN" … in order; NULL at the end. */
const char *caps_default_name(size_t i);

/* ---- seccomp.c ---- */

typedef struct Seccomp Seccomp;
/* one_id: the user namespace maps a single id; changes of owner succeed without doing anything. */
int seccomp_build(bool one_id, Seccomp **ret, Err **err) _warn_unused_;
Seccomp *seccomp_free(Seccomp *s);
/* Needs CAP_SYS_ADMIN or no_new_privs. no_tty_input: also forbids typing into a terminal that is passed on. */
int seccomp_apply(const Seccomp *s, bool no_tty_input, Err **err) _warn_unused_;
/* The allowed names, for an OCI runtime; NULL at the end. */
const char *seccomp_allowed_name(size_t i);
/* For tests: the program. */
struct sock_filter;
const struct sock_filter *seccomp_code(const Seccomp *s);
size_t seccomp_length(const Seccomp *s);

/* ---- user.c ---- */

/* Looks spec->user up in the passwd and group files of the root. */
int user_of_root(int root_fd, const char *user, SandboxUser *ret, Err **err) _warn_unused_;

/* ---- program.c ---- */

typedef struct Program {
	const SandboxSpec *spec;
	const int *fds; /* RequestFd */
	const Seccomp *seccomp;
	SandboxUser user;
	int cwd; /* owned */
	StrVec env;
} Program;
int program_prepare(Program *p, const SandboxSpec *spec, Err **err) _warn_unused_;
/* In the child: never returns but with an error. */
int program_exec(Program *p, Err **err) _warn_unused_;
void program_done(Program *p);

/* ---- runtime.c ---- */

/* The masked and read-only paths of docker; NULL at the end. */
const char *rootfs_masked(size_t i);
const char *rootfs_read_only(size_t i);
/* Mounts a bundle and fills argv with the command line of the OCI runtime, to be run as it is. */
int runtime_prepare(const SandboxSpec *spec, int reply_fd, StrVec *argv, Err **err) _warn_unused_;
