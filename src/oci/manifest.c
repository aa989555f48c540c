#include "oci/manifest.h"

#include "base/limits.h"

/* Array of descriptors under name; bounded. */
static int read_descriptors(
	const json_t *array, const char *path, size_t max, Descriptors *ret, Err **err)
{
	size_t i;
	json_t *item;
	if (json_array_size(array) > max)
		return err_set(err, ERR_LIMIT, "%s: %zu entries are more than %zu", path,
			json_array_size(array), max);
	json_array_foreach(array, i, item)
	{
		_cleanup_free_ char *where = xasprintf("%s[%zu]", path, i);
		Descriptor d;
		int r = descriptor_read(item, where, &d, err);
		if (r < 0)
			return r;
		vec_push(ret, d);
	}
	return 0;
}

static void descriptors_done(Descriptors *all)
{
	vec_foreach (all, d)
		descriptor_done(d);
	vec_done(all);
}

typedef struct Document {
	uint64_t schema_version;
	char *media_type;
	json_t *config, *list;
	StrVec annotations;
} Document;

static void document_done(Document *d)
{
	free(d->media_type);
	json_decref(d->config);
	json_decref(d->list);
	strvec_done(&d->annotations);
}

/*
 * other: a member that only the other kind of document has. One that two readers take for two
 * things is refused, as registries do (CVE-2021-41190).
 */
static int check_document(const json_t *j, const Document *d, const char *name, bool right_type,
	const char *other, Err **err)
{
	if (d->schema_version == 1)
		return err_set(err, ERR_UNSUPPORTED,
			"%s: is a Docker schema 1 manifest, which no registry takes any more",
			name);
	if (d->schema_version != 2)
		return err_set(err, ERR_CORRUPT, "%s: schemaVersion is not 2", name);
	if (d->media_type && !right_type)
		return err_set(
			err, ERR_CORRUPT, "%s: has the media type '%s'", name, d->media_type);
	if (json_object_get(j, other))
		return err_set(err, ERR_CORRUPT,
			"%s.%s: may not be there, the document is manifest and index at once", name,
			other);
	return 0;
}

int manifest_parse(Str text, const char *name, Manifest *ret, Err **err)
{
	static const JsonField fields[] = {
		{"schemaVersion", JSON_FIELD_U64, offsetof(Document, schema_version), true},
		{"mediaType", JSON_FIELD_STRING, offsetof(Document, media_type), false},
		{"config", JSON_FIELD_OBJECT, offsetof(Document, config), true},
		{"layers", JSON_FIELD_ARRAY, offsetof(Document, list), false},
		{"annotations", JSON_FIELD_PAIRS, offsetof(Document, annotations), false},
	};
	_cleanup_json_ json_t *j = NULL;
	_cleanup_(document_done) Document d = {0};
	Manifest m = {0};
	int r = json_parse(text, LIMIT_MANIFEST_SIZE, name, &j, err);
	if (r == 0)
		r = json_read_object(j, name, fields, ARRAY_SIZE(fields), &d, err);
	if (r == 0)
		r = check_document(
			j, &d, name, media_type_is_manifest(d.media_type), "manifests", err);
	if (r == 0) {
		_cleanup_free_ char *path = xasprintf("%s.config", name);
		r = descriptor_read(d.config, path, &m.config, err);
	}
	if (r == 0) {
		_cleanup_free_ char *path = xasprintf("%s.layers", name);
		r = read_descriptors(d.list, path, LIMIT_LAYERS, &m.layers, err);
	}
	if (r < 0) {
		manifest_done(&m);
		return r;
	}
	m.media_type = d.media_type ? TAKE_PTR(d.media_type) : xstrdup(MT_OCI_MANIFEST);
	const char *type = json_string_value(json_object_get(j, "artifactType"));
	m.artifact_type = type && *type ? xstrdup(type) : NULL;
	m.annotations = d.annotations;
	d.annotations = (StrVec){0};
	*ret = m;
	return 0;
}

static json_t *descriptors_json(const Descriptors *all)
{
	json_t *array = json_array();
	vec_foreach (all, d)
		json_array_append_new(array, descriptor_json(d));
	return array;
}

char *manifest_text(const Manifest *m)
{
	_cleanup_json_ json_t *j = json_object();
	json_set(j, "schemaVersion", json_integer(2));
	json_set_text(j, "mediaType", m->media_type ? m->media_type : MT_OCI_MANIFEST);
	json_set(j, "config", descriptor_json(&m->config));
	json_set(j, "layers", descriptors_json(&m->layers));
	json_set_pairs(j, "annotations", &m->annotations);
	return json_text(j);
}

void manifest_done(Manifest *m)
{
	free(m->media_type);
	free(m->artifact_type);
	descriptor_done(&m->config);
	descriptors_done(&m->layers);
	strvec_done(&m->annotations);
	*m = (Manifest){0};
}

int image_index_parse(Str text, const char *name, ImageIndex *ret, Err **err)
{
	static const JsonField fields[] = {
		{"schemaVersion", JSON_FIELD_U64, offsetof(Document, schema_version), true},
		{"mediaType", JSON_FIELD_STRING, offsetof(Document, media_type), false},
		{"manifests", JSON_FIELD_ARRAY, offsetof(Document, list), false},
		{"annotations", JSON_FIELD_PAIRS, offsetof(Document, annotations), false},
	};
	_cleanup_json_ json_t *j = NULL;
	_cleanup_(document_done) Document d = {0};
	ImageIndex i = {0};
	int r = json_parse(text, LIMIT_MANIFEST_SIZE, name, &j, err);
	if (r == 0)
		r = json_read_object(j, name, fields, ARRAY_SIZE(fields), &d, err);
	if (r == 0)
		r = check_document(j, &d, name, media_type_is_index(d.media_type), "layers", err);
	if (r == 0) {
		_cleanup_free_ char *path = xasprintf("%s.manifests", name);
		r = read_descriptors(d.list, path, LIMIT_INDEX_MANIFESTS, &i.manifests, err);
	}
	if (r < 0) {
		image_index_done(&i);
		return r;
	}
	i.media_type = d.media_type ? TAKE_PTR(d.media_type) : xstrdup(MT_OCI_INDEX);
	i.raw = TAKE_PTR(j);
	i.annotations = d.annotations;
	d.annotations = (StrVec){0};
	*ret = i;
	return 0;
}

char *image_index_text(const ImageIndex *i)
{
	_cleanup_json_ json_t *j = i->raw ? json_copy(i->raw) : json_object();
	json_set(j, "schemaVersion", json_integer(2));
	json_set_text(j, "mediaType", i->media_type ? i->media_type : MT_OCI_INDEX);
	json_set(j, "manifests", descriptors_json(&i->manifests));
	json_set_pairs(j, "annotations", &i->annotations);
	return json_text(j);
}

void image_index_done(ImageIndex *i)
{
	free(i->media_type);
	descriptors_done(&i->manifests);
	strvec_done(&i->annotations);
	json_decref(i->raw);
	*i = (ImageIndex){0};
}

bool descriptor_is_attestation(const Descriptor *d)
{
	return cstr_eq(strvec_env_get(&d->annotations, "vnd.docker.reference.type"),
		       "attestation-manifest") ||
		cstr_eq(d->platform.os, "unknown") || cstr_eq(d->platform.arch, "unknown");
}

const Descriptor *image_index_select(const ImageIndex *i, const Platform *want)
{
	const Descriptor *best = NULL, *only = NULL;
	int best_score = 0;
	size_t candidates = 0;
	vec_foreach (&i->manifests, d) {
		if (descriptor_is_attestation(d))
			continue;
		candidates++;
		only = d;
		int score = d->has_platform ? platform_match(want, &d->platform) : 0;
		if (score > best_score) {
			best = d;
			best_score = score;
		}
	}
	/* layouts of umoci, kaniko, skopeo: one entry, no platform */
	return best ? best : candidates == 1 && !only->has_platform ? only : NULL;
}
