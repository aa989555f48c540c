#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "sys/atomic.h"

static char *root;
static int root_fd;

static int setup(void **state)
{
	(void)state;
	char template[] = "/tmp/cruet-test-mountpoint-XXXXXX";
	root = xstrdup(mkdtemp(template));
	root_fd = root ? open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return root_fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(root_fd);
	int r = remove_tree(AT_FDCWD, root, NULL);
	free(root);
	return r;
}

/* Opens and returns what was reported, joined with ' '. */
static char *open_point(const char *path, bool is_dir, int expected, int *ret_fd)
{
	int fds[2], fd = -1;
	char bytes[8192];
	Reply reply;
	assert_int_equal(pipe(fds), 0);
	int r = mountpoint_open(root_fd, path, is_dir, fds[1], &fd, NULL);
	close(fds[1]);
	if (r != expected)
		fail_msg("'%s': %d, not %d", path, r, expected);
	ssize_t n = read(fds[0], bytes, sizeof(bytes));
	close(fds[0]);
	reply_parse((Str){bytes, (size_t)n}, &reply);
	char *made = strvec_join(&reply.result.made, " ");
	reply_done(&reply);
	if (ret_fd)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	return made;
}

static void assert_made(const char *path, bool is_dir, int expected, const char *made)
{
	_cleanup_free_ char *got = open_point(path, is_dir, expected, NULL);
	assert_string_equal(got ? got : "", made);
}

static void assert_type(const char *path, mode_t type)
{
	struct stat st;
	if (fstatat(root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("'%s' is not there", path);
	assert_int_equal(st.st_mode & S_IFMT, type);
}

static void makes_what_is_missing(void **state)
{
	(void)state;
	assert_made("/a/b/c", true, 0, "a a/b a/b/c");
	assert_made("/a/b/c", true, 0, "");
	assert_made("/a/b/file", false, 0, "a/b/file");
	assert_made("/a/b/d/", true, 0, "a/b/d");
	assert_type("a/b/c", S_IFDIR);
	assert_type("a/b/file", S_IFREG);
	assert_made("/", true, 0, "");
}

static void wrong_kinds(void **state)
{
	(void)state;
	assert_made("/a/b/file", true, -ERR_SYS, "");
	assert_made("/a/b/c", false, -ERR_SYS, "");
	assert_made("/a/b/file/below", true, -ERR_SYS, "");
	assert_made("/a/nothing/..", true, -ERR_NOT_FOUND, "");
	_cleanup_free_ char *name = xmalloc(6000);
	memset(name, 'x', 5999);
	name[0] = '/';
	name[5999] = '\0';
	assert_made(name, true, -ERR_LIMIT, "");
}

/* Links never lead out, whatever they say; dangling ones are made where they point to, inside. */
static void links_stay_inside(void **state)
{
	(void)state;
	char outside[] = "/tmp/cruet-test-outside-XXXXXX";
	assert_non_null(mkdtemp(outside));
	_cleanup_free_ char *up = xasprintf("../../../../../..%s", outside);
	assert_int_equal(symlinkat(outside, root_fd, "absolute"), 0);
	assert_int_equal(symlinkat(up, root_fd, "climbing"), 0);
	assert_int_equal(symlinkat("../run/stub", root_fd, "a/dangling"), 0);
	assert_int_equal(symlinkat("loop", root_fd, "loop"), 0);
	_cleanup_free_ char *inside = xasprintf("tmp tmp%s", strrchr(outside, '/'));
	_cleanup_free_ char *made = xasprintf("%s tmp%s/x", inside, strrchr(outside, '/'));
	assert_made("/absolute/x", true, 0, made);
	_cleanup_free_ char *again = xasprintf("tmp%s/y", strrchr(outside, '/'));
	assert_made("/climbing/y", false, 0, again);
	assert_made("/a/dangling", false, 0, "run run/stub");
	assert_type("run/stub", S_IFREG);
	_cleanup_free_ char *loop = open_point("/loop", true, -ERR_NOT_FOUND, NULL);
	_cleanup_free_ char *below_loop = open_point("/loop/x", true, -ERR_NOT_FOUND, NULL);
	/* empty still */
	assert_int_equal(rmdir(outside), 0);
}

static void times_are_kept(void **state)
{
	(void)state;
	const struct timespec old[] = {{1000000000, 5}, {1000000001, 7}};
	struct stat st;
	assert_int_equal(mkdirat(root_fd, "kept", 0755), 0);
	assert_int_equal(utimensat(root_fd, "kept", old, 0), 0);
	assert_made("/kept/new", true, 0, "kept/new");
	assert_int_equal(fstatat(root_fd, "kept", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000000001);
	assert_int_equal(st.st_mtim.tv_nsec, 7);
	StrVec made = {0};
	strvec_push(&made, "kept/new");
	mountpoints_clear(root, &made);
	assert_int_equal(made.len, 0);
	assert_int_equal(fstatat(root_fd, "kept", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000000001);
	assert_int_equal(faccessat(root_fd, "kept/new", F_OK, 0), -1);
	strvec_done(&made);
}

static void clearing(void **state)
{
	(void)state;
	_cleanup_free_ char *made_text = open_point("/c/d/e", true, 0, NULL);
	_cleanup_free_ char *file_text = open_point("/c/file", false, 0, NULL);
	_cleanup_free_ char *full_text = open_point("/c/full", false, 0, NULL);
	_cleanup_free_ char *swap_text = open_point("/c/swapped", true, 0, NULL);
	assert_int_equal(atomic_write(root_fd, "c/full", STR("text"), 0644, false, NULL), 0);
	assert_int_equal(mkdirat(root_fd, "victim", 0755), 0);
	assert_int_equal(unlinkat(root_fd, "c/swapped", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("../victim", root_fd, "c/swapped"), 0);
	StrVec made = {0};
	static const char *const paths[] = {
		"c", "c/d", "c/d/e", "c/file", "c/full", "c/swapped", "c/gone"};
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		strvec_push(&made, paths[i]);
	mountpoints_clear(root, &made);
	assert_int_equal(made.len, 0);
	/* what has content, or became something else, stays */
	assert_type("c/full", S_IFREG);
	assert_type("c/swapped", S_IFLNK);
	assert_type("victim", S_IFDIR);
	assert_int_equal(faccessat(root_fd, "c/d", F_OK, 0), -1);
	assert_int_equal(faccessat(root_fd, "c/file", F_OK, 0), -1);
	strvec_done(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_what_is_missing),
		cmocka_unit_test(wrong_kinds),
		cmocka_unit_test(links_stay_inside),
		cmocka_unit_test(times_are_kept),
		cmocka_unit_test(clearing),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
