#include "oci/descriptor.h"

bool media_type_is_manifest(const char *mt)
{
	return cstr_eq(mt, MT_OCI_MANIFEST) || cstr_eq(mt, MT_DOCKER_MANIFEST);
}

bool media_type_is_index(const char *mt)
{
	return cstr_eq(mt, MT_OCI_INDEX) || cstr_eq(mt, MT_DOCKER_LIST);
}

bool media_type_is_layer(const char *mt)
{
	return mt &&
		(cstr_starts(mt, "application/vnd.oci.image.layer.") ||
			cstr_starts(mt, "application/vnd.docker.image.rootfs."));
}

static int read_platform(const json_t *object, const char *path, Platform *ret, Err **err)
{
	static const JsonField fields[] = {
		{"os", JSON_FIELD_STRING, offsetof(Platform, os), false},
		{"architecture", JSON_FIELD_STRING, offsetof(Platform, arch), false},
		{"variant", JSON_FIELD_STRING, offsetof(Platform, variant), false},
	};
	_cleanup_free_ char *where = xasprintf("%s.platform", path);
	return json_read_object(object, where, fields, ARRAY_SIZE(fields), ret, err);
}

static bool is_word(const char *s)
{
	return s && *s;
}

int descriptor_read(const json_t *object, const char *path, Descriptor *ret, Err **err)
{
	typedef struct Parsed {
		Descriptor d;
		json_t *platform;
	} Parsed;
	static const JsonField fields[] = {
		{"mediaType", JSON_FIELD_STRING, offsetof(Parsed, d.media_type), false},
		{"digest", JSON_FIELD_DIGEST, offsetof(Parsed, d.digest), true},
		{"size", JSON_FIELD_U64, offsetof(Parsed, d.size), true},
		{"annotations", JSON_FIELD_PAIRS, offsetof(Parsed, d.annotations), false},
		{"platform", JSON_FIELD_OBJECT, offsetof(Parsed, platform), false},
	};
	Parsed p = {0};
	int r = json_read_object(object, path, fields, ARRAY_SIZE(fields), &p, err);
	if (r == 0 && p.platform) {
		r = read_platform(p.platform, path, &p.d.platform, err);
		/* {} and empty words say nothing */
		p.d.has_platform = is_word(p.d.platform.os) || is_word(p.d.platform.arch);
	}
	json_decref(p.platform);
	if (r < 0) {
		descriptor_done(&p.d);
		return r;
	}
	if (!p.d.media_type)
		p.d.media_type = xstrdup("");
	p.d.raw = json_incref((json_t *)(uintptr_t)object);
	*ret = p.d;
	return 0;
}

/* os.version, os.features and what else a platform has stay as they were read. */
static json_t *platform_json(const Platform *p, const json_t *old)
{
	json_t *j = json_is_object(old) ? json_copy((json_t *)(uintptr_t)old) : json_object();
	if (p->os)
		json_set_text(j, "os", p->os);
	if (p->arch)
		json_set_text(j, "architecture", p->arch);
	if (p->variant && *p->variant)
		json_set_text(j, "variant", p->variant);
	return j;
}

json_t *descriptor_json(const Descriptor *d)
{
	json_t *j = d->raw ? json_copy(d->raw) : json_object();
	if (d->media_type && *d->media_type)
		json_set_text(j, "mediaType", d->media_type);
	json_set_text(j, "digest", digest_str(&d->digest).s);
	json_set(j, "size", json_integer((json_int_t)d->size));
	json_set_pairs(j, "annotations", &d->annotations);
	if (d->has_platform)
		json_set(
			j, "platform", platform_json(&d->platform, json_object_get(j, "platform")));
	return j;
}

void descriptor_copy(const Descriptor *src, Descriptor *ret)
{
	*ret = (Descriptor){
		.media_type = xstrdup(src->media_type),
		.digest = src->digest,
		.size = src->size,
		.has_platform = src->has_platform,
		.raw = json_incref(src->raw),
	};
	strvec_copy(&ret->annotations, &src->annotations);
	platform_copy(&src->platform, &ret->platform);
}

void descriptor_done(Descriptor *d)
{
	free(d->media_type);
	strvec_done(&d->annotations);
	platform_done(&d->platform);
	json_decref(d->raw);
	*d = (Descriptor){0};
}
