/* A repository of a registry as one end of a copy. */
#include "base/pool.h"
#include "base/ring.h"
#include "image/transport_int.h"

#define RING_BYTES (1u << 20)

typedef struct RegistryTransport {
	Transport base;
	Repository *repository;
} RegistryTransport;

/* ---- as a source ---- */

static int get_manifest(
	Transport *t, const char *target, Descriptor *ret, Buf *ret_bytes, Err **err)
{
	RegistryTransport *r = (RegistryTransport *)t;
	return repository_manifest(r->repository, target, ret, ret_bytes, err);
}

/* The blob arrives on a thread of its own; reading waits for it. */
typedef struct Stream {
	Reader reader;
	Repository *repository;
	Descriptor blob;
	uint64_t offset;
	Reader *out;
	Writer *in; /* the thread's */
	Job *thread;
	bool ended;
} Stream;

static int fetch(void *arg, Err **err)
{
	Stream *s = arg;
	int r = repository_blob_get(s->repository, &s->blob, s->offset, s->in, err);
	if (r == 0)
		r = writer_finish(s->in, err);
	writer_free(s->in); /* without a finish the reader hears of it */
	return r;
}

static ssize_t stream_read(Reader *reader, void *buf, size_t len, Err **err)
{
	Stream *s = (Stream *)reader;
	_cleanup_err_ Err *cut = NULL, *cause = NULL;
	if (s->ended)
		return 0;
	ssize_t n = reader_read(s->out, buf, len, &cut);
	if (n > 0)
		return n;
	s->ended = true;
	int r = job_wait(TAKE_PTR(s->thread), &cause);
	if (r < 0)
		return err_move(err, &cause);
	return n < 0 ? err_move(err, &cut) : 0;
}

static void stream_free(Reader *reader)
{
	Stream *s = (Stream *)reader;
	reader_free(s->out); /* ends the thread's writing */
	if (s->thread)
		(void)job_wait(s->thread, NULL);
	descriptor_done(&s->blob);
	free(s);
}

static int get_blob(
	Transport *t, const Descriptor *d, uint64_t offset, Reader **ret, Err **err _unused_)
{
	static const ReaderOps ops = {stream_read, stream_free};
	Stream *s = xnew(Stream);
	s->reader.ops = &ops;
	s->repository = ((RegistryTransport *)t)->repository;
	descriptor_copy(d, &s->blob);
	s->offset = offset;
	ring_new(RING_BYTES, &s->out, &s->in);
	s->thread = thread_start("blob", fetch, s);
	*ret = &s->reader;
	return 0;
}

static int get_tags(Transport *t, StrVec *ret, Err **err)
{
	return repository_tags(((RegistryTransport *)t)->repository, ret, err);
}

static int get_referrers(Transport *t, const Digest *subject, ImageIndex *ret, Err **err)
{
	return repository_referrers(((RegistryTransport *)t)->repository, subject, NULL, ret, err);
}

/* ---- as a target ---- */

typedef struct BlobSource {
	Transport *source;
	const Descriptor *blob;
} BlobSource;

static int open_blob(void *arg, uint64_t offset, Reader **ret, Err **err)
{
	const BlobSource *b = arg;
	return transport_blob(b->source, b->blob, offset, ret, err);
}

/* The registry verifies the digest before the blob appears. */
static int put_blob(Transport *t, const Descriptor *d, Transport *source, unsigned progress_id,
	BlobOutcome *ret, Err **err)
{
	RegistryTransport *r = (RegistryTransport *)t;
	const Repository *from = transport_repository(source);
	bool neighbour = from && cstr_eq(repository_host(from), repository_host(r->repository)) &&
		!cstr_eq(repository_path(from), repository_path(r->repository));
	const char *mount_from[] = {neighbour ? repository_path(from) : NULL, NULL};
	BlobSource b = {source, d};
	BlobUpload upload = {.digest = &d->digest,
		.size = d->size,
		.mount_from = mount_from,
		.open = open_blob,
		.arg = &b,
		.progress_id = progress_id};
	return repository_blob_put(r->repository, &upload, ret, err);
}

static int put_manifest(Transport *t, const char *target, const Descriptor *d, Str bytes, Err **err)
{
	RegistryTransport *r = (RegistryTransport *)t;
	DigestStr digest = digest_str(&d->digest);
	return repository_manifest_put(
		r->repository, target ? target : digest.s, d->media_type, bytes, err);
}

static int finish(Transport *t _unused_, Err **err _unused_)
{
	return 0;
}

static void free_transport(Transport *t)
{
	RegistryTransport *r = (RegistryTransport *)t;
	repository_free(r->repository);
	free(r);
}

static const TransportOps ops = {
	.manifest = get_manifest,
	.blob = get_blob,
	.tags = get_tags,
	.referrers = get_referrers,
	.put_blob = put_blob,
	.put_manifest = put_manifest,
	.finish = finish,
	.free = free_transport,
};

int transport_registry_open(
	const TransportContext *c, const char *name, TransportUse use, Transport **ret, Err **err)
{
	_cleanup_(reference_done) Reference ref = {0};
	Repository *repository = NULL;
	int r = reference_parse(str_of(name), &ref, err);
	if (r == 0)
		r = repository_open(c->registry, &ref, use == TRANSPORT_TARGET, &repository, err);
	if (r < 0)
		return r;
	RegistryTransport *t = xnew(RegistryTransport);
	t->base = (Transport){.ops = &ops,
		.context = c,
		.target = xstrdup(ref.has_digest ? digest_str(&ref.digest).s : ref.tag)};
	t->repository = repository;
	*ret = &t->base;
	return 0;
}

Repository *transport_repository(const Transport *t)
{
	return t->ops == &ops ? ((const RegistryTransport *)t)->repository : NULL;
}
