#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_int.h"
#include "sys/lock.h"
#include "sys/userns.h"

#define LAYOUT_TEXT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define EMPTY_INDEX "{\"manifests\":[],\"mediaType\":\"" MT_OCI_INDEX "\",\"schemaVersion\":2}"

static char *default_path(void)
{
	const char *root = getenv("CRUET_ROOT"), *data = getenv("XDG_DATA_HOME"),
		   *home = getenv("HOME");
	/* a user who became "root" in a namespace of his own still has his own store */
	if (root && *root)
		return xstrdup(root);
	if (userns_caller() == 0)
		return xstrdup("/var/lib/cruet");
	if (data && *data == '/')
		return xasprintf("%s/cruet", data);
	return xasprintf("%s/.local/share/cruet", home && *home ? home : "/tmp");
}

static int make_layout(Store *s, Err **err)
{
	/* Unpacked files have the modes of their images: nobody else may come near a set-uid program or a directory
	 * that anybody may write to. */
	static const struct {
		const char *path;
		unsigned mode;
	} dirs[] = {{"blobs/sha256", 0755}, {"layers", 0755}, {"trees", 0700}, {"cache", 0755},
		{"mounts", 0700}, {"tmp", 0700}, {"locks", 0755}};
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++)
		r = mkdir_p(s->fd, dirs[i].path, dirs[i].mode, err);
	if (r == 0 && faccessat(s->fd, "index.json", F_OK, 0) < 0) {
		/* several processes may find it missing: only one may write the empty one */
		_cleanup_close_ int lock = -1;
		r = lock_take(s->fd, "locks/index", LOCK_EXCLUSIVE, &lock, err);
		if (r == 0 && faccessat(s->fd, "index.json", F_OK, 0) < 0)
			r = atomic_write(s->fd, "index.json", STR(EMPTY_INDEX), 0644, true, err);
	}
	if (r == 0)
		r = atomic_write(s->fd, "oci-layout", STR(LAYOUT_TEXT), 0644, false, err);
	return r;
}

int store_open(const char *path, Store **ret, Err **err)
{
	_cleanup_(store_closep) Store *s = xnew(Store);
	s->fd = s->lock_fd = -1;
	pthread_mutex_init(&s->turn_lock, NULL);
	_cleanup_free_ char *wanted = path ? xstrdup(path) : default_path();
	ERR_SCOPE(err, "Opening the store '%s'", wanted);
	s->fd = open(wanted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0 && errno == ENOENT) {
		int r = mkdir_p(AT_FDCWD, wanted, 0755, err);
		if (r < 0)
			return r;
		s->fd = open(wanted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (s->fd >= 0 && fchmod(s->fd, 0700) < 0) /* what was just made is private */
			return err_sys(err, "set its mode");
	}
	if (s->fd < 0) {
		int r = err_sys(err, "open it");
		err_hint(err, "choose another place with --root DIR or CRUET_ROOT");
		return r;
	}
	s->path = realpath(wanted, NULL);
	if (!s->path)
		return err_sys(err, "find its path");
	/* oci-layout is written last: when it is there, everything is */
	if (faccessat(s->fd, "oci-layout", F_OK, 0) < 0 || faccessat(s->fd, "locks", F_OK, 0) < 0) {
		int r = make_layout(s, err);
		if (r < 0)
			return r;
	}
	int r = lock_take(s->fd, "locks/store", LOCK_SHARED, &s->lock_fd, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

Store *store_close(Store *s)
{
	if (!s)
		return NULL;
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->fd >= 0)
		close(s->fd);
	pthread_mutex_destroy(&s->turn_lock);
	free(s->path);
	free(s);
	return NULL;
}

const char *store_path(const Store *s)
{
	return s->path;
}

int store_fd(const Store *s)
{
	return s->fd;
}

int store_sync(Store *s, Err **err)
{
	return syncfs(s->fd) < 0 ? err_sys(err, "write the store to the disk") : 0;
}

char *store_layer_dir(const Digest *diff_id)
{
	return xasprintf("layers/%s", digest_hex(diff_id).s);
}

/* ---- temporary directories: tmp/<name>/ with tmp/<name>.lock held by their owner ---- */

struct StoreTemp {
	Store *store;
	char *name; /* below tmp/ */
	char *path; /* absolute */
	int fd, lock_fd;
};

int store_temp_new(Store *s, StoreTemp **ret, Err **err)
{
	_cleanup_(store_temp_freep) StoreTemp *t = xnew(StoreTemp);
	t->store = s;
	t->fd = t->lock_fd = -1;
	int r = mkdir_p(s->fd, "tmp", 0700, err);
	if (r == 0)
		r = temp_dir(s->fd, "tmp/", 0755, &t->name, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *lock = xasprintf("%s.lock", t->name);
	r = lock_take(s->fd, lock, LOCK_EXCLUSIVE, &t->lock_fd, err);
	if (r < 0)
		return r;
	t->fd = openat(s->fd, t->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (t->fd < 0)
		return err_sys(err, "open '%s'", t->name);
	t->path = xasprintf("%s/%s", s->path, t->name);
	*ret = TAKE_PTR(t);
	return 0;
}

int store_temp_fd(const StoreTemp *t)
{
	return t->fd;
}

const char *store_temp_path(const StoreTemp *t)
{
	return t->path;
}

StoreTemp *store_temp_free(StoreTemp *t)
{
	if (!t)
		return NULL;
	if (t->fd >= 0)
		close(t->fd);
	if (t->name) {
		_cleanup_free_ char *lock = xasprintf("%s.lock", t->name);
		(void)!remove_tree(t->store->fd, t->name, NULL);
		(void)unlinkat(t->store->fd, lock, 0);
	}
	if (t->lock_fd >= 0)
		close(t->lock_fd);
	free(t->name);
	free(t->path);
	free(t);
	return NULL;
}
