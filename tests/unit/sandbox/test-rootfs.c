#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "sys/atomic.h"
#include "sys/mountfd.h"
#include "sys/userns.h"

static void writes_go_to_the_upper_directory(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	struct stat st;
	run_init(&run, "echo new > /etc/new; rm /etc/group; echo x >> /etc/passwd");
	run_ok(&run);
	_cleanup_free_ char *made = xasprintf("%s/etc/new", run.spec.upper);
	_cleanup_free_ char *gone = xasprintf("%s/etc/group", run.spec.upper);
	_cleanup_free_ char *lower = fixture_path("lower/etc/group");
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(stat(lower, &st), 0);
	assert_int_equal(stat(gone, &st), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
}

/* Nothing but what the program did: no /proc, /sys, /dev, no generated files. (spec 51) */
static void nothing_leaks(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	struct stat before, after;
	fixture_mkdir("cache");
	run_init(&run, "true");
	SandboxMount *m = run_mount(&run, SANDBOX_BIND, "/deep/mount/point");
	m->source = fixture_path("cache");
	_cleanup_free_ char *etc = fixture_path("lower/etc"),
			    *upper_etc = xasprintf("%s/etc", run.spec.upper);
	run_ok(&run);
	DIR *d = opendir(run.spec.upper);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.' && strcmp(e->d_name, "etc") != 0)
			fail_msg("'%s' is left", e->d_name);
	closedir(d);
	assert_int_equal(run.result.made.len, 0);
	/* /etc was touched for a moment: nobody can see it */
	if (stat(upper_etc, &after) == 0) {
		assert_int_equal(stat(etc, &before), 0);
		assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
		assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
		assert_int_equal(rmdir(upper_etc), 0);
	}
}

static void generated_files(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	_cleanup_buf_ Buf host = BUF_INIT(1 << 20);
	run_init(&run,
		"cat /etc/resolv.conf > /tmp/r; cat /etc/hosts; echo changed > /etc/hosts; mv /etc/hosts /x 2>&1 | wc -l");
	strvec_push(&run.spec.extra_hosts, "db:10.0.0.7");
	strvec_push(&run.spec.extra_hosts, "six:fe80::1");
	run_ok(&run);
	const char *text = run_text(&run);
	assert_true(cstr_starts(text, "127.0.0.1\tlocalhost\n"));
	assert_non_null(strstr(text, "\n10.0.0.7\tdb\n"));
	assert_non_null(strstr(text, "\nfe80::1\tsix\n"));
	assert_true(str_ends(str_of(text), "\n1"));
	(void)!file_read(AT_FDCWD, "/etc/resolv.conf", host.max, &host, NULL);
	_cleanup_free_ char *copy = xasprintf("%s/tmp/r", run.spec.upper);
	_cleanup_buf_ Buf inside = BUF_INIT(1 << 20);
	assert_int_equal(file_read(AT_FDCWD, copy, inside.max, &inside, NULL), 0);
	assert_true(str_eq(buf_view(&host), buf_view(&inside)));
}

static void system_paths(void **state)
{
	(void)state;
	assert_prints(
		"echo 1 2>/dev/null > /proc/sys/kernel/hostname || echo ro; "
		"echo b 2>/dev/null > /proc/sysrq-trigger || echo ro; "
		"touch /sys/x 2>/dev/null || echo ro; "
		"head -c 1 /proc/keys | wc -c; head -c 1 /proc/timer_list | wc -c; ls /sys/firmware | wc -l; "
		"ls -d /proc/[0-9]* | head -1",
		"ro\nro\nro\n0\n0\n0\n/proc/1");
}

static void old_root_is_gone(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	_cleanup_free_ char *script = xasprintf(
		"ls -d %s 2>/dev/null; grep -c ' / ' /proc/mounts; "
		"grep -c cruet-test /proc/self/mountinfo; chroot /proc/1/root true 2>/dev/null; "
		"ls /../../../.. | tr '\\n' ' '",
		fixture.dir);
	run_init(&run, script);
	run_ok(&run);
	assert_true(cstr_starts(run_text(&run), "1\n0\n"));
	assert_non_null(strstr(run_text(&run), "bin"));
}

static void bind_mounts(void **state)
{
	(void)state;
	fixture_mkdir("bound/below");
	fixture_write("bound/file", "content\n", 0644);
	_cleanup_run_ Run run, missing;
	run_init(&run,
		"cat /in/file /one; touch /in/ro 2>/dev/null || echo ro; touch /in/below/x 2>/dev/null || echo ro; "
		"echo w > /out/written; ls /bin/busybox");
	SandboxMount *m = run_mount(&run, SANDBOX_BIND, "/in");
	m->source = fixture_path("bound");
	m->read_only = true;
	m = run_mount(&run, SANDBOX_BIND, "/out");
	m->source = fixture_path("bound");
	m = run_mount(&run, SANDBOX_BIND, "/one");
	m->source = fixture_path("bound/file");
	run_ok(&run);
	assert_string_equal(run_text(&run), "content\ncontent\nro\nro\n/bin/busybox");
	_cleanup_free_ char *written = fixture_path("bound/written");
	assert_int_equal(access(written, F_OK), 0);
	run_init(&missing, "true");
	m = run_mount(&missing, SANDBOX_BIND, "/x");
	m->source = fixture_path("no-such");
	run_go(&missing);
	assert_int_equal(missing.r, -ERR_NOT_FOUND);
	assert_non_null(strstr(missing.err->message, "no-such"));
}

static void tmpfs_mounts(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run,
		"stat -c %a /t /u; dd if=/dev/zero of=/t/big bs=1k count=200 2>/dev/null || echo full; "
		"dd if=/dev/zero of=/u/big bs=1k count=200 2>/dev/null && echo fits");
	SandboxMount *m = run_mount(&run, SANDBOX_TMPFS, "/t");
	m->tmpfs_size = 100 << 10;
	m->mode = 0700;
	run_mount(&run, SANDBOX_TMPFS, "/u");
	run_ok(&run);
	assert_string_equal(run_text(&run), "700\n1777\nfull\nfits");
}

static void writable_views(void **state)
{
	(void)state;
	fixture_mkdir("stage/sub/dir");
	fixture_write("stage/sub/file", "original\n", 0644);
	_cleanup_run_ Run run, memory;
	run_init(&run,
		"cat /view/file; echo changed > /view/file; rm -r /view/dir; touch /view/new; cat /view/file; ls /whole");
	SandboxMount *m = run_mount(&run, SANDBOX_OVERLAY, "/view");
	_cleanup_free_ char *stage = fixture_path("stage");
	strvec_push(&m->lowers, stage);
	m->subpath = xstrdup("/sub");
	m = run_mount(&run, SANDBOX_OVERLAY, "/whole");
	strvec_push(&m->lowers, stage);
	run_ok(&run);
	assert_string_equal(run_text(&run), "original\nchanged\nsub");
	_cleanup_buf_ Buf text = BUF_INIT(100);
	_cleanup_free_ char *file = fixture_path("stage/sub/file"),
			    *dir = fixture_path("stage/sub/dir");
	assert_int_equal(file_read(AT_FDCWD, file, text.max, &text, NULL), 0);
	assert_string_equal(text.ptr, "original\n");
	assert_int_equal(access(dir, F_OK), 0);
	/* and the scratch space is gone */
	_cleanup_free_ char *scratch = xasprintf("%s.scratch-0", run.spec.upper);
	assert_int_equal(access(scratch, F_OK), -1);
	/* a plain root has no place for it on disk */
	run_init(&memory, "echo changed > /view/file && cat /view/file");
	strvec_clear(&memory.spec.lowers);
	free(memory.spec.upper);
	free(memory.spec.work);
	memory.spec.upper = memory.spec.work = NULL;
	memory.spec.rootfs = xstrdup(fixture.lower);
	m = run_mount(&memory, SANDBOX_OVERLAY, "/view");
	strvec_push(&m->lowers, stage);
	m->subpath = xstrdup("sub");
	run_ok(&memory);
	assert_string_equal(run_text(&memory), "changed");
}

static void view_without_subpath_target(void **state)
{
	(void)state;
	fixture_mkdir("stage2");
	_cleanup_run_ Run run;
	run_init(&run, "true");
	SandboxMount *m = run_mount(&run, SANDBOX_OVERLAY, "/view");
	_cleanup_free_ char *stage = fixture_path("stage2");
	strvec_push(&m->lowers, stage);
	m->subpath = xstrdup("/missing");
	run_go(&run);
	assert_int_equal(run.r, -ERR_NOT_FOUND);
	/* "..", and links of the stage, end at the stage */
	_cleanup_run_ Run up;
	run_init(&up, "ls -A /view | wc -l");
	m = run_mount(&up, SANDBOX_OVERLAY, "/view");
	strvec_push(&m->lowers, stage);
	m->subpath = xstrdup("../../../etc/..");
	run_go(&up);
	assert_true(up.r < 0 || strcmp(run_text(&up), "0") == 0);
}

static void targets_through_links(void **state)
{
	(void)state;
	fixture_mkdir("bound2");
	fixture_mkdir("link/real");
	_cleanup_run_ Run run;
	run_init(&run,
		"grep -c ' /real ' /proc/mounts; grep -c ' /tmp/escape ' /proc/mounts; readlink /evil");
	_cleanup_free_ char *evil = fixture_path("link/evil"), *good = fixture_path("link/good");
	char outside[] = "/tmp/escape";
	assert_int_equal(symlink(outside, evil), 0);
	assert_int_equal(symlink("real", good), 0);
	_cleanup_free_ char *top = fixture_path("link");
	strvec_push(&run.spec.lowers, top);
	SandboxMount *m = run_mount(&run, SANDBOX_BIND, "/good");
	m->source = fixture_path("bound2");
	m = run_mount(&run, SANDBOX_BIND, "/evil");
	m->source = fixture_path("bound2");
	run_ok(&run);
	assert_string_equal(run_text(&run), "1\n1\n/tmp/escape");
	assert_int_equal(access(outside, F_OK), -1);
}

static void links_for_system_directories(void **state)
{
	(void)state;
	fixture_mkdir("badproc");
	_cleanup_free_ char *link = fixture_path("badproc/proc"), *dir = fixture_path("badproc");
	assert_int_equal(symlink("/tmp", link), 0);
	_cleanup_run_ Run run;
	run_init(&run, "true");
	strvec_push(&run.spec.lowers, dir);
	run_go(&run);
	assert_int_equal(run.r, -ERR_UNSUPPORTED);
	assert_non_null(strstr(run.err->message, "'/proc' of the image is no directory"));
}

static void read_only_root(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run,
		"touch /x 2>/dev/null || echo ro; touch /tmp/x && echo tmp; touch /dev/shm/y && echo shm");
	run.spec.rootfs_read_only = true;
	run_mount(&run, SANDBOX_TMPFS, "/tmp");
	run_ok(&run);
	assert_string_equal(run_text(&run), "ro\ntmp\nshm");
}

static void plain_directory(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "ls -d /proc/1 && touch /tmp/plain");
	strvec_clear(&run.spec.lowers);
	free(run.spec.upper);
	free(run.spec.work);
	run.spec.upper = run.spec.work = NULL;
	run.spec.rootfs = xstrdup(fixture.lower);
	run_ok(&run);
	_cleanup_free_ char *made = fixture_path("lower/tmp/plain"),
			    *proc = fixture_path("lower/proc");
	assert_int_equal(unlink(made), 0);
	assert_int_equal(access(proc, F_OK), -1);
}

/* FROM scratch: nothing below. */
static void upper_alone(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "");
	strvec_clear(&run.spec.lowers);
	run_argv(&run, "/nothing", NULL);
	run_go(&run);
	assert_int_equal(run.r, -ERR_RUN_FAILED);
	DIR *d = opendir(run.spec.upper);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.')
			fail_msg("'%s' is left", e->d_name);
	closedir(d);
}

static void many_layers(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	_cleanup_strvec_ StrVec all = {0};
	run_init(&run, "ls /layers | wc -l; cat /layers/top");
	for (unsigned i = 0; i < 200; i++) {
		_cleanup_free_ char *dir =
			xasprintf("many/a-rather-long-name-of-a-layer-directory-%u/layers", i);
		_cleanup_free_ char *file = xasprintf("%s/%u", dir, i),
				    *top = xasprintf("%s/top", dir);
		_cleanup_free_ char *text = xasprintf("%u\n", i);
		fixture_mkdir(dir);
		fixture_write(file, "", 0644);
		fixture_write(top, text, 0644);
		strvec_take(&all, fixture_path(dir));
		char *slash = strrchr(all.items[i], '/');
		*slash = '\0';
	}
	strvec_push(&all, fixture.lower);
	strvec_clear(&run.spec.lowers);
	strvec_copy(&run.spec.lowers, &all);
	run_ok(&run);
	assert_string_equal(run_text(&run), "201\n0");
}

/* The option string of older kernels: escaped, relative to what the names have in common, bounded. */
static void option_string(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "");
	static const char *const names[] = {"str/a,b", "str/c:d", "str/e\\f", "str/plain"};
	StrVec lowers = {0};
	_cleanup_close_ int fd = -1, cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		fixture_mkdir(names[i]);
		_cleanup_free_ char *file = xasprintf("%s/%zu", names[i], i);
		fixture_write(file, "", 0644);
		strvec_take(&lowers, fixture_path(names[i]));
	}
	OverlayOptions o = {.lowers = &lowers,
		.upper = run.spec.upper,
		.work = run.spec.work,
		.user_xattr = userns_inside(),
		.one_string = true};
	_cleanup_err_ Err *err = NULL;
	if (mount_overlay(&o, &fd, &err) < 0)
		fail_msg("%s", err->message);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char name[2] = {(char)('0' + i), 0};
		assert_int_equal(faccessat(fd, name, F_OK, 0), 0);
	}
	closep(&fd);
	for (size_t i = 0; i < 900; i++)
		strvec_push(&lowers, fixture.lower);
	_cleanup_err_ Err *limit = NULL;
	assert_int_equal(mount_overlay(&o, &fd, &limit), -ERR_LIMIT);
	assert_non_null(strstr(limit->message, "too many"));
	assert_int_equal(fchdir(cwd), 0);
	strvec_done(&lowers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_go_to_the_upper_directory),
		cmocka_unit_test(nothing_leaks),
		cmocka_unit_test(generated_files),
		cmocka_unit_test(system_paths),
		cmocka_unit_test(old_root_is_gone),
		cmocka_unit_test(bind_mounts),
		cmocka_unit_test(tmpfs_mounts),
		cmocka_unit_test(writable_views),
		cmocka_unit_test(view_without_subpath_target),
		cmocka_unit_test(targets_through_links),
		cmocka_unit_test(links_for_system_directories),
		cmocka_unit_test(read_only_root),
		cmocka_unit_test(plain_directory),
		cmocka_unit_test(upper_alone),
		cmocka_unit_test(many_layers),
		cmocka_unit_test(option_string),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
