/*
 * What refers to a manifest (its subject): signatures, SBOMs, attestations. A registry that knows the referrers API keeps
 * the list itself; where it does not, clients keep it as an index under the tag sha256-<hex of the subject>, and have to
 * when they push or delete what refers (distribution-spec 1.1, "Referrers Tag Schema"). Two clients that do so at once
 * may lose an entry: the specification offers them nothing against it.
 */
#include "base/limits.h"
#include "oci/document.h"
#include "registry/registry_int.h"
#include "registry/url.h"

typedef struct ReferrersPage {
	ImageIndex *index;
	const char *artifact_type;
} ReferrersPage;

static int referrers_page(void *arg, Str body, size_t *io_entries, Err **err)
{
	ReferrersPage *page = arg;
	_cleanup_(image_index_done) ImageIndex part = {0};
	int r = image_index_parse(body, "referrers", &part, err);
	*io_entries += part.manifests.len;
	for (size_t i = 0; r == 0 && i < part.manifests.len; i++) {
		const Descriptor *d = &part.manifests.items[i];
		const char *type = json_string_value(json_object_get(d->raw, "artifactType"));
		if (page->artifact_type && !cstr_eq(type, page->artifact_type))
			continue;
		Descriptor copy = {0};
		descriptor_copy(d, &copy);
		vec_push(&page->index->manifests, copy);
	}
	return r;
}

/* The list under the tag; ERR_NOT_FOUND. */
static int read_tagged(Repository *p, const Digest *subject, ReferrersPage *page, Err **err)
{
	_cleanup_free_ char *tag = referrers_tag(subject);
	_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
	Descriptor list = {0};
	int r = repository_manifest(p, tag, &list, &bytes, err);
	descriptor_done(&list);
	return r < 0 ? r : referrers_page(page, buf_view(&bytes), &(size_t){0}, err);
}

int repository_referrers(
	Repository *p, const Digest *d, const char *artifact_type, ImageIndex *ret, Err **err)
{
	_cleanup_free_ char *what = xasprintf("referrers of %s", digest_str(d).s);
	_cleanup_free_ char *path = xasprintf("/referrers/%s", digest_str(d).s), *filtered = NULL;
	_cleanup_(image_index_done) ImageIndex found = {.media_type = xstrdup(MT_OCI_INDEX)};
	ReferrersPage page = {&found, artifact_type};
	_cleanup_err_ Err *e = NULL;
	if (artifact_type)
		filtered = url_with_query(path, "artifactType", artifact_type);
	int r = repository_each_page(
		p, filtered ? filtered : path, what, referrers_page, &page, &e);
	if (r == -ERR_NOT_FOUND || r == -ERR_UNSUPPORTED || r == -ERR_CORRUPT) {
		e = err_free(e);
		r = read_tagged(p, d, &page, &e);
		if (r == -ERR_NOT_FOUND)
			r = 0;
	}
	if (r < 0)
		return err_move(err, &e);
	*ret = found;
	found = (ImageIndex){0};
	return 0;
}

/* ---- the client's duty ---- */

int referrers_keep(Repository *p, const char *media_type, Str bytes, bool listed, Err **err)
{
	_cleanup_(oci_document_done) OciDocument document = {0};
	_cleanup_(image_index_done) ImageIndex list = {.media_type = xstrdup(MT_OCI_INDEX)};
	_cleanup_err_ Err *e = NULL;
	ReferrersPage page = {&list, NULL};
	Digest digest;
	if (oci_document_parse(bytes, media_type, "manifest", &document, NULL) < 0 ||
		!document.has_subject)
		return 0;
	int r = read_tagged(p, &document.subject, &page, &e);
	if (r < 0 && r != -ERR_NOT_FOUND)
		return err_move(err, &e);
	digest_of(bytes.ptr, bytes.len, &digest);
	size_t at = 0;
	while (at < list.manifests.len && !digest_eq(&list.manifests.items[at].digest, &digest))
		at++;
	bool found = at < list.manifests.len;
	if (found == listed)
		return 0;
	if (found) {
		descriptor_done(&list.manifests.items[at]);
		list.manifests.items[at] = list.manifests.items[--list.manifests.len];
	} else {
		_cleanup_json_ json_t *entry =
			oci_document_descriptor(&document, &digest, bytes.len);
		Descriptor described = {0};
		r = descriptor_read(entry, "referrer", &described, err);
		if (r < 0)
			return r;
		vec_push(&list.manifests, described);
	}
	_cleanup_free_ char *tag = referrers_tag(&document.subject);
	_cleanup_free_ char *text = image_index_text(&list);
	return repository_manifest_put(p, tag, MT_OCI_INDEX, str_of(text), err);
}
