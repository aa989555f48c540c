#include "serve/catalog.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/map.h"
#include "oci/document.h"
#include "store/kept.h"
#include "store/reach.h"

#define MAX_DEPTH    8
#define WEIGHT_SLACK (16u << 10)

/* A manifest or index. */
typedef struct Node {
	Digest digest;
	char *media_type; /* "": not known before it is read */
	uint64_t size;
	bool is_index;
	enum { NODE_NEW, NODE_READ, NODE_GONE } state; /* what follows is known once it is read */
	char *artifact_type;                           /* NULL when it has none */
	bool has_subject;
	Digest subject;
	Digest *below; /* config and layers, or manifests; of an index, nested ones first */
	size_t n_below, n_nested;
	uint64_t walk; /* the last one that came here */
} Node;

typedef struct Repo {
	Map tags; /* → Node */
	Map held; /* hex digest → Node: whatever a tag or the registry keeps */
} Repo;

struct Catalog {
	Store *store;
	pthread_mutex_t lock;
	Map nodes;  /* hex digest → Node, of what is in the store */
	Map repos;  /* store repository → Repo */
	Map kept;   /* file name → KeptManifest */
	Map hidden; /* file names */
	/* index.json as it was read: open, so that no other file can have its inode. It is only ever replaced */
	int names_fd;
	uint64_t walk;             /* number of the one that runs */
	size_t weight, weight_max; /* digests in all nodes, and when to look for those of no use */
	struct stat kept_seen, hidden_seen;
	bool kept_settled, hidden_settled;
};

static void node_free(void *p)
{
	Node *n = p;
	free(n->media_type);
	free(n->artifact_type);
	free(n->below);
	free(n);
}

static void repo_free(void *p)
{
	Repo *r = p;
	map_done(&r->tags);
	map_done(&r->held);
	free(r);
}

static void kept_free(void *p)
{
	kept_manifest_done(p);
	free(p);
}

Catalog *catalog_new(Store *s)
{
	Catalog *c = xnew(Catalog);
	c->store = s;
	c->names_fd = -1;
	c->weight_max = WEIGHT_SLACK;
	c->nodes = MAP_INIT(node_free);
	c->repos = MAP_INIT(repo_free);
	c->kept = MAP_INIT(kept_free);
	c->hidden = MAP_INIT(NULL);
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

Catalog *catalog_free(Catalog *c)
{
	if (!c)
		return NULL;
	map_done(&c->repos);
	map_done(&c->kept);
	map_done(&c->hidden);
	map_done(&c->nodes);
	if (c->names_fd >= 0)
		close(c->names_fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
	return NULL;
}

/* ---- following the store ---- */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void look(Store *s, const char *path, struct stat *ret)
{
	if (fstatat(store_fd(s), path, ret, AT_SYMLINK_NOFOLLOW) < 0)
		*ret = (struct stat){0};
}

/*
 * Coarse clocks: two changes within one tick have the same time. What was looked at that soon after its change may
 * change again unseen, so it is looked at again.
 */
static bool settled(const struct stat *st)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t age = (now.tv_sec - st->st_mtim.tv_sec) * INT64_C(1000000000) + now.tv_nsec -
		st->st_mtim.tv_nsec;
	return age < 0 || age > 50 * 1000000;
}

static Node *node_at(Catalog *c, const Digest *d)
{
	return map_get(&c->nodes, str_of(digest_hex(d).s));
}

static Node *node_for(Catalog *c, const Descriptor *d)
{
	Node *n = node_at(c, &d->digest);
	if (!n) {
		n = xnew(Node);
		n->digest = d->digest;
		n->media_type = xstrdup(d->media_type);
		n->size = d->size;
		n->is_index = media_type_is_index(n->media_type);
		map_put(&c->nodes, str_of(digest_hex(&n->digest).s), n);
		c->weight++;
	}
	return n;
}

static Repo *repo_for(Catalog *c, const char *name)
{
	Repo *r = map_get(&c->repos, str_of(name));
	if (!r) {
		r = xnew(Repo);
		r->tags = MAP_INIT(NULL);
		r->held = MAP_INIT(NULL);
		map_put(&c->repos, str_of(name), r);
	}
	return r;
}

static void add_name(Catalog *c, const StoreName *name)
{
	Reference ref = {0};
	if (!name->name || reference_parse(str_of(name->name), &ref, NULL) < 0)
		return; /* untagged, or named by another tool in its own way */
	_cleanup_free_ char *repository = xasprintf("%s/%s", ref.host, ref.path);
	Repo *r = repo_for(c, repository);
	Node *n = node_for(c, &name->descriptor);
	if (ref.tag)
		map_put(&r->tags, str_of(ref.tag), n);
	map_put(&r->held, str_of(digest_hex(&n->digest).s), n);
	reference_done(&ref);
}

static void add_kept(Catalog *c, const KeptManifest *k)
{
	Node *n = node_for(c, &k->descriptor);
	map_put(&repo_for(c, k->repository)->held, str_of(digest_hex(&n->digest).s), n);
}

typedef struct Scan {
	Catalog *catalog;
	Map seen;
} Scan;

static int scan_kept(void *arg, const char *dir _unused_, const char *file, Err **err _unused_)
{
	Scan *s = arg;
	if (cstr_starts(file, ".tmp-"))
		return 0;
	map_put(&s->seen, str_of(file), s);
	if (map_has(&s->catalog->kept, str_of(file)))
		return 0;
	KeptManifest k = {0};
	if (store_kept_read(s->catalog->store, file, &k, NULL) == 0) {
		map_put(&s->catalog->kept, str_of(file), xmemdup(&k, sizeof(k)));
		add_kept(s->catalog, &k);
	}
	return 0;
}

/* What is new is added to the repositories; *ret_gone: something is not kept any more. */
static int read_kept(Catalog *c, bool *ret_gone, Err **err)
{
	Scan s = {.catalog = c, .seen = MAP_INIT(NULL)};
	_cleanup_strvec_ StrVec gone = {0};
	int r = store_each(c->store, STORE_KEPT, scan_kept, &s, err);
	if (r == 0)
		map_foreach (&c->kept, it)
			if (!map_has(&s.seen, (Str){it->key, it->key_len}))
				strvec_push(&gone, it->key);
	*ret_gone = gone.len > 0;
	for (size_t i = 0; i < gone.len; i++)
		map_del(&c->kept, str_of(gone.items[i]));
	map_done(&s.seen);
	return r;
}

static int scan_hidden(void *arg, const char *dir _unused_, const char *file, Err **err _unused_)
{
	Catalog *c = arg;
	map_put(&c->hidden, str_of(file), c);
	return 0;
}

static int read_hidden(Catalog *c, Err **err)
{
	map_done(&c->hidden);
	c->hidden = MAP_INIT(NULL);
	return store_each(c->store, STORE_HIDDEN, scan_hidden, c, err);
}

static bool is_hidden(const Catalog *c, const char *repository, const Digest *d)
{
	if (c->hidden.live == 0)
		return false;
	_cleanup_free_ char *file = store_kept_file(repository, d);
	return map_has(&c->hidden, str_of(file));
}

/* Each manifest once a walk, however often and in however many indexes it is named. */
static bool comes_first(const Catalog *c, Node *n)
{
	bool first = n->walk != c->walk;
	n->walk = c->walk;
	return first;
}

static void mark(Catalog *c, Node *n, unsigned depth)
{
	if (depth > MAX_DEPTH || !comes_first(c, n))
		return;
	for (size_t i = 0; n->is_index && i < n->n_below; i++) {
		Node *below = node_at(c, &n->below[i]);
		if (below)
			mark(c, below, depth + 1);
	}
}

/* Lets go of manifests that no repository has any more. */
static void sweep(Catalog *c)
{
	c->walk++;
	map_foreach (&c->repos, it)
		map_foreach (&((Repo *)it->value)->held, held)
			mark(c, held->value, 0);
	map_foreach (&c->nodes, it) {
		const Node *n = it->value;
		if (n->walk == c->walk)
			continue;
		c->weight -= 1 + n->n_below;
		map_del(&c->nodes, (Str){it->key, it->key_len});
	}
	c->weight_max = 2 * c->weight + WEIGHT_SLACK;
}

/* The repositories anew, from index.json and what is kept. */
static int rebuild(Catalog *c, Err **err)
{
	StoreNames all = {0};
	int fd = openat(store_fd(c->store), "index.json", O_RDONLY | O_CLOEXEC);
	int r = store_names(c->store, &all, err);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	if (c->names_fd >= 0)
		close(c->names_fd);
	c->names_fd = fd; /* when it was replaced in between, it is read again */
	map_done(&c->repos);
	c->repos = MAP_INIT(repo_free);
	vec_foreach (&all, name)
		add_name(c, name);
	store_names_done(&all);
	map_foreach (&c->kept, it)
		add_kept(c, it->value);
	if (c->weight > c->weight_max)
		sweep(c);
	return 0;
}

static bool names_changed(const Catalog *c)
{
	struct stat seen, now;
	look(c->store, "index.json", &now);
	return c->names_fd < 0 || fstat(c->names_fd, &seen) < 0 || !same_file(&seen, &now);
}

/* With the lock. */
static int refresh(Catalog *c, Err **err)
{
	struct stat kept, hidden;
	bool gone = false;
	int r = 0;
	look(c->store, STORE_KEPT, &kept);
	look(c->store, STORE_HIDDEN, &hidden);
	bool kept_settled = settled(&kept), hidden_settled = settled(&hidden);
	if (!c->kept_settled || !same_file(&kept, &c->kept_seen))
		r = read_kept(c, &gone, err);
	if (r == 0 && (!c->hidden_settled || !same_file(&hidden, &c->hidden_seen)))
		r = read_hidden(c, err);
	if (r == 0 && (gone || names_changed(c)))
		r = rebuild(c, err);
	if (r < 0)
		return r;
	c->kept_seen = kept;
	c->kept_settled = kept_settled;
	c->hidden_seen = hidden;
	c->hidden_settled = hidden_settled;
	return 0;
}

static int enter(Catalog *c, Err **err)
{
	pthread_mutex_lock(&c->lock);
	int r = refresh(c, err);
	if (r < 0)
		pthread_mutex_unlock(&c->lock);
	return r;
}

static int leave(Catalog *c, int r)
{
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* ---- the graph ---- */

/* False when it is not (or no longer) in the store, or is no manifest. */
static bool node_read(Catalog *c, Node *n)
{
	if (n->state == NODE_READ)
		return true;
	if (n->state == NODE_GONE && !store_blob_has(c->store, &n->digest, NULL))
		return false;
	_cleanup_buf_ Buf text = BUF_INIT(0);
	OciDocument d = {0};
	n->state = NODE_GONE;
	if (store_blob_read(c->store, &n->digest, LIMIT_MANIFEST_SIZE, &text, NULL) < 0 ||
		oci_document_parse(buf_view(&text), n->media_type, "manifest", &d, NULL) < 0)
		return false;
	n->state = NODE_READ;
	n->size = text.len;
	n->is_index = d.is_index;
	if (!*n->media_type) {
		free(n->media_type);
		n->media_type = TAKE_PTR(d.media_type);
	}
	n->artifact_type = TAKE_PTR(d.artifact_type);
	n->has_subject = d.has_subject;
	n->subject = d.subject;
	n->n_below = d.below.len + !d.is_index;
	n->below = xnew_n(Digest, n->n_below);
	size_t i = 0;
	if (!d.is_index)
		n->below[i++] = d.config.digest;
	vec_foreach (&d.below, it)
		if (d.is_index && media_type_is_index(it->media_type))
			n->below[i++] = it->digest;
	n->n_nested = d.is_index ? i : 0;
	vec_foreach (&d.below, it)
		if (!d.is_index || !media_type_is_index(it->media_type))
			n->below[i++] = it->digest;
	c->weight += n->n_below;
	oci_document_done(&d);
	return true;
}

/* What an index names, if the store has it and it is a manifest: an index may name many that are elsewhere. */
static Node *node_below(Catalog *c, const Digest *d)
{
	char unknown[] = "";
	Node *n = node_at(c, d);
	if (!n && store_blob_has(c->store, d, NULL))
		n = node_for(c, &(Descriptor){.media_type = unknown, .digest = *d});
	return n && node_read(c, n) ? n : NULL;
}

/* The manifest d below an index, at any depth. */
static Node *find_below(Catalog *c, Node *index, const Digest *d, unsigned depth)
{
	bool other = *index->media_type && !index->is_index;
	if (other || depth > MAX_DEPTH || !comes_first(c, index) || !node_read(c, index) ||
		!index->is_index)
		return NULL;
	for (size_t i = 0; i < index->n_below; i++)
		if (digest_eq(&index->below[i], d))
			return store_blob_has(c->store, d, NULL) ? node_below(c, d) : NULL;
	for (size_t i = 0; i < index->n_nested; i++) {
		Node *n = node_below(c, &index->below[i]);
		Node *found = n ? find_below(c, n, d, depth + 1) : NULL;
		if (found)
			return found;
	}
	return NULL;
}

static Node *find_in(Catalog *c, Repo *repo, const char *name, const char *tag, const Digest *d)
{
	if (tag)
		return map_get(&repo->tags, str_of(tag));
	Node *n = map_get(&repo->held, str_of(digest_hex(d).s));
	if (n || is_hidden(c, name, d))
		return n;
	c->walk++;
	map_foreach (&repo->held, it) {
		n = find_below(c, it->value, d, 0);
		if (n)
			return n;
	}
	return NULL;
}

/* ---- questions ---- */

bool catalog_has(Catalog *c, const StrVec *repositories)
{
	bool found = false;
	if (enter(c, NULL) < 0)
		return false;
	for (size_t i = 0; i < repositories->len; i++)
		found = found || map_has(&c->repos, str_of(repositories->items[i]));
	leave(c, 0);
	return found;
}

int catalog_manifest(Catalog *c, const StrVec *repositories, const char *tag, const Digest *d,
	Descriptor *ret, char **ret_repository, Err **err)
{
	int r = enter(c, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < repositories->len; i++) {
		Repo *repo = map_get(&c->repos, str_of(repositories->items[i]));
		Node *n = repo ? find_in(c, repo, repositories->items[i], tag, d) : NULL;
		if (!n || (!*n->media_type && !node_read(c, n)))
			continue;
		*ret = (Descriptor){
			.media_type = xstrdup(n->media_type), .digest = n->digest, .size = n->size};
		if (ret_repository)
			*ret_repository = xstrdup(repositories->items[i]);
		return leave(c, 0);
	}
	if (tag)
		r = err_set(err, ERR_NOT_FOUND, "there is no tag '%s'", tag);
	else
		r = err_set(err, ERR_NOT_FOUND, "there is no manifest %s", digest_str(d).s);
	return leave(c, r);
}

int catalog_tags(Catalog *c, const StrVec *repositories, StrVec *ret, Err **err)
{
	int r = enter(c, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < repositories->len; i++) {
		Repo *repo = map_get(&c->repos, str_of(repositories->items[i]));
		if (repo)
			map_foreach (&repo->tags, it)
				strvec_push(ret, it->key);
	}
	leave(c, 0);
	strvec_sort_unique(ret);
	return 0;
}

int catalog_repositories(Catalog *c, StrVec *ret, Err **err)
{
	int r = enter(c, err);
	if (r < 0)
		return r;
	map_foreach (&c->repos, it)
		strvec_push(ret, it->key);
	leave(c, 0);
	strvec_sort_unique(ret);
	return 0;
}

typedef struct Referrers {
	const Digest *subject;
	const char *artifact_type;
	Digests *found;
} Referrers;

static void add_referrers(Catalog *c, Referrers *q, Node *n, unsigned depth)
{
	if (depth > MAX_DEPTH || !comes_first(c, n) || !node_read(c, n))
		return;
	if (n->has_subject && digest_eq(&n->subject, q->subject) &&
		(!q->artifact_type || cstr_eq(q->artifact_type, n->artifact_type)))
		vec_push(q->found, n->digest);
	for (size_t i = 0; n->is_index && i < n->n_below; i++) {
		Node *below = node_below(c, &n->below[i]);
		if (below)
			add_referrers(c, q, below, depth + 1);
	}
}

int catalog_referrers(Catalog *c, const StrVec *repositories, const Digest *d,
	const char *artifact_type, Digests *ret, Err **err)
{
	int r = enter(c, err);
	if (r < 0)
		return r;
	Referrers q = {.subject = d, .artifact_type = artifact_type, .found = ret};
	c->walk++;
	for (size_t i = 0; i < repositories->len; i++) {
		Repo *repo = map_get(&c->repos, str_of(repositories->items[i]));
		if (repo)
			map_foreach (&repo->held, it)
				add_referrers(c, &q, it->value, 0);
	}
	return leave(c, 0);
}

static bool names_below(Catalog *c, Node *n, const Digest *d, unsigned depth)
{
	if (depth > MAX_DEPTH || !comes_first(c, n) || !node_read(c, n))
		return false;
	for (size_t i = 0; i < n->n_below; i++)
		if (digest_eq(&n->below[i], d))
			return true;
	for (size_t i = 0; n->is_index && i < n->n_below; i++) {
		Node *below = node_below(c, &n->below[i]);
		if (below && names_below(c, below, d, depth + 1))
			return true;
	}
	return false;
}

int catalog_blob_user(Catalog *c, const Digest *blob, Digest *ret_manifest, Err **err)
{
	int r = enter(c, err);
	if (r < 0)
		return r;
	c->walk++;
	map_foreach (&c->repos, it) {
		map_foreach (&((Repo *)it->value)->held, held) {
			Node *n = held->value;
			if (!digest_eq(&n->digest, blob) && !names_below(c, n, blob, 0))
				continue;
			*ret_manifest = n->digest;
			return leave(c, 1);
		}
	}
	return leave(c, 0);
}

int catalog_manifest_held(Catalog *c, const Digest *manifest, Err **err)
{
	int r = enter(c, err);
	if (r < 0)
		return r;
	c->walk++;
	map_foreach (&c->repos, it) {
		map_foreach (&((Repo *)it->value)->held, held) {
			Node *n = held->value;
			if (digest_eq(&n->digest, manifest) || find_below(c, n, manifest, 0))
				return leave(c, 1);
		}
	}
	return leave(c, 0);
}

int catalog_tags_of(Catalog *c, const char *repository, const Digest *d, StrVec *ret, Err **err)
{
	int r = enter(c, err);
	if (r < 0)
		return r;
	Repo *repo = map_get(&c->repos, str_of(repository));
	if (repo)
		map_foreach (&repo->tags, it)
			if (digest_eq(&((Node *)it->value)->digest, d))
				strvec_push(ret, it->key);
	return leave(c, 0);
}

void catalog_count(Catalog *c, uint64_t *ret_repositories, uint64_t *ret_manifests)
{
	*ret_repositories = *ret_manifests = 0;
	if (enter(c, NULL) < 0)
		return;
	*ret_repositories = c->repos.live;
	map_foreach (&c->repos, it)
		*ret_manifests += ((Repo *)it->value)->held.live;
	leave(c, 0);
}
