/* The filter is run here by a small interpreter of its instructions, and checked against a plain table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "fixture.h"

#define EPERM_VERDICT  (SECCOMP_RET_ERRNO | EPERM)
#define ENOSYS_VERDICT (SECCOMP_RET_ERRNO | ENOSYS)

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif

static Seccomp *filter;

static uint32_t interpret(const struct sock_filter *code, size_t n, const struct seccomp_data *d)
{
	uint32_t a = 0;
	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &code[pc];
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k + 4 <= sizeof(*d) && i->k % 4 == 0);
			memcpy(&a, (const char *)d + i->k, 4);
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += a & i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %x", i->code);
		}
	}
	fail_msg("ran off the end");
	return 0;
}

static uint32_t verdict(uint32_t arch, uint32_t nr, uint64_t arg0)
{
	struct seccomp_data d = {.nr = (int)nr, .arch = arch, .args = {arg0}};
	return interpret(seccomp_code(filter), seccomp_length(filter), &d);
}

static const struct {
	uint32_t seccomp, audit, base;
} arches[] = {
#if defined(__x86_64__)
	{SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, 0},
	{SCMP_ARCH_X86, AUDIT_ARCH_I386, 0},
	{SCMP_ARCH_X32, AUDIT_ARCH_X86_64, 0x40000000},
#else
	{SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0},
	{SCMP_ARCH_ARM, AUDIT_ARCH_ARM, 0},
#endif
};

static bool listed(const char *name)
{
	for (size_t i = 0; seccomp_allowed_name(i); i++)
		if (cstr_eq(seccomp_allowed_name(i), name))
			return true;
	return false;
}

static bool by_argument(const char *name)
{
	return cstr_eq(name, "clone") || cstr_eq(name, "clone3") || cstr_eq(name, "socket") ||
		cstr_eq(name, "personality");
}

/* Every number of every architecture gives what its name promises. */
static void every_number(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(arches); i++) {
		for (uint32_t n = 0; n < 451; n++) {
			char *name = seccomp_syscall_resolve_num_arch(
				arches[i].seccomp, (int)(n | arches[i].base));
			uint32_t got = verdict(arches[i].audit, n | arches[i].base, 0);
			uint32_t wanted = name && listed(name) ? SECCOMP_RET_ALLOW : EPERM_VERDICT;
			if (!(name && by_argument(name)) && got != wanted)
				fail_msg("%s (%u of architecture %zu): %x, not %x",
					name ? name : "?", n, i, got, wanted);
			free(name);
		}
	}
}

static void names_exist(void **state)
{
	(void)state;
	for (size_t i = 0; seccomp_allowed_name(i); i++) {
		bool known = false;
		for (size_t k = 0; k < ARRAY_SIZE(arches); k++)
			known = known ||
				seccomp_syscall_resolve_name_arch(arches[k].seccomp,
					seccomp_allowed_name(i)) != __NR_SCMP_ERROR;
		if (!known && !cstr_eq(seccomp_allowed_name(i), "getsid") &&
			!cstr_eq(seccomp_allowed_name(i), "utimensat_time64") &&
			!cstr_eq(seccomp_allowed_name(i), "rt_sigtimedwait_time64"))
			print_message("no such call: %s\n", seccomp_allowed_name(i));
	}
}

static void chosen_calls(void **state)
{
	(void)state;
	static const struct {
		uint32_t nr;
		uint64_t arg0;
		uint32_t wanted;
	} rows[] = {
		{SYS_read, 0, SECCOMP_RET_ALLOW},
		{SYS_chroot, 0, SECCOMP_RET_ALLOW},
		{SYS_ptrace, 0, SECCOMP_RET_ALLOW},
		{SYS_mount, 0, EPERM_VERDICT},
		{SYS_unshare, 0, EPERM_VERDICT},
		{SYS_setns, 0, EPERM_VERDICT},
		{SYS_bpf, 0, EPERM_VERDICT},
		{SYS_keyctl, 0, EPERM_VERDICT},
		{SYS_add_key, 0, EPERM_VERDICT},
		{SYS_init_module, 0, EPERM_VERDICT},
		{SYS_userfaultfd, 0, EPERM_VERDICT},
		{SYS_perf_event_open, 0, EPERM_VERDICT},
		{SYS_io_uring_setup, 0, EPERM_VERDICT},
		{SYS_open_by_handle_at, 0, EPERM_VERDICT},
		{SYS_clone, CLONE_VM | CLONE_FS | CLONE_THREAD, SECCOMP_RET_ALLOW},
		{SYS_clone, CLONE_NEWUSER, EPERM_VERDICT},
		{SYS_clone, CLONE_VM | CLONE_NEWNET, EPERM_VERDICT},
		{SYS_clone, CLONE_NEWCGROUP, EPERM_VERDICT},
		{435 /* clone3 */, 0, ENOSYS_VERDICT},
		{SYS_socket, 2, SECCOMP_RET_ALLOW},
		{SYS_socket, 40, EPERM_VERDICT},
		{SYS_socket, 40 | 1ull << 32,
			EPERM_VERDICT}, /* the kernel ignores the upper half */
		{SYS_personality, 0, SECCOMP_RET_ALLOW},
		{SYS_personality, 8, SECCOMP_RET_ALLOW},
		{SYS_personality, 0x20000, SECCOMP_RET_ALLOW},
		{SYS_personality, 0x20008, SECCOMP_RET_ALLOW},
		{SYS_personality, 0xffffffff, SECCOMP_RET_ALLOW},
		{SYS_personality, 0x40000, EPERM_VERDICT},
		{452 /* fchmodat2 */, 0, SECCOMP_RET_ALLOW},
		{457, 0, ENOSYS_VERDICT},
		{462, 0, SECCOMP_RET_ALLOW},
		{463, 0, ENOSYS_VERDICT},
		{5000, 0, ENOSYS_VERDICT},
		{0x3fffffff, 0, ENOSYS_VERDICT},
		{0xffffffff, 0, ENOSYS_VERDICT},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t got = verdict(NATIVE, rows[i].nr, rows[i].arg0);
		if (got != rows[i].wanted)
			fail_msg("row %zu (call %u): %x, not %x", i, rows[i].nr, got,
				rows[i].wanted);
	}
	assert_int_equal(verdict(AUDIT_ARCH_PPC64, SYS_read, 0), SECCOMP_RET_KILL_PROCESS);
	/* the kernel runs it for each number at every exec: it has to stay small */
	assert_in_range(seccomp_length(filter), 100, 1200);
}

static void in_the_sandbox(void **state)
{
	(void)state;
	assert_prints(
		"grep Seccomp: /proc/self/status | tr -d '\\t'; grep NoNewPrivs /proc/self/status | tr -d '\\t'",
		"Seccomp:2\nNoNewPrivs:0");
	assert_prints(
		"unshare -U true 2>&1 | grep -c 'not permitted'; mount -t tmpfs x /tmp 2>&1 | grep -c denied",
		"1\n1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number),
		cmocka_unit_test(names_exist),
		cmocka_unit_test(chosen_calls),
		cmocka_unit_test(in_the_sandbox),
	};
	if (seccomp_build(false, &filter, NULL) < 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
	seccomp_free(filter);
	return failed;
}
