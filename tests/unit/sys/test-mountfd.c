/* Overlays are tested with the sandbox's root file systems (tests/unit/sandbox/test-rootfs.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/mountfd.h"
#include "sys/process.h"
#include "sys/userns.h"

static const char *reason;

static int setup(void **state)
{
	(void)state;
	UsernsKind kind;
	_cleanup_free_ char *note = NULL;
	if (userns_enter(&kind, &note, NULL) < 0 || unshare(CLONE_NEWNS) < 0 ||
		mount_isolate(NULL) < 0)
		reason = "mounts are not allowed here";
	return 0;
}

static void need(void)
{
	if (reason) {
		print_message("skipped: %s\n", reason);
		skip();
	}
}

static void new_and_attach(void **state)
{
	(void)state;
	need();
	static const MountOption options[] = {
		{"mode", "0750", false}, {"size", "64k", false}, {"no_such_option", "1", true}};
	_cleanup_close_ int fd = -1, clone = -1, at = open("/tmp", O_PATH | O_CLOEXEC);
	struct stat st;
	assert_int_equal(mount_new("tmpfs", options, 3, MOUNT_NO_SUID, &fd, NULL), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(mkdirat(fd, "below", 0755), 0);
	assert_int_equal(mount_attach(fd, at, "/tmp", NULL), 0);
	assert_int_equal(access("/tmp/below", F_OK), 0);
	assert_int_equal(mount_clone(AT_FDCWD, "/tmp/below", &clone, NULL), 0);
	assert_int_equal(mount_set(clone, MOUNT_READ_ONLY, true, NULL), 0);
	assert_int_equal(mkdirat(clone, "x", 0755), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(mkdir("/tmp/below/x", 0755), 0);
	assert_int_equal(umount2("/tmp", MNT_DETACH), 0);
}

static void errors(void **state)
{
	(void)state;
	need();
	static const MountOption bad[] = {{"no_such_option", "1", false}};
	int fd = -1;
	_cleanup_err_ Err *option = NULL, *type = NULL, *source = NULL, *empty = NULL;
	assert_int_equal(mount_new("tmpfs", bad, 1, 0, &fd, &option), -ERR_SYS);
	assert_non_null(strstr(option->message, "no_such_option"));
	/* the kernel's own words */
	assert_non_null(strstr(option->message, "nknown parameter"));
	assert_int_equal(mount_new("nosuchfs", NULL, 0, 0, &fd, &type), -ERR_SYS);
	assert_int_equal(mount_clone(AT_FDCWD, "/no/such", &fd, &source), -ERR_NOT_FOUND);
	const StrVec none = {0};
	const OverlayOptions o = {.lowers = &none};
	assert_int_equal(mount_overlay(&o, &fd, &empty), -ERR_USAGE);
	assert_int_equal(fd, -1);
}

/* In a child: 0 if the root is the new one, and nothing else is to be seen. */
static int enter_new_root(void)
{
	_cleanup_close_ int fd = -1, at = -1;
	if (unshare(CLONE_NEWNS) < 0 || mount_new("tmpfs", NULL, 0, 0, &fd, NULL) < 0 ||
		mkdirat(fd, "inside", 0755) < 0)
		return 1;
	at = open("/tmp", O_PATH | O_CLOEXEC);
	if (mount_attach(fd, at, "/tmp", NULL) < 0 || mount_pivot(fd, NULL) < 0)
		return 2;
	bool alone = access("/inside", F_OK) == 0 && access("/proc", F_OK) < 0;
	return alone && chdir("../..") == 0 && access("inside", F_OK) == 0 ? 0 : 3;
}

static void pivot(void **state)
{
	(void)state;
	need();
	pid_t pid = fork();
	if (pid == 0)
		_exit(enter_new_root());
	assert_int_equal(process_wait(pid), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_and_attach),
		cmocka_unit_test(errors),
		cmocka_unit_test(pivot),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
