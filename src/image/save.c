/*
 * One layout, three wrappings. The docker format is the OCI archive plus manifest.json and repositories, whose layers
 * point at the same blobs: docker reads gzip and plain ones. It does not read zstd, so such layers are in the archive a
 * second time as plain tars ("<diffID>.tar"). Members are sorted and carry no time: same images, same bytes.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/map.h"
#include "image/transfer.h"

#define COPY_CHUNK (256 * 1024)

typedef struct Save {
	Store *store;
	TarWriter *tar; /* archive … */
	int dir;        /* … or directory */
	Map blobs;      /* hex digests, to be written */
	ImageIndex index;
	json_t *manifest_json; /* docker format, else NULL */
	json_t *repositories;
	Map plain; /* hex diffID → PlainLayer * */
	Progress *progress;
} Save;

typedef struct PlainLayer {
	Descriptor layer;
	Digest diff_id;
	uint64_t size;
} PlainLayer;

static void plain_free(void *p)
{
	PlainLayer *l = p;
	descriptor_done(&l->layer);
	free(l);
}

/* ---- what is reached ---- */

static void reach(Save *v, const Digest *d)
{
	map_put(&v->blobs, str_of(digest_hex(d).s), v);
}

static int reach_tree(Save *v, const Descriptor *d, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(0);
	int r = store_blob_read(v->store, &d->digest, LIMIT_MANIFEST_SIZE, &text, err);
	if (r < 0)
		return r;
	reach(v, &d->digest);
	if (media_type_is_index(d->media_type)) {
		_cleanup_(image_index_done) ImageIndex index = {0};
		r = image_index_parse(buf_view(&text), "index", &index, err);
		for (size_t i = 0; r == 0 && i < index.manifests.len; i++)
			if (store_blob_has(v->store, &index.manifests.items[i].digest, NULL))
				r = reach_tree(v, &index.manifests.items[i], err);
		return r;
	}
	_cleanup_(manifest_done) Manifest m = {0};
	r = manifest_parse(buf_view(&text), "manifest", &m, err);
	if (r < 0)
		return r;
	reach(v, &m.config.digest);
	vec_foreach (&m.layers, layer)
		reach(v, &layer->digest);
	return 0;
}

/* ---- members ---- */

static int put_header(Save *v, const char *name, uint64_t size, bool dir, Err **err)
{
	_cleanup_free_ char *path = xstrdup(name);
	TarEntry e = {.path = path,
		.type = dir ? TAR_DIR : TAR_FILE,
		.mode = dir ? 0755 : 0644,
		.size = size};
	return tar_writer_entry(v->tar, &e, err);
}

static int put_text(Save *v, const char *name, const char *text, Err **err)
{
	if (!v->tar)
		return atomic_write(v->dir, name, str_of(text), 0644, false, err);
	int r = put_header(v, name, strlen(text), false, err);
	return r < 0 ? r : tar_writer_body(v->tar, text, strlen(text), err);
}

static int copy_body(Save *v, Reader *body, uint64_t size, Err **err)
{
	_cleanup_free_ char *chunk = xmalloc(COPY_CHUNK);
	for (uint64_t left = size; left > 0;) {
		size_t want = (size_t)MIN(left, (uint64_t)COPY_CHUNK);
		int r = reader_read_full(body, chunk, want, err);
		if (r == 0)
			r = tar_writer_body(v->tar, chunk, want, err);
		if (r < 0)
			return r;
		left -= want;
	}
	return 0;
}

static int put_blob(Save *v, const Digest *d, unsigned progress_id, Err **err)
{
	_cleanup_free_ char *name = xasprintf("blobs/sha256/%s", digest_hex(d).s);
	int fd = -1;
	uint64_t size = 0;
	int r = store_blob_open(v->store, d, &fd, err);
	if (r < 0)
		return r;
	(void)store_blob_has(v->store, d, &size);
	_cleanup_(reader_freep) Reader *body =
		progress_reader_new(fd_reader_new(fd, true, name), v->progress, progress_id, size);
	if (v->tar) {
		r = put_header(v, name, size, false, err);
		return r < 0 ? r : copy_body(v, body, size, err);
	}
	_cleanup_(atomic_file_freep) AtomicFile *file = NULL;
	r = atomic_file_open(v->dir, name, 0644, &file, err);
	if (r < 0)
		return r;
	_cleanup_(writer_freep) Writer *out = atomic_file_writer(file);
	r = stream_copy(body, out, NULL, err);
	return r < 0 ? r : atomic_file_commit(file, NULL, false, err);
}

static int put_plain(Save *v, const char *name, const PlainLayer *l, Err **err)
{
	int fd = -1;
	_cleanup_(reader_freep) Reader *plain = NULL;
	int r = store_blob_open(v->store, &l->layer.digest, &fd, err);
	if (r == 0)
		r = decompress_reader_auto(fd_reader_new(fd, true, name), NULL, NULL, &plain, err);
	if (r == 0)
		r = put_header(v, name, l->size, false, err);
	return r < 0 ? r : copy_body(v, plain, l->size, err);
}

/* ---- docker's side ---- */

static int docker_layer(
	Save *v, const Descriptor *layer, const Digest *diff_id, json_t *layers, Err **err)
{
	_cleanup_(index_freep) Index *index = NULL;
	if (!strstr(layer->media_type, "zstd")) {
		json_array_append_new(
			layers, json_sprintf("blobs/sha256/%s", digest_hex(&layer->digest).s));
		return 0;
	}
	int r = layers_index(v->store, layer, diff_id, &index, err);
	if (r < 0)
		return r;
	PlainLayer *p = xnew(PlainLayer);
	descriptor_copy(layer, &p->layer);
	p->diff_id = *diff_id;
	p->size = index_tar_size(index);
	map_put(&v->plain, str_of(digest_hex(diff_id).s), p);
	json_array_append_new(layers, json_sprintf("%s.tar", digest_hex(diff_id).s));
	return 0;
}

static json_t *docker_entry(Save *v, const StoreImage *image, Err **err)
{
	json_t *layers = json_array(), *entry = json_object();
	json_object_set_new(entry, "Config",
		json_sprintf("blobs/sha256/%s", digest_hex(&image->manifest.config.digest).s));
	json_object_set_new(entry, "RepoTags", json_array());
	json_object_set_new(entry, "Layers", layers);
	for (size_t i = 0; i < image->manifest.layers.len && i < image->config.diff_ids.len; i++)
		if (docker_layer(v, &image->manifest.layers.items[i],
			    &image->config.diff_ids.items[i], layers, err) < 0) {
			json_decref(entry);
			return NULL;
		}
	return entry;
}

static void add_repository(Save *v, const Reference *ref, const StoreImage *image)
{
	_cleanup_free_ char *repository = reference_familiar_repository(ref);
	size_t n = image->config.diff_ids.len;
	json_t *tags = json_object_get(v->repositories, repository);
	if (!tags) {
		tags = json_object();
		json_object_set_new(v->repositories, repository, tags);
	}
	if (n && ref->tag)
		json_object_set_new(tags, ref->tag,
			json_string(digest_hex(&image->config.diff_ids.items[n - 1]).s));
}

static int add_docker(Save *v, const StoreImage *image, Err **err)
{
	json_t *entry = NULL, *it;
	size_t i;
	_cleanup_free_ char *config =
		xasprintf("blobs/sha256/%s", digest_hex(&image->manifest.config.digest).s);
	json_array_foreach(v->manifest_json, i,
		it) if (cstr_eq(json_string_value(json_object_get(it, "Config")), config)) entry =
		it;
	if (!entry) {
		entry = docker_entry(v, image, err);
		if (!entry)
			return err && *err ? -(int)(*err)->code : -ERR_CORRUPT;
		json_array_append_new(v->manifest_json, entry);
	}
	Reference ref = {0};
	if (image->name && reference_parse(str_of(image->name), &ref, NULL) == 0) {
		_cleanup_free_ char *familiar = reference_familiar(&ref);
		json_array_append_new(json_object_get(entry, "RepoTags"), json_string(familiar));
		add_repository(v, &ref, image);
		reference_done(&ref);
	}
	return 0;
}

/* ---- one image after the other ---- */

/* The entry of index.json: the whole index when the image was reached through one. */
static int top_descriptor(Save *v, const StoreImage *image, Descriptor *ret, Err **err)
{
	StoreNames names = {0};
	const Digest *wanted = digest_is_zero(&image->index_digest) ? &image->descriptor.digest
								    : &image->index_digest;
	int r = store_names(v->store, &names, err);
	bool found = false;
	vec_foreach (&names, n) {
		if (found || !digest_eq(&n->descriptor.digest, wanted) ||
			(image->name && !cstr_eq(n->name, image->name)))
			continue;
		descriptor_copy(&n->descriptor, ret);
		found = true;
	}
	store_names_done(&names);
	if (r == 0 && !found)
		descriptor_copy(&image->descriptor, ret);
	return r;
}

static int add_image(Save *v, const char *name, Err **err)
{
	_cleanup_(store_image_done) StoreImage image = {0};
	Descriptor top = {0};
	int r = store_image(v->store, name, NULL, &image, err);
	if (r == 0)
		r = top_descriptor(v, &image, &top, err);
	if (r < 0)
		return r;
	r = reach_tree(v, &top, err);
	vec_push(&v->index.manifests, top);
	if (r == 0 && v->manifest_json)
		r = add_docker(v, &image, err);
	return r;
}

static int text_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int write_blobs(Save *v, Err **err)
{
	StrVec sorted = {0};
	map_foreach (&v->blobs, it)
		strvec_push(&sorted, it->key);
	if (sorted.len)
		qsort(sorted.items, sorted.len, sizeof(char *), text_cmp);
	int r = 0;
	for (size_t i = 0; r == 0 && i < sorted.len; i++) {
		Digest d;
		unsigned id = progress_next_id();
		_cleanup_free_ char *name = xasprintf("blob %.12s", sorted.items[i]);
		progress_state(v->progress, id, name, PROGRESS_STARTED, NULL);
		if (digest_parse_hex(str_of(sorted.items[i]), &d))
			r = put_blob(v, &d, id, err);
		progress_state(v->progress, id, name, r < 0 ? PROGRESS_FAILED : PROGRESS_DONE,
			err ? *err : NULL);
	}
	strvec_done(&sorted);
	return r;
}

static int write_all(Save *v, Err **err)
{
	_cleanup_free_ char *index = image_index_text(&v->index);
	int r = 0;
	if (v->tar) {
		r = put_header(v, "blobs", 0, true, err);
		if (r == 0)
			r = put_header(v, "blobs/sha256", 0, true, err);
	} else {
		r = mkdir_p(v->dir, "blobs/sha256", 0755, err);
	}
	if (r == 0)
		r = write_blobs(v, err);
	map_foreach (&v->plain, it) {
		_cleanup_free_ char *name = xasprintf("%s.tar", it->key);
		if (r == 0)
			r = put_plain(v, name, it->value, err);
	}
	if (r == 0)
		r = put_text(v, "index.json", index, err);
	if (r == 0 && v->manifest_json) {
		_cleanup_free_ char *manifest = json_text(v->manifest_json);
		_cleanup_free_ char *repositories = json_text(v->repositories);
		r = put_text(v, "manifest.json", manifest, err);
		if (r == 0 && json_object_size(v->repositories))
			r = put_text(v, "repositories", repositories, err);
	}
	if (r == 0)
		r = put_text(v, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", err);
	if (r == 0 && v->tar)
		r = tar_writer_end(v->tar, err);
	return r;
}

static int open_dir(Save *v, const char *dir, Err **err)
{
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "create '%s'", dir);
	v->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->dir < 0)
		return err_sys(err, "open '%s'", dir);
	if (faccessat(v->dir, "index.json", F_OK, 0) == 0) {
		int r = err_set(err, ERR_EXISTS, "'%s' is an OCI layout already", dir);
		err_hint(err, "name a directory that does not exist");
		return r;
	}
	return 0;
}

int image_save(Store *s, const StrVec *names, SaveFormat format, Writer *out, const char *dir,
	Progress *progress, Err **err)
{
	Save v = {
		.store = s,
		.dir = -1,
		.blobs = MAP_INIT(NULL),
		.plain = MAP_INIT(plain_free),
		.index = {.media_type = xstrdup(MT_OCI_INDEX)},
		.progress = progress,
	};
	int r = 0;
	if (format == SAVE_DOCKER) {
		v.manifest_json = json_array();
		v.repositories = json_object();
	}
	for (size_t i = 0; r == 0 && i < names->len; i++)
		r = add_image(&v, names->items[i], err);
	if (r == 0 && format == SAVE_OCI_DIR)
		r = open_dir(&v, dir, err);
	else if (r == 0)
		v.tar = tar_writer_new(out);
	if (r == 0)
		r = write_all(&v, err);
	tar_writer_free(v.tar);
	if (v.dir >= 0)
		close(v.dir);
	map_done(&v.blobs);
	map_done(&v.plain);
	image_index_done(&v.index);
	json_decref(v.manifest_json);
	json_decref(v.repositories);
	return r;
}
