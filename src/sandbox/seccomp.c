/*
 * The system call filter: docker's default profile for its default capabilities, compiled here to a short BPF
 * program.
 *
 * What it does: calls of a list are allowed; a few depend on an argument (clone without namespaces, personality,
 * socket but for AF_VSOCK); clone3 does not exist (ENOSYS, so that libc falls back to clone, whose flags can be
 * seen); calls newer than the list do not exist either; everything else is not permitted (EPERM). 32-bit and
 * x32 programs have their own numbers.
 *
 * libseccomp knows the numbers; its own compiler is not used because it needs some 10 ms, and because its linear
 * programs make every exec of a sandbox slow: the kernel runs the filter for each call number once when it is loaded.
 * Here the numbers of one architecture become ranges with the same verdict, and those a binary search:
 *
 *	load arch; is it X? ── no ──▶ next architecture … none: kill
 *	load nr;  nr >= middle of the ranges? ── yes/no ──▶ … ──▶ return verdict, or look at an argument
 *
 * Jumps of BPF compares reach 255 instructions; the lower half lies next to the compare and a far upper half is
 * reached over an unconditional jump. Arguments are 64 bits wide, but the kernel itself looks only at the lower
 * half of those that are tested here.
 */
#include <endian.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "sandbox/sandbox_int.h"

#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

static const char *const allowed[] = {
	/* files */
	"access",
	"chdir",
	"chmod",
	"chown",
	"chown32",
	"chroot",
	"close",
	"close_range",
	"copy_file_range",
	"creat",
	"dup",
	"dup2",
	"dup3",
	"faccessat",
	"faccessat2",
	"fadvise64",
	"fadvise64_64",
	"fallocate",
	"fchdir",
	"fchmod",
	"fchmodat",
	"fchown",
	"fchown32",
	"fchownat",
	"fcntl",
	"fcntl64",
	"fdatasync",
	"fgetxattr",
	"flistxattr",
	"flock",
	"fremovexattr",
	"fsetxattr",
	"fstat",
	"fstat64",
	"fstatat64",
	"fstatfs",
	"fstatfs64",
	"fsync",
	"ftruncate",
	"ftruncate64",
	"futimesat",
	"getcwd",
	"getdents",
	"getdents64",
	"getxattr",
	"ioctl",
	"lchown",
	"lchown32",
	"lgetxattr",
	"link",
	"linkat",
	"listxattr",
	"llistxattr",
	"_llseek",
	"lremovexattr",
	"lseek",
	"lsetxattr",
	"lstat",
	"lstat64",
	"mkdir",
	"mkdirat",
	"mknod",
	"mknodat",
	"name_to_handle_at",
	"newfstatat",
	"open",
	"openat",
	"openat2",
	"pipe",
	"pipe2",
	"pread64",
	"preadv",
	"preadv2",
	"pwrite64",
	"pwritev",
	"pwritev2",
	"read",
	"readahead",
	"readlink",
	"readlinkat",
	"readv",
	"removexattr",
	"rename",
	"renameat",
	"renameat2",
	"rmdir",
	"sendfile",
	"sendfile64",
	"setxattr",
	"splice",
	"stat",
	"stat64",
	"statfs",
	"statfs64",
	"statx",
	"symlink",
	"symlinkat",
	"sync",
	"sync_file_range",
	"syncfs",
	"tee",
	"truncate",
	"truncate64",
	"umask",
	"unlink",
	"unlinkat",
	"utime",
	"utimensat",
	"utimensat_time64",
	"utimes",
	"vmsplice",
	"write",
	"writev",
	/* waiting for files */
	"epoll_create",
	"epoll_create1",
	"epoll_ctl",
	"epoll_ctl_old",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"epoll_wait_old",
	"eventfd",
	"eventfd2",
	"fanotify_mark",
	"inotify_add_watch",
	"inotify_init",
	"inotify_init1",
	"inotify_rm_watch",
	"io_cancel",
	"io_destroy",
	"io_getevents",
	"io_pgetevents",
	"io_pgetevents_time64",
	"io_setup",
	"io_submit",
	"_newselect",
	"poll",
	"ppoll",
	"ppoll_time64",
	"pselect6",
	"pselect6_time64",
	"select",
	/* memory */
	"brk",
	"madvise",
	"membarrier",
	"memfd_create",
	"memfd_secret",
	"mincore",
	"mlock",
	"mlock2",
	"mlockall",
	"mmap",
	"mmap2",
	"mprotect",
	"mremap",
	"msync",
	"munlock",
	"munlockall",
	"munmap",
	"pkey_alloc",
	"pkey_free",
	"pkey_mprotect",
	"process_mrelease",
	"remap_file_pages",
	/* processes and threads */
	"capget",
	"capset",
	"execve",
	"execveat",
	"exit",
	"exit_group",
	"fork",
	"futex",
	"futex_time64",
	"futex_waitv",
	"getcpu",
	"getegid",
	"getegid32",
	"geteuid",
	"geteuid32",
	"getgid",
	"getgid32",
	"getgroups",
	"getgroups32",
	"getpgid",
	"getpgrp",
	"getpid",
	"getppid",
	"getpriority",
	"getresgid",
	"getresgid32",
	"getresuid",
	"getresuid32",
	"getrlimit",
	"get_robust_list",
	"getrusage",
	"getsid",
	"get_thread_area",
	"gettid",
	"getuid",
	"getuid32",
	"ioprio_get",
	"ioprio_set",
	"kill",
	"landlock_add_rule",
	"landlock_create_ruleset",
	"landlock_restrict_self",
	"pidfd_open",
	"pidfd_send_signal",
	"prctl",
	"prlimit64",
	"process_vm_readv",
	"process_vm_writev",
	"ptrace",
	"restart_syscall",
	"rseq",
	"sched_getaffinity",
	"sched_getattr",
	"sched_getparam",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"sched_getscheduler",
	"sched_rr_get_interval",
	"sched_rr_get_interval_time64",
	"sched_setaffinity",
	"sched_setattr",
	"sched_setparam",
	"sched_setscheduler",
	"sched_yield",
	"seccomp",
	"setfsgid",
	"setfsgid32",
	"setfsuid",
	"setfsuid32",
	"setgid",
	"setgid32",
	"setgroups",
	"setgroups32",
	"setpgid",
	"setpriority",
	"setregid",
	"setregid32",
	"setresgid",
	"setresgid32",
	"setresuid",
	"setresuid32",
	"setreuid",
	"setreuid32",
	"setrlimit",
	"set_robust_list",
	"setsid",
	"set_thread_area",
	"set_tid_address",
	"setuid",
	"setuid32",
	"sysinfo",
	"tgkill",
	"tkill",
	"ugetrlimit",
	"uname",
	"vfork",
	"wait4",
	"waitid",
	"waitpid",
	/* signals */
	"pause",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigqueueinfo",
	"rt_sigreturn",
	"rt_sigsuspend",
	"rt_sigtimedwait",
	"rt_sigtimedwait_time64",
	"rt_tgsigqueueinfo",
	"sigaltstack",
	"signalfd",
	"signalfd4",
	"sigprocmask",
	"sigreturn",
	/* sockets */
	"accept",
	"accept4",
	"bind",
	"connect",
	"getpeername",
	"getsockname",
	"getsockopt",
	"listen",
	"recv",
	"recvfrom",
	"recvmmsg",
	"recvmmsg_time64",
	"recvmsg",
	"send",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shutdown",
	"socketcall",
	"socketpair",
	/* System V and POSIX messages, memory, semaphores */
	"ipc",
	"mq_getsetattr",
	"mq_notify",
	"mq_open",
	"mq_timedreceive",
	"mq_timedreceive_time64",
	"mq_timedsend",
	"mq_timedsend_time64",
	"mq_unlink",
	"msgctl",
	"msgget",
	"msgrcv",
	"msgsnd",
	"semctl",
	"semget",
	"semop",
	"semtimedop",
	"semtimedop_time64",
	"shmat",
	"shmctl",
	"shmdt",
	"shmget",
	/* time */
	"adjtimex",
	"alarm",
	"clock_adjtime",
	"clock_adjtime64",
	"clock_getres",
	"clock_getres_time64",
	"clock_gettime",
	"clock_gettime64",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"getitimer",
	"getrandom",
	"gettimeofday",
	"nanosleep",
	"setitimer",
	"time",
	"timer_create",
	"timer_delete",
	"timer_getoverrun",
	"timer_gettime",
	"timer_gettime64",
	"timer_settime",
	"timer_settime64",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_gettime64",
	"timerfd_settime",
	"timerfd_settime64",
	"times",
#if defined(__x86_64__)
	"arch_prctl",
	"modify_ldt",
#elif defined(__aarch64__)
	"arm_fadvise64_64",
	"arm_sync_file_range",
	"sync_file_range2",
	"breakpoint",
	"cacheflush",
	"set_tls",
#endif
};

/* Newer than libseccomp 2.5: one number on every architecture. */
static const int allowed_new[] = {
	451,           /* cachestat */
	452,           /* fchmodat2 */
	453,           /* map_shadow_stack */
	454, 455, 456, /* futex_wake, futex_wait, futex_requeue */
	462,           /* mseal */
};
#define FIRST_NEW  451 /* from here on, and not listed: ENOSYS */
#define X32_BIT    0x40000000u
#define TABLE_SIZE 1024u

#define NAMESPACE_FLAGS                                                                            \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
		CLONE_NEWCGROUP)

typedef enum Verdict {
	VERDICT_EPERM,
	VERDICT_ENOSYS,
	VERDICT_ALLOW,
	VERDICT_PRETEND, /* success, and nothing is done */
	VERDICT_CLONE,
	VERDICT_PERSONALITY,
	VERDICT_SOCKET,
} Verdict;

static const struct {
	const char *name;
	Verdict verdict;
} special[] = {
	{"clone", VERDICT_CLONE},
	{"clone3", VERDICT_ENOSYS},
	{"personality", VERDICT_PERSONALITY},
	{"socket", VERDICT_SOCKET},
};

/* With one id mapped every other owner is invalid: package managers give files away in the middle of their work and
 * stop when they cannot. They are told that it was done; the user is told once that owners are lost. */
static const char *const pretended[] = {"chown", "chown32", "fchown", "fchown32", "fchownat",
	"lchown", "lchown32", "setgroups", "setgroups32"};

#if defined(__x86_64__)
/* i386 has these under one number each (socketcall, ipc), which is what libseccomp answers, and since Linux 4.3 and
 * 5.1 also under their own. */
static const struct {
	const char *name;
	int number;
} i386_direct[] = {
	{"recvmmsg", 337},
	{"sendmmsg", 345},
	{"socket", 359},
	{"socketpair", 360},
	{"bind", 361},
	{"connect", 362},
	{"listen", 363},
	{"accept4", 364},
	{"getsockopt", 365},
	{"setsockopt", 366},
	{"getsockname", 367},
	{"getpeername", 368},
	{"sendto", 369},
	{"sendmsg", 370},
	{"recvfrom", 371},
	{"recvmsg", 372},
	{"shutdown", 373},
	{"semget", 393},
	{"semctl", 394},
	{"shmget", 395},
	{"shmctl", 396},
	{"shmat", 397},
	{"shmdt", 398},
	{"msgget", 399},
	{"msgsnd", 400},
	{"msgrcv", 401},
	{"msgctl", 402},
};
#endif

static const uint32_t personalities[] = {0, 0x8, 0x20000, 0x20008, 0xffffffff};

typedef struct Arch {
	uint32_t seccomp; /* SCMP_ARCH_… */
	uint32_t audit;   /* what the kernel reports */
	uint32_t base;    /* added to every number */
} Arch;
static const Arch arches[] = {
#if defined(__x86_64__)
	{SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, 0},
	{SCMP_ARCH_X32, AUDIT_ARCH_X86_64, X32_BIT},
	{SCMP_ARCH_X86, AUDIT_ARCH_I386, 0},
#elif defined(__aarch64__)
	{SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0},
	{SCMP_ARCH_ARM, AUDIT_ARCH_ARM, 0},
#else
#error "no system call table for this architecture"
#endif
};

typedef struct Range {
	uint32_t start; /* up to the next one's */
	Verdict verdict;
} Range;
typedef VEC(Range) Ranges;
typedef VEC(struct sock_filter) Code;

struct Seccomp {
	Code code, no_tty;
};

const char *seccomp_allowed_name(size_t i)
{
	return i < ARRAY_SIZE(allowed) ? allowed[i] : NULL;
}

const struct sock_filter *seccomp_code(const Seccomp *s)
{
	return s->code.items;
}

size_t seccomp_length(const Seccomp *s)
{
	return s->code.len;
}

/* ---- numbers to ranges ---- */

/* All verdicts of one architecture: a table for the usual numbers, a list for ARM's private ones. */
typedef struct Calls {
	Verdict low[TABLE_SIZE];
	Ranges high; /* one number each */
} Calls;

static int call_number(const Arch *a, const char *name)
{
#if defined(__x86_64__)
	for (size_t i = 0; a->seccomp == SCMP_ARCH_X86 && i < ARRAY_SIZE(i386_direct); i++)
		if (strcmp(name, i386_direct[i].name) == 0)
			return i386_direct[i].number;
#endif
	return seccomp_syscall_resolve_name_arch(a->seccomp, name);
}

static void add_call(Calls *c, const Arch *a, const char *name, Verdict v)
{
	int nr = call_number(a, name);
	if (nr == __NR_SCMP_ERROR || nr < 0) /* not on this architecture */
		return;
	uint32_t n = (uint32_t)nr & ~X32_BIT;
	if (n < TABLE_SIZE)
		c->low[n] = v;
	else
		vec_push(&c->high, ((Range){n, v}));
}

static int compare_ranges(const void *a, const void *b)
{
	const Range *x = a, *y = b;
	return x->start < y->start ? -1 : x->start > y->start;
}

static void add_range(Ranges *ranges, uint32_t start, Verdict v)
{
	if (ranges->len == 0 || vec_last(ranges)->verdict != v)
		vec_push(ranges, ((Range){start, v}));
}

/* Ranges that cover every number from the base of the architecture on. */
static void arch_ranges(const Arch *a, bool one_id, Ranges *ret)
{
	Calls c = {0};
	for (uint32_t n = 0; n < TABLE_SIZE; n++)
		c.low[n] = n < FIRST_NEW ? VERDICT_EPERM : VERDICT_ENOSYS;
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		add_call(&c, a, allowed[i], VERDICT_ALLOW);
	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		add_call(&c, a, special[i].name, special[i].verdict);
	for (size_t i = 0; one_id && i < ARRAY_SIZE(pretended); i++)
		add_call(&c, a, pretended[i], VERDICT_PRETEND);
	for (size_t i = 0; i < ARRAY_SIZE(allowed_new); i++)
		c.low[allowed_new[i]] = VERDICT_ALLOW;
	for (uint32_t n = 0; n < TABLE_SIZE; n++)
		add_range(ret, a->base + n, c.low[n]);
	add_range(ret, a->base + TABLE_SIZE, VERDICT_ENOSYS);
	if (c.high.len)
		qsort(c.high.items, c.high.len, sizeof(Range), compare_ranges);
	vec_foreach (&c.high, h) {
		add_range(ret, a->base + h->start, h->verdict);
		add_range(ret, a->base + h->start + 1, VERDICT_ENOSYS);
	}
	vec_done(&c.high);
}

/* ---- ranges to instructions ---- */

#define RETURN(code) BPF_STMT(BPF_RET | BPF_K, (code))
#define ERRNO(n)     (SECCOMP_RET_ERRNO | (n))
#define LOAD(field)                                                                                \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))

static void emit(Code *c, struct sock_filter instruction)
{
	vec_push(c, instruction);
}

/* The lower 32 bits of an argument. */
static void emit_load_argument(Code *c, unsigned i)
{
	size_t at = offsetof(struct seccomp_data, args) + i * sizeof(uint64_t);
	at += BYTE_ORDER == BIG_ENDIAN ? sizeof(uint32_t) : 0;
	emit(c, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)at));
}

static void emit_personality(Code *c)
{
	size_t n = ARRAY_SIZE(personalities);
	emit_load_argument(c, 0);
	for (size_t i = 0; i < n; i++)
		emit(c,
			(struct sock_filter)BPF_JUMP(
				BPF_JMP | BPF_JEQ | BPF_K, personalities[i], (uint8_t)(n - i), 0));
	emit(c, (struct sock_filter)RETURN(ERRNO(EPERM)));
	emit(c, (struct sock_filter)RETURN(SECCOMP_RET_ALLOW));
}

static void emit_verdict(Code *c, Verdict v)
{
	switch (v) {
	case VERDICT_EPERM:
		emit(c, (struct sock_filter)RETURN(ERRNO(EPERM)));
		return;
	case VERDICT_ENOSYS:
		emit(c, (struct sock_filter)RETURN(ERRNO(ENOSYS)));
		return;
	case VERDICT_ALLOW:
		emit(c, (struct sock_filter)RETURN(SECCOMP_RET_ALLOW));
		return;
	case VERDICT_PRETEND:
		emit(c, (struct sock_filter)RETURN(ERRNO(0)));
		return;
	case VERDICT_PERSONALITY:
		emit_personality(c);
		return;
	case VERDICT_CLONE:
		emit_load_argument(c, 0);
		emit(c,
			(struct sock_filter)BPF_JUMP(
				BPF_JMP | BPF_JSET | BPF_K, NAMESPACE_FLAGS, 0, 1));
		break;
	case VERDICT_SOCKET:
		emit_load_argument(c, 0);
		emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_VSOCK, 0, 1));
		break;
	}
	emit(c, (struct sock_filter)RETURN(ERRNO(EPERM)));
	emit(c, (struct sock_filter)RETURN(SECCOMP_RET_ALLOW));
}

static void emit_search(Code *c, const Range *ranges, size_t n)
{
	if (n == 1) {
		emit_verdict(c, ranges[0].verdict);
		return;
	}
	size_t half = n / 2, at = c->len;
	/* nr >= start: over the lower half */
	emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ranges[half].start, 0, 1));
	emit(c, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
	emit_search(c, ranges, half);
	c->items[at + 1].k = (uint32_t)(c->len - at - 2);
	emit_search(c, ranges + half, n - half);
}

static void emit_arch(Code *c, const Arch *a, bool one_id)
{
	Ranges ranges = {0};
	arch_ranges(a, one_id, &ranges);
	size_t at = c->len;
	emit(c, (struct sock_filter)LOAD(arch));
	emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, a->audit, 1, 0));
	emit(c, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
	emit(c, (struct sock_filter)LOAD(nr));
	bool x32 = a->base == X32_BIT;
	bool beside_x32 = a->audit == arches[0].audit && ARRAY_SIZE(arches) == 3;
	size_t split = c->len;
	if (beside_x32) {
		emit(c,
			(struct sock_filter)BPF_JUMP(
				BPF_JMP | BPF_JGE | BPF_K, X32_BIT, x32 ? 1 : 0, x32 ? 0 : 1));
		emit(c, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
	}
	emit_search(c, ranges.items, ranges.len);
	c->items[at + 2].k = (uint32_t)(c->len - at - 3);
	if (beside_x32)
		c->items[split + 1].k = (uint32_t)(c->len - split - 2);
	vec_done(&ranges);
}

/* A terminal that is passed on belongs to the user's session: nothing inside may type into it. */
static void emit_no_tty_input(Code *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(arches); i++) {
		const Arch *a = &arches[i];
		int number = seccomp_syscall_resolve_name_arch(a->seccomp, "ioctl");
		uint32_t nr = ((uint32_t)number & ~X32_BIT) + a->base;
		emit(c, (struct sock_filter)LOAD(arch));
		emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, a->audit, 0, 6));
		emit(c, (struct sock_filter)LOAD(nr));
		emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 4));
		emit_load_argument(c, 1);
		emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 1, 0));
		emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 0, 1));
		emit(c, (struct sock_filter)RETURN(ERRNO(EPERM)));
	}
	emit(c, (struct sock_filter)RETURN(SECCOMP_RET_ALLOW));
}

int seccomp_build(bool one_id, Seccomp **ret, Err **err)
{
	Seccomp *s = xnew(Seccomp);
	for (size_t i = 0; i < ARRAY_SIZE(arches); i++)
		emit_arch(&s->code, &arches[i], one_id);
	emit(&s->code, (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS));
	emit_no_tty_input(&s->no_tty);
	if (s->code.len > BPF_MAXINSNS) {
		seccomp_free(s);
		return err_set(err, ERR_LIMIT, "the system call filter is too long");
	}
	*ret = s;
	return 0;
}

Seccomp *seccomp_free(Seccomp *s)
{
	if (s) {
		vec_done(&s->code);
		vec_done(&s->no_tty);
		free(s);
	}
	return NULL;
}

static int apply(const Code *c, Err **err)
{
	struct sock_fprog program = {.len = (unsigned short)c->len, .filter = c->items};
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_sys(err, "load the system call filter");
	return 0;
}

int seccomp_apply(const Seccomp *s, bool no_tty_input, Err **err)
{
	int r = no_tty_input ? apply(&s->no_tty, err) : 0;
	return r < 0 ? r : apply(&s->code, err);
}
