#include "oci/document.h"

#include "base/limits.h"

#define REFERRERS_TAG "sha256-"

typedef struct Members {
	char *media_type, *artifact_type;
	json_t *subject;
} Members;

static void members_done(Members *m)
{
	free(m->media_type);
	free(m->artifact_type);
	json_decref(m->subject);
}

static int read_subject(const Members *m, const char *name, OciDocument *d, Err **err)
{
	_cleanup_free_ char *path = xasprintf("%s.subject", name);
	Descriptor subject = {0};
	if (!m->subject)
		return 0;
	int r = descriptor_read(m->subject, path, &subject, err);
	if (r < 0)
		return r;
	d->has_subject = true;
	d->subject = subject.digest;
	descriptor_done(&subject);
	return 0;
}

static int read_below(Str text, const char *name, OciDocument *d, Err **err)
{
	Manifest m = {0};
	ImageIndex index = {0};
	int r = d->is_index ? image_index_parse(text, name, &index, err)
			    : manifest_parse(text, name, &m, err);
	if (r < 0)
		return r;
	d->config = m.config;
	d->below = d->is_index ? index.manifests : m.layers;
	d->annotations = d->is_index ? index.annotations : m.annotations;
	free(m.media_type);
	free(m.artifact_type);
	free(index.media_type);
	json_decref(index.raw);
	return 0;
}

/* Media types have no parameters here, but clients may send some. */
static Str bare(const char *media_type)
{
	Str whole = str_of(media_type), first = STR("");
	(void)str_cut(&whole, ';', &first);
	return str_trim(first);
}

static int check_type(const json_t *j, const Members *m, const char *sent, const char *name,
	OciDocument *d, Err **err)
{
	Str type = bare(sent);
	const char *own = m->media_type;
	if (own && type.len && !str_eq_cstr(type, own))
		return err_set(err, ERR_CORRUPT,
			"%s says it is '%s', but was sent as '" STR_FMT "'", name, own,
			STR_ARG(type));
	d->media_type = own                       ? xstrdup(own)
		: type.len                        ? str_dup(type)
		: json_object_get(j, "manifests") ? xstrdup(MT_OCI_INDEX)
						  : xstrdup(MT_OCI_MANIFEST);
	d->is_index = media_type_is_index(d->media_type);
	if (!d->is_index && !media_type_is_manifest(d->media_type))
		return err_set(err, ERR_UNSUPPORTED,
			"%s has the media type '%s': only OCI and Docker schema 2 manifests and indexes are kept",
			name, d->media_type);
	return 0;
}

int oci_document_parse(
	Str text, const char *media_type, const char *name, OciDocument *ret, Err **err)
{
	static const JsonField fields[] = {
		{"mediaType", JSON_FIELD_STRING, offsetof(Members, media_type), false},
		{"artifactType", JSON_FIELD_STRING, offsetof(Members, artifact_type), false},
		{"subject", JSON_FIELD_OBJECT, offsetof(Members, subject), false},
	};
	_cleanup_json_ json_t *j = NULL;
	_cleanup_(members_done) Members m = {0};
	OciDocument d = {0};
	int r = json_parse(text, LIMIT_MANIFEST_SIZE, name, &j, err);
	if (r == 0)
		r = json_read_object(j, name, fields, ARRAY_SIZE(fields), &m, err);
	if (r == 0)
		r = check_type(j, &m, media_type, name, &d, err);
	if (r == 0)
		r = read_subject(&m, name, &d, err);
	if (r == 0)
		r = read_below(text, name, &d, err);
	if (r < 0) {
		oci_document_done(&d);
		return r;
	}
	if (m.artifact_type && *m.artifact_type)
		d.artifact_type = TAKE_PTR(m.artifact_type);
	else if (!d.is_index)
		d.artifact_type = xstrdup(d.config.media_type);
	*ret = d;
	return 0;
}

void oci_document_done(OciDocument *d)
{
	free(d->media_type);
	free(d->artifact_type);
	strvec_done(&d->annotations);
	descriptor_done(&d->config);
	vec_foreach (&d->below, it)
		descriptor_done(it);
	vec_done(&d->below);
	*d = (OciDocument){0};
}

json_t *oci_document_descriptor(const OciDocument *d, const Digest *digest, uint64_t size)
{
	json_t *j = json_object();
	json_set_text(j, "mediaType", d->media_type);
	json_set_text(j, "digest", digest_str(digest).s);
	json_set(j, "size", json_integer((json_int_t)size));
	if (d->artifact_type)
		json_set_text(j, "artifactType", d->artifact_type);
	json_set_pairs(j, "annotations", &d->annotations);
	return j;
}

char *referrers_tag(const Digest *subject)
{
	return xasprintf(REFERRERS_TAG "%s", digest_hex(subject).s);
}

bool is_referrers_tag(const char *tag)
{
	Digest subject;
	return tag && cstr_starts(tag, REFERRERS_TAG) &&
		digest_parse_hex(str_of(tag + strlen(REFERRERS_TAG)), &subject);
}
