/* Everything twice: with openat2, and with the walk that stands in for it. Both must come to the same. */
#include "sys/root.h"

#include <pthread.h>

#include "base/limits.h"
#include "scratch.h"

static int root = -1;

static void ln(const char *target, const char *path)
{
	if (symlink(target, path) < 0)
		fail_msg("%s: %s", path, strerror(errno));
}

static int tree_begin(void **state)
{
	char name[32], target[32];
	if (scratch_begin(state) < 0)
		return -1;
	for (const char *const *d = (const char *const[]){"outside", "root", "root/dir",
		     "root/dir/sub", "root/etc", NULL};
		*d; d++)
		if (mkdir(*d, 0755) < 0)
			return -1;
	put("outside/secret", "secret");
	put("root/dir/file", "");
	put("root/file", "");
	put("root/etc/passwd", "");
	_cleanup_free_ char *outside = xasprintf("%s/outside", scratch_path);
	ln("file", "root/dir/near");
	ln("near", "root/dir/twice");
	ln("/file", "root/dir/absolute");
	ln("dir", "root/dirlink");
	ln("dir/", "root/dirslash");
	ln("..", "root/dir/up");
	ln("../../../../../etc", "root/dir/climb");
	ln("/../../etc/passwd", "root/passwd");
	ln("../outside", "root/out");
	ln(outside, "root/out2");
	ln("/", "root/dir/top");
	ln(".", "root/here");
	ln("nowhere", "root/dangling");
	ln("/dir/new", "root/dangling2");
	ln("self", "root/self");
	ln("pong", "root/ping");
	ln("ping", "root/pong");
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "root/chain%d", i);
		snprintf(target, sizeof(target), "chain%d", i - 1);
		ln(i == 1 ? "file" : target, name);
	}
	root = open("root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -1 : 0;
}

static int tree_end(void **state)
{
	close(root);
	return scratch_end(state);
}

/* What the path leads to from the outside; the link itself. */
static void assert_same(int fd, const char *expected, const char *path)
{
	struct stat is, should;
	_cleanup_free_ char *whole = xasprintf("root/%s", expected);
	assert_int_equal(fstat(fd, &is), 0);
	if (lstat(whole, &should) < 0 || is.st_ino != should.st_ino || is.st_dev != should.st_dev)
		fail_msg("'%s' is not '%s'", path, expected);
}

static void resolution(void **state _unused_)
{
	static const struct {
		const char *path, *leads_to; /* in root; NULL: an error */
		bool nofollow;
		int errnum; /* 0: ERR_NOT_FOUND */
	} cases[] = {
		{"", "", false, 0},
		{"/", "", false, 0},
		{".", "", false, 0},
		{"..", "", false, 0},
		{"/../../..", "", false, 0},
		{"file", "file", false, 0},
		{"//file", "file", false, 0},
		{"../file", "file", false, 0},
		{"dir/../../../dir/./file", "dir/file", false, 0},
		{"dir/", "dir", false, 0},
		{"dir/near", "dir/file", false, 0},
		{"dir/near", "dir/near", true, 0},
		{"dir/twice", "dir/file", false, 0},
		{"dir/absolute", "file", false, 0},
		{"dirlink", "dir", false, 0},
		{"dirlink", "dirlink", true, 0},
		{"dirlink/", "dir", true, 0}, /* the slash asks for the directory */
		{"dirslash/file", "dir/file", true, 0},
		{"dirslash", "dir", false, 0},
		{"dirlink/near", "dir/near", true, 0},
		{"dir/up", "", false, 0},
		{"dir/up/up/file", NULL, false, 0},
		{"dir/up/dir/up/file", "file", false, 0},
		{"dir/climb/passwd", "etc/passwd", false, 0},
		{"passwd", "etc/passwd", false, 0},
		{"dir/top/file", "file", false, 0},
		{"here/here/dir/file", "dir/file", false, 0},
		{"out/secret", NULL, false, 0},
		{"out2/secret", NULL, false, 0},
		{"out2", "out2", true, 0},
		{"../outside/secret", NULL, false, 0},
		{"dangling", NULL, false, 0},
		{"dangling", "dangling", true, 0},
		{"none/..", NULL, false, 0},
		{"file/", NULL, false, 0},
		{"file/..", NULL, false, 0},
		{"file/.", NULL, false, 0},
		{"file/x", NULL, false, 0},
		{"dir/near/", NULL, true, 0},
		{"self", NULL, false, ELOOP},
		{"ping/x", NULL, true, ELOOP},
		{"chain40", "file", false, 0},
		{"chain41", NULL, false, ELOOP},
	};
	size_t files = open_files();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd = -1;
		_cleanup_err_ Err *err = NULL;
		int r = root_open_path(root, cases[i].path, cases[i].nofollow, &fd, &err);
		if (r == 0 && cases[i].leads_to) {
			assert_same(fd, cases[i].leads_to, cases[i].path);
			assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
			close(fd);
			continue;
		}
		if (r == 0 || cases[i].leads_to)
			fail_msg("'%s': %s", cases[i].path, err ? err->message : "leads somewhere");
		assert_int_equal(r, cases[i].errnum ? -ERR_SYS : -ERR_NOT_FOUND);
		assert_int_equal(err->errnum, cases[i].errnum);
		_cleanup_free_ char *quoted = xasprintf("'%s'", cases[i].path);
		assert_non_null(strstr(err->message, quoted));
	}
	assert_int_equal(open_files(), files);
}

static void opening(void **state _unused_)
{
	static const struct {
		const char *path;
		int flags;
		const char *leads_to;
		int errnum; /* -1: ERR_NOT_FOUND */
	} cases[] = {
		{"dir/absolute", O_RDONLY, "file", 0},
		{"dir/absolute", O_RDONLY | O_NOFOLLOW, NULL, ELOOP},
		{"dir", O_WRONLY, NULL, EISDIR},
		{"/", O_RDONLY | O_DIRECTORY, "", 0},
		{"file", O_RDONLY | O_DIRECTORY, NULL, -1},
		{"dirlink", O_RDONLY | O_DIRECTORY, "dir", 0},
		{"dirlink", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, NULL, -1},
		{"none", O_WRONLY, NULL, -1},
		{"file", O_WRONLY | O_CREAT | O_EXCL, NULL, EEXIST},
		{"dangling", O_WRONLY | O_CREAT | O_EXCL, NULL, EEXIST},
		{"dir/near", O_WRONLY | O_CREAT | O_EXCL, NULL, EEXIST},
		{"dangling", O_WRONLY | O_CREAT | O_NOFOLLOW, NULL, ELOOP},
		{"out/secret", O_WRONLY | O_CREAT, NULL, -1},
		{"none/new", O_WRONLY | O_CREAT, NULL, -1},
		{"new", O_WRONLY | O_CREAT | O_EXCL, "new", 0},
		{"dangling", O_WRONLY | O_CREAT, "nowhere", 0},
		{"dangling2", O_WRONLY | O_CREAT, "dir/new", 0},
		{"dir/climb/../new2", O_RDWR | O_CREAT, "new2", 0},
	};
	size_t files = open_files();
	umask(022);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd = -1;
		_cleanup_err_ Err *err = NULL;
		int r = root_open(root, cases[i].path, cases[i].flags, 0666, &fd, &err);
		if ((r == 0) != (cases[i].errnum == 0))
			fail_msg("'%s', %o: %s", cases[i].path, (unsigned)cases[i].flags,
				err ? err->message : "opened");
		if (r == 0) {
			assert_same(fd, cases[i].leads_to, cases[i].path);
			close(fd);
		} else if (cases[i].errnum < 0) {
			assert_int_equal(err->code, ERR_NOT_FOUND);
		} else {
			assert_int_equal(err->errnum, cases[i].errnum);
		}
	}
	assert_int_equal(mode_of("root/new"), 0644);
	assert_int_equal(open_files(), files);
	assert_text(names_in("outside"), "secret");
}

static void parents(void **state _unused_)
{
	static const struct {
		const char *path, *dir, *name;
		ErrCode code;
	} cases[] = {
		{"file", "", "file", ERR_NONE},
		{"/file", "", "file", ERR_NONE},
		{"//new//", "", "new", ERR_NONE},
		{"dir/sub/x", "dir/sub", "x", ERR_NONE},
		{"dirlink/near", "dir", "near", ERR_NONE},
		{"dir/up/dangling", "", "dangling", ERR_NONE},
		{"dir/climb/x", "etc", "x", ERR_NONE},
		{"../../x", "", "x", ERR_NONE},
		{"", NULL, NULL, ERR_USAGE},
		{"/", NULL, NULL, ERR_USAGE},
		{"dir/..", NULL, NULL, ERR_USAGE},
		{"dir/./", NULL, NULL, ERR_USAGE},
		{"out/x", NULL, NULL, ERR_NOT_FOUND},
		{"file/x", NULL, NULL, ERR_NOT_FOUND},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_close_ int fd = -1;
		_cleanup_free_ char *name = NULL;
		if (cases[i].code) {
			fails(cases[i].code, "'",
				root_open_parent(root, cases[i].path, &fd, &name, err));
			assert_true(fd < 0 && !name);
			continue;
		}
		ok(root_open_parent(root, cases[i].path, &fd, &name, err));
		assert_same(fd, cases[i].dir, cases[i].path);
		assert_string_equal(name, cases[i].name);
	}
}

static bool stop;

static void *swap(void *unused _unused_)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		if (renameat2(AT_FDCWD, "root/swapped", AT_FDCWD, "root/evil", RENAME_EXCHANGE) < 0)
			return &stop;
	return NULL;
}

/* A directory that somebody turns into a link leading out, and back, all the time. */
static void race(void **state _unused_)
{
	pthread_t thread;
	void *bad = NULL;
	unsigned inside = 0;
	assert_int_equal(mkdir("root/swapped", 0755), 0);
	put("root/swapped/secret", "inside");
	ln("../../../../../../../..", "root/evil");
	_cleanup_free_ char *path = xasprintf("swapped/%s/outside/secret", scratch_path);
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
	for (int i = 0; i < 5000; i++) {
		char text[16] = "";
		_cleanup_close_ int fd = -1;
		if (root_open(root, path, O_RDONLY, 0, &fd, NULL) == 0)
			fail_msg("got out");
		if (root_open(root, "swapped/secret", O_RDONLY, 0, &fd, NULL) < 0)
			continue;
		inside++;
		assert_int_equal(read(fd, text, sizeof(text) - 1), 6);
		assert_string_equal(text, "inside");
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, &bad);
	assert_null(bad);
	assert_true(inside > 0);
}

static int walk_begin(void **state)
{
	root_disable_openat2();
	return tree_begin(state);
}

#define KERNEL(name)                                                                               \
	{                                                                                          \
		"openat2: " #name, name, tree_begin, tree_end, NULL                                \
	}
#define WALK(name)                                                                                 \
	{                                                                                          \
		"walk: " #name, name, walk_begin, tree_end, NULL                                   \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KERNEL(resolution),
		KERNEL(opening),
		KERNEL(parents),
		KERNEL(race),
		/* from here on there is no way back */
		WALK(resolution),
		WALK(opening),
		WALK(parents),
		WALK(race),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
