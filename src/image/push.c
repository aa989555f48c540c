#include "image/push.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/pool.h"

#define BLOBS_AT_ONCE   4
#define MAX_INDEX_DEPTH 4

typedef struct PushManifest {
	Descriptor descriptor;
	Buf bytes;
} PushManifest;

typedef struct Push {
	Store *store;
	Repository *repository;
	const PushOptions *options;
	VEC(PushManifest) manifests; /* what others name comes first */
	Descriptors blobs;
	Map seen;       /* hex digests of both */
	Map neighbours; /* hex digest → path of a repository of the same host that has the blob */
} Push;

static void push_done(Push *p)
{
	vec_foreach (&p->manifests, m) {
		descriptor_done(&m->descriptor);
		buf_done(&m->bytes);
	}
	vec_done(&p->manifests);
	vec_foreach (&p->blobs, d)
		descriptor_done(d);
	vec_done(&p->blobs);
	map_done(&p->seen);
	map_done(&p->neighbours);
	repository_free(p->repository);
}

/* ---- what belongs to it ---- */

static void add_blob(Push *p, const Descriptor *d)
{
	/* layers that may not be distributed stay where their URLs are */
	bool foreign = d->raw && json_array_size(json_object_get(d->raw, "urls")) > 0 &&
		!store_blob_has(p->store, &d->digest, NULL);
	if (foreign || !map_put(&p->seen, str_of(digest_hex(&d->digest).s), p))
		return;
	Descriptor copy = {0};
	descriptor_copy(d, &copy);
	vec_push(&p->blobs, copy);
}

static int collect(Push *p, const Descriptor *d, unsigned depth, Err **err)
{
	PushManifest own = {.bytes = BUF_INIT(LIMIT_MANIFEST_SIZE)};
	if (depth > MAX_INDEX_DEPTH)
		return err_set(
			err, ERR_LIMIT, "index %s is nested too deeply", digest_str(&d->digest).s);
	int r = store_blob_read(p->store, &d->digest, LIMIT_MANIFEST_SIZE, &own.bytes, err);
	if (r == 0 && media_type_is_index(d->media_type)) {
		_cleanup_(image_index_done) ImageIndex index = {0};
		r = image_index_parse(buf_view(&own.bytes), "index", &index, err);
		for (size_t i = 0; r == 0 && i < index.manifests.len; i++)
			if (!map_has(&p->seen,
				    str_of(digest_hex(&index.manifests.items[i].digest).s)))
				r = collect(p, &index.manifests.items[i], depth + 1, err);
	} else if (r == 0) {
		_cleanup_(manifest_done) Manifest m = {0};
		r = manifest_parse(buf_view(&own.bytes), "manifest", &m, err);
		if (r == 0)
			add_blob(p, &m.config);
		for (size_t i = 0; r == 0 && i < m.layers.len; i++)
			add_blob(p, &m.layers.items[i]);
	}
	if (r < 0) {
		buf_done(&own.bytes);
		return r;
	}
	map_put(&p->seen, str_of(digest_hex(&d->digest).s), p);
	descriptor_copy(d, &own.descriptor);
	vec_push(&p->manifests, own);
	return 0;
}

/* Every platform that an index names must be there: registries refuse one with gaps. */
static bool is_whole(Store *s, const Digest *index)
{
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
	_cleanup_(image_index_done) ImageIndex parsed = {0};
	if (store_blob_read(s, index, LIMIT_MANIFEST_SIZE, &text, NULL) < 0 ||
		image_index_parse(buf_view(&text), "index", &parsed, NULL) < 0)
		return false;
	vec_foreach (&parsed.manifests, m)
		if (!store_blob_has(s, &m->digest, NULL))
			return false;
	return true;
}

/* The manifest, or the index that the name stands for. */
static int pick(Push *p, const char *what, Descriptor *ret, Err **err)
{
	_cleanup_(store_image_done) StoreImage image = {0};
	Descriptor named = {0};
	if (!p->options->platform) {
		int r = store_named(p->store, what, &named, err);
		if (r < 0)
			return r;
		if (!media_type_is_index(named.media_type) || is_whole(p->store, &named.digest)) {
			*ret = named;
			return 0;
		}
		descriptor_done(&named);
	}
	int r = store_image(p->store, what, p->options->platform, &image, err);
	if (r < 0)
		return r;
	descriptor_copy(&image.descriptor, ret);
	if (!p->options->platform) {
		_cleanup_free_ char *platform = platform_format(&image.config.platform);
		progress_warn(p->options->progress, NULL, 0,
			"only the image for %s is in the store and is pushed, not the index",
			platform);
	}
	return 0;
}

/* Which repositories of that host have what, as far as the store's names tell. */
static void find_neighbours(Push *p)
{
	StoreNames names = {0};
	if (store_names(p->store, &names, NULL) < 0)
		return;
	vec_foreach (&names, n) {
		Reference ref = {0};
		StoreImage image = {0};
		if (!n->name || reference_parse(str_of(n->name), &ref, NULL) < 0)
			continue;
		if (cstr_eq(ref.host, repository_host(p->repository)) &&
			!cstr_eq(ref.path, repository_path(p->repository)) &&
			store_image_at(p->store, &n->descriptor, NULL, &image, NULL) == 0) {
			vec_foreach (&image.manifest.layers, layer) {
				DigestHex hex = digest_hex(&layer->digest);
				if (!map_has(&p->neighbours, str_of(hex.s)))
					map_put(&p->neighbours, str_of(hex.s), xstrdup(ref.path));
			}
			store_image_done(&image);
		}
		reference_done(&ref);
	}
	store_names_done(&names);
}

/* ---- sending ---- */

typedef struct BlobSource {
	Store *store;
	const Digest *digest;
} BlobSource;

static int open_blob(void *arg, uint64_t offset, Reader **ret, Err **err)
{
	const BlobSource *b = arg;
	return store_blob_reader(b->store, b->digest, offset, ret, err);
}

static int send_blob(void *arg, size_t i, Err **err)
{
	Push *p = arg;
	const Descriptor *d = &p->blobs.items[i];
	const char *from[] = {map_get(&p->neighbours, str_of(digest_hex(&d->digest).s)), NULL};
	BlobSource source = {p->store, &d->digest};
	unsigned id = progress_next_id();
	_cleanup_free_ char *name = xasprintf("blob %.19s", digest_str(&d->digest).s);
	BlobUpload upload = {.digest = &d->digest,
		.size = d->size,
		.mount_from = from,
		.open = open_blob,
		.arg = &source,
		.progress_id = id};
	BlobOutcome outcome = BLOB_UPLOADED;
	_cleanup_err_ Err *e = NULL;
	progress_state(p->options->progress, id, name, PROGRESS_STARTED, NULL);
	int r = repository_blob_put(p->repository, &upload, &outcome, &e);
	progress_state(p->options->progress, id, name,
		r < 0                              ? PROGRESS_FAILED
			: outcome == BLOB_UPLOADED ? PROGRESS_DONE
						   : PROGRESS_CACHED,
		e);
	return err_move(err, &e);
}

/* The last is what the name stands for; those that it names go by digest. */
static int send_manifests(Push *p, const Reference *name, Err **err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < p->manifests.len; i++) {
		const PushManifest *m = &p->manifests.items[i];
		bool top = i + 1 == p->manifests.len;
		DigestStr digest = digest_str(&m->descriptor.digest);
		r = repository_manifest_put(p->repository, top && name->tag ? name->tag : digest.s,
			m->descriptor.media_type, buf_view(&m->bytes), NULL, err);
	}
	return r;
}

int image_push(Store *s, Registry *registry, const char *what, const Reference *name,
	const PushOptions *options, Descriptor *ret, Err **err)
{
	_cleanup_(push_done) Push p = {.store = s,
		.options = options,
		.seen = MAP_INIT(NULL),
		.neighbours = MAP_INIT(free)};
	Descriptor top = {0};
	int r = repository_open(registry, name, true, &p.repository, err);
	if (r == 0)
		r = pick(&p, what, &top, err);
	if (r == 0 && name->has_digest && !digest_eq(&name->digest, &top.digest))
		r = err_set(err, ERR_USAGE, "'%s' has the digest %s, not the one that is named",
			what, digest_str(&top.digest).s);
	if (r == 0)
		r = collect(&p, &top, 0, err);
	if (r == 0) {
		find_neighbours(&p);
		r = threads_each(p.blobs.len, BLOBS_AT_ONCE, send_blob, &p, err);
	}
	if (r == 0)
		r = send_manifests(&p, name, err);
	if (r < 0)
		descriptor_done(&top);
	else
		*ret = top;
	return r;
}
