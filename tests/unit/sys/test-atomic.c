#include "sys/atomic.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "scratch.h"
#include "sys/process.h"

#define STRANGER 54321

static void write_some(AtomicFile *f, const char *text)
{
	_cleanup_(writer_freep) Writer *w = atomic_file_writer(f);
	ok(writer_write(w, text, strlen(text), err));
	ok(writer_finish(w, err));
}

static void commit(void **state _unused_)
{
	put("file", "old");
	umask(022);
	_cleanup_(atomic_file_freep) AtomicFile *f = NULL;
	ok(atomic_file_open(AT_FDCWD, "file", 0666, &f, err));
	write_some(f, "new");
	assert_content("file", "old"); /* nothing to be seen yet but a name that gc knows */
	_cleanup_free_ char *names = names_in("."), *temp = xasprintf(".tmp-%d-", (int)getpid());
	assert_memory_equal(names, temp, strlen(temp));
	assert_true(fcntl(atomic_file_fd(f), F_GETFD) & FD_CLOEXEC);
	ok(atomic_file_commit(f, NULL, true, err));
	assert_content("file", "new");
	assert_int_equal(mode_of("file"), 0644);
	f = atomic_file_free(f); /* leaves alone what is committed */
	assert_null(f);
	assert_text(names_in("."), "file");
}

static void other_name(void **state _unused_)
{
	assert_int_equal(mkdir("sub", 0755), 0);
	int dir = open("sub", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdir("sub/blobs", 0755), 0);
	for (int durable = 0; durable < 2; durable++) {
		_cleanup_(atomic_file_freep) AtomicFile *f = NULL;
		ok(atomic_file_open(dir, "blobs/x", 0600, &f, err));
		write_some(f, durable ? "1" : "0");
		_cleanup_free_ char *names = names_in("sub/blobs");
		assert_non_null(
			strstr(names, ".tmp-")); /* where it will be, so that a rename is enough */
		ok(atomic_file_commit(f, durable ? "blobs/d" : "e", durable, err));
	}
	close(dir);
	assert_content("sub/blobs/d", "1");
	assert_content("sub/e", "0");
	assert_text(names_in("sub"), "blobs e");
	assert_text(names_in("sub/blobs"), "d");
	assert_int_equal(mode_of("sub/e"), 0600);
}

static void abandoned(void **state _unused_)
{
	size_t files = open_files();
	assert_int_equal(mkdir("dir", 0755), 0);
	put("dir/x", "x");
	AtomicFile *f = NULL;
	ok(atomic_file_open(AT_FDCWD, "file", 0644, &f, err));
	write_some(f, "new");
	atomic_file_free(f);
	assert_text(names_in("."), "dir");
	assert_null(atomic_file_free(NULL));
	/* a commit that fails, and an open that does */
	ok(atomic_file_open(AT_FDCWD, "dir", 0644, &f, err));
	fails(ERR_SYS, "rename to 'dir'", atomic_file_commit(f, NULL, false, err));
	fails(ERR_SYS, "rename to 'none/x'", atomic_file_commit(f, "none/x", true, err));
	atomic_file_free(f);
	assert_text(names_in("."), "dir");
	f = NULL;
	fails(ERR_SYS, "create 'none/file'",
		atomic_file_open(AT_FDCWD, "none/file", 0644, &f, err));
	assert_null(f);
	assert_int_equal(open_files(), files);
}

static void whole_files(void **state _unused_)
{
	put("target", "kept");
	assert_int_equal(symlink("target", "link"), 0);
	ok(atomic_write(AT_FDCWD, "a", STR("1\0002"), 0640, true, err));
	ok(atomic_write(AT_FDCWD, "a", STR(""), 0600, false, err));
	ok(atomic_write(
		AT_FDCWD, "link", STR("own"), 0644, false, err)); /* replaced, not followed */
	assert_content("a", "");
	assert_int_equal(mode_of("a"), 0600);
	assert_content("link", "own");
	assert_content("target", "kept");
	/* no room: nothing is left, the old content stays */
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit limit = {4096, 4096};
		static char large[8192];
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		Err *err = NULL;
		int r = atomic_write(
			AT_FDCWD, "link", (Str){large, sizeof(large)}, 0644, false, &err);
		_exit(r == -ERR_SYS && err && strstr(err->message, "link") ? 0 : 1);
	}
	assert_int_equal(process_wait(pid), 0);
	assert_content("link", "own");
	assert_text(names_in("."), "a link target");
}

enum { SIZE = 3000, ROUNDS = 200 };

static void *write_often(void *letter)
{
	char content[SIZE];
	memset(content, *(char *)letter, sizeof(content));
	for (int i = 0; i < ROUNDS; i++)
		if (atomic_write(AT_FDCWD, "shared", (Str){content, sizeof(content)}, 0644, false,
			    NULL) < 0)
			return letter;
	return NULL;
}

/* Who reads sees the whole of one of them, at any time. */
static void concurrent(void **state _unused_)
{
	char letters[] = "abcd";
	pthread_t threads[4];
	put("shared", "");
	assert_int_equal(truncate("shared", SIZE), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_often, &letters[i]), 0);
	for (int i = 0; i < ROUNDS; i++) {
		_cleanup_buf_ Buf content = {0};
		ok(file_read(AT_FDCWD, "shared", SIZE, &content, err));
		assert_int_equal(content.len, SIZE);
		assert_memory_equal(content.ptr, content.ptr + 1, SIZE - 1);
	}
	for (size_t i = 0; i < 4; i++) {
		void *bad = NULL;
		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
	assert_text(names_in("."), "shared");
}

static void reading(void **state _unused_)
{
	_cleanup_buf_ Buf b = BUF_INIT(100);
	put("file", "12345");
	buf_cstr(&b, "before");
	fails(ERR_NOT_FOUND, "'none' does not exist", file_read(AT_FDCWD, "none", 9, &b, err));
	fails(ERR_NOT_FOUND, "'file/x' does not exist", file_read(AT_FDCWD, "file/x", 9, &b, err));
	fails(ERR_LIMIT, "'file': ", file_read(AT_FDCWD, "file", 4, &b, err));
	fails(ERR_SYS, ".", file_read(AT_FDCWD, ".", 9, &b, err));
	assert_string_equal(b.ptr, "before");
	ok(file_read(AT_FDCWD, "file", 5, &b, err));
	assert_string_equal(b.ptr, "12345");
}

static void directories(void **state _unused_)
{
	_cleanup_free_ char *absolute = xasprintf("%s/abs/x", scratch_path);
	umask(022);
	ok(mkdir_p(AT_FDCWD, "a/b/c", 0777, err));
	ok(mkdir_p(AT_FDCWD, "a/b/c", 0700, err));
	ok(mkdir_p(AT_FDCWD, "a//d/", 0700, err));
	ok(mkdir_p(AT_FDCWD, absolute, 0755, err));
	ok(mkdir_p(AT_FDCWD, "", 0755, err));
	ok(mkdir_p(AT_FDCWD, ".", 0755, err));
	assert_int_equal(mode_of("a/b"), 0755);
	assert_int_equal(mode_of("a/b/c"), 0755);
	assert_int_equal(mode_of("a/d"), 0700);
	assert_int_equal(mode_of("abs/x"), 0755);
	put("file", "");
	assert_int_equal(symlink("a/b", "link"), 0);
	assert_int_equal(symlink("none", "dangling"), 0);
	ok(mkdir_p(AT_FDCWD, "link", 0755, err));
	ok(mkdir_p(AT_FDCWD, "link/e", 0755, err));
	assert_int_equal(mode_of("a/b/e"), 0755);
	fails(ERR_SYS, "create the directory 'file/x': Not a directory",
		mkdir_p(AT_FDCWD, "file/x", 0755, err));
	/* something is there, but no directory */
	fails(ERR_SYS, "create the directory 'file'", mkdir_p(AT_FDCWD, "file", 0755, err));
	fails(ERR_SYS, "create the directory 'dangling'", mkdir_p(AT_FDCWD, "dangling", 0755, err));
	char *first = NULL, *second = NULL;
	ok(temp_dir(AT_FDCWD, "a/t-", 0700, &first, err));
	ok(temp_dir(AT_FDCWD, "a/t-", 0755, &second, err));
	assert_string_not_equal(first, second);
	assert_true(strncmp(first, "a/t-", 4) == 0 && strlen(first) > 8);
	assert_int_equal(mode_of(first), 0700);
	assert_int_equal(mode_of(second), 0755);
	free(first);
	free(second);
	fails(ERR_SYS, "none/t-", temp_dir(AT_FDCWD, "none/t-", 0755, &first, err));
}

static void removing(void **state _unused_)
{
	size_t files = open_files();
	ok(remove_tree(AT_FDCWD, "none", err));
	ok(remove_tree(AT_FDCWD, "none/x", err));
	put("file", "");
	ok(remove_tree(AT_FDCWD, "file/x", err));
	ok(remove_tree(AT_FDCWD, "file", err));
	ok(mkdir_p(AT_FDCWD, "kept/dir", 0755, err));
	put("kept/file", "kept");
	ok(mkdir_p(AT_FDCWD, "tree/a/b", 0755, err));
	put("tree/a/x", "");
	assert_int_equal(symlink("../kept", "tree/link"), 0);
	assert_int_equal(symlink("../../kept/file", "tree/a/link"), 0);
	assert_int_equal(symlink("tree", "link"), 0);
	assert_int_equal(mkfifo("tree/fifo", 0600), 0);
	ok(remove_tree(AT_FDCWD, "link", err));
	assert_text(names_in("."), "kept tree");
	ok(remove_tree(AT_FDCWD, "tree", err));
	assert_text(names_in("."), "kept");
	assert_text(names_in("kept"), "dir file");
	assert_int_equal(open_files(), files);
}

/* For a user whom modes stop. */
static void removing_closed_directories(void **state _unused_)
{
	static const unsigned modes[] = {0, 0100, 0200, 0300, 0400, 0500, 0600};
	assert_int_equal(chmod(".", 0777), 0);
	pid_t pid = fork();
	if (pid == 0) {
		bool good = geteuid() != 0 || setresuid(STRANGER, STRANGER, STRANGER) == 0;
		for (size_t i = 0; good && i < ARRAY_SIZE(modes); i++) {
			good = mkdir_p(AT_FDCWD, "closed/in/deep", 0755, NULL) == 0 &&
				atomic_write(AT_FDCWD, "closed/in/file", STR(""), 0, false, NULL) ==
					0 &&
				chmod("closed/in", modes[i]) == 0 &&
				chmod("closed", modes[i]) == 0 &&
				remove_tree(AT_FDCWD, "closed", NULL) == 0 &&
				access("closed", F_OK) < 0;
			if (!good)
				print_error("mode %o\n", modes[i]);
		}
		_exit(good ? 0 : 1);
	}
	assert_int_equal(process_wait(pid), 0);
}

/* Deeper than a process may have open files, and than a path may be long. */
static void removing_deep(void **state _unused_)
{
	assert_int_equal(mkdir("deep", 0755), 0);
	int fd = open("deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		if (i % 100 == 0)
			assert_int_equal(mkdirat(fd, "beside", 0755), 0);
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
	struct rlimit old, low = {64, 64};
	getrlimit(RLIMIT_NOFILE, &old);
	low.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_NOFILE, &low);
	_cleanup_err_ Err *err = NULL;
	int r = remove_tree(AT_FDCWD, "deep", &err);
	setrlimit(RLIMIT_NOFILE, &old);
	if (r < 0)
		fail_msg("%s", err->message);
	assert_text(names_in("."), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commit),
		TEST(other_name),
		TEST(abandoned),
		TEST(whole_files),
		TEST(concurrent),
		TEST(reading),
		TEST(directories),
		TEST(removing),
		TEST(removing_closed_directories),
		TEST(removing_deep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
