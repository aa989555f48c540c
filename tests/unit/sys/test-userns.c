/*
 * Entering a user namespace cannot be undone, so each case runs in a child process, as an ordinary user made by
 * setuid to an id that has no entry anywhere, or as a root without CAP_SYS_ADMIN.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/process.h"
#include "sys/userns.h"

#define STRANGER 54321

/* What a child found out. */
typedef struct Report {
	int r, kind;
	uid_t uid;
	gid_t gid;
	bool inside, can_mount, can_become_5;
	char note[512], message[512], hint[512];
} Report;

static bool allowed(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(setresuid(STRANGER, STRANGER, STRANGER) == 0 && unshare(CLONE_NEWUSER) == 0
				? 0
				: 1);
	return process_wait(pid) == 0;
}

static void copy(char to[512], const char *from)
{
	snprintf(to, 512, "%s", from ? from : "");
}

/* Becomes what the test wants, enters, and looks around. */
static Report in_child(void (*become)(void))
{
	Report *shared = mmap(
		NULL, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	pid_t pid = fork();
	if (pid == 0) {
		UsernsKind kind = USERNS_REAL_ROOT;
		char *note = NULL;
		Err *err = NULL;
		become();
		shared->r = userns_enter(&kind, &note, &err);
		shared->kind = (int)kind;
		shared->uid = getuid();
		shared->gid = getgid();
		shared->inside = userns_inside();
		copy(shared->note, note);
		copy(shared->message, err ? err->message : NULL);
		copy(shared->hint, err ? err->hint : NULL);
		shared->can_mount =
			unshare(CLONE_NEWNS) == 0 && mount("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0;
		shared->can_become_5 = setresuid(5, 5, 5) == 0;
		_exit(0);
	}
	assert_int_equal(process_wait(pid), 0);
	Report copied = *shared;
	munmap(shared, sizeof(Report));
	return copied;
}

static void need_root(void)
{
	if (geteuid() != 0) {
		print_message("skipped: needs root to become somebody else\n");
		skip();
	}
	if (!allowed()) {
		print_message("skipped: user namespaces are not allowed here\n");
		skip();
	}
}

static void stay(void)
{
}

static void root_stays_as_he_is(void **state)
{
	(void)state;
	if (geteuid() != 0 || userns_kind() != USERNS_REAL_ROOT) {
		print_message("skipped: needs root\n");
		skip();
	}
	bool inside_before = userns_inside();
	Report r = in_child(stay);
	assert_int_equal(r.r, 0);
	assert_int_equal(r.kind, USERNS_REAL_ROOT);
	assert_string_equal(r.note, "");
	assert_int_equal(r.inside, inside_before);
}

static void become_stranger(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(STRANGER, STRANGER, STRANGER) < 0 ||
		setresuid(STRANGER, STRANGER, STRANGER) < 0)
		_exit(2);
	/* as after exec: the files of /proc/self belong to the user again */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void user_without_ranges(void **state)
{
	(void)state;
	need_root();
	Report r = in_child(become_stranger);
	if (r.r < 0)
		fail_msg("%s", r.message);
	assert_int_equal(r.kind, USERNS_SINGLE_ID);
	assert_int_equal(r.uid, 0);
	assert_int_equal(r.gid, 0);
	assert_true(r.inside);
	assert_true(r.can_mount);
	assert_false(r.can_become_5);
	assert_non_null(
		strstr(r.note, "usermod --add-subuids 100000-165535 --add-subgids 100000-165535"));
	assert_non_null(strstr(r.note, "uidmap"));
	assert_null(strchr(r.note, '\n'));
}

static void drop_sys_admin(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &head, data) < 0)
		_exit(2);
	data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	data[0].permitted &= ~(1u << CAP_SYS_ADMIN);
	if (syscall(SYS_capset, &head, data) < 0)
		_exit(2);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void root_without_sys_admin(void **state)
{
	(void)state;
	need_root();
	Report r = in_child(drop_sys_admin);
	if (r.r < 0)
		fail_msg("%s", r.message);
	assert_int_equal(r.kind, USERNS_FULL_RANGE);
	assert_true(r.inside);
	assert_true(r.can_mount);
	assert_true(r.can_become_5);
}

/* In a namespace that allows no further ones. */
static void forbid(void)
{
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(2);
	FILE *f = fopen("/proc/sys/user/max_user_namespaces", "we");
	if (!f || fputs("0", f) < 0 || fclose(f) != 0)
		_exit(2);
	drop_sys_admin();
}

static void forbidden(void **state)
{
	(void)state;
	need_root();
	Report r = in_child(forbid);
	assert_int_equal(r.r, -ERR_DENIED);
	assert_non_null(strstr(r.message, "not allowed"));
	assert_non_null(strstr(r.hint, "max_user_namespaces"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_stays_as_he_is),
		cmocka_unit_test(user_without_ranges),
		cmocka_unit_test(root_without_sys_admin),
		cmocka_unit_test(forbidden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
