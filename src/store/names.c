/*
 * index.json: one descriptor a name. org.opencontainers.image.ref.name is what skopeo, umoci and buildah look names
 * up by, io.containerd.image.name what containerd imports under; both hold the full reference.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/map.h"
#include "store/store_int.h"
#include "sys/lock.h"

#define ANNOTATION_REF        "org.opencontainers.image.ref.name"
#define ANNOTATION_CONTAINERD "io.containerd.image.name"

const char *store_descriptor_name(const Descriptor *d)
{
	const char *name = strvec_env_get(&d->annotations, ANNOTATION_CONTAINERD);
	return name ? name : strvec_env_get(&d->annotations, ANNOTATION_REF);
}

int names_read(Store *s, ImageIndex *ret, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
	_cleanup_err_ Err *e = NULL;
	int r = file_read(s->fd, "index.json", LIMIT_MANIFEST_SIZE, &text, &e);
	if (r < 0 && err_is(e, ERR_NOT_FOUND)) {
		*ret = (ImageIndex){.media_type = xstrdup(MT_OCI_INDEX)};
		return 0;
	}
	if (r < 0)
		return err_move(err, &e);
	r = image_index_parse(buf_view(&text), "index.json", ret, err);
	if (r < 0) {
		err_prefix(err, "%s/index.json is damaged", s->path);
		err_hint(err,
			"the blobs are still there: restore index.json, or move the store away and load again");
	}
	return r;
}

int store_names(Store *s, StoreNames *ret, Err **err)
{
	ImageIndex index = {0};
	int r = names_read(s, &index, err);
	if (r < 0)
		return r;
	*ret = (StoreNames){0};
	vec_foreach (&index.manifests, d) {
		StoreName *n = vec_add(ret);
		n->name = xstrdup(store_descriptor_name(d));
		descriptor_copy(d, &n->descriptor);
	}
	image_index_done(&index);
	return 0;
}

void store_names_done(StoreNames *all)
{
	vec_foreach (all, n) {
		free(n->name);
		descriptor_done(&n->descriptor);
	}
	vec_done(all);
}

/* ---- changes ---- */

typedef struct Change {
	Store *store;
	int lock_fd;
	ImageIndex index;
} Change;

static void change_done(Change *c)
{
	if (c->lock_fd >= 0)
		close(c->lock_fd);
	image_index_done(&c->index);
}

static int change_begin(Store *s, Change *c, Err **err)
{
	*c = (Change){.store = s, .lock_fd = -1};
	int r = lock_take(s->fd, "locks/index", LOCK_EXCLUSIVE, &c->lock_fd, err);
	return r < 0 ? r : names_read(s, &c->index, err);
}

static int change_commit(Change *c, Err **err)
{
	_cleanup_free_ char *text = image_index_text(&c->index);
	/* what could not be read again must not be written */
	if (strlen(text) > LIMIT_MANIFEST_SIZE || c->index.manifests.len > LIMIT_INDEX_MANIFESTS) {
		int r = err_set(err, ERR_LIMIT, "the store has too many names (%zu)",
			c->index.manifests.len);
		err_hint(err, "remove some with 'cruet rmi'");
		return r;
	}
	/* without it every image is lost */
	bool durable = !replaces_whole(c->store->fd);
	return atomic_write(c->store->fd, "index.json", str_of(text), 0644, durable, err);
}

static void drop(ImageIndex *index, size_t i)
{
	descriptor_done(&index->manifests.items[i]);
	memmove(&index->manifests.items[i], &index->manifests.items[i + 1],
		(index->manifests.len - i - 1) * sizeof(Descriptor));
	index->manifests.len--;
}

static void unname(Descriptor *d)
{
	strvec_env_unset(&d->annotations, ANNOTATION_REF);
	strvec_env_unset(&d->annotations, ANNOTATION_CONTAINERD);
}

void store_name_descriptor(const Descriptor *d, const char *full_name, Descriptor *ret)
{
	descriptor_copy(d, ret);
	unname(ret);
	if (full_name) {
		strvec_env_set(&ret->annotations, ANNOTATION_CONTAINERD, full_name);
		strvec_env_set(&ret->annotations, ANNOTATION_REF, full_name);
	}
}

static size_t count_digest(const ImageIndex *index, const Digest *d)
{
	size_t n = 0;
	vec_foreach (&index->manifests, it)
		n += digest_eq(&it->digest, d);
	return n;
}

/* Takes a name from whatever has it: an image's last name leaves an untagged entry behind. */
static bool take_name_once(ImageIndex *index, const char *name, const Digest *except)
{
	for (size_t i = 0; i < index->manifests.len; i++) {
		Descriptor *d = &index->manifests.items[i];
		if (!cstr_eq(store_descriptor_name(d), name) ||
			(except && digest_eq(&d->digest, except)))
			continue;
		if (count_digest(index, &d->digest) > 1)
			drop(index, i);
		else
			unname(d);
		return true;
	}
	return false;
}

/* Layouts of other tools may have a name more than once. False when there was none. */
static bool take_name(ImageIndex *index, const char *name, const Digest *except)
{
	bool any = false;
	while (take_name_once(index, name, except))
		any = true;
	return any;
}

/* False when it is there already. */
static bool add_entry(ImageIndex *index, const Descriptor *d, const char *name)
{
	/* an untagged entry of the same image takes the name */
	vec_foreach (&index->manifests, it) {
		if (!digest_eq(&it->digest, &d->digest))
			continue;
		if (!name || cstr_eq(store_descriptor_name(it), name))
			return false;
		if (!store_descriptor_name(it)) {
			strvec_env_set(&it->annotations, ANNOTATION_CONTAINERD, name);
			strvec_env_set(&it->annotations, ANNOTATION_REF, name);
			return true;
		}
	}
	Descriptor copy = {0};
	store_name_descriptor(d, name, &copy);
	vec_push(&index->manifests, copy);
	return true;
}

int store_tag(Store *s, const StrVec *names, const Descriptor *d, Err **err)
{
	_cleanup_(change_done) Change c;
	int r = change_begin(s, &c, err);
	if (r < 0)
		return r;
	bool changed = false;
	for (size_t i = 0; i < names->len; i++) {
		changed |= take_name(&c.index, names->items[i], &d->digest);
		changed |= add_entry(&c.index, d, names->items[i]);
	}
	if (names->len == 0)
		changed = add_entry(&c.index, d, NULL);
	if (!changed)
		return 0;
	return change_commit(&c, err);
}

int store_untag_all(Store *s, const StrVec *names, Err **err)
{
	_cleanup_(change_done) Change c;
	_cleanup_map_ Map wanted = MAP_INIT(NULL);
	int r = change_begin(s, &c, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names->len; i++)
		map_put(&wanted, str_of(names->items[i]), s);
	size_t stay = 0;
	vec_foreach (&c.index.manifests, it) {
		const char *name = store_descriptor_name(it);
		if (name && map_has(&wanted, str_of(name)))
			descriptor_done(it);
		else
			c.index.manifests.items[stay++] = *it;
	}
	bool changed = stay < c.index.manifests.len;
	c.index.manifests.len = stay;
	if (!changed)
		return err_set(err, ERR_NOT_FOUND, "no image is named '%s'",
			names->len ? names->items[0] : "");
	return change_commit(&c, err);
}

int store_untag(Store *s, const char *name, Err **err)
{
	_cleanup_strvec_ StrVec one = {0};
	strvec_push(&one, name);
	return store_untag_all(s, &one, err);
}

int store_forget(Store *s, const Digest *manifest, Err **err)
{
	_cleanup_(change_done) Change c;
	int r = change_begin(s, &c, err);
	if (r < 0)
		return r;
	size_t before = c.index.manifests.len;
	for (size_t i = c.index.manifests.len; i-- > 0;)
		if (digest_eq(&c.index.manifests.items[i].digest, manifest))
			drop(&c.index, i);
	if (c.index.manifests.len == before)
		return err_set(
			err, ERR_NOT_FOUND, "no image has the digest %s", digest_str(manifest).s);
	return change_commit(&c, err);
}

int names_forget_untagged(Store *s, bool dry_run, uint64_t *ret_count, Err **err)
{
	_cleanup_(change_done) Change c;
	int r = change_begin(s, &c, err);
	if (r < 0)
		return r;
	size_t before = c.index.manifests.len;
	for (size_t i = before; i-- > 0;)
		if (!store_descriptor_name(&c.index.manifests.items[i]))
			drop(&c.index, i);
	*ret_count = before - c.index.manifests.len;
	return dry_run || *ret_count == 0 ? 0 : change_commit(&c, err);
}
