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
		p.d.has_platform = true;
		r = read_platform(p.platform, path, &p.d.platform, err);
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

static void set_pairs(json_t *object, const char *key, const StrVec *pairs)
{
	json_t *map = json_object();
	for (size_t i = 0; i < pairs->len; i++) {
		const char *eq = strchr(pairs->items[i], '=');
		_cleanup_free_ char *name =
			xstrndup(pairs->items[i], (size_t)(eq - pairs->items[i]));
		json_object_set_new(map, name, json_string(eq + 1));
	}
	if (pairs->len)
		json_object_set(object, key, map);
	else
		json_object_del(object, key);
	json_decref(map);
}

json_t *descriptor_json(const Descriptor *d)
{
	json_t *j = d->raw ? json_copy(d->raw) : json_object();
	json_object_set_new(j, "mediaType", json_string(d->media_type));
	json_object_set_new(j, "digest", json_string(digest_str(&d->digest).s));
	json_object_set_new(j, "size", json_integer((json_int_t)d->size));
	set_pairs(j, "annotations", &d->annotations);
	if (d->has_platform && !d->raw) {
		json_t *p = json_object();
		if (d->platform.os)
			json_object_set_new(p, "os", json_string(d->platform.os));
		if (d->platform.arch)
			json_object_set_new(p, "architecture", json_string(d->platform.arch));
		if (d->platform.variant && *d->platform.variant)
			json_object_set_new(p, "variant", json_string(d->platform.variant));
		json_object_set_new(j, "platform", p);
	}
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
