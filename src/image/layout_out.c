#include "image/layout_out.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/tar.h"
#include "base/limits.h"
#include "base/map.h"
#include "sys/atomic.h"

#define COPY_CHUNK     (256 * 1024)
#define ANNOTATION_REF "org.opencontainers.image.ref.name"

struct LayoutOut {
	TarWriter *tar; /* archive … */
	int dir;        /* … or directory, locked against others that add to it */
	char *name;
	bool add;
	Map written; /* hex digests, of an archive */
	ImageIndex index;
	pthread_mutex_t mutex;
};

static LayoutOut *layout_out_new(const char *name)
{
	LayoutOut *o = xnew(LayoutOut);
	o->dir = -1;
	o->name = xstrdup(name);
	o->written = MAP_INIT(NULL);
	o->index.media_type = xstrdup(MT_OCI_INDEX);
	pthread_mutex_init(&o->mutex, NULL);
	return o;
}

LayoutOut *layout_out_archive(Writer *out)
{
	LayoutOut *o = layout_out_new("the archive");
	o->tar = tar_writer_new(out);
	return o;
}

static int check_empty(LayoutOut *o, Err **err)
{
	if (o->add || faccessat(o->dir, "index.json", F_OK, 0) < 0)
		return 0;
	int r = err_set(err, ERR_EXISTS, "'%s' is an OCI layout already", o->name);
	err_hint(err, "name a directory that does not exist");
	return r;
}

int layout_out_directory(const char *dir, bool add, LayoutOut **ret, Err **err)
{
	_cleanup_(layout_out_freep) LayoutOut *o = layout_out_new(dir);
	o->add = add;
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "create '%s'", dir);
	o->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->dir < 0)
		return err_sys(err, "open '%s'", dir);
	int r = check_empty(o, err);
	if (r == 0)
		r = mkdir_p(o->dir, "blobs/sha256", 0755, err);
	if (r == 0)
		*ret = TAKE_PTR(o);
	return r;
}

LayoutOut *layout_out_free(LayoutOut *o)
{
	if (o) {
		tar_writer_free(o->tar);
		if (o->dir >= 0)
			close(o->dir);
		free(o->name);
		map_done(&o->written);
		image_index_done(&o->index);
		pthread_mutex_destroy(&o->mutex);
		free(o);
	}
	return NULL;
}

/* ---- members ---- */

static int put_header(LayoutOut *o, const char *name, uint64_t size, bool dir, Err **err)
{
	_cleanup_free_ char *path = xstrdup(name);
	TarEntry e = {.path = path,
		.type = dir ? TAR_DIR : TAR_FILE,
		.mode = dir ? 0755 : 0644,
		.size = size};
	return tar_writer_entry(o->tar, &e, err);
}

static int put_body(LayoutOut *o, Reader *body, uint64_t size, Err **err)
{
	_cleanup_free_ char *chunk = xmalloc(COPY_CHUNK);
	for (uint64_t left = size; left > 0;) {
		size_t want = (size_t)MIN(left, (uint64_t)COPY_CHUNK);
		int r = reader_read_full(body, chunk, want, err);
		if (r == 0)
			r = tar_writer_body(o->tar, chunk, want, err);
		if (r < 0)
			return r;
		left -= want;
	}
	return 0;
}

static int put_member(LayoutOut *o, const char *name, Reader *body, uint64_t size, Err **err)
{
	bool first = tar_writer_offset(o->tar) == 0;
	int r = first ? put_header(o, "blobs", 0, true, err) : 0;
	if (r == 0 && first)
		r = put_header(o, "blobs/sha256", 0, true, err);
	if (r == 0)
		r = put_header(o, name, size, false, err);
	return r < 0 ? r : put_body(o, body, size, err);
}

/* expected NULL: not verified. */
static int put_file(LayoutOut *o, const char *name, Reader *body, const Digest *expected, Err **err)
{
	_cleanup_(atomic_file_freep) AtomicFile *file = NULL;
	Digest real;
	uint64_t size = 0;
	int r = atomic_file_open(o->dir, name, 0644, &file, err);
	if (r < 0)
		return r;
	_cleanup_(writer_freep) Writer *out = atomic_file_writer(file);
	r = stream_copy(body, out, NULL, err);
	if (r == 0 && expected) {
		digest_reader_result(body, &real, &size);
		if (!digest_eq(&real, expected))
			r = err_set(err, ERR_DIGEST, "blob %s has the digest %s",
				digest_str(expected).s, digest_str(&real).s);
	}
	return r < 0 ? r : atomic_file_commit(file, NULL, false, err);
}

static char *blob_path(const Digest *d)
{
	return xasprintf("blobs/sha256/%s", digest_hex(d).s);
}

bool layout_out_has(LayoutOut *o, const Descriptor *d)
{
	_cleanup_free_ char *path = blob_path(&d->digest);
	struct stat st;
	if (!o->tar)
		return fstatat(o->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(st.st_mode) && (uint64_t)st.st_size == d->size;
	pthread_mutex_lock(&o->mutex);
	bool has = map_has(&o->written, str_of(digest_hex(&d->digest).s));
	pthread_mutex_unlock(&o->mutex);
	return has;
}

static int archive_blob(
	LayoutOut *o, const char *path, const Descriptor *d, Reader *body, bool verify, Err **err)
{
	Digest real;
	uint64_t size = 0;
	pthread_mutex_lock(&o->mutex);
	int r = 0;
	if (map_put(&o->written, str_of(digest_hex(&d->digest).s), o))
		r = put_member(o, path, body, d->size, err);
	else
		verify = false;
	pthread_mutex_unlock(&o->mutex);
	if (r == 0 && verify) {
		digest_reader_result(body, &real, &size);
		if (!digest_eq(&real, &d->digest))
			r = err_set(err, ERR_DIGEST, "blob %s has the digest %s",
				digest_str(&d->digest).s, digest_str(&real).s);
	}
	return r;
}

int layout_out_blob(LayoutOut *o, const Descriptor *d, Reader *body, bool verify, Err **err)
{
	_cleanup_free_ char *path = blob_path(&d->digest);
	_cleanup_(reader_freep) Reader *limited = limit_reader_new(body, false, d->size);
	if (verify)
		limited = digest_reader_new(TAKE_PTR(limited));
	if (o->tar)
		return archive_blob(o, path, d, limited, verify, err);
	if (layout_out_has(o, d))
		return 0;
	return put_file(o, path, limited, verify ? &d->digest : NULL, err);
}

int layout_out_file(LayoutOut *o, const char *name, Reader *body, uint64_t size, Err **err)
{
	if (!o->tar)
		return put_file(o, name, body, NULL, err);
	pthread_mutex_lock(&o->mutex);
	int r = put_member(o, name, body, size, err);
	pthread_mutex_unlock(&o->mutex);
	return r;
}

/* ---- index.json ---- */

static const char *name_of(const Descriptor *d)
{
	return strvec_env_get(&d->annotations, ANNOTATION_REF);
}

static void replace(ImageIndex *index, const Descriptor *d)
{
	const char *name = name_of(d);
	size_t kept = 0;
	for (size_t i = 0; i < index->manifests.len; i++) {
		Descriptor *old = &index->manifests.items[i];
		const char *its = name_of(old);
		bool same = digest_eq(&old->digest, &d->digest) && (!its || !name);
		if (same || (name && cstr_eq(its, name)))
			descriptor_done(old);
		else
			index->manifests.items[kept++] = *old;
	}
	index->manifests.len = kept;
	Descriptor copy = {0};
	descriptor_copy(d, &copy);
	vec_push(&index->manifests, copy);
}

void layout_out_list(LayoutOut *o, const Descriptor *d, const char *name)
{
	Descriptor copy = {0};
	descriptor_copy(d, &copy);
	if (name)
		strvec_env_set(&copy.annotations, ANNOTATION_REF, name);
	pthread_mutex_lock(&o->mutex);
	replace(&o->index, &copy);
	pthread_mutex_unlock(&o->mutex);
	descriptor_done(&copy);
}

static int put_text(LayoutOut *o, const char *name, const char *text, Err **err)
{
	if (!o->tar)
		return atomic_write(o->dir, name, str_of(text), 0644, false, err);
	_cleanup_(reader_freep) Reader *body = mem_reader_new(text, strlen(text));
	return put_member(o, name, body, strlen(text), err);
}

/* What is there stays, under its names unless they are new ones now. Until close, others who add wait. */
static int merge(LayoutOut *o, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
	ImageIndex there = {0};
	_cleanup_err_ Err *e = NULL;
	if (flock(o->dir, LOCK_EX) < 0)
		return err_sys(err, "lock '%s'", o->name);
	int r = file_read(o->dir, "index.json", LIMIT_MANIFEST_SIZE, &text, &e);
	if (r < 0)
		return err_is(e, ERR_NOT_FOUND) ? 0 : err_move(err, &e);
	r = image_index_parse(buf_view(&text), "index.json", &there, err);
	if (r < 0) {
		err_prefix(err, "'%s'", o->name);
		return r;
	}
	vec_foreach (&o->index.manifests, d)
		replace(&there, d);
	image_index_done(&o->index);
	o->index = there;
	return 0;
}

int layout_out_finish(LayoutOut *o, Err **err)
{
	int r = o->add ? merge(o, err) : 0;
	if (r < 0)
		return r;
	_cleanup_free_ char *index = image_index_text(&o->index);
	r = put_text(o, "index.json", index, err);
	if (r == 0)
		r = put_text(o, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", err);
	return r < 0 || !o->tar ? r : tar_writer_end(o->tar, err);
}
