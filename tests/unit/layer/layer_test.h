/*
 * Shared by the tests of layer/: tar files made by hand (so that hostile ones can be made, too, and no code
 * under test judges itself), temporary directories, and one line per file of a tree.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/stream.h"
#include "layer/apply.h"
#include "layer/diff.h"
#include "layer/layerfile.h"
#include "layer/tree.h"
#include "sys/atomic.h"

/* 0 or the test ends with the error's text. */
#define ok(call)                                                                                   \
	do {                                                                                       \
		_cleanup_err_ Err *ok_err = NULL;                                                  \
		Err **err = &ok_err;                                                               \
		int ok_r = (call);                                                                 \
		if (ok_r < 0)                                                                      \
			fail_msg("%s: %s", #call, ok_err ? ok_err->message : "no error set");      \
	} while (0)
#define fails(code_, call)                                                                         \
	do {                                                                                       \
		_cleanup_err_ Err *fails_err = NULL;                                               \
		Err **err = &fails_err;                                                            \
		int fails_r = (call);                                                              \
		if (fails_r != -(code_) || !fails_err || fails_err->code != (code_))               \
			fail_msg("%s: %s expected, got %d (%s)", #call, err_code_name(code_),      \
				fails_r, fails_err ? fails_err->message : "no error");             \
	} while (0)

/* One entry of a tar made by hand; type is the tar's letter ('\0' = '0', a file). */
typedef struct Raw {
	const char *name;
	char type;
	const char *link, *body;
	unsigned mode, uid, gid, mtime, major, minor;
	const char *xattr; /* "user.name=value" */
} Raw;

static inline void raw_octal(char *at, size_t width, unsigned long value)
{
	char digits[32];
	snprintf(digits, sizeof(digits), "%0*lo", (int)width - 1, value);
	memcpy(at, digits, width - 1);
}

static inline void raw_block(Buf *tar, const void *data, size_t len)
{
	static const char zeros[512];
	buf_append(tar, data, len);
	buf_append(tar, zeros, (512 - len % 512) % 512);
}

static inline void raw_header(Buf *tar, const Raw *e, char type, size_t size)
{
	char h[512] = {0};
	memcpy(h, e->name, MIN(strlen(e->name), (size_t)100));
	raw_octal(h + 100, 8, e->mode ? e->mode : type == '5' ? 0755 : 0644);
	raw_octal(h + 108, 8, e->uid);
	raw_octal(h + 116, 8, e->gid);
	raw_octal(h + 124, 12, size);
	raw_octal(h + 136, 12, e->mtime ? e->mtime : 1000000000);
	h[156] = type;
	if (e->link)
		memcpy(h + 157, e->link, MIN(strlen(e->link), (size_t)100));
	memcpy(h + 257,
		"ustar\0"
		"00",
		8);
	raw_octal(h + 329, 8, e->major);
	raw_octal(h + 337, 8, e->minor);
	memset(h + 148, ' ', 8);
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (uint8_t)h[i];
	raw_octal(h + 148, 7, sum);
	h[154] = '\0';
	buf_append(tar, h, sizeof(h));
}

static inline void raw_add(Buf *tar, const Raw *e)
{
	if (e->xattr) {
		/* "<len> SCHILY.xattr.<name>=<value>\n", the length counting itself */
		size_t rest = strlen(" SCHILY.xattr.") + strlen(e->xattr) + 1, len = rest + 2;
		char digits[32];
		len = rest + (size_t)snprintf(digits, sizeof(digits), "%zu", len);
		_cleanup_free_ char *record = xasprintf("%zu SCHILY.xattr.%s\n", len, e->xattr);
		Raw pax = {.name = "PaxHeader"};
		raw_header(tar, &pax, 'x', strlen(record));
		raw_block(tar, record, strlen(record));
	}
	char type = e->type ? e->type : '0';
	size_t size = type == '0' && e->body ? strlen(e->body) : 0;
	raw_header(tar, e, type, size);
	if (size)
		raw_block(tar, e->body, size);
}

static inline Buf raw_tar(const Raw *entries, size_t n)
{
	static const char end[1024];
	Buf tar = BUF_INIT(64u << 20);
	for (size_t i = 0; i < n; i++)
		raw_add(&tar, &entries[i]);
	buf_append(&tar, end, sizeof(end));
	return tar;
}
#define RAW_TAR(...)                                                                               \
	raw_tar((const Raw[]){__VA_ARGS__}, sizeof((const Raw[]){__VA_ARGS__}) / sizeof(Raw))

/* Index of a tar. */
static inline Index *index_of_tar(const Buf *tar)
{
	Index *index = NULL;
	Digest diff_id;
	uint64_t size;
	_cleanup_(reader_freep) Reader *in = mem_reader_new(tar->ptr, tar->len);
	_cleanup_(index_builder_freep) IndexBuilder *b = index_builder_new();
	ok(layer_index_tar(in, b, &diff_id, &size, err));
	ok(index_builder_index(b, &diff_id, size, &index, err));
	return index;
}

/* ---- temporary directories ---- */

typedef struct Temp {
	char path[64];
	int fd;
} Temp;

static inline Temp temp_new(void)
{
	Temp t = {.path = "/tmp/cruet-test-layer-XXXXXX", .fd = -1};
	assert_non_null(mkdtemp(t.path));
	t.fd = open(t.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(t.fd >= 0);
	return t;
}

static inline void temp_done(Temp *t)
{
	if (t->fd >= 0) {
		(void)close(t->fd);
		if (remove_tree(AT_FDCWD, t->path, NULL) < 0)
			print_message("'%s' stays\n", t->path);
	}
	t->fd = -1;
}
#define _cleanup_temp_ _cleanup_(temp_done)

static inline int temp_dir_fd(const Temp *t, const char *name)
{
	(void)mkdirat(t->fd, name, 0755);
	int fd = openat(t->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static inline void put_file(int dirfd, const char *path, const char *content)
{
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	(void)close(fd);
}

static inline void set_mtime(int dirfd, const char *path, long seconds)
{
	struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
	assert_int_equal(utimensat(dirfd, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* ---- trees as text ---- */

static inline int name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void describe(Buf *out, int dirfd, const char *name, const char *path, bool meta)
{
	struct stat st;
	assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	const char *type = S_ISREG(st.st_mode) ? "file"
		: S_ISDIR(st.st_mode)          ? "dir"
		: S_ISLNK(st.st_mode)          ? "link"
		: S_ISCHR(st.st_mode)          ? "char"
		: S_ISBLK(st.st_mode)          ? "block"
		: S_ISFIFO(st.st_mode)         ? "fifo"
					       : "?";
	if (S_ISCHR(st.st_mode) && st.st_rdev == 0) {
		buf_printf(out, "%s whiteout\n", path);
		return;
	}
	buf_printf(out, "%s %s", path, type);
	if (meta)
		buf_printf(out, " %o %u:%u @%ld", st.st_mode & 07777, st.st_uid, st.st_gid,
			(long)st.st_mtim.tv_sec);
	if (S_ISLNK(st.st_mode)) {
		char target[4097] = {0};
		assert_true(readlinkat(dirfd, name, target, sizeof(target) - 1) >= 0);
		buf_printf(out, " -> %s", target);
	} else if (S_ISREG(st.st_mode)) {
		char body[64] = {0};
		int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		assert_true(fd >= 0 && read(fd, body, sizeof(body) - 1) >= 0);
		(void)close(fd);
		buf_printf(out, " '%s'", body);
		if (meta && st.st_nlink > 1)
			buf_printf(out, " nlink %u", (unsigned)st.st_nlink);
	} else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		buf_printf(out, " %u:%u", major(st.st_rdev), minor(st.st_rdev));
	}
	buf_char(out, '\n');
}

static inline void describe_below(Buf *out, int fd, const char *path, bool meta)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(own);
	assert_non_null(dir);
	_cleanup_strvec_ StrVec names = {0};
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			strvec_push(&names, e->d_name);
	(void)closedir(dir);
	if (names.len)
		qsort(names.items, names.len, sizeof(char *), name_order);
	for (size_t i = 0; i < names.len; i++) {
		_cleanup_free_ char *child =
			xasprintf("%s%s%s", path, path[0] ? "/" : "", names.items[i]);
		describe(out, fd, names.items[i], child, meta);
		_cleanup_close_ int below =
			openat(fd, names.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0)
			describe_below(out, below, child, meta);
	}
}

/* Every file of the tree, sorted, a line each. Owned. meta: modes, owners, times as well. */
static inline char *tree_text(int fd, bool meta)
{
	Buf out = BUF_INIT(8u << 20);
	describe_below(&out, fd, "", meta);
	return out.ptr ? buf_steal(&out) : xstrdup("");
}

/* The entries of an index, a line each: path type flags. Owned. */
static inline char *index_text(const Index *index)
{
	static const char *const types[] = {
		"file", "hardlink", "link", "char", "block", "dir", "fifo"};
	Buf out = BUF_INIT(8u << 20);
	for (size_t i = 0; i < index_count(index); i++) {
		IndexEntry e;
		index_get(index, i, &e);
		buf_printf(&out, "%s" STR_FMT " %s%s%s%s", i ? "\n" : "", STR_ARG(e.path),
			e.flags & INDEX_WHITEOUT ? "" : types[e.type],
			e.flags & INDEX_WHITEOUT ? "whiteout" : "",
			e.flags & INDEX_OPAQUE ? " opaque" : "",
			e.flags & INDEX_IMPLIED ? " implied" : "");
		if (e.link.len)
			buf_printf(&out, " -> " STR_FMT, STR_ARG(e.link));
	}
	return out.ptr ? buf_steal(&out) : xstrdup("");
}

/* What the tests mount is gone with the process, however it ends. */
static inline void private_mounts(void)
{
	if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0)
		(void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static inline bool am_root(void)
{
	return geteuid() == 0;
}
#define needs_root()                                                                               \
	do {                                                                                       \
		if (!am_root()) {                                                                  \
			print_message(                                                             \
				"[  SKIPPED ] needs root: owners, devices, overlay attributes\n"); \
			skip();                                                                    \
		}                                                                                  \
	} while (0)
