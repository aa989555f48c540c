#include "fixture.h"

static void the_default(void **state)
{
	(void)state;
	assert_true(caps_default() == 0xa80425fb);
	size_t n = 0;
	while (caps_default_name(n))
		n++;
	assert_int_equal(n, 14);
}

#define CAPS "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | tr -d '\\t'"

static void of_root(void **state)
{
	(void)state;
	assert_prints(CAPS,
		"CapInh:0000000000000000\nCapPrm:00000000a80425fb\nCapEff:00000000a80425fb\n"
		"CapBnd:00000000a80425fb\nCapAmb:0000000000000000");
}

static void of_a_user(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, CAPS);
	free(run.spec.user);
	run.spec.user = xstrdup("ann");
	run_ok(&run);
	assert_string_equal(run_text(&run),
		"CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\n"
		"CapBnd:00000000a80425fb\nCapAmb:0000000000000000");
}

static void privileged(void **state)
{
	(void)state;
	_cleanup_run_ Run run;
	run_init(&run, "mount -t tmpfs x /tmp && grep Seccomp: /proc/self/status | tr -d '\\t'");
	run.spec.privileged = true;
	run_ok(&run);
	assert_string_equal(run_text(&run), "Seccomp:0");
}

/* The first process is no way out. */
static void first_process(void **state)
{
	(void)state;
	assert_prints(
		"grep CapEff /proc/1/status | tr -d '\\t'; readlink /proc/1/exe; for f in /proc/1/fd/* /proc/1/root /proc/1/cwd; do readlink $f; done; true",
		"CapEff:0000000000000020");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_default),
		cmocka_unit_test(of_root),
		cmocka_unit_test(of_a_user),
		cmocka_unit_test(privileged),
		cmocka_unit_test(first_process),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
