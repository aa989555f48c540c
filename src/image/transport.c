#include "image/transport_int.h"

#include <fcntl.h>
#include <libgen.h>
#include <unistd.h>

static const char *const schemes[] = {"docker://", "oci:", "oci-archive:", "docker-archive:"};
typedef enum Kind { REGISTRY, LAYOUT, ARCHIVE, DOCKER_ARCHIVE, STORE } Kind;

static Kind kind_of(const char *text)
{
	size_t kind = 0;
	while (kind < ARRAY_SIZE(schemes) && !cstr_starts(text, schemes[kind]))
		kind++;
	return (Kind)kind;
}

bool transport_is_registry(const char *text)
{
	return kind_of(text) == REGISTRY;
}

bool transport_is_store(const char *text)
{
	return kind_of(text) == STORE;
}

int transport_open(
	const TransportContext *c, const char *text, TransportUse use, Transport **ret, Err **err)
{
	Str rest = str_of(text), scheme;
	Kind kind = kind_of(text);
	if (kind == REGISTRY)
		return transport_registry_open(c, text + strlen(schemes[kind]), use, ret, err);
	if (kind == STORE)
		return transport_store_open(c, text, use, ret, err);
	/* a tag may have colons in it, a path may not */
	(void)str_cut(&rest, ':', &scheme);
	Str path;
	(void)str_cut(&rest, ':', &path);
	_cleanup_free_ char *where = str_dup(path), *tag = rest.len ? str_dup(rest) : NULL;
	if (!*where)
		return err_set(err, ERR_USAGE, "'%s' names no path", text);
	bool source = use == TRANSPORT_SOURCE;
	if (kind == DOCKER_ARCHIVE)
		return (source ? transport_docker_open : transport_docker_create)(
			c, where, tag, ret, err);
	if (source)
		return transport_layout_open(c, where, tag, ret, err);
	return (kind == LAYOUT ? transport_layout_create : transport_archive_create)(
		c, where, tag, ret, err);
}

Transport *transport_free(Transport *t)
{
	if (t) {
		char *target = t->target;
		t->ops->free(t);
		free(target);
	}
	return NULL;
}

const char *transport_target(const Transport *t)
{
	return t->target;
}

bool transport_is_serial(const Transport *t)
{
	return t->serial;
}

int transport_manifest(Transport *t, const char *target, Descriptor *ret, Buf *ret_bytes, Err **err)
{
	return t->ops->manifest(t, target, ret, ret_bytes, err);
}

int transport_blob(Transport *t, const Descriptor *d, uint64_t offset, Reader **ret, Err **err)
{
	return t->ops->blob(t, d, offset, ret, err);
}

int transport_tags(Transport *t, StrVec *ret, Err **err)
{
	return t->ops->tags(t, ret, err);
}

int transport_referrers(Transport *t, const Digest *subject, ImageIndex *ret, Err **err)
{
	return t->ops->referrers(t, subject, ret, err);
}

int transport_put_blob(Transport *t, const Descriptor *d, Transport *source, unsigned progress_id,
	BlobOutcome *ret, Err **err)
{
	return t->ops->put_blob(t, d, source, progress_id, ret, err);
}

int transport_put_manifest(
	Transport *t, const char *target, const Descriptor *d, Str bytes, Err **err)
{
	return t->ops->put_manifest(t, target, d, bytes, err);
}

int transport_finish(Transport *t, Err **err)
{
	return t->ops->finish(t, err);
}

int archive_file_open(const char *path, ArchiveFile *ret, Err **err)
{
	_cleanup_free_ char *for_dir = xstrdup(path), *for_base = xstrdup(path);
	const char *dir = dirname(for_dir), *base = basename(for_base);
	ArchiveFile f = {.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (f.dir < 0)
		return err_sys(err, "open '%s'", dir);
	int r = faccessat(f.dir, base, F_OK, 0) == 0 ? err_set(err, ERR_EXISTS, "'%s' exists", path)
						     : 0;
	if (r == 0)
		r = atomic_file_open(f.dir, base, 0644, &f.file, err);
	if (r < 0) {
		archive_file_done(&f);
		return r;
	}
	f.stream = atomic_file_writer(f.file);
	*ret = f;
	return 0;
}

int archive_file_commit(ArchiveFile *f, Err **err)
{
	int r = writer_finish(f->stream, err);
	return r < 0 ? r : atomic_file_commit(f->file, NULL, false, err);
}

void archive_file_done(ArchiveFile *f)
{
	writer_free(f->stream);
	atomic_file_free(f->file);
	if (f->dir >= 0)
		close(f->dir);
	*f = (ArchiveFile){.dir = -1};
}
