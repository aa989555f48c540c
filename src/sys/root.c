/*
 * Everything here rests on one operation: open a path as if root_fd were "/". The kernel does it with openat2 and
 * RESOLVE_IN_ROOT. Where that is missing (ENOSYS) or filtered (EPERM), components are walked one by one with
 * O_PATH | O_NOFOLLOW; links are read and spliced into what is left, ".." pops, and neither can climb above the
 * root because the stack of directory fds starts there. An attacker who moves directories during the walk can
 * at worst make it fail: no step ever resolves more than one component.
 */
#include "sys/root.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/str.h"
#include "base/vec.h"

static bool no_openat2;

void root_disable_openat2(void)
{
	no_openat2 = true;
}

/* ---- the fallback ---- */

typedef struct Walk {
	VEC(int) dirs; /* fds of the directories from the root down; [0] is borrowed */
	char *rest;    /* owned: what is still to be walked */
	unsigned links;
} Walk;

static void walk_pop(Walk *w)
{
	if (w->dirs.len > 1)
		close(vec_pop(&w->dirs));
}

static void walk_done(Walk *w)
{
	while (w->dirs.len > 1)
		walk_pop(w);
	vec_done(&w->dirs);
	free(w->rest);
}

/* Replaces the rest by link + slash + rest; an absolute link starts at the root again. -errno. */
static int splice_link(Walk *w, int fd, const char *slash, Str rest)
{
	char target[LIMIT_PATH];
	if (++w->links > LIMIT_SYMLINKS)
		return -ELOOP;
	ssize_t n = readlinkat(fd, "", target, sizeof(target));
	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(target))
		return -ENAMETOOLONG;
	if (target[0] == '/')
		while (w->dirs.len > 1)
			walk_pop(w);
	char *joined = xasprintf("%.*s%s" STR_FMT, (int)n, target, slash, STR_ARG(rest));
	free(w->rest);
	w->rest = joined;
	return 0;
}

/* Opens the last component below dir. -errno, or the fd. */
static int open_last(int dir, Str name, int flags, unsigned mode)
{
	_cleanup_free_ char *text = str_dup(name);
	return openat(dir, text, flags | O_CLOEXEC | O_NOFOLLOW, mode);
}

static void set_rest(Walk *w, Str rest)
{
	char *next = str_dup(rest);
	free(w->rest);
	w->rest = next;
}

static Str skip_slashes(Str s)
{
	while (s.len && s.ptr[0] == '/')
		s = str_slice(s, 1, s.len);
	return s;
}

#define WALK_ON INT_MIN /* not an errno: the walk goes on with w->rest */

/* One component: -errno, an owned fd when it was the last one, or WALK_ON. */
static int walk_step(Walk *w, Str word, Str tail, bool trailing, int flags, unsigned mode)
{
	int dir = *vec_last(&w->dirs);
	bool last = tail.len == 0;
	/* O_EXCL refuses a link as it refuses a file */
	bool nofollow = flags & O_NOFOLLOW || (flags & O_CREAT && flags & O_EXCL);
	struct stat st = {0};
	_cleanup_close_ int fd = open_last(dir, word, O_PATH, 0);
	if (fd < 0 && !(last && errno == ENOENT && (flags & O_CREAT)))
		return -errno;
	if (fd >= 0 && fstat(fd, &st) < 0)
		return -errno;
	if (fd >= 0 && S_ISLNK(st.st_mode) && !(last && !trailing && nofollow)) {
		int r = splice_link(w, fd, trailing ? "/" : "", tail);
		return r < 0 ? r : WALK_ON;
	}
	if (last) {
		int got = open_last(dir, word, flags | (trailing ? O_DIRECTORY : 0), mode);
		return got < 0 ? -errno : got;
	}
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	set_rest(w, tail);
	vec_push(&w->dirs, TAKE_FD(fd));
	return WALK_ON;
}

/* -errno or an owned fd. */
static int walk_open(int root_fd, const char *path, int flags, unsigned mode)
{
	_cleanup_(walk_done) Walk w = {.rest = xstrdup(path)};
	vec_push(&w.dirs, root_fd);
	for (;;) {
		Str rest = skip_slashes(str_of(w.rest)), word, tail;
		if (rest.len == 0) {
			int fd = openat(
				*vec_last(&w.dirs), ".", (flags & ~(O_CREAT | O_EXCL)) | O_CLOEXEC);
			return fd < 0 ? -errno : fd;
		}
		tail = rest;
		str_cut(&tail, '/', &word);
		bool trailing = tail.ptr != NULL; /* "a/" asks for a directory */
		tail = skip_slashes(tail);
		if (str_eq_cstr(word, ".") || str_eq_cstr(word, "..")) {
			if (word.len == 2)
				walk_pop(&w);
			set_rest(&w, tail);
			continue;
		}
		int r = walk_step(&w, word, tail, trailing, flags, mode);
		if (r != WALK_ON)
			return r;
	}
}

/* ---- the operation ---- */

/* -errno or an owned fd. */
static int open_in_root(int root_fd, const char *path, int flags, unsigned mode)
{
	if (!*path)
		path = ".";
	if (!no_openat2) {
		struct open_how how = {
			.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
			.mode = flags & O_CREAT ? mode : 0,
			.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
		};
		for (unsigned tries = 0; tries < 64; tries++) {
			int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
			if (fd >= 0)
				return fd;
			if (errno == EAGAIN) /* a rename raced with "..": try again */
				continue;
			if (errno != ENOSYS && errno != EPERM)
				return -errno;
			break;
		}
	}
	return walk_open(root_fd, path, flags, mode);
}

int root_open(int root_fd, const char *path, int flags, unsigned mode, int *ret_fd, Err **err)
{
	int fd = open_in_root(root_fd, path, flags, mode);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return err_set(err, ERR_NOT_FOUND, "'%s' does not exist", path);
	if (fd < 0)
		return err_sys_num(err, -fd, "open '%s'", path);
	*ret_fd = fd;
	return 0;
}

int root_open_path(int root_fd, const char *path, bool nofollow, int *ret_fd, Err **err)
{
	return root_open(root_fd, path, O_PATH | (nofollow ? O_NOFOLLOW : 0), 0, ret_fd, err);
}

int root_open_parent(int root_fd, const char *path, int *ret_fd, char **ret_name, Err **err)
{
	Str text = str_of(path);
	while (text.len && text.ptr[text.len - 1] == '/')
		text.len--;
	ssize_t slash = str_rfind(text, '/');
	Str name = str_slice(text, (size_t)(slash + 1), text.len);
	if (name.len == 0 || str_eq_cstr(name, ".") || str_eq_cstr(name, ".."))
		return err_set(err, ERR_USAGE, "'%s' names no file", path);
	_cleanup_free_ char *dir =
		slash < 0 ? xstrdup("") : str_dup(str_slice(text, 0, (size_t)slash));
	int r = root_open(root_fd, dir, O_RDONLY | O_DIRECTORY, 0, ret_fd, err);
	if (r == 0)
		*ret_name = str_dup(name);
	return r;
}
