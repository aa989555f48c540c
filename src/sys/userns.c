/*
 * A map of ids can be written only once, and, but for the single line "0 <me> 1", only from outside of the new
 * namespace by somebody who may give those ids away: newuidmap and newgidmap (set-uid or with file capabilities)
 * after a look into /etc/subuid and /etc/subgid, or a root that has CAP_SETUID. So a child is forked first, which
 * stays outside; this process unshares and says so through a pipe; the child writes the maps of its parent and
 * answers with its exit status. Where that does not work this process maps its one id itself, for which
 * the kernel wants setgroups to be forbidden (somebody could drop a group that denies him something).
 *
 * Ids inside: 0 is the user, 1 and up are his subordinate ids in the order of the files.
 */
#include "sys/userns.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/str.h"
#include "base/vec.h"
#include "sys/atomic.h"
#include "sys/process.h"

#define ID_FILE_MAX (1u << 20)
#define RANGES_MAX  32 /* lines of a map; the kernel takes 340 */
#define IDS_WANTED  65535u

typedef struct IdRange {
	uint64_t start, count;
} IdRange;
typedef struct IdRanges {
	VEC(IdRange) list;
	uint64_t total;
} IdRanges;

static int entered = -1;   /* UsernsKind */
static int is_inside = -1; /* as far as known */
static uid_t caller;       /* once entered */

static bool has_capability(unsigned cap)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	return data[cap / 32].effective & (1u << (cap % 32));
}

/* Inode of the initial user namespace in nsfs: fixed in the kernel. A map alone cannot tell: a namespace may map all
 * ids to themselves. */
#define INITIAL_USER_NAMESPACE 0xEFFFFFFDu

bool userns_inside(void)
{
	struct stat st;
	if (is_inside < 0)
		is_inside = stat("/proc/self/ns/user", &st) == 0
			? st.st_ino != INITIAL_USER_NAMESPACE
			: geteuid() != 0;
	return is_inside;
}

/* Somebody else's namespace with one id (unshare -r): to be root there is not to own files of others. */
static bool maps_one_id(uid_t *ret_outside)
{
	_cleanup_buf_ Buf map = BUF_INIT(4096);
	if (!userns_inside() || file_read(AT_FDCWD, "/proc/self/uid_map", map.max, &map, NULL) < 0)
		return false;
	Str text = str_trim(buf_view(&map));
	if (str_find(text, '\n') >= 0 || !str_ends(text, " 1"))
		return false;
	text = str_trim(str_slice(text, 0, text.len - 1));
	uint64_t outside = 0;
	(void)!str_to_u64(str_slice(text, (size_t)(str_rfind(text, ' ') + 1), text.len), UINT32_MAX,
		&outside, NULL);
	*ret_outside = (uid_t)outside;
	return true;
}

uid_t userns_caller(void)
{
	uid_t outside = 0;
	if (entered >= 0)
		return caller;
	return geteuid() == 0 && maps_one_id(&outside) ? outside : geteuid();
}

UsernsKind userns_kind(void)
{
	if (entered >= 0)
		return (UsernsKind)entered;
	return geteuid() == 0 && has_capability(CAP_SYS_ADMIN) ? USERNS_REAL_ROOT
							       : USERNS_SINGLE_ID;
}

/* ---- /etc/subuid ---- */

/* "name-or-uid:start:count" */
static void read_ranges(const char *path, const char *name, uid_t uid, IdRanges *ret)
{
	_cleanup_buf_ Buf text = BUF_INIT(ID_FILE_MAX);
	_cleanup_free_ char *number = xasprintf("%u", uid);
	if (file_read(AT_FDCWD, path, text.max, &text, NULL) < 0)
		return;
	Str rest = buf_view(&text), line;
	while (str_cut(&rest, '\n', &line) && ret->list.len < RANGES_MAX) {
		Str who, start;
		IdRange r;
		if (!str_cut(&line, ':', &who) || !str_cut(&line, ':', &start) || !line.ptr)
			continue;
		if (!str_eq_cstr(who, number) && !(name && str_eq_cstr(who, name)))
			continue;
		if (str_to_u64(str_trim(start), UINT32_MAX - 1, &r.start, NULL) < 0 ||
			str_to_u64(str_trim(line), UINT32_MAX, &r.count, NULL) < 0 || !r.count)
			continue;
		vec_push(&ret->list, r);
		ret->total += r.count;
	}
}

static void id_ranges_done(IdRanges *r)
{
	vec_done(&r->list);
}

/* ---- the child that stays outside ---- */

static int run_mapper(
	const char *program, pid_t pid, unsigned own, const IdRanges *ranges, Err **err)
{
	_cleanup_strvec_ StrVec argv = {0};
	_cleanup_free_ char *path = xasprintf("/usr/bin/%s", program);
	if (access(path, X_OK) < 0)
		return err_set(
			err, ERR_NOT_FOUND, "'%s' is not installed (package uidmap)", program);
	strvec_push(&argv, path);
	strvec_pushf(&argv, "%d", (int)pid);
	strvec_push(&argv, "0");
	strvec_pushf(&argv, "%u", own);
	strvec_push(&argv, "1");
	uint64_t inside = 1;
	vec_foreach (&ranges->list, r) {
		strvec_pushf(&argv, "%llu", (unsigned long long)inside);
		strvec_pushf(&argv, "%llu", (unsigned long long)r->start);
		strvec_pushf(&argv, "%llu", (unsigned long long)r->count);
		inside += r->count;
	}
	return process_run(&argv, err);
}

static int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write_all(fd, text, strlen(text)) ? 0 : -1;
}

/* A root without CAP_SYS_ADMIN: every id he has is mapped to itself. */
static int map_identity(pid_t pid, const char *kind)
{
	_cleanup_buf_ Buf own = BUF_INIT(4096), map = BUF_INIT(4096);
	_cleanup_free_ char *source = xasprintf("/proc/self/%s", kind);
	_cleanup_free_ char *target = xasprintf("/proc/%d/%s", (int)pid, kind);
	if (file_read(AT_FDCWD, source, own.max, &own, NULL) < 0)
		return -1;
	Str rest = buf_view(&own), line;
	while (str_cut(&rest, '\n', &line)) {
		line = str_trim(line);
		if (!line.len)
			continue;
		Str first = str_slice(line, 0, (size_t)MAX(str_find(line, ' '), (ssize_t)0));
		Str last = str_slice(line, (size_t)(str_rfind(line, ' ') + 1), line.len);
		buf_printf(&map, STR_FMT " " STR_FMT " " STR_FMT "\n", STR_ARG(first),
			STR_ARG(first), STR_ARG(last));
	}
	return map.len && !map.overflow ? write_text(target, map.ptr) : -1;
}

typedef struct Outside {
	pid_t parent;
	uid_t uid;
	gid_t gid;
	IdRanges uids, gids;
	bool root; /* with CAP_SETUID and CAP_SETGID */
} Outside;

/* Exit status 0: both maps are written. The reason of a failure goes to the pipe. */
static _noreturn_ void map_from_outside(const Outside *o, int start_fd, int reason_fd)
{
	char go;
	Err *err = NULL;
	if (read(start_fd, &go, 1) != 1)
		_exit(1);
	int r;
	if (o->root)
		r = map_identity(o->parent, "uid_map") < 0 || map_identity(o->parent, "gid_map") < 0
			? err_sys(&err, "write the id maps")
			: 0;
	else
		r = run_mapper("newuidmap", o->parent, o->uid, &o->uids, &err);
	if (r == 0 && !o->root)
		r = run_mapper("newgidmap", o->parent, o->gid, &o->gids, &err);
	if (r < 0)
		(void)write_all(reason_fd, err->message, strlen(err->message));
	_exit(r < 0 ? 1 : 0);
}

/* ---- inside ---- */

static int map_single(uid_t uid, gid_t gid, Err **err)
{
	_cleanup_free_ char *users = xasprintf("0 %u 1\n", uid);
	_cleanup_free_ char *groups = xasprintf("0 %u 1\n", gid);
	/* either map may have been written already by a half-successful child */
	if (write_text("/proc/self/uid_map", users) < 0 && getuid() != 0)
		return err_sys(err, "map the user id");
	(void)write_text("/proc/self/setgroups", "deny");
	if (write_text("/proc/self/gid_map", groups) < 0 && getgid() != 0)
		return err_sys(err, "map the group id");
	return 0;
}

static int refused(int errnum, Err **err)
{
	int r = err_set(
		err, ERR_DENIED, "user namespaces are not allowed here: %s", strerror(errnum));
	if (errnum == ENOSPC)
		err_hint(err, "raise it: sysctl user.max_user_namespaces=15000");
	else if (geteuid() == 0)
		err_hint(err,
			"this container may not mount: give it CAP_SYS_ADMIN, or a seccomp and AppArmor "
			"profile that allows user namespaces");
	else
		err_hint(err,
			"allow them: sysctl kernel.unprivileged_userns_clone=1 (Debian) or "
			"kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or run as root");
	return r;
}

/* Unshares while the child waits. *ret_reason: what the child says if it cannot map (owned). */
static int unshare_and_map(
	Outside *o, bool ask_child, bool *ret_mapped, char **ret_reason, Err **err)
{
	int start[2], reason[2];
	if (pipe2(start, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	_cleanup_close_ int start_read = start[0], start_write = start[1];
	if (pipe2(reason, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	_cleanup_close_ int reason_read = reason[0], reason_write = reason[1];
	pid_t child = ask_child ? fork() : 0;
	if (child < 0)
		return err_sys(err, "fork");
	if (ask_child && child == 0) {
		closep(&start_write);
		map_from_outside(o, start_read, reason_write);
	}
	closep(&reason_write);
	int failed = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
	if (!failed && ask_child)
		(void)write_all(start_write, "", 1);
	closep(&start_write);
	if (ask_child) {
		_cleanup_buf_ Buf text = BUF_INIT(4096);
		char part[512];
		for (ssize_t n; (n = read(reason_read, part, sizeof(part))) > 0;)
			buf_append(&text, part, (size_t)n);
		int status = process_wait(child);
		*ret_mapped = status == 0;
		if (status != 0 && text.len)
			*ret_reason = buf_steal(&text);
	}
	return failed ? refused(failed, err) : 0;
}

static char *single_id_note(
	const char *name, const IdRanges *uids, const IdRanges *gids, const char *reason)
{
	_cleanup_buf_ Buf b = BUF_INIT(4096);
	buf_cstr(&b,
		"only your own user id can be used in RUN and in unpacked files: chown does nothing there, and "
		"programs that become another user (USER, su, apt) fail; ");
	if (!uids->list.len || !gids->list.len)
		buf_printf(&b,
			"there is no range of subordinate ids for you. To have them: usermod "
			"--add-subuids 100000-165535 --add-subgids 100000-165535 %s (package uidmap)",
			name);
	else
		buf_printf(&b,
			"the ranges of /etc/subuid and /etc/subgid could not be used (%s). They need the "
			"package uidmap",
			reason ? reason : "unknown reason");
	return buf_steal(&b);
}

static char *user_name(uid_t uid)
{
	struct passwd entry, *found = NULL;
	char space[4096];
	if (getpwuid_r(uid, &entry, space, sizeof(space), &found) == 0 && found)
		return xstrdup(found->pw_name);
	return NULL;
}

static int enter(Outside *o, UsernsKind *ret_kind, char **ret_note, Err **err)
{
	_cleanup_free_ char *name = user_name(o->uid), *reason = NULL;
	bool mapped = false;
	o->parent = getpid();
	o->root = o->uid == 0 && has_capability(CAP_SETUID) && has_capability(CAP_SETGID);
	if (!o->root) {
		read_ranges("/etc/subuid", name, o->uid, &o->uids);
		read_ranges("/etc/subgid", name, o->uid, &o->gids);
	}
	bool ranges = o->root || (o->uids.list.len && o->gids.list.len);
	int r = unshare_and_map(o, ranges, &mapped, &reason, err);
	if (r == 0 && !mapped)
		r = map_single(o->uid, o->gid, err);
	if (r < 0)
		return r;
	if (mapped) {
		*ret_kind = USERNS_FULL_RANGE;
		if (!o->root && MIN(o->uids.total, o->gids.total) < IDS_WANTED)
			*ret_note = xasprintf(
				"you have only %llu subordinate ids: owners above that are lost. "
				"65536 are usual: usermod --add-subuids 100000-165535 "
				"--add-subgids 100000-165535 %s",
				(unsigned long long)MIN(o->uids.total, o->gids.total),
				name ? name : "NAME");
	} else {
		*ret_kind = USERNS_SINGLE_ID;
		*ret_note = single_id_note(name ? name : "NAME", &o->uids, &o->gids, reason);
	}
	return 0;
}

int userns_enter(UsernsKind *ret_kind, char **ret_note, Err **err)
{
	*ret_note = NULL;
	uid_t outside;
	if (entered < 0 && geteuid() == 0 && has_capability(CAP_SYS_ADMIN) &&
		maps_one_id(&outside)) {
		entered = USERNS_SINGLE_ID;
		caller = outside;
		*ret_kind = USERNS_SINGLE_ID;
		*ret_note = xstrdup(
			"this user namespace has a single id: chown does nothing in RUN and in unpacked "
			"files, and programs that become another user (USER, su, apt) fail; "
			"outside of it cruet makes a better one itself");
		return 0;
	}
	if (entered >= 0 || (geteuid() == 0 && has_capability(CAP_SYS_ADMIN))) {
		*ret_kind = userns_kind();
		return 0;
	}
	Outside o = {.uid = geteuid(), .gid = getegid()};
	int r = enter(&o, ret_kind, ret_note, err);
	id_ranges_done(&o.uids);
	id_ranges_done(&o.gids);
	is_inside = -1;
	if (r == 0) {
		entered = (int)*ret_kind;
		caller = o.uid;
	}
	return r;
}
