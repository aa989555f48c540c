#include "layer/diff_int.h"

#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "base/limits.h"

static bool goes_into_layers(Str name)
{
	return str_eq_cstr(name, "security.capability") ||
		(str_starts(name, "user.") && !str_starts(name, "user.overlay."));
}

static bool no_xattrs_here(void)
{
	return errno == ENOTSUP || errno == ENODATA || errno == EPERM;
}

/* File capabilities of version 3 carry the host's id of the namespace's root: useless anywhere else. */
static void drop_root_id(TarXattr *x)
{
	struct vfs_ns_cap_data cap;
	if (!cstr_eq(x->name, "security.capability") || x->value_len != XATTR_CAPS_SZ_3)
		return;
	memcpy(&cap, x->value, sizeof(cap));
	uint32_t magic = le32toh(cap.magic_etc);
	if ((magic & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3)
		return;
	cap.magic_etc = htole32(VFS_CAP_REVISION_2 | (magic & ~VFS_CAP_REVISION_MASK));
	memcpy(x->value, &cap, XATTR_CAPS_SZ_2);
	x->value_len = XATTR_CAPS_SZ_2;
}

static int read_value(int fd, const char *path, const char *name, TarXattr *ret, Err **err)
{
	for (;;) {
		ssize_t len = fgetxattr(fd, name, NULL, 0);
		if (len < 0)
			return err_sys(err, "read attribute '%s' of '%s'", name, path);
		if (len > (ssize_t)LIMIT_XATTR_SIZE)
			return err_set(err, ERR_LIMIT,
				"attribute '%s' of '%s' is longer than %u bytes", name, path,
				LIMIT_XATTR_SIZE);
		_cleanup_free_ char *value = xmalloc((size_t)len + 1);
		ssize_t got = fgetxattr(fd, name, value, (size_t)len);
		if (got < 0 && errno == ERANGE)
			continue;
		if (got < 0)
			return err_sys(err, "read attribute '%s' of '%s'", name, path);
		*ret = (TarXattr){
			.name = xstrdup(name), .value = TAKE_PTR(value), .value_len = (size_t)got};
		drop_root_id(ret);
		return 0;
	}
}

static int cmp_xattrs(const void *a, const void *b)
{
	return strcmp(((const TarXattr *)a)->name, ((const TarXattr *)b)->name);
}

int diff_xattrs_read(int fd, const char *path, DiffXattrs *ret, Err **err)
{
	char list[16384];
	ssize_t len = flistxattr(fd, list, sizeof(list) - 1);
	if (len < 0 && no_xattrs_here())
		return 0;
	_cleanup_free_ char *large = NULL;
	char *names = list;
	if (len < 0 && errno == ERANGE) {
		names = large = xmalloc(LIMIT_XATTR_SIZE + 1);
		len = flistxattr(fd, large, LIMIT_XATTR_SIZE);
	}
	if (len < 0)
		return err_sys(err, "list attributes of '%s'", path);
	if (len == 0)
		return 0;
	names[len] = '\0';
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		if (!goes_into_layers(str_of(name)))
			continue;
		ret->items = xreallocarray(ret->items, ret->len + 1, sizeof(*ret->items));
		int r = read_value(fd, path, name, &ret->items[ret->len], err);
		if (r < 0)
			return r;
		ret->len++;
	}
	if (ret->len)
		qsort(ret->items, ret->len, sizeof(*ret->items), cmp_xattrs);
	return 0;
}

void diff_xattrs_put(const DiffXattrs *x, TarEntry *e)
{
	e->xattrs = x->items;
	e->n_xattrs = x->len;
}

bool diff_xattrs_equal(const DiffXattrs *x, const Index *index, const IndexEntry *e)
{
	size_t matched = 0;
	for (uint32_t i = 0; i < e->n_xattrs; i++) {
		Str name, value;
		index_xattr(index, e, i, &name, &value);
		if (!goes_into_layers(name))
			continue;
		bool same = false;
		for (size_t k = 0; k < x->len && !same; k++)
			same = str_eq_cstr(name, x->items[k].name) &&
				str_eq(value, (Str){x->items[k].value, x->items[k].value_len});
		if (!same)
			return false;
		matched++;
	}
	return matched == x->len;
}

void diff_xattrs_done(DiffXattrs *x)
{
	for (size_t i = 0; i < x->len; i++) {
		free(x->items[i].name);
		free(x->items[i].value);
	}
	free(x->items);
	*x = (DiffXattrs){0};
}

int diff_is_opaque(int fd, const char *path, bool userxattr, bool *ret, Err **err)
{
	char value[2];
	ssize_t n = fgetxattr(fd, userxattr ? "user.overlay.opaque" : "trusted.overlay.opaque",
		value, sizeof(value));
	*ret = n == 1 && value[0] == 'y'; /* "x" means something else (spec 64) */
	if (n < 0 && errno != ERANGE && !no_xattrs_here())
		return err_sys(err, "read attributes of '%s'", path);
	return 0;
}
