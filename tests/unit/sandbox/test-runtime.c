#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

static const char *const runtimes[] = {"crun", "runc"};

static bool installed(const char *name)
{
	static const char *const dirs[] = {
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"};
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dirs[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	print_message("%s is not installed\n", name);
	return false;
}

/* The same answers as the built-in sandbox gives. */
static void same_as_built_in(void **state)
{
	(void)state;
	static const char script[] =
		"echo $(id -u) $(id -g) $(id -G) $HOME; hostname; pwd; "
		"grep -E 'Cap(Eff|Bnd|Amb)|Seccomp:|NoNew' /proc/self/status | tr -d '\\t'; "
		"cat /in/file; touch /in/x 2>/dev/null || echo ro; stat -c %a /t; "
		"ls -d /proc/1 /sys/class /dev/null; grep db /etc/hosts; "
		"head -c 1 /proc/keys | wc -c; echo $VAR; exit 9";
	_cleanup_free_ char *expected = NULL;
	fixture_mkdir("runtime");
	fixture_write("runtime/file", "bound\n", 0644);
	for (size_t i = 0; i <= ARRAY_SIZE(runtimes); i++) {
		_cleanup_run_ Run run;
		run_init(&run, script);
		if (i > 0 && !installed(runtimes[i - 1]))
			continue;
		run.spec.runtime = i > 0 ? xstrdup(runtimes[i - 1]) : NULL;
		free(run.spec.user);
		run.spec.user = xstrdup("ann");
		free(run.spec.cwd);
		run.spec.cwd = xstrdup("/home/ann");
		strvec_push(&run.spec.env, "VAR=a \"quoted\" value");
		strvec_push(&run.spec.extra_hosts, "db:10.1.2.3");
		SandboxMount *m = run_mount(&run, SANDBOX_BIND, "/in");
		m->source = fixture_path("runtime");
		m->read_only = true;
		m = run_mount(&run, SANDBOX_TMPFS, "/t");
		m->mode = 0750;
		run_go(&run);
		if (run.r < 0)
			fail_msg("%s: %s", run.spec.runtime, run.err->message);
		if (run.result.exit_status != 9)
			fail_msg("%s: status %d: %s",
				run.spec.runtime ? run.spec.runtime : "built-in",
				run.result.exit_status, run.err_out.ptr);
		if (i == 0)
			expected = xstrdup(run_text(&run));
		else
			assert_string_equal(run_text(&run), expected);
		/* nothing of it in the layer */
		_cleanup_free_ char *in = xasprintf("%s/in", run.spec.upper),
				    *proc = xasprintf("%s/proc", run.spec.upper);
		assert_int_equal(access(in, F_OK), -1);
		assert_int_equal(access(proc, F_OK), -1);
	}
}

static void changes_are_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++) {
		_cleanup_run_ Run run;
		run_init(&run, "echo x > /made; sleep 1000 & exit 0");
		if (!installed(runtimes[i]))
			continue;
		run.spec.runtime = xstrdup(runtimes[i]);
		run.spec.network_none = true;
		run_ok(&run);
		_cleanup_free_ char *made = xasprintf("%s/made", run.spec.upper);
		assert_int_equal(access(made, F_OK), 0);
	}
}

static void not_installed(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "true");
	run.spec.runtime = xstrdup("no-such-runtime");
	run_go(&run);
	assert_int_equal(run.r, -ERR_NOT_FOUND);
	assert_non_null(strstr(run.err->message, "no-such-runtime"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_built_in),
		cmocka_unit_test(changes_are_kept),
		cmocka_unit_test(not_installed),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
