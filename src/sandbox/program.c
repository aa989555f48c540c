/*
 * Becoming the user's program. All that happens here happens in the child of init, in the order that makes it possible: the
 * filter needs CAP_SYS_ADMIN (no_new_privs stays off, so that sudo and su work), ids need CAP_SETUID, then both are
 * gone.
 *
 * Until execve the executable of this process is cruet itself, a file of the host. A program path, or the interpreter
 * in its first line, that leads through a magic link (/proc/self/exe) would start cruet again inside the container, with
 * the container's libraries, which could then write to the host's file; such paths are refused.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "base/limits.h"
#include "sandbox/sandbox_int.h"
#include "sys/root.h"

#define DEFAULT_PATH   "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define NOT_FOUND      127
#define NOT_EXECUTABLE 126
#define SCRIPT_DEPTH   4 /* scripts as interpreters of scripts: what the kernel allows */

int program_prepare(Program *p, const SandboxSpec *spec, Err **err)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, "open '/'");
	if (spec->argv.len == 0)
		return err_set(err, ERR_USAGE, "no program given");
	p->spec = spec;
	strvec_copy(&p->env, &spec->env);
	int r = user_of_root(root, spec->user, &p->user, err);
	if (r < 0)
		return r;
	if (!strvec_env_get(&p->env, "HOME"))
		strvec_env_set(&p->env, "HOME", p->user.home);
	const char *cwd = spec->cwd && *spec->cwd ? spec->cwd : "/";
	_cleanup_(err_freep) Err *missing = NULL;
	r = root_open(root, cwd, O_PATH | O_DIRECTORY, 0, &p->cwd, &missing);
	if (err_is(missing, ERR_NOT_FOUND))
		return err_set(err, ERR_NOT_FOUND, "working directory '%s' does not exist", cwd);
	return r < 0 ? err_move(err, &missing) : 0;
}

void program_done(Program *p)
{
	sandbox_user_done(&p->user);
	strvec_done(&p->env);
	closep(&p->cwd);
}

/* ---- what can be wrong with a file ---- */

static int fail(int status, Err **err, const char *fmt, ...) _printf_(3, 4);
static int fail(int status, Err **err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int r = err_vset(err, ERR_RUN_FAILED, 0, fmt, ap);
	va_end(ap);
	if (err)
		(*err)->errnum = status;
	return r;
}

static int open_plainly(const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_NO_MAGICLINKS};
	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* The first bytes of a file that could be read. */
static size_t read_start(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open_plainly(path, O_RDONLY | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size);
	return n < 0 ? 0 : (size_t)n;
}

/* Interpreter of a script; false if the file is none. */
static bool script_interpreter(const char *path, char ret[static 256])
{
	char start[256];
	size_t n = read_start(path, start, sizeof(start));
	if (n < 3 || start[0] != '#' || start[1] != '!')
		return false;
	Str line = {start + 2, n - 2}, word;
	str_cut(&line, '\n', &word);
	/* blanks as the kernel sees them: a carriage return is part of the name */
	while (word.len && (word.ptr[0] == ' ' || word.ptr[0] == '\t'))
		word = str_slice(word, 1, word.len);
	size_t len = 0;
	while (len < word.len && word.ptr[len] != ' ' && word.ptr[len] != '\t' && word.ptr[len])
		len++;
	memcpy(ret, word.ptr, len);
	ret[len] = '\0';
	return true;
}

static int check_links(const char *path, Err **err)
{
	char name[LIMIT_PATH], interpreter[256];
	size_t len = strlen(path);
	if (len >= sizeof(name))
		return 0;
	memcpy(name, path, len + 1);
	for (unsigned i = 0; i <= SCRIPT_DEPTH + 1; i++) {
		_cleanup_close_ int fd = open_plainly(name, O_PATH);
		if (fd < 0 && errno == ELOOP)
			return fail(
				NOT_EXECUTABLE, err, "'%s' leads through a link of /proc", path);
		if (fd < 0 || !script_interpreter(name, interpreter))
			return 0;
		memcpy(name, interpreter, sizeof(interpreter));
	}
	return 0;
}

static const char *machine_name(unsigned machine)
{
	switch (machine) {
	case EM_X86_64:
		return "x86_64";
	case EM_AARCH64:
		return "aarch64";
	case EM_386:
		return "i386";
	case EM_ARM:
		return "arm";
	case EM_RISCV:
		return "riscv64";
	case EM_PPC64:
		return "ppc64";
	case EM_S390:
		return "s390x";
	default:
		return "another machine";
	}
}

static int explain_format(const char *path, Err **err)
{
	Elf64_Ehdr head = {0};
	struct utsname host = {0};
	(void)uname(&host);
	size_t n = read_start(path, (char *)&head, sizeof(head));
	int r = fail(NOT_EXECUTABLE, err, "'%s': exec format error", path);
	if (n >= 20 && memcmp(head.e_ident, ELFMAG, SELFMAG) == 0)
		err_hint(err,
			"it is a program for %s and this machine is %s; to run it, register QEMU (package "
			"qemu-user-static)",
			machine_name(head.e_machine), host.machine);
	else
		err_hint(err,
			"it is neither a program nor a script with a first line like #!/bin/sh");
	return r;
}

static int explain_missing(const char *path, Err **err)
{
	char interpreter[256];
	if (access(path, F_OK) < 0)
		return fail(NOT_FOUND, err, "executable file '%s' not found", path);
	if (script_interpreter(path, interpreter)) {
		size_t len = strlen(interpreter);
		bool windows = len && interpreter[len - 1] == '\r';
		if (windows)
			interpreter[len - 1] = '\0';
		int r = fail(NOT_FOUND, err, "interpreter '%s%s' of the script '%s' does not exist",
			interpreter, windows ? "\\r" : "", path);
		if (windows)
			err_hint(err, "the script has Windows line ends");
		return r;
	}
	int r = fail(
		NOT_FOUND, err, "the dynamic loader of '%s' does not exist in the image", path);
	err_hint(err,
		"it was linked against another C library (glibc, musl): link it statically, or use another base");
	return r;
}

/* ---- execve ---- */

static int exec_path(Program *p, const char *path, Err **err)
{
	int r = check_links(path, err);
	if (r < 0)
		return r;
	execve(path, p->spec->argv.items, p->env.items);
	int cause = errno;
	struct stat st;
	if (cause == ENOEXEC)
		return explain_format(path, err);
	if (cause == ENOENT || cause == ENOTDIR)
		return explain_missing(path, err);
	if (cause == EACCES && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return fail(NOT_EXECUTABLE, err, "'%s' is a directory", path);
	r = fail(NOT_EXECUTABLE, err, "'%s': %s", path,
		cause == EACCES ? "permission denied" : strerror(cause));
	if (cause == E2BIG)
		err_hint(err,
			"one argument or variable takes 128 KiB at most: a long script can be a file, or a "
			"heredoc that begins with #!/bin/sh");
	return r;
}

static int exec_in_path(Program *p, const char *name, Err **err)
{
	const char *path = strvec_env_get(&p->env, "PATH");
	Str rest = str_of(path ? path : DEFAULT_PATH), dir;
	bool denied = false;
	while (str_cut(&rest, ':', &dir)) {
		_cleanup_free_ char *file = dir.len ? xasprintf(STR_FMT "/%s", STR_ARG(dir), name)
						    : xasprintf("./%s", name);
		struct stat st;
		if (stat(file, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) < 0) {
			denied = true;
			continue;
		}
		return exec_path(p, file, err);
	}
	return denied ? fail(NOT_EXECUTABLE, err, "'%s': permission denied", name)
		      : fail(NOT_FOUND, err, "executable file '%s' not found in $PATH", name);
}

static int take_stdio(const int *fds, Err **err)
{
	for (int i = 0; i < 3; i++)
		if (dup2(fds[REQUEST_STDIN + i], i) < 0)
			return err_sys(err, "pass descriptor %d on", i);
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(err, "close descriptors");
	return 0;
}

static int set_limits(const SandboxSpec *spec, Err **err)
{
	vec_foreach (&spec->limits, l) {
		struct rlimit limit = {.rlim_cur = l->soft, .rlim_max = l->hard};
		if (setrlimit((__rlimit_resource_t)l->resource, &limit) < 0)
			return err_sys(err, "set a limit of the program to %lld:%lld",
				(long long)l->soft, (long long)l->hard);
	}
	return 0;
}

int program_exec(Program *p, Err **err)
{
	const SandboxSpec *spec = p->spec;
	sigset_t none;
	if (!spec->tty)
		(void)setsid();
	if (fchdir(p->cwd) < 0)
		return err_sys(err, "change to '%s'", spec->cwd);
	int r = take_stdio(p->fds, err);
	if (r == 0 && !spec->privileged)
		r = seccomp_apply(p->seccomp, spec->tty, err);
	if (r == 0)
		r = set_limits(spec, err);
	if (r == 0 && !spec->privileged)
		r = caps_limit(caps_default(), err);
	if (r == 0)
		r = caps_become(&p->user, caps_default(), spec->privileged, err);
	if (r < 0)
		return r;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	const char *name = spec->argv.items[0];
	if (!*name)
		return fail(NOT_FOUND, err, "the program's name is empty");
	return strchr(name, '/') ? exec_path(p, name, err) : exec_in_path(p, name, err);
}
