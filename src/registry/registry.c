/* Repositories: manifests, tags, referrers. */
#include "registry/registry.h"

#include <stdio.h>

#include "base/limits.h"
#include "registry/link.h"
#include "registry/registry_int.h"
#include "registry/url.h"

#define MAX_PAGES 10000
#define MAX_LIST  (4u << 20)  /* bytes of one page of tags or referrers */
#define MAX_LISTS (24u << 20) /* what all of them may take */
#define ENTRY     48u         /* bytes that an entry takes beside its text */

int repository_open(Registry *r, const Reference *name, bool push, Repository **ret, Err **err)
{
	_cleanup_(repository_freep) Repository *p = xnew(Repository);
	p->registry = r;
	p->push = push;
	p->host = xstrdup(name->host);
	p->path = xstrdup(name->path);
	int rc = endpoints_find(r->settings, name, push, &p->endpoints, err);
	if (rc < 0)
		return rc;
	*ret = TAKE_PTR(p);
	return 0;
}

Repository *repository_free(Repository *p)
{
	if (p) {
		free(p->host);
		free(p->path);
		endpoints_done(&p->endpoints);
		free(p);
	}
	return NULL;
}

const char *repository_host(const Repository *p)
{
	return p->host;
}

const char *repository_path(const Repository *p)
{
	return p->path;
}

/* ---- manifests ---- */

static void accept_manifests(StrVec *headers)
{
	static const char *const types[] = {
		MT_OCI_INDEX, MT_DOCKER_LIST, MT_OCI_MANIFEST, MT_DOCKER_MANIFEST};
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		strvec_pushf(headers, "Accept: %s", types[i]);
}

static bool is_digest(const char *target, Digest *ret)
{
	return strchr(target, ':') && digest_parse(str_of(target), ret, NULL) == 0;
}

/* Media type of the header, without parameters. Owned. */
static char *answer_type(const HttpResponse *answer)
{
	const char *type = http_header(answer, "content-type");
	if (!type)
		return xstrdup("");
	Str text = str_of(type);
	text.len = strcspn(type, ";");
	return str_dup(str_trim(text));
}

/* The type inside the document, where the server does not say a usable one. */
static char *document_type(Str text)
{
	_cleanup_json_ json_t *json = NULL;
	if (json_parse(text, LIMIT_MANIFEST_SIZE, "manifest", &json, NULL) < 0)
		return NULL;
	const char *type = json_string_value(json_object_get(json, "mediaType"));
	if (type)
		return xstrdup(type);
	return xstrdup(json_object_get(json, "manifests") ? MT_OCI_INDEX : MT_OCI_MANIFEST);
}

/* The answer's body goes to ret_bytes. */
static int read_manifest(
	HttpResponse *answer, const char *target, Descriptor *ret, Buf *ret_bytes, Err **err)
{
	Digest wanted, told;
	Descriptor d = {.media_type = answer_type(answer), .size = answer->body.len};
	const char *header = http_header(answer, "docker-content-digest");
	digest_of(answer->body.ptr, answer->body.len, &d.digest);
	int r = 0;
	if (is_digest(target, &wanted) && !digest_eq(&wanted, &d.digest))
		r = err_set(err, ERR_DIGEST, "the server's manifest has the digest %s, not %s",
			digest_str(&d.digest).s, target);
	else if (header && digest_parse(str_of(header), &told, NULL) == 0 &&
		!digest_eq(&told, &d.digest))
		r = err_set(err, ERR_DIGEST,
			"the server says that the manifest is %s, but it is %s", header,
			digest_str(&d.digest).s);
	if (r == 0 && !media_type_is_manifest(d.media_type) && !media_type_is_index(d.media_type)) {
		char *real = document_type(buf_view(&answer->body));
		free(d.media_type);
		d.media_type = real;
		if (!real)
			r = err_set(err, ERR_CORRUPT, "the server's answer is no manifest");
	}
	if (r < 0) {
		free(d.media_type);
		return r;
	}
	*ret = d;
	buf_done(ret_bytes);
	*ret_bytes = answer->body;
	answer->body = (Buf){0};
	return 0;
}

/* Only the descriptor, out of the headers; 1 when they do not say enough, or not what was asked for. */
static int read_head(const HttpResponse *answer, const char *target, Descriptor *ret)
{
	Descriptor d = {0};
	Digest wanted;
	const char *digest = http_header(answer, "docker-content-digest");
	const char *length = http_header(answer, "content-length");
	_cleanup_free_ char *type = answer_type(answer);
	if (!digest || digest_parse(str_of(digest), &d.digest, NULL) < 0 || !length ||
		str_to_u64(str_of(length), UINT64_MAX, &d.size, NULL) < 0 ||
		(is_digest(target, &wanted) && !digest_eq(&wanted, &d.digest)) ||
		!(media_type_is_manifest(type) || media_type_is_index(type)))
		return 1;
	d.media_type = TAKE_PTR(type);
	*ret = d;
	return 0;
}

int repository_manifest(
	Repository *p, const char *target, Descriptor *ret, Buf *ret_bytes, Err **err)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *path = xasprintf("/manifests/%s", target);
	_cleanup_free_ char *what = xasprintf("manifest '%s' of '%s'", target, p->path);
	_cleanup_buf_ Buf own = BUF_INIT(LIMIT_MANIFEST_SIZE);
	StrVec headers = {0};
	Digest digest;
	unsigned can = is_digest(target, &digest) ? ENDPOINT_PULL : ENDPOINT_RESOLVE;
	Call call = {.method = ret_bytes ? "GET" : "HEAD",
		.path = path,
		.actions = "pull",
		.headers = &headers,
		.max_body = LIMIT_MANIFEST_SIZE};
	accept_manifests(&headers);
	int r;
	if (!ret_bytes) {
		_cleanup_err_ Err *why = NULL;
		r = repository_call(p, can, &call, what, &answer, NULL, NULL, &why);
		bool asked = r == 0 && read_head(&answer, target, ret) == 0;
		if (asked || (r < 0 && fault_is_final(why))) {
			strvec_done(&headers);
			return err_move(err, &why);
		}
		/* old registries know no HEAD here; and a refusal's reason stands in a body */
		http_response_done(&answer);
		call.method = "GET";
		ret_bytes = &own;
	}
	r = repository_call(p, can, &call, what, &answer, NULL, NULL, err);
	strvec_done(&headers);
	return r < 0 ? r : read_manifest(&answer, target, ret, ret_bytes, err);
}

int repository_manifest_put(Repository *p, const char *target, const char *media_type, Str bytes,
	bool *ret_subject_known, Err **err)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *path = xasprintf("/manifests/%s", target);
	_cleanup_free_ char *what = xasprintf("pushing the manifest '%s' to '%s'", target, p->path);
	StrVec headers = {0};
	strvec_pushf(&headers, "Content-Type: %s", media_type);
	Call call = {.method = "PUT",
		.path = path,
		.actions = "pull,push",
		.headers = &headers,
		.body = bytes};
	int r = repository_call(p, ENDPOINT_PUSH, &call, what, &answer, NULL, NULL, err);
	strvec_done(&headers);
	const char *told = r == 0 ? http_header(&answer, "docker-content-digest") : NULL;
	Digest real, theirs;
	digest_of(bytes.ptr, bytes.len, &real);
	if (told && digest_parse(str_of(told), &theirs, NULL) == 0 && !digest_eq(&real, &theirs))
		return err_set(err, ERR_DIGEST, "%s: it was stored as %s, but is %s", what, told,
			digest_str(&real).s);
	if (r == 0 && ret_subject_known)
		*ret_subject_known = http_header(&answer, "oci-subject") != NULL;
	return r;
}

int repository_manifest_delete(Repository *p, const char *target, Err **err)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *path = xasprintf("/manifests/%s", target);
	_cleanup_free_ char *what = xasprintf("deleting '%s' of '%s'", target, p->path);
	Call call = {.method = "DELETE", .path = path, .actions = "delete"};
	int r = repository_call(p, ENDPOINT_PUSH, &call, what, &answer, NULL, NULL, err);
	if (r == -ERR_UNSUPPORTED)
		err_hint(err, "the registry does not allow to delete");
	return r;
}

int repository_blob_ask(Repository *p, const Digest *d, uint64_t *ret_size, Err **err)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *path = xasprintf("/blobs/%s", digest_str(d).s);
	Call call = {.method = "HEAD", .path = path, .actions = p->push ? "pull,push" : "pull"};
	unsigned can = p->push ? ENDPOINT_PUSH : ENDPOINT_PULL;
	_cleanup_err_ Err *why = NULL;
	if (repository_call(p, can, &call, "asking for it", &answer, NULL, NULL, &why) < 0)
		return fault_is_final(why) ? err_move(err, &why) : 0;
	const char *length = http_header(&answer, "content-length");
	uint64_t size = UINT64_MAX;
	if (length && str_to_u64(str_of(length), UINT64_MAX, &size, NULL) < 0)
		size = UINT64_MAX;
	if (ret_size)
		*ret_size = size;
	return 1;
}

bool repository_blob_known(Repository *p, const Digest *d, uint64_t *ret_size)
{
	return repository_blob_ask(p, d, ret_size, NULL) > 0;
}

/* ---- lists ---- */

/* Calls page for each page's body until there is no next one; it adds the number of entries. */
static int each_page(Repository *p, const char *path, const char *what,
	int (*page)(void *arg, Str body, size_t *io_entries, Err **err), void *arg, Err **err)
{
	_cleanup_free_ char *next = NULL;
	_cleanup_map_ Map seen = MAP_INIT(NULL);
	size_t bytes = 0, entries = 0;
	for (unsigned i = 0; i < MAX_PAGES && bytes + entries * ENTRY <= MAX_LISTS; i++) {
		_cleanup_(http_response_done) HttpResponse answer = {0};
		_cleanup_free_ char *url = NULL, *link = NULL;
		Call call = {.method = "GET",
			.path = path,
			.url = next,
			.actions = "pull",
			.max_body = MAX_LIST};
		int r = repository_call(p, ENDPOINT_RESOLVE, &call, what, &answer, NULL, &url, err);
		if (r == 0)
			r = page(arg, buf_view(&answer.body), &entries, err);
		bytes += answer.body.len;
		const char *header = r == 0 ? http_header(&answer, "link") : NULL;
		if (header)
			r = link_next(str_of(header), &link, err);
		if (r < 0 || !link)
			return r;
		char *old = next;
		r = url_resolve(url, link, &next, err);
		free(old);
		map_put(&seen, str_of(url), p);
		if (r == 0 && map_has(&seen, str_of(next)))
			r = err_set(err, ERR_CORRUPT,
				"%s: the pages name each other as the next one", what);
		if (r < 0)
			return r;
	}
	return err_set(
		err, ERR_LIMIT, "%s: more than %d pages or %u bytes", what, MAX_PAGES, MAX_LISTS);
}

static int tags_page(void *arg, Str body, size_t *io_entries, Err **err)
{
	typedef struct TagList {
		StrVec tags;
	} TagList;
	static const JsonField fields[] = {
		{"tags", JSON_FIELD_STRINGS, offsetof(TagList, tags), false}};
	_cleanup_json_ json_t *json = NULL;
	TagList list = {0};
	int r = json_parse(body, MAX_LIST, "the list of tags", &json, err);
	if (r == 0)
		r = json_read_object(json, "tags", fields, ARRAY_SIZE(fields), &list, err);
	for (size_t i = 0; r == 0 && i < list.tags.len; i++)
		if (!reference_tag_valid(str_of(list.tags.items[i])))
			r = err_set(err, ERR_CORRUPT,
				"the list of tags has '%.200s', which is none", list.tags.items[i]);
	if (r < 0) {
		strvec_done(&list.tags);
		return r;
	}
	*io_entries += list.tags.len;
	for (size_t i = 0; i < list.tags.len; i++)
		strvec_take(arg, list.tags.items[i]);
	free(list.tags.items);
	return 0;
}

int repository_tags(Repository *p, StrVec *ret, Err **err)
{
	_cleanup_free_ char *what = xasprintf("tags of '%s'", p->path);
	StrVec found = {0};
	int r = each_page(p, "/tags/list?n=1000", what, tags_page, &found, err);
	if (r < 0) {
		strvec_done(&found);
		return r;
	}
	for (size_t i = 0; i < found.len; i++)
		strvec_take(ret, found.items[i]);
	free(found.items);
	return 0;
}

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
	int r = each_page(p, filtered ? filtered : path, what, referrers_page, &page, &e);
	if (r == -ERR_NOT_FOUND || r == -ERR_UNSUPPORTED || r == -ERR_CORRUPT) {
		/* a registry without the API: clients keep the list under a tag (distribution-spec, "Referrers Tag
		 * Schema") */
		_cleanup_free_ char *tag = xasprintf("sha256-%s", digest_hex(d).s);
		_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
		Descriptor list = {0};
		e = err_free(e);
		r = repository_manifest(p, tag, &list, &bytes, &e);
		descriptor_done(&list);
		if (r == 0)
			r = referrers_page(&page, buf_view(&bytes), &(size_t){0}, &e);
		else if (r == -ERR_NOT_FOUND)
			r = 0;
	}
	if (r < 0)
		return err_move(err, &e);
	*ret = found;
	found = (ImageIndex){0};
	return 0;
}

int registry_ping(Registry *r, const char *host, Err **err)
{
	Reference name = {.host = (char *)(uintptr_t)host, .path = (char[]){""}};
	_cleanup_(repository_freep) Repository *p = NULL;
	_cleanup_(http_response_done) HttpResponse answer = {0};
	int rc = repository_open(r, &name, true, &p, err);
	if (rc < 0)
		return rc;
	vec_foreach (&p->endpoints, e) {
		free(e->repository);
		e->repository = NULL;
	}
	Call call = {.method = "GET", .path = "/"};
	return repository_call(p, ENDPOINT_PUSH, &call, "the registry", &answer, NULL, NULL, err);
}
