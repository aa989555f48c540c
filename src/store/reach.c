#include "store/reach.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/limits.h"
#include "store/kept.h"
#include "store/store_int.h"

#define MAX_INDEX_DEPTH 8
#define RECORD_MAX      (1u << 20)

static char here; /* any non-NULL value */

void reach_init(Reach *r)
{
	*r = (Reach){.blobs = MAP_INIT(NULL),
		.layers = MAP_INIT(NULL),
		.trees = MAP_INIT(NULL),
		.seen = MAP_INIT(NULL)};
}

void reach_done(Reach *r)
{
	map_done(&r->blobs);
	map_done(&r->layers);
	map_done(&r->trees);
	map_done(&r->seen);
	strvec_done(&r->problems);
}

static bool mark(Map *set, const Digest *d)
{
	return map_put(set, str_of(digest_hex(d).s), &here);
}

void reach_mark(Reach *r, const Digest *blob)
{
	mark(&r->blobs, blob);
}

static void problem(Reach *r, Err *e, const Digest *d)
{
	strvec_pushf(&r->problems, "%s: %s", digest_str(d).s, e->message);
}

static void reach_config(Store *s, Reach *r, const Digest *d, const Digest *manifest)
{
	_cleanup_buf_ Buf text = BUF_INIT(0);
	_cleanup_err_ Err *e = NULL;
	ImageConfig c = {0};
	int rc = store_blob_read(s, d, LIMIT_MANIFEST_SIZE, &text, &e);
	if (rc == 0)
		rc = config_parse(buf_view(&text), "config", &c, &e);
	if (rc < 0) {
		strvec_pushf(&r->problems, "%s: config of %s: %s", digest_str(d).s,
			digest_str(manifest).s, e->message);
		return;
	}
	Digest chain = {0};
	for (size_t i = 0; i < c.diff_ids.len; i++) {
		mark(&r->layers, &c.diff_ids.items[i]);
		if (i == 0) {
			chain = c.diff_ids.items[0];
		} else {
			_cleanup_free_ char *pair = xasprintf(
				"%s %s", digest_str(&chain).s, digest_str(&c.diff_ids.items[i]).s);
			digest_of(pair, strlen(pair), &chain);
		}
		mark(&r->trees, &chain);
	}
	config_done(&c);
}

/* Layers that may be kept elsewhere (image-spec layer.md, "Non-Distributable Layers"; Docker's foreign ones). */
static bool is_elsewhere(const Descriptor *layer)
{
	return strstr(layer->media_type, ".nondistributable.") ||
		strstr(layer->media_type, ".foreign.");
}

static void reach_manifest(Store *s, Reach *r, Str text, const Digest *d)
{
	_cleanup_err_ Err *e = NULL;
	_cleanup_(manifest_done) Manifest m = {0};
	if (manifest_parse(text, "manifest", &m, &e) < 0) {
		problem(r, e, d);
		return;
	}
	r->images++;
	mark(&r->blobs, &m.config.digest);
	vec_foreach (&m.layers, layer) {
		uint64_t size = 0;
		mark(&r->blobs, &layer->digest);
		bool present = store_blob_has(s, &layer->digest, &size);
		if (!present && is_elsewhere(layer))
			continue;
		if (!present)
			strvec_pushf(&r->problems, "%s: layer of %s is missing",
				digest_str(&layer->digest).s, digest_str(d).s);
		else if (size != layer->size)
			strvec_pushf(&r->problems,
				"%s: layer has %llu bytes, its manifest says %llu",
				digest_str(&layer->digest).s, (unsigned long long)size,
				(unsigned long long)layer->size);
	}
	/* configs of artifacts (signatures, SBOMs, charts) are of their own kinds */
	if (store_config_is_image(&m.config))
		reach_config(s, r, &m.config.digest, d);
	else if (!store_blob_has(s, &m.config.digest, NULL))
		strvec_pushf(&r->problems, "%s: config of %s is missing",
			digest_str(&m.config.digest).s, digest_str(d).s);
}

static void reach_descriptor(Store *s, Reach *r, const Descriptor *d, unsigned depth)
{
	_cleanup_buf_ Buf text = BUF_INIT(0);
	_cleanup_err_ Err *e = NULL;
	bool is_index = media_type_is_index(d->media_type);
	_cleanup_free_ char *key =
		xasprintf("%s %s", is_index ? "index" : "manifest", digest_hex(&d->digest).s);
	mark(&r->blobs, &d->digest);
	/* an index may be kept without the images of other platforms */
	if (depth > 0 && !store_blob_has(s, &d->digest, NULL))
		return;
	if (!map_put(&r->seen, str_of(key), &here))
		return;
	if (store_blob_read(s, &d->digest, LIMIT_MANIFEST_SIZE, &text, &e) < 0) {
		problem(r, e, &d->digest);
		return;
	}
	if (!is_index) {
		reach_manifest(s, r, buf_view(&text), &d->digest);
		return;
	}
	_cleanup_(image_index_done) ImageIndex index = {0};
	if (image_index_parse(buf_view(&text), "index", &index, &e) < 0) {
		problem(r, e, &d->digest);
		return;
	}
	/* what is not followed must not be taken for garbage */
	if (depth == MAX_INDEX_DEPTH)
		strvec_pushf(
			&r->problems, "%s: index is nested too deeply", digest_str(&d->digest).s);
	else
		vec_foreach (&index.manifests, below)
			reach_descriptor(s, r, below, depth + 1);
}

/* ---- kept manifests ---- */

typedef struct Kept {
	Store *store;
	Reach *reach;
	VEC(Descriptor) all;
} Kept;

static int add_kept(void *arg, const char *dir _unused_, const char *name, Err **err _unused_)
{
	Kept *k = arg;
	KeptManifest m = {0};
	_cleanup_err_ Err *e = NULL;
	if (cstr_starts(name, ".tmp-"))
		return 0;
	if (store_kept_read(k->store, name, &m, &e) < 0) {
		if (!err_is(e, ERR_NOT_FOUND)) /* deleted while we look */
			strvec_pushf(&k->reach->problems, "%s", e->message);
		return 0;
	}
	free(m.repository);
	vec_push(&k->all, m.descriptor);
	return 0;
}

static bool subject_reached(Store *s, const Reach *r, const Descriptor *d)
{
	_cleanup_buf_ Buf text = BUF_INIT(0);
	_cleanup_json_ json_t *j = NULL;
	if (store_blob_read(s, &d->digest, LIMIT_MANIFEST_SIZE, &text, NULL) < 0 ||
		json_parse(buf_view(&text), LIMIT_MANIFEST_SIZE, "manifest", &j, NULL) < 0)
		return false;
	const char *subject =
		json_string_value(json_object_get(json_object_get(j, "subject"), "digest"));
	return subject && cstr_starts(subject, "sha256:") &&
		map_has(&r->blobs, str_of(subject + 7));
}

static int reach_kept(Store *s, Reach *r, bool named_only, Err **err)
{
	Kept k = {.store = s, .reach = r};
	int rc = store_each(s, STORE_KEPT, add_kept, &k, err);
	/* a signature of a signature: until nothing new is reached */
	for (bool more = rc == 0; more;) {
		more = false;
		vec_foreach (&k.all, d) {
			if (map_has(&r->blobs, str_of(digest_hex(&d->digest).s)) ||
				(named_only && !subject_reached(s, r, d)))
				continue;
			reach_descriptor(s, r, d, 0);
			more = named_only;
		}
	}
	vec_foreach (&k.all, d)
		descriptor_done(d);
	vec_done(&k.all);
	return rc;
}

int reach_names(Store *s, Reach *r, bool named_only, Err **err)
{
	_cleanup_(image_index_done) ImageIndex index = {0};
	int rc = names_read(s, &index, err);
	if (rc < 0)
		return rc;
	vec_foreach (&index.manifests, d)
		if (!named_only || store_descriptor_name(d))
			reach_descriptor(s, r, d, 0);
	return reach_kept(s, r, named_only, err);
}

int store_each(Store *s, const char *dir, StoreEntryFn fn, void *arg, Err **err)
{
	int fd = openat(s->fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return err_sys(err, "read '%s/%s'", s->path, dir);
	int r = 0;
	while (r == 0) {
		errno = 0;
		struct dirent *e = readdir(d);
		/* half a directory must not pass for a whole one: what is not seen would be garbage */
		if (!e && errno)
			r = err_sys(err, "read '%s/%s'", s->path, dir);
		if (!e)
			break;
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = fn(arg, dir, e->d_name, err);
	}
	closedir(d);
	return r;
}

/* ---- build records ---- */

typedef struct Records {
	Store *store;
	Reach *reach;
	StrVec *dead;
} Records;

static bool record_blob(Store *s, const json_t *blob, Digest *ret)
{
	const char *text = json_string_value(json_object_get(blob, "digest"));
	return text && digest_parse(str_of(text), ret, NULL) == 0 && store_blob_has(s, ret, NULL);
}

/* True if the record is whole: then what it names is marked. */
static bool reach_record(Records *x, const char *path)
{
	_cleanup_buf_ Buf text = BUF_INIT(RECORD_MAX);
	_cleanup_json_ json_t *j = NULL;
	Digest diff_id, blob;
	size_t i;
	json_t *item;
	if (file_read(x->store->fd, path, RECORD_MAX, &text, NULL) < 0 ||
		json_parse(buf_view(&text), RECORD_MAX, "record", &j, NULL) < 0)
		return false;
	const json_t *blobs = json_object_get(j, "blobs");
	const char *diff_text = json_string_value(json_object_get(j, "diff_id"));
	json_array_foreach(blobs, i, item) if (!record_blob(x->store, item, &blob)) return false;
	json_array_foreach(blobs, i, item) if (record_blob(x->store, item, &blob))
		mark(&x->reach->blobs, &blob);
	if (diff_text && digest_parse(str_of(diff_text), &diff_id, NULL) == 0)
		mark(&x->reach->layers, &diff_id);
	return true;
}

static int each_record(void *arg, const char *dir, const char *name, Err **err _unused_)
{
	Records *x = arg;
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	if (!cstr_starts(name, ".tmp-") && !reach_record(x, path))
		strvec_push(x->dead, path);
	return 0;
}

static int each_record_dir(void *arg, const char *dir, const char *name, Err **err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	return store_each(((Records *)arg)->store, path, each_record, arg, err);
}

int reach_records(Store *s, Reach *r, StrVec *dead, Err **err)
{
	Records x = {s, r, dead};
	return store_each(s, "cache/records", each_record_dir, &x, err);
}
