#include "store/kept.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store/store_int.h"
#include "sys/lock.h"

#define KEPT_MAX (16u << 10)

/* ---- turns of work ---- */

void store_rest(Store *s)
{
	pthread_mutex_lock(&s->turn_lock);
	s->resting = true;
	if (s->turns == 0)
		(void)flock(s->lock_fd, LOCK_UN);
	pthread_mutex_unlock(&s->turn_lock);
}

int store_turn_begin(Store *s, Err **err)
{
	_cleanup_close_ int gate = -1;
	int r = 0;
	/* gc holds the gate from the moment it begins to wait for the store */
	if (s->resting)
		r = lock_take(s->fd, STORE_GATE, LOCK_SHARED, &gate, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->turn_lock);
	if (s->resting && s->turns == 0)
		while (flock(s->lock_fd, LOCK_SH) < 0 && r == 0)
			if (errno != EINTR)
				r = err_sys(err, "lock the store");
	if (r == 0)
		s->turns++;
	pthread_mutex_unlock(&s->turn_lock);
	return r;
}

void store_turn_end(Store *s)
{
	pthread_mutex_lock(&s->turn_lock);
	if (--s->turns == 0 && s->resting)
		(void)flock(s->lock_fd, LOCK_UN);
	pthread_mutex_unlock(&s->turn_lock);
}

/* ---- manifests ---- */

void kept_manifest_done(KeptManifest *k)
{
	free(k->repository);
	descriptor_done(&k->descriptor);
	*k = (KeptManifest){0};
}

int store_kept_prepare(Store *s, Err **err)
{
	static const char *const dirs[] = {STORE_KEPT, STORE_HIDDEN, STORE_PENDING, STORE_UPLOADS};
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++)
		r = mkdir_p(s->fd, dirs[i], 0755, err);
	return r;
}

char *store_kept_file(const char *repository, const Digest *manifest)
{
	Digest d;
	digest_of(repository, strlen(repository), &d);
	return xasprintf("%.16s-%s", digest_hex(&d).s, digest_hex(manifest).s);
}

static char *kept_path(const char *repository, const Digest *manifest)
{
	_cleanup_free_ char *file = store_kept_file(repository, manifest);
	return xasprintf(STORE_KEPT "/%s", file);
}

int store_keep(Store *s, const char *repository, const Descriptor *d, Err **err)
{
	_cleanup_free_ char *path = kept_path(repository, &d->digest);
	struct stat st;
	store_unhide(s, repository, &d->digest);
	if (fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0)
		return 0;
	_cleanup_json_ json_t *j = json_pack("{s:s, s:s, s:s, s:I}", "repository", repository,
		"mediaType", d->media_type, "digest", digest_str(&d->digest).s, "size",
		(json_int_t)d->size);
	_cleanup_free_ char *text = json_text(j);
	return atomic_write(s->fd, path, str_of(text), 0644, false, err);
}

int store_unkeep(Store *s, const char *repository, const Digest *manifest, Err **err)
{
	_cleanup_free_ char *path = kept_path(repository, manifest);
	if (unlinkat(s->fd, path, 0) < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_sys(err, "remove '%s'", path);
	return 0;
}

static char *hidden_path(const char *repository, const Digest *manifest)
{
	_cleanup_free_ char *file = store_kept_file(repository, manifest);
	return xasprintf(STORE_HIDDEN "/%s", file);
}

int store_hide(Store *s, const char *repository, const Digest *manifest, Err **err)
{
	_cleanup_free_ char *path = hidden_path(repository, manifest);
	return atomic_write(s->fd, path, STR(""), 0644, false, err);
}

void store_unhide(Store *s, const char *repository, const Digest *manifest)
{
	_cleanup_free_ char *path = hidden_path(repository, manifest);
	(void)unlinkat(s->fd, path, 0);
}

int store_kept_read(Store *s, const char *file, KeptManifest *ret, Err **err)
{
	static const JsonField fields[] = {
		{"repository", JSON_FIELD_STRING, offsetof(KeptManifest, repository), true},
	};
	_cleanup_free_ char *path = xasprintf(STORE_KEPT "/%s", file);
	_cleanup_buf_ Buf text = BUF_INIT(KEPT_MAX);
	_cleanup_json_ json_t *j = NULL;
	KeptManifest k = {0};
	int r = file_read(s->fd, path, KEPT_MAX, &text, err);
	if (r == 0 && text.len == 0) /* the power failed before anybody was told of it */
		r = err_set(err, ERR_NOT_FOUND, "'%s' is empty", path);
	if (r == 0)
		r = json_parse(buf_view(&text), KEPT_MAX, path, &j, err);
	if (r == 0)
		r = json_read_object(j, path, fields, ARRAY_SIZE(fields), &k, err);
	if (r < 0)
		return r;
	r = descriptor_read(j, path, &k.descriptor, err);
	if (r < 0) {
		free(k.repository);
		return r;
	}
	*ret = k;
	return 0;
}

/* ---- blobs ---- */

int store_pending(Store *s, const Digest *blob, Err **err)
{
	_cleanup_free_ char *path = xasprintf(STORE_PENDING "/%s", digest_hex(blob).s);
	_cleanup_close_ int fd =
		openat(s->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || futimens(fd, NULL) < 0)
		return err_sys(err, "create '%s'", path);
	return 0;
}

void store_pending_end(Store *s, const Digest *blob)
{
	_cleanup_free_ char *path = xasprintf(STORE_PENDING "/%s", digest_hex(blob).s);
	(void)unlinkat(s->fd, path, 0);
}

int store_blob_adopt(Store *s, const char *path, const Digest *d, Err **err)
{
	if (renameat(s->fd, path, s->fd, blob_path(d).s) < 0)
		return err_sys(err, "keep the blob %s", digest_str(d).s);
	return 0;
}

int store_blob_remove(Store *s, const Digest *d, Err **err)
{
	if (unlinkat(s->fd, blob_path(d).s, 0) == 0)
		return 0;
	if (errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "blob %s is not in the store", digest_str(d).s);
	return err_sys(err, "remove the blob %s", digest_str(d).s);
}
