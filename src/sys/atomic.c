#include "sys/atomic.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NAME_TRIES      100
#define ZFS_SUPER_MAGIC 0x2fc12fc1ul

struct AtomicFile {
	int dirfd; /* borrowed */
	int fd;
	char *temp, *path;
	bool committed;
};

/* Random letters for temporary names; collisions are met with O_EXCL and another try. */
static void random_word(char word[9])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
	uint8_t bytes[8];
	if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != (ssize_t)sizeof(bytes)) {
		static unsigned counter;
		unsigned n = __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
		memcpy(bytes, &n, sizeof(n));
		memcpy(bytes + 4, &n, sizeof(n));
	}
	for (size_t i = 0; i < 8; i++)
		word[i] = letters[bytes[i] & 31];
	word[8] = '\0';
}

static char *temp_name(const char *path)
{
	char word[9];
	random_word(word);
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path) + 1 : 0;
	return xasprintf("%.*s.tmp-%d-%s", dir_len, path, (int)getpid(), word);
}

int atomic_file_open(int dirfd, const char *path, unsigned mode, AtomicFile **ret, Err **err)
{
	for (unsigned i = 0; i < NAME_TRIES; i++) {
		_cleanup_free_ char *temp = temp_name(path);
		int fd = openat(
			dirfd, temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return err_sys(err, "create '%s'", path);
		AtomicFile *f = xnew(AtomicFile);
		f->dirfd = dirfd;
		f->fd = fd;
		f->temp = TAKE_PTR(temp);
		f->path = xstrdup(path);
		*ret = f;
		return 0;
	}
	return err_sys_num(err, EEXIST, "create '%s'", path);
}

int atomic_file_fd(AtomicFile *f)
{
	return f->fd;
}

Writer *atomic_file_writer(AtomicFile *f)
{
	return fd_writer_new(f->fd, false, f->path);
}

static int sync_parent(int dirfd, const char *path, Err **err)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir =
		slash ? xstrndup(path, MAX((size_t)(slash - path), (size_t)1)) : xstrdup(".");
	_cleanup_close_ int fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_sys(err, "sync the directory of '%s'", path);
	return 0;
}

int atomic_file_commit(AtomicFile *f, const char *final_path, bool durable, Err **err)
{
	const char *path = final_path ? final_path : f->path;
	if (durable && fsync(f->fd) < 0)
		return err_sys(err, "sync '%s'", path);
	if (renameat(f->dirfd, f->temp, f->dirfd, path) < 0)
		return err_sys(err, "rename to '%s'", path);
	f->committed = true;
	return durable ? sync_parent(f->dirfd, path, err) : 0;
}

bool replaces_whole(int dirfd)
{
	static const unsigned long kinds[] = {
		EXT4_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC, ZFS_SUPER_MAGIC};
	struct statfs fs;
	if (fstatfs(dirfd, &fs) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if ((unsigned long)fs.f_type == kinds[i])
			return true;
	return false;
}

AtomicFile *atomic_file_free(AtomicFile *f)
{
	if (!f)
		return NULL;
	if (!f->committed)
		(void)unlinkat(f->dirfd, f->temp, 0);
	(void)close(f->fd);
	free(f->temp);
	free(f->path);
	free(f);
	return NULL;
}

int atomic_write(int dirfd, const char *path, Str content, unsigned mode, bool durable, Err **err)
{
	_cleanup_(atomic_file_freep) AtomicFile *f = NULL;
	int r = atomic_file_open(dirfd, path, mode, &f, err);
	if (r < 0)
		return r;
	_cleanup_(writer_freep) Writer *w = atomic_file_writer(f);
	r = writer_write(w, content.ptr, content.len, err);
	if (r < 0)
		return r;
	return atomic_file_commit(f, NULL, durable, err);
}

int file_read(int dirfd, const char *path, size_t max, Buf *ret, Err **err)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "'%s' does not exist", path);
	if (fd < 0)
		return err_sys(err, "open '%s'", path);
	_cleanup_(reader_freep) Reader *r = fd_reader_new(fd, true, path);
	Buf content = BUF_INIT(max);
	int rc = reader_read_all(r, &content, err);
	if (rc < 0) {
		buf_done(&content);
		err_prefix(err, "'%s'", path);
		return rc;
	}
	buf_done(ret);
	*ret = content;
	return 0;
}

/* As mkdir(2), but a directory, or a link to one, may be there. */
static int make_directory(int dirfd, const char *path, unsigned mode)
{
	struct stat st;
	if (mkdirat(dirfd, path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	if (fstatat(dirfd, path, &st, 0) == 0 && S_ISDIR(st.st_mode))
		return 0;
	errno = EEXIST;
	return -1;
}

int mkdir_p(int dirfd, const char *path, unsigned mode, Err **err)
{
	_cleanup_free_ char *copy = NULL;
	if (!*path || make_directory(dirfd, path, mode) == 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(err, "create the directory '%s'", path);
	copy = xstrdup(path);
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdirat(dirfd, copy, mode) < 0 && errno != EEXIST)
			return err_sys(err, "create the directory '%s'", copy);
		*p = '/';
	}
	if (make_directory(dirfd, path, mode) < 0)
		return err_sys(err, "create the directory '%s'", path);
	return 0;
}

/* ---- removing ---- */

#define REMOVE_DEPTH 32

/*
 * Every level that is descended costs an open directory. What stands deeper than REMOVE_DEPTH is moved up to the first
 * of them and removed from there, so that trees may be deeper than files may be open.
 */
typedef struct Removal {
	int top;
	unsigned depth; /* directories open */
	bool moved;     /* something came into top, which has to be read again */
} Removal;

static bool move_up(int dirfd, const char *name, Removal *rm)
{
	char word[9];
	random_word(word);
	_cleanup_free_ char *temp = xasprintf(".tmp-%d-%s", (int)getpid(), word);
	bool moved = renameat(dirfd, name, rm->top, temp) == 0 ||
		(errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0 &&
			renameat(dirfd, name, rm->top, temp) == 0);
	rm->moved |= moved;
	return moved;
}

static int remove_entry(int dirfd, const char *path, Removal *rm, Err **err);

/* Removes what is inside fd (owned). */
static int remove_children(int fd, Removal *rm, Err **err)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return err_sys(err, "read a directory");
	}
	bool top = rm->depth++ == 0;
	int r = 0;
	if (top)
		rm->top = fd;
	do {
		if (top)
			rm->moved = false;
		rewinddir(d);
		for (struct dirent *e = readdir(d); r == 0 && e; e = readdir(d))
			if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
				r = remove_entry(fd, e->d_name, rm, err);
	} while (r == 0 && top && rm->moved);
	rm->depth--;
	closedir(d);
	return r;
}

static int remove_entry(int dirfd, const char *path, Removal *rm, Err **err)
{
	if (unlinkat(dirfd, path, 0) == 0 || errno == ENOENT || errno == ENOTDIR)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(err, "remove '%s'", path);
	if (unlinkat(dirfd, path, AT_REMOVEDIR) == 0)
		return 0;
	if (rm->depth >= REMOVE_DEPTH && move_up(dirfd, path, rm))
		return 0;
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(dirfd, path, 0700, 0) == 0)
		fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "remove '%s'", path);
	struct stat st;
	if (fstat(fd, &st) == 0 && (st.st_mode & 0300) != 0300)
		(void)fchmod(fd, 0700);
	int r = remove_children(fd, rm, err);
	if (r < 0)
		return r;
	if (unlinkat(dirfd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(err, "remove '%s'", path);
	return 0;
}

int remove_tree(int dirfd, const char *path, Err **err)
{
	Removal rm = {.top = -1};
	return remove_entry(dirfd, path, &rm, err);
}

int temp_dir(int dirfd, const char *prefix, unsigned mode, char **ret_name, Err **err)
{
	for (unsigned i = 0; i < NAME_TRIES; i++) {
		char word[9];
		random_word(word);
		_cleanup_free_ char *name = xasprintf("%s%s", prefix, word);
		if (mkdirat(dirfd, name, mode) == 0) {
			*ret_name = TAKE_PTR(name);
			return 0;
		}
		if (errno != EEXIST)
			return err_sys(err, "create a temporary directory '%s'", name);
	}
	return err_sys_num(err, EEXIST, "create a temporary directory '%s…'", prefix);
}
