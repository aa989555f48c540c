#include "fixture.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "sys/atomic.h"
#include "sys/process.h"
#include "sys/userns.h"

Fixture fixture;

static const char *const applets[] = {"sh", "true", "false", "cat", "id", "ls", "stat", "readlink",
	"sleep", "echo", "hostname", "ps", "mount", "umount", "touch", "mkdir", "rm", "ln", "head",
	"grep", "wc", "kill", "ip", "dd", "chown", "chmod", "env", "mknod", "unshare", "mv", "seq",
	"tr", "sort", "test", "nslookup", "chroot"};

static bool is_static(const char *path)
{
	Elf64_Ehdr head;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &head, sizeof(head)) != sizeof(head) ||
		memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	for (unsigned i = 0; i < head.e_phnum; i++) {
		Elf64_Phdr p;
		if (pread(fd, &p, sizeof(p), (off_t)(head.e_phoff + i * sizeof(p))) != sizeof(p) ||
			p.p_type == PT_INTERP)
			return false;
	}
	return true;
}

char *fixture_path(const char *below)
{
	return xasprintf("%s/%s", fixture.dir, below);
}

void fixture_write(const char *below, const char *text, unsigned mode)
{
	_cleanup_free_ char *path = fixture_path(below);
	assert_int_equal(atomic_write(AT_FDCWD, path, str_of(text), mode, false, NULL), 0);
	assert_int_equal(chmod(path, mode), 0);
}

void fixture_mkdir(const char *below)
{
	_cleanup_free_ char *path = fixture_path(below);
	assert_int_equal(mkdir_p(AT_FDCWD, path, 0755, NULL), 0);
}

static int make_lower(const char *busybox)
{
	static const char *const dirs[] = {
		"lower/bin", "lower/etc", "lower/tmp", "lower/root", "lower/home/ann"};
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		fixture_mkdir(dirs[i]);
	_cleanup_free_ char *program = fixture_path("lower/bin/busybox"),
			    *tmp = fixture_path("lower/tmp");
	_cleanup_strvec_ StrVec copy = {0};
	strvec_push(&copy, "/bin/cp");
	strvec_push(&copy, busybox);
	strvec_push(&copy, program);
	if (process_run(&copy, NULL) < 0 || chmod(program, 0755) < 0 || chmod(tmp, 01777) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++) {
		_cleanup_free_ char *name = xasprintf("%s/bin/%s", fixture.lower, applets[i]);
		if (symlink("busybox", name) < 0)
			return -1;
	}
	fixture_write("lower/etc/passwd",
		"root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001:Ann:/home/ann:/bin/sh\n", 0644);
	fixture_write("lower/etc/group",
		"root:x:0:root\nann:x:1001:\nstaff:x:50:ann\nusers:x:100:bob,ann\nempty:x:77:\n",
		0644);
	return 0;
}

/* Tries once; what fails here would fail in every test. */
static void probe(void)
{
	Run run;
	run_init(&run, "exit 0");
	run_go(&run);
	if (run.r < 0)
		fixture.reason = xasprintf("the sandbox does not work here: %s", run.err->message);
	run_done(&run);
}

int fixture_setup(void **state)
{
	(void)state;
	UsernsKind kind;
	_cleanup_free_ char *note = NULL;
	_cleanup_err_ Err *err = NULL;
	char template[] = "/tmp/cruet-test-sandbox-XXXXXX";
	fixture.reason = NULL;
	if (userns_enter(&kind, &note, &err) < 0) {
		fixture.reason = xstrdup(err->message);
		return 0;
	}
	const char *busybox = is_static("/bin/busybox") ? "/bin/busybox" : "/usr/bin/busybox";
	if (!is_static(busybox)) {
		fixture.reason = xstrdup("no static busybox here (package busybox-static)");
		return 0;
	}
	fixture.dir = xstrdup(mkdtemp(template));
	if (!fixture.dir || chmod(fixture.dir, 0755) < 0)
		return -1;
	fixture.lower = fixture_path("lower");
	if (make_lower(busybox) < 0 || sandbox_new(&fixture.sandbox, NULL) < 0)
		return -1;
	probe();
	return 0;
}

int fixture_teardown(void **state)
{
	(void)state;
	fixture.sandbox = sandbox_free(fixture.sandbox);
	int r = fixture.dir ? remove_tree(AT_FDCWD, fixture.dir, NULL) : 0;
	free(fixture.dir);
	free(fixture.lower);
	free(fixture.reason);
	fixture = (Fixture){0};
	return r;
}

void run_init(Run *run, const char *script)
{
	*run = (Run){.spec = SANDBOX_SPEC_INIT,
		.out = BUF_INIT(64 << 20),
		.err_out = BUF_INIT(64 << 20)};
	if (fixture.reason) {
		print_message("skipped: %s\n", fixture.reason);
		skip();
	}
	_cleanup_free_ char *upper = xasprintf("run-%u/upper", fixture.runs);
	_cleanup_free_ char *work = xasprintf("run-%u/work", fixture.runs);
	fixture.runs++;
	fixture_mkdir(upper);
	fixture_mkdir(work);
	strvec_push(&run->spec.lowers, fixture.lower);
	run->spec.upper = fixture_path(upper);
	run->spec.work = fixture_path(work);
	run_argv(run, "/bin/sh", "-c", script, NULL);
	strvec_push(&run->spec.env, "PATH=/bin:/usr/bin");
	run->spec.cwd = xstrdup("/");
	run->spec.user = xstrdup("");
	run->spec.hostname = xstrdup("box");
}

void run_argv(Run *run, const char *first, ...)
{
	va_list ap;
	strvec_clear(&run->spec.argv);
	va_start(ap, first);
	for (const char *s = first; s; s = va_arg(ap, const char *))
		strvec_push(&run->spec.argv, s);
	va_end(ap);
}

SandboxMount *run_mount(Run *run, SandboxMountType type, const char *target)
{
	SandboxMount *m = vec_add(&run->spec.mounts);
	m->type = type;
	m->target = xstrdup(target);
	return m;
}

static void collect(void *arg, int stream, const char *text, size_t len)
{
	Run *run = arg;
	buf_append(stream == 1 ? &run->out : &run->err_out, text, len);
}

void run_go(Run *run)
{
	run->r = sandbox_run(fixture.sandbox, &run->spec, collect, run, &run->result, &run->err);
}

void run_done(Run *run)
{
	sandbox_spec_done(&run->spec);
	sandbox_result_done(&run->result);
	buf_done(&run->out);
	buf_done(&run->err_out);
	err_freep(&run->err);
}

void run_ok(Run *run)
{
	run_go(run);
	if (run->r < 0)
		fail_msg("not started: %s", run->err->message);
	if (run->result.exit_status || run->result.signal)
		fail_msg("status %d, signal %d: %s%s", run->result.exit_status, run->result.signal,
			run_text(run), run->err_out.ptr ? run->err_out.ptr : "");
}

const char *run_text(Run *run)
{
	if (!run->out.ptr)
		return "";
	while (run->out.len && run->out.ptr[run->out.len - 1] == '\n')
		run->out.ptr[--run->out.len] = '\0';
	return run->out.ptr;
}

void assert_prints(const char *script, const char *expected)
{
	_cleanup_run_ Run run;
	run_init(&run, script);
	run_ok(&run);
	assert_string_equal(run_text(&run), expected);
}
