#include "image/archive_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/glob.h"
#include "base/limits.h"
#include "base/map.h"
#include "sys/root.h"

#define MAX_MEMBERS 100000
#define MAX_LINKS   8

typedef struct Member {
	uint64_t offset, size;
	char *link; /* archive path it leads to, else NULL */
} Member;

struct ArchiveSource {
	char *name;
	int dir;         /* layout directory, or -1 */
	int fd;          /* plain tar, or -1 */
	StoreTemp *temp; /* holds the plain tar when it had to be written */
	Map members;
};

static void member_free(void *p)
{
	Member *m = p;
	free(m->link);
	free(m);
}

/* Reads at an offset of its own, so that members can be open side by side. */
typedef struct MemberReader {
	Reader reader;
	int fd; /* borrowed */
	const char *name;
	uint64_t at, left;
} MemberReader;

static ssize_t member_read(Reader *r, void *buf, size_t len, Err **err)
{
	MemberReader *m = (MemberReader *)r;
	size_t want = (size_t)MIN((uint64_t)len, m->left);
	if (want == 0)
		return 0;
	ssize_t n = pread(m->fd, buf, want, (off_t)m->at);
	if (n < 0)
		return err_sys(err, "read '%s'", m->name);
	if (n == 0)
		return err_set(err, ERR_CORRUPT, "'%s' ends early", m->name);
	m->at += (uint64_t)n;
	m->left -= (uint64_t)n;
	return n;
}

static void member_reader_free(Reader *r)
{
	free(r);
}

static int add_member(ArchiveSource *a, const TarEntry *e, Err **err)
{
	if (e->type != TAR_FILE && e->type != TAR_SYMLINK && e->type != TAR_HARDLINK)
		return 0;
	if (a->members.live >= MAX_MEMBERS)
		return err_set(err, ERR_LIMIT, "the archive has more than %d members", MAX_MEMBERS);
	Member *m = xnew(Member);
	m->offset = e->body_offset;
	m->size = e->size;
	if (e->type == TAR_HARDLINK) {
		m->link = xstrdup(e->link);
	} else if (e->type == TAR_SYMLINK) {
		const char *slash = strrchr(e->path, '/');
		Str dir = slash ? (Str){e->path, (size_t)(slash - e->path)} : STR("");
		_cleanup_free_ char *rooted = xasprintf("/" STR_FMT, STR_ARG(dir));
		_cleanup_free_ char *target = path_join(str_of(rooted), str_of(e->link));
		m->link = xstrdup(target[0] == '/' ? target + 1 : target);
	}
	map_put(&a->members, str_of(e->path), m);
	return 0;
}

/* A body is skipped by the tar reader by reading it; with a file of gigabytes seeking is better, and it also finds
 * out that a promised body is not there. */
static int scan(ArchiveSource *a, Err **err)
{
	struct stat st;
	if (fstat(a->fd, &st) < 0)
		return err_sys(err, "read '%s'", a->name);
	if (lseek(a->fd, 0, SEEK_SET) < 0)
		return err_sys(err, "read '%s'", a->name);
	_cleanup_(reader_freep) Reader *source = fd_reader_new(a->fd, false, a->name);
	_cleanup_(tar_reader_freep) TarReader *tar = tar_reader_new(source);
	TarEntry *e = NULL;
	int r;
	while ((r = tar_reader_next(tar, &e, err)) == 1) {
		if (e->type == TAR_FILE && e->size > (uint64_t)st.st_size)
			return err_set(err, ERR_CORRUPT,
				"'%s' claims %llu bytes, the archive has %lld", e->path,
				(unsigned long long)e->size, (long long)st.st_size);
		r = add_member(a, e, err);
		if (r < 0)
			return r;
	}
	return r;
}

static int spool(ArchiveSource *a, Store *s, Reader *source, Err **err)
{
	_cleanup_(reader_freep) Reader *plain = NULL;
	int r = decompress_reader_auto(source, NULL, NULL, &plain, err);
	if (r == 0)
		r = store_temp_new(s, &a->temp, err);
	if (r < 0)
		return r;
	a->fd = openat(
		store_temp_fd(a->temp), "archive", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (a->fd < 0)
		return err_sys(err, "create a temporary file");
	_cleanup_(writer_freep) Writer *out = fd_writer_new(a->fd, false, "a temporary file");
	return stream_copy(plain, out, NULL, err);
}

static int spool_shown(
	ArchiveSource *a, Store *s, int fd, uint64_t size, Progress *progress, Err **err)
{
	unsigned id = progress_next_id();
	_cleanup_err_ Err *e = NULL;
	_cleanup_free_ char *name = xasprintf("reading %s", a->name);
	progress_state(progress, id, name, PROGRESS_STARTED, NULL);
	Reader *source = fd_reader_new(fd, true, a->name);
	(void)spool(a, s, progress_reader_new(source, progress, id, size), &e);
	progress_state(progress, id, name, e ? PROGRESS_FAILED : PROGRESS_DONE, e);
	return err_move(err, &e);
}

static int open_file(ArchiveSource *a, Store *s, const char *path, Progress *progress, Err **err)
{
	char head[8];
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "'%s' does not exist", path);
	if (fd < 0)
		return err_sys(err, "open '%s'", path);
	if (fstat(fd, &st) < 0) {
		int r = err_sys(err, "open '%s'", path);
		close(fd);
		return r;
	}
	if (S_ISDIR(st.st_mode)) {
		a->dir = fd;
		return 0;
	}
	ssize_t n = S_ISREG(st.st_mode) ? pread(fd, head, sizeof(head), 0) : -1;
	bool plain = n >= 0 && compression_sniff(head, (size_t)n) == COMPRESSION_NONE &&
		lseek(fd, 0, SEEK_CUR) == 0;
	int r = 0;
	if (plain)
		a->fd = fd;
	else
		r = spool_shown(
			a, s, fd, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0, progress, err);
	return r < 0 ? r : scan(a, err);
}

int archive_source_open(
	Store *s, const char *path, Progress *progress, ArchiveSource **ret, Err **err)
{
	_cleanup_(archive_source_freep) ArchiveSource *a = xnew(ArchiveSource);
	a->dir = a->fd = -1;
	a->members = MAP_INIT(member_free);
	a->name = xstrdup(strcmp(path, "-") == 0 ? "standard input" : path);
	int r = open_file(a, s, path, progress, err);
	if (r == 0)
		*ret = TAKE_PTR(a);
	return r;
}

ArchiveSource *archive_source_free(ArchiveSource *a)
{
	if (!a)
		return NULL;
	if (a->dir >= 0)
		close(a->dir);
	if (a->fd >= 0)
		close(a->fd);
	store_temp_free(a->temp);
	map_done(&a->members);
	free(a->name);
	free(a);
	return NULL;
}

static const Member *find(const ArchiveSource *a, const char *name)
{
	for (unsigned links = 0; links < MAX_LINKS; links++) {
		_cleanup_free_ char *clean = path_clean(str_of(name));
		const Member *m = map_get(&a->members, str_of(clean));
		if (!m || !m->link)
			return m;
		name = m->link;
	}
	return NULL;
}

bool archive_source_has(const ArchiveSource *a, const char *name)
{
	_cleanup_close_ int fd = -1;
	if (a->dir < 0)
		return find(a, name) != NULL;
	return root_open_path(a->dir, name, false, &fd, NULL) == 0;
}

int archive_source_member(
	const ArchiveSource *a, const char *name, Reader **ret, uint64_t *ret_size, Err **err)
{
	static const ReaderOps ops = {member_read, member_reader_free};
	struct stat st;
	if (a->dir >= 0) {
		_cleanup_close_ int fd = -1;
		int r = root_open(a->dir, name, O_RDONLY | O_NONBLOCK, 0, &fd, err);
		if (r < 0)
			return r;
		if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			return err_set(err, ERR_CORRUPT, "'%s' is no regular file", name);
		*ret_size = (uint64_t)st.st_size;
		*ret = fd_reader_new(TAKE_FD(fd), true, name);
		return 0;
	}
	const Member *m = find(a, name);
	if (!m)
		return err_set(err, ERR_NOT_FOUND, "'%s' is not in the archive", name);
	MemberReader *r = xnew(MemberReader);
	*r = (MemberReader){
		.reader = {&ops}, .fd = a->fd, .name = a->name, .at = m->offset, .left = m->size};
	*ret_size = m->size;
	*ret = &r->reader;
	return 0;
}

int archive_source_text(const ArchiveSource *a, const char *name, size_t max, Buf *ret, Err **err)
{
	_cleanup_(reader_freep) Reader *r = NULL;
	uint64_t size = 0;
	int rc = archive_source_member(a, name, &r, &size, err);
	if (rc < 0)
		return rc;
	Buf content = BUF_INIT(max);
	rc = reader_read_all(r, &content, err);
	if (rc < 0) {
		buf_done(&content);
		err_prefix(err, "'%s'", name);
		return rc;
	}
	buf_done(ret);
	*ret = content;
	return 0;
}
