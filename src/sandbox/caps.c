#include <grp.h>
#include <linux/securebits.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "sandbox/sandbox_int.h"

static const struct {
	cap_value_t value;
	const char *name;
} defaults[] = {
	{CAP_CHOWN, "CAP_CHOWN"},
	{CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"},
	{CAP_FSETID, "CAP_FSETID"},
	{CAP_FOWNER, "CAP_FOWNER"},
	{CAP_MKNOD, "CAP_MKNOD"},
	{CAP_NET_RAW, "CAP_NET_RAW"},
	{CAP_SETGID, "CAP_SETGID"},
	{CAP_SETUID, "CAP_SETUID"},
	{CAP_SETFCAP, "CAP_SETFCAP"},
	{CAP_SETPCAP, "CAP_SETPCAP"},
	{CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"},
	{CAP_SYS_CHROOT, "CAP_SYS_CHROOT"},
	{CAP_KILL, "CAP_KILL"},
	{CAP_AUDIT_WRITE, "CAP_AUDIT_WRITE"},
};

uint64_t caps_default(void)
{
	uint64_t bits = 0;
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		bits |= UINT64_C(1) << defaults[i].value;
	return bits;
}

const char *caps_default_name(size_t i)
{
	return i < ARRAY_SIZE(defaults) ? defaults[i].name : NULL;
}

int caps_limit(uint64_t keep, Err **err)
{
	for (cap_value_t c = 0; c < 64; c++) {
		if (keep & (UINT64_C(1) << c))
			continue;
		if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL) /* the kernel has no more */
			break;
		return err_sys(err, "drop capability %d", c);
	}
	return 0;
}

static int set_caps(uint64_t bits, Err **err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{.effective = (uint32_t)bits, .permitted = (uint32_t)bits},
		{.effective = (uint32_t)(bits >> 32), .permitted = (uint32_t)(bits >> 32)},
	};
	return syscall(SYS_capset, &head, data) < 0 ? err_sys(err, "set capabilities") : 0;
}

static int get_permitted(uint64_t *ret, Err **err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
	if (syscall(SYS_capget, &head, data) < 0)
		return err_sys(err, "get capabilities");
	*ret = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

static int explain_id(const char *what, uint32_t id, Err **err)
{
	int cause = errno;
	if (cause != EINVAL)
		return err_sys(err, "become %s %u", what, id);
	int r = err_set(err, ERR_DENIED, "become %s %u: %s", what, id, strerror(cause));
	err_hint(err,
		"the id is not mapped in this user namespace: /etc/subuid and /etc/subgid must give you "
		"65536 ids (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME)");
	return r;
}

int caps_become(const SandboxUser *user, uint64_t caps, bool privileged, Err **err)
{
	uint64_t permitted = 0;
	int r = get_permitted(&permitted, err);
	if (r < 0)
		return r;
	/* EPERM: a user namespace with a single id forbids it, and there is nothing to be set */
	if (setgroups(user->groups.len, user->groups.items) < 0 && errno != EPERM)
		return explain_id("a member of group", user->gid, err);
	if (setresgid(user->gid, user->gid, user->gid) < 0)
		return explain_id("group", user->gid, err);
	if (setresuid(user->uid, user->uid, user->uid) < 0)
		return explain_id("user", user->uid, err);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (user->uid != 0)
		return set_caps(0, err);
	return set_caps(privileged ? permitted : permitted & caps, err);
}

int caps_shrink(Err **err)
{
	return set_caps(UINT64_C(1) << CAP_KILL, err);
}
