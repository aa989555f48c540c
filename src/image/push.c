#include "image/push.h"

#include <pthread.h>

#include "base/cancel.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/pool.h"

#define BLOBS_AT_ONCE   4
#define MAX_INDEX_DEPTH 4

typedef struct PushedBlob {
	Push *push;
	Descriptor descriptor;
	Job *job; /* NULL once it was waited for */
} PushedBlob;

struct Push {
	Store *store;
	Repository *repository;
	RemoteLayers *remote;
	Progress *progress;
	Pool *pool;     /* for waiting, not for computing */
	Map neighbours; /* hex digest → path of a repository of the same host that has the blob */
	bool given_up;  /* a scope of cancellation */
	pthread_mutex_t lock; /* of what follows */
	Map seen;             /* hex digests of blobs and manifests */
	VEC(PushedBlob *) blobs;
};

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

int push_open(Store *s, Registry *registry, const Reference *name, RemoteLayers *remote,
	Progress *progress, Push **ret, Err **err)
{
	Repository *repository = NULL;
	int r = repository_open(registry, name, true, &repository, err);
	if (r < 0)
		return r;
	Push *p = xnew(Push);
	*p = (Push){.store = s,
		.repository = repository,
		.remote = remote,
		.progress = progress,
		.pool = pool_new(BLOBS_AT_ONCE),
		.neighbours = MAP_INIT(free),
		.seen = MAP_INIT(NULL)};
	pthread_mutex_init(&p->lock, NULL);
	find_neighbours(p);
	*ret = p;
	return 0;
}

bool push_goes_to(const Push *p, const Reference *name)
{
	return cstr_eq(repository_host(p->repository), name->host) &&
		cstr_eq(repository_path(p->repository), name->path);
}

Push *push_free(Push *p)
{
	if (!p)
		return NULL;
	cancel_set(&p->given_up);
	vec_foreach (&p->blobs, blob) {
		PushedBlob *b = *blob;
		if (b->job)
			(void)!job_wait(b->job, NULL);
		descriptor_done(&b->descriptor);
		free(b);
	}
	vec_done(&p->blobs);
	pool_free(p->pool);
	map_done(&p->seen);
	map_done(&p->neighbours);
	repository_free(p->repository);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

/* ---- blobs ---- */

static int open_blob(void *arg, uint64_t offset, Reader **ret, Err **err)
{
	const PushedBlob *b = arg;
	Push *p = b->push;
	int r = remote_layers_bring(p->remote, &b->descriptor, NULL, 1, err);
	return r < 0 ? r : store_blob_reader(p->store, &b->descriptor.digest, offset, ret, err);
}

static int send_blob(void *arg, Err **err)
{
	PushedBlob *b = arg;
	Push *p = b->push;
	const Digest *digest = &b->descriptor.digest;
	const char *host = repository_host(p->repository);
	const char *from[3] = {remote_layers_repository(p->remote, host, digest)};
	from[from[0] != NULL] = map_get(&p->neighbours, str_of(digest_hex(digest).s));
	unsigned id = progress_next_id();
	_cleanup_free_ char *name = xasprintf("push %.19s", digest_str(digest).s);
	BlobUpload upload = {.digest = digest,
		.size = b->descriptor.size,
		.mount_from = from,
		.open = open_blob,
		.arg = b,
		.progress_id = id};
	BlobOutcome outcome = BLOB_UPLOADED;
	_cleanup_err_ Err *e = NULL;
	_cleanup_(cancel_scope_end) CancelScope scope;
	cancel_scope_begin(&scope, &p->given_up);
	if (cancel_check(err) < 0)
		return -ERR_CANCELLED;
	progress_state(p->progress, id, name, PROGRESS_STARTED, NULL);
	int r = repository_blob_put(p->repository, &upload, &outcome, &e);
	progress_state(p->progress, id, name,
		r == -ERR_CANCELLED                ? PROGRESS_CANCELLED
			: r < 0                    ? PROGRESS_FAILED
			: outcome == BLOB_UPLOADED ? PROGRESS_DONE
						   : PROGRESS_CACHED,
		e);
	if (r < 0)
		cancel_set(&p->given_up);
	return err_move(err, &e);
}

void push_blob(Push *p, const Descriptor *d)
{
	/* layers that may not be distributed stay where their URLs are */
	bool foreign = d->raw && json_array_size(json_object_get(d->raw, "urls")) > 0 &&
		!store_blob_has(p->store, &d->digest, NULL);
	pthread_mutex_lock(&p->lock);
	if (!foreign && map_put(&p->seen, str_of(digest_hex(&d->digest).s), p)) {
		PushedBlob *b = xnew(PushedBlob);
		*b = (PushedBlob){.push = p};
		descriptor_copy(d, &b->descriptor);
		progress_plan(p->progress, 1);
		b->job = pool_submit(p->pool, send_blob, b);
		vec_push(&p->blobs, b);
	}
	pthread_mutex_unlock(&p->lock);
}

/* For each that was begun; what failed gave up the rest. */
static int wait_blobs(Push *p, Err **err)
{
	_cleanup_err_ Err *first = NULL;
	for (size_t i = 0; i < p->blobs.len; i++) {
		_cleanup_err_ Err *e = NULL;
		PushedBlob *b = p->blobs.items[i];
		if (!b->job || job_wait(TAKE_PTR(b->job), &e) == 0)
			continue;
		if (!first || err_is(first, ERR_CANCELLED)) {
			err_free(first);
			first = TAKE_PTR(e);
		}
	}
	return err_move(err, &first);
}

/* ---- manifests ---- */

typedef struct PushManifest {
	Descriptor descriptor;
	Buf bytes;
} PushManifest;
typedef VEC(PushManifest) PushManifests; /* what others name comes first */

static void manifests_done(PushManifests *all)
{
	vec_foreach (all, m) {
		descriptor_done(&m->descriptor);
		buf_done(&m->bytes);
	}
	vec_done(all);
}

static int collect(
	Push *p, const Descriptor *d, unsigned depth, Map *seen, PushManifests *all, Err **err)
{
	PushManifest own = {.bytes = BUF_INIT(LIMIT_MANIFEST_SIZE)};
	if (!map_put(seen, str_of(digest_hex(&d->digest).s), p))
		return 0;
	if (depth > MAX_INDEX_DEPTH)
		return err_set(
			err, ERR_LIMIT, "index %s is nested too deeply", digest_str(&d->digest).s);
	int r = store_blob_read(p->store, &d->digest, LIMIT_MANIFEST_SIZE, &own.bytes, err);
	if (r == 0 && media_type_is_index(d->media_type)) {
		_cleanup_(image_index_done) ImageIndex index = {0};
		r = image_index_parse(buf_view(&own.bytes), "index", &index, err);
		for (size_t i = 0; r == 0 && i < index.manifests.len; i++)
			r = collect(p, &index.manifests.items[i], depth + 1, seen, all, err);
	} else if (r == 0) {
		_cleanup_(manifest_done) Manifest m = {0};
		r = manifest_parse(buf_view(&own.bytes), "manifest", &m, err);
		if (r == 0)
			push_blob(p, &m.config);
		for (size_t i = 0; r == 0 && i < m.layers.len; i++)
			push_blob(p, &m.layers.items[i]);
	}
	if (r < 0) {
		buf_done(&own.bytes);
		return r;
	}
	descriptor_copy(d, &own.descriptor);
	vec_push(all, own);
	return 0;
}

/* The last is what the tags stand for; those that it names go by digest. */
static int send_manifests(Push *p, const PushManifests *all, const StrVec *tags, Err **err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < all->len; i++) {
		const PushManifest *m = &all->items[i];
		DigestStr digest = digest_str(&m->descriptor.digest);
		const char *media_type = m->descriptor.media_type;
		bool tagged = i + 1 == all->len && tags->len > 0;
		for (size_t t = 0; r == 0 && t < (tagged ? tags->len : 1); t++)
			r = repository_manifest_put(p->repository,
				tagged ? tags->items[t] : digest.s, media_type, buf_view(&m->bytes),
				err);
	}
	return r;
}

int push_image(Push *p, const Descriptor *what, const StrVec *tags, Err **err)
{
	_cleanup_(manifests_done) PushManifests all = {0};
	_cleanup_map_ Map seen = MAP_INIT(NULL);
	progress_plan(p->progress, 1); /* the manifest */
	int r = collect(p, what, 0, &seen, &all, err);
	if (r == 0)
		r = wait_blobs(p, err);
	if (r < 0)
		return r;
	unsigned id = progress_next_id();
	_cleanup_free_ char *name = xasprintf("manifest %.19s", digest_str(&what->digest).s);
	progress_state(p->progress, id, name, PROGRESS_STARTED, NULL);
	_cleanup_err_ Err *e = NULL;
	r = send_manifests(p, &all, tags, &e);
	progress_state(p->progress, id, name, r < 0 ? PROGRESS_FAILED : PROGRESS_DONE, e);
	return err_move(err, &e);
}

/* ---- what to push ---- */

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

int push_choose(Store *s, const char *what, const Platform *platform, Progress *progress,
	Descriptor *ret, Err **err)
{
	_cleanup_(store_image_done) StoreImage image = {0};
	Descriptor named = {0};
	if (!platform) {
		int r = store_named(s, what, &named, err);
		if (r < 0)
			return r;
		if (!media_type_is_index(named.media_type) || is_whole(s, &named.digest)) {
			*ret = named;
			return 0;
		}
		descriptor_done(&named);
	}
	int r = store_image(s, what, platform, &image, err);
	if (r < 0)
		return r;
	descriptor_copy(&image.descriptor, ret);
	if (!platform) {
		_cleanup_free_ char *have = platform_format(&image.config.platform);
		progress_warn(progress, NULL, 0,
			"only the image for %s is in the store and is pushed, not the index", have);
	}
	return 0;
}
