#include "layer/apply_int.h"

#include <stdio.h>
#include <sys/xattr.h>

#define XATTR_LIST_MAX (64u << 10)

void apply_warn(Apply *a, ApplyWarning kind, const char *fmt, ...)
{
	if (!a->options->warnings || (a->warned & kind))
		return;
	a->warned |= kind;
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	strvec_take(a->options->warnings, text);
}

/* Attributes that a layer may set. Those of overlayfs would let it forge opaque directories and redirects;
 * those of security modules belong to the host. */
static bool xattr_allowed(const char *name)
{
	if (cstr_starts(name, "user."))
		return !cstr_starts(name, "user.overlay.");
	if (cstr_starts(name, "trusted."))
		return !cstr_starts(name, "trusted.overlay.");
	return cstr_eq(name, "security.capability") || cstr_starts(name, "system.posix_acl_");
}

static int set_xattrs(Apply *a, int fd, const TarEntry *e, Err **err)
{
	for (size_t i = 0; i < e->n_xattrs; i++) {
		const TarXattr *x = &e->xattrs[i];
		if (!xattr_allowed(x->name) ||
			fsetxattr(fd, x->name, x->value, x->value_len, 0) == 0)
			continue;
		if (errno != ENOTSUP && errno != EPERM && errno != EACCES && errno != EINVAL)
			return err_sys(err, "set attribute '%s' of '%s'", x->name, e->path);
		apply_warn(a, APPLY_WARN_XATTR,
			"extended attributes cannot be set here (first: '%s' of '%s': %s)", x->name,
			e->path, strerror(errno));
	}
	return 0;
}

static bool entry_has_xattr(const TarEntry *e, const char *name)
{
	for (size_t i = 0; i < e->n_xattrs; i++)
		if (cstr_eq(e->xattrs[i].name, name))
			return true;
	return false;
}

/* A directory entry over an existing directory replaces its attributes, too. */
static void drop_xattrs(int fd, const TarEntry *e)
{
	ssize_t len = flistxattr(fd, NULL, 0);
	if (len <= 0 || len > (ssize_t)XATTR_LIST_MAX)
		return;
	_cleanup_free_ char *list = xmalloc((size_t)len + 1);
	len = flistxattr(fd, list, (size_t)len);
	if (len <= 0)
		return;
	list[len] = '\0';
	for (const char *name = list; name < list + len; name += strlen(name) + 1)
		if (xattr_allowed(name) && !entry_has_xattr(e, name))
			(void)fremovexattr(fd, name);
}

/* The id is not mapped in this user namespace, or we may not give files away. */
static int owner_failed(Apply *a, const TarEntry *e, Err **err)
{
	if (errno != EINVAL && errno != EPERM)
		return err_sys(err, "set owner of '%s'", e->path);
	apply_warn(a, APPLY_WARN_OWNER,
		"owners cannot be kept here (first: '%s' of %llu:%llu): the user namespace maps too "
		"few ids, see subuid(5)",
		e->path, (unsigned long long)e->uid, (unsigned long long)e->gid);
	return 0;
}

static bool owner_wanted(const Apply *a)
{
	return !(a->options->flags & APPLY_KEEP_OWNER);
}

static int set_owner(Apply *a, int fd, const TarEntry *e, Err **err)
{
	if (!owner_wanted(a) || fchown(fd, (uid_t)e->uid, (gid_t)e->gid) == 0)
		return 0;
	return owner_failed(a, e, err);
}

static void entry_times(const TarEntry *e, struct timespec ret[2])
{
	ret[0] = ret[1] = (struct timespec){.tv_sec = e->mtime, .tv_nsec = e->mtime_nsec};
}

int apply_meta_file(Apply *a, int fd, bool fresh_dir, const TarEntry *e, Err **err)
{
	/* In a directory made here a new file has our ids already. */
	bool owned = fresh_dir && e->uid == a->euid && e->gid == a->egid;
	int r = owned ? 0 : set_owner(a, fd, e, err);
	if (r < 0)
		return r;
	if (fchmod(fd, e->mode & 07777) < 0)
		return err_sys(err, "set mode of '%s'", e->path);
	r = set_xattrs(a, fd, e, err);
	if (r < 0)
		return r;
	struct timespec times[2];
	entry_times(e, times);
	if (futimens(fd, times) < 0)
		return err_sys(err, "set time of '%s'", e->path);
	return 0;
}

int apply_meta_dir(Apply *a, int fd, bool replace, const TarEntry *e, Err **err)
{
	int r = set_owner(a, fd, e, err);
	if (r < 0)
		return r;
	if (replace)
		drop_xattrs(fd, e);
	return set_xattrs(a, fd, e, err);
}

int apply_meta_node(Apply *a, int dirfd, const char *name, const TarEntry *e, Err **err)
{
	if (owner_wanted(a) &&
		fchownat(dirfd, name, (uid_t)e->uid, (gid_t)e->gid, AT_SYMLINK_NOFOLLOW) < 0) {
		int r = owner_failed(a, e, err);
		if (r < 0)
			return r;
	}
	/* A node that was just made exclusively: no link to follow. */
	if (e->type != TAR_SYMLINK && fchmodat(dirfd, name, e->mode & 07777, 0) < 0)
		return err_sys(err, "set mode of '%s'", e->path);
	struct timespec times[2];
	entry_times(e, times);
	if (utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "set time of '%s'", e->path);
	return 0;
}
