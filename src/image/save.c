/*
 * One layout, three wrappings. The docker format is the OCI archive plus manifest.json and repositories, whose layers
 * point at the same blobs: docker reads gzip and plain ones. It does not read zstd, so such layers are in the archive a
 * second time as plain tars ("<diffID>.tar"). Members are sorted and carry no time: same images, same bytes.
 */
#include "base/limits.h"
#include "base/map.h"
#include "image/layout_out.h"
#include "image/transfer.h"

typedef struct Save {
	Store *store;
	LayoutOut *out;
	Map blobs;             /* hex digests, to be written */
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

static int put_blob(Save *v, const Digest *digest, unsigned progress_id, Err **err)
{
	Descriptor d = {.digest = *digest};
	Reader *raw = NULL;
	(void)store_blob_has(v->store, digest, &d.size);
	int r = store_blob_reader(v->store, digest, 0, &raw, err);
	if (r < 0)
		return r;
	_cleanup_(reader_freep) Reader *body =
		progress_reader_new(raw, v->progress, progress_id, d.size);
	return layout_out_blob(v->out, &d, body, false, err);
}

static int put_plain(Save *v, const char *name, const PlainLayer *l, Err **err)
{
	Reader *raw = NULL;
	_cleanup_(reader_freep) Reader *plain = NULL;
	int r = store_blob_reader(v->store, &l->layer.digest, 0, &raw, err);
	if (r == 0)
		r = decompress_reader_auto(raw, NULL, NULL, &plain, err);
	return r < 0 ? r : layout_out_file(v->out, name, plain, l->size, err);
}

static int put_json(Save *v, const char *name, const json_t *value, Err **err)
{
	_cleanup_free_ char *text = json_text(value);
	_cleanup_(reader_freep) Reader *body = mem_reader_new(text, strlen(text));
	return layout_out_file(v->out, name, body, strlen(text), err);
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
	int r = layers_index(v->store, layer, diff_id, NULL, &index, err);
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

static int add_docker(Save *v, const StoreImage *image, const char *name, Err **err)
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
	if (name && reference_parse(str_of(name), &ref, NULL) == 0) {
		_cleanup_free_ char *familiar = reference_familiar(&ref);
		json_array_append_new(json_object_get(entry, "RepoTags"), json_string(familiar));
		add_repository(v, &ref, image);
		reference_done(&ref);
	}
	return 0;
}

/* ---- one image after the other ---- */

static int add_image(Save *v, const NamedImage *named, Err **err)
{
	_cleanup_(store_image_done) StoreImage image = {0};
	int r = reach_tree(v, &named->descriptor, err);
	if (r < 0)
		return r;
	layout_out_list(v->out, &named->descriptor, NULL);
	if (!v->manifest_json)
		return 0;
	r = store_image_at(v->store, &named->descriptor, NULL, &image, err);
	if (r == 0)
		r = store_image_check(&image, err);
	return r < 0 ? r : add_docker(v, &image, named->name, err);
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
	int r = write_blobs(v, err);
	map_foreach (&v->plain, it) {
		_cleanup_free_ char *name = xasprintf("%s.tar", it->key);
		if (r == 0)
			r = put_plain(v, name, it->value, err);
	}
	if (r == 0 && v->manifest_json)
		r = put_json(v, "manifest.json", v->manifest_json, err);
	if (r == 0 && json_object_size(v->repositories))
		r = put_json(v, "repositories", v->repositories, err);
	return r < 0 ? r : layout_out_finish(v->out, err);
}

int image_save(Store *s, const NamedImages *images, SaveFormat format, Writer *out, const char *dir,
	Progress *progress, Err **err)
{
	Save v = {
		.store = s,
		.blobs = MAP_INIT(NULL),
		.plain = MAP_INIT(plain_free),
		.progress = progress,
	};
	int r = 0;
	if (format == SAVE_DOCKER) {
		v.manifest_json = json_array();
		v.repositories = json_object();
	}
	if (format == SAVE_OCI_DIR)
		r = layout_out_directory(dir, false, &v.out, err);
	else
		v.out = layout_out_archive(out);
	for (size_t i = 0; r == 0 && i < images->len; i++)
		r = add_image(&v, &images->items[i], err);
	if (r == 0)
		r = write_all(&v, err);
	layout_out_free(v.out);
	map_done(&v.blobs);
	map_done(&v.plain);
	json_decref(v.manifest_json);
	json_decref(v.repositories);
	return r;
}

int named_images_find(Store *s, const StrVec *names, NamedImages *ret, Err **err)
{
	for (size_t i = 0; i < names->len; i++) {
		NamedImage found = {0};
		int r = store_named(s, names->items[i], &found.descriptor, err);
		if (r < 0) {
			named_images_done(ret);
			return r;
		}
		found.name = xstrdup(store_descriptor_name(&found.descriptor));
		vec_push(ret, found);
	}
	return 0;
}

void named_images_done(NamedImages *all)
{
	vec_foreach (all, i) {
		free(i->name);
		descriptor_done(&i->descriptor);
	}
	vec_done(all);
}
