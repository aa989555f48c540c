#include "fixture.h"

static void names(void **state)
{
	(void)state;
	assert_prints("ls /dev | tr '\\n' ' '",
		"core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ");
}

static void nodes(void **state)
{
	(void)state;
	assert_prints(
		"for n in null zero full random urandom tty; do stat -c '%n %t:%T %a' /dev/$n; done",
		"/dev/null 1:3 666\n/dev/zero 1:5 666\n/dev/full 1:7 666\n/dev/random 1:8 666\n"
		"/dev/urandom 1:9 666\n/dev/tty 5:0 666");
}

static void they_work(void **state)
{
	(void)state;
	assert_prints(
		"echo x > /dev/null && head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; "
		"echo x 2>/dev/null > /dev/full || echo full; echo out > /dev/stdout; ls /dev/pts",
		"3\n5\nfull\nout\nptmx");
}

static void links(void **state)
{
	(void)state;
	assert_prints("for n in fd stdin stdout stderr ptmx; do readlink /dev/$n; done",
		"/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx");
}

static void mounts(void **state)
{
	(void)state;
	assert_prints(
		"touch /dev/shm/x /dev/y && stat -c %a /dev/shm; grep -c ' /dev/mqueue mqueue' /proc/mounts",
		"1777\n1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(nodes),
		cmocka_unit_test(they_work),
		cmocka_unit_test(links),
		cmocka_unit_test(mounts),
	};
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
