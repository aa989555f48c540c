/* Repositories: manifests and what is asked about blobs. */
#include "registry/registry.h"

#include <stdio.h>

#include "base/limits.h"
#include "registry/registry_int.h"
#include "registry/url.h"

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
static int document_type(Str text, char **io_type, Err **err)
{
	_cleanup_json_ json_t *json = NULL;
	if (media_type_is_manifest(*io_type) || media_type_is_index(*io_type))
		return 0;
	if (json_parse(text, LIMIT_MANIFEST_SIZE, "manifest", &json, NULL) < 0)
		return err_set(err, ERR_CORRUPT, "the server's answer is no manifest");
	const char *type = json_string_value(json_object_get(json, "mediaType"));
	if (!type && json_object_get(json, "fsLayers")) {
		err_set(err, ERR_UNSUPPORTED,
			"the manifest is of Docker's schema 1, which nothing has made since 2017");
		err_hint(err, "pushed again with a docker or skopeo of today it becomes another");
		return -ERR_UNSUPPORTED;
	}
	free(*io_type);
	*io_type = xstrdup(type                              ? type
			: json_object_get(json, "manifests") ? MT_OCI_INDEX
							     : MT_OCI_MANIFEST);
	return 0;
}

/* The answer's body goes to ret_bytes. */
static int read_manifest(
	HttpResponse *answer, const char *target, Descriptor *ret, Buf *ret_bytes, Err **err)
{
	Digest wanted, told;
	Descriptor d = {.media_type = answer_type(answer), .size = answer->body.len};
	const char *header = http_header(answer, "docker-content-digest");
	digest_of(answer->body.ptr, answer->body.len, &d.digest);
	/* first of all: the digests that go with schema 1 are of something else than the bytes */
	int r = document_type(buf_view(&answer->body), &d.media_type, err);
	if (r == 0 && is_digest(target, &wanted) && !digest_eq(&wanted, &d.digest))
		r = err_set(err, ERR_DIGEST, "the server's manifest has the digest %s, not %s",
			digest_str(&d.digest).s, target);
	else if (r == 0 && header && digest_parse(str_of(header), &told, NULL) == 0 &&
		!digest_eq(&told, &d.digest))
		r = err_set(err, ERR_DIGEST,
			"the server says that the manifest is %s, but it is %s", header,
			digest_str(&d.digest).s);
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
	for (;;) {
		_cleanup_err_ Err *why = NULL;
		const Endpoint *from = NULL;
		r = repository_call(p, can, &call, what, &answer, &from, NULL, &why);
		if (r == 0)
			r = read_manifest(&answer, target, ret, ret_bytes, &why);
		bool wrong = from && (r == -ERR_DIGEST || r == -ERR_CORRUPT);
		if (!wrong || !endpoint_leave(p, can, from)) {
			strvec_done(&headers);
			return err_move(err, &why);
		}
		http_response_done(&answer);
	}
}

int repository_manifest_put(
	Repository *p, const char *target, const char *media_type, Str bytes, Err **err)
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
	if (r == 0 && !http_header(&answer, "oci-subject"))
		r = referrers_keep(p, media_type, bytes, true, err);
	return r;
}

int repository_manifest_delete(Repository *p, const char *target, Err **err)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *path = xasprintf("/manifests/%s", target);
	_cleanup_free_ char *what = xasprintf("deleting '%s' of '%s'", target, p->path);
	_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
	Descriptor d = {0};
	Digest digest;
	Call call = {.method = "DELETE", .path = path, .actions = "delete"};
	/* what it refers to can be asked for only while it is there; a tag that goes leaves it in place */
	if (is_digest(target, &digest))
		(void)!repository_manifest(p, target, &d, &bytes, NULL);
	int r = repository_call(p, ENDPOINT_PUSH, &call, what, &answer, NULL, NULL, err);
	if (r == -ERR_UNSUPPORTED)
		err_hint(err, "the registry does not allow to delete");
	if (r == 0 && bytes.len)
		r = referrers_keep(p, d.media_type, buf_view(&bytes), false, err);
	descriptor_done(&d);
	return r;
}

int repository_blob_size(Repository *p, const Digest *d, uint64_t *ret_size, Err **err)
{
	_cleanup_(http_response_done) HttpResponse answer = {0};
	_cleanup_free_ char *path = xasprintf("/blobs/%s", digest_str(d).s);
	Call call = {.method = "HEAD", .path = path, .actions = p->push ? "pull,push" : "pull"};
	unsigned can = p->push ? ENDPOINT_PUSH : ENDPOINT_PULL;
	int r = repository_call(p, can, &call, "asking for it", &answer, NULL, NULL, err);
	if (r < 0)
		return r;
	const char *length = http_header(&answer, "content-length");
	uint64_t size = UINT64_MAX;
	if (length && str_to_u64(str_of(length), UINT64_MAX, &size, NULL) < 0)
		size = UINT64_MAX;
	*ret_size = size;
	return 0;
}

int repository_blob_ask(Repository *p, const Digest *d, Err **err)
{
	_cleanup_err_ Err *why = NULL;
	uint64_t size = 0;
	if (repository_blob_size(p, d, &size, &why) == 0)
		return 1;
	return fault_is_final(why) ? err_move(err, &why) : 0;
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
