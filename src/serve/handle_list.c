/* Lists: tags, repositories, referrers; and the metrics. */
#include "base/limits.h"
#include "oci/document.h"
#include "serve/reponame.h"
#include "serve/serve_int.h"

#define PAGE_MAX       10000 /* names of one answer */
#define REFERRERS_PAGE 1000
#define REFERRERS_READ 4096       /* manifests that are looked at for one page */
#define REFERRERS_SIZE (3u << 20) /* bytes of one page: a manifest's bound is what clients read */

/* n of the query: false and an answer when it is none. */
static bool page_size(Request *q, uint64_t most, uint64_t *ret)
{
	const char *n = route_query(&q->route, "n");
	*ret = most;
	if (!n)
		return true;
	if (str_to_u64(str_of(n), UINT64_MAX, ret, NULL) < 0) {
		response_error(
			&q->reply, 400, "PAGINATION_NUMBER_INVALID", "n='%.40s' is no number", n);
		return false;
	}
	*ret = MIN(*ret, most);
	return true;
}

static char *query_escape(const char *text)
{
	Buf b = BUF_INIT(SIZE_MAX / 2);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
			(*p >= 'A' && *p <= 'Z') || strchr("-._~", *p))
			buf_char(&b, (char)*p);
		else
			buf_printf(&b, "%%%02X", *p);
	}
	return b.ptr ? buf_steal(&b) : xstrdup("");
}

/* One page of sorted names behind `last`, with the Link to the next. */
static json_t *page(Request *q, const StrVec *names, uint64_t n, const char *path)
{
	json_t *array = json_array();
	const char *last = route_query(&q->route, "last");
	size_t i = 0;
	while (last && i < names->len && strcmp(names->items[i], last) <= 0)
		i++;
	for (; i < names->len && json_array_size(array) < n; i++)
		json_array_append_new(array, json_string(names->items[i]));
	if (n > 0 && i < names->len) {
		_cleanup_free_ char *escaped = query_escape(names->items[i - 1]);
		response_header(&q->reply, "Link", "<%s?n=%llu&last=%s>; rel=\"next\"", path,
			(unsigned long long)n, escaped);
	}
	return array;
}

static void get_tags(Request *q)
{
	_cleanup_err_ Err *e = NULL;
	_cleanup_strvec_ StrVec tags = {0};
	uint64_t n = 0;
	if (!page_size(q, PAGE_MAX, &n))
		return;
	if (!catalog_has(q->serve->catalog, &q->names)) {
		response_error(&q->reply, 404, "NAME_UNKNOWN", "there is no repository '%s'",
			q->route.name);
		return;
	}
	if (catalog_tags(q->serve->catalog, &q->names, &tags, &e) < 0) {
		response_failure(&q->reply, e, "NAME_UNKNOWN");
		return;
	}
	_cleanup_free_ char *path = xasprintf("/v2/%s/tags/list", q->route.name);
	_cleanup_json_ json_t *j =
		json_pack("{s:s, s:o}", "name", q->route.name, "tags", page(q, &tags, n, path));
	response_text(&q->reply, 200, "application/json", json_text(j));
}

static void get_catalog(Request *q)
{
	_cleanup_err_ Err *e = NULL;
	_cleanup_strvec_ StrVec repositories = {0}, names = {0};
	uint64_t n = 0;
	if (!page_size(q, PAGE_MAX, &n))
		return;
	if (catalog_repositories(q->serve->catalog, &repositories, &e) < 0) {
		response_failure(&q->reply, e, "NAME_UNKNOWN");
		return;
	}
	for (size_t i = 0; i < repositories.len; i++) {
		char *name = repository_url_name(repositories.items[i], request_host(q));
		if (name)
			strvec_take(&names, name);
	}
	strvec_sort_unique(&names);
	_cleanup_json_ json_t *j =
		json_pack("{s:o}", "repositories", page(q, &names, n, "/v2/_catalog"));
	response_text(&q->reply, 200, "application/json", json_text(j));
}

/* ---- referrers ---- */

typedef struct Answer {
	json_t *array;
	size_t size;
	Digest last; /* where the next page begins, behind it */
	bool more, busy;
} Answer;

/* False when it does not fit on the page any more. */
static bool add_entry(Request *q, Answer *a, json_t *entry, const Digest *d)
{
	_cleanup_free_ char *text = json_text(entry);
	size_t len = strlen(text) + 1;
	size_t count = json_array_size(a->array);
	if (count > 0 && (count == REFERRERS_PAGE || a->size + len > REFERRERS_SIZE)) {
		a->more = true;
		return false;
	}
	a->busy = !reply_takes(q, 3 * len); /* as values, as text, and being written */
	if (a->busy)
		return false;
	json_array_append(a->array, entry);
	a->size += len;
	a->last = *d;
	return true;
}

static bool add_referrer(Request *q, Answer *a, const char *type, const Digest *d)
{
	Store *s = q->serve->store;
	_cleanup_buf_ Buf text = BUF_INIT(0);
	OciDocument doc = {0};
	uint64_t size = 0;
	bool fits = true;
	if (!store_blob_has(s, d, &size))
		return true; /* gone meanwhile */
	large_begin(q->serve, size);
	if (store_blob_read(s, d, LIMIT_MANIFEST_SIZE, &text, NULL) == 0 &&
		oci_document_parse(buf_view(&text), "", "manifest", &doc, NULL) == 0 &&
		(!type || cstr_eq(type, doc.artifact_type))) {
		_cleanup_json_ json_t *entry = oci_document_descriptor(&doc, d, text.len);
		fits = add_entry(q, a, entry, d);
	}
	oci_document_done(&doc);
	large_end(q->serve, size);
	return fits;
}

static int by_digest(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(Digest));
}

/* Those that clients of older registries listed in the tag sha256-<hex> (spec: transfer.md 4.3). */
static void add_fallback(Request *q, const Digest *subject, Digests *found)
{
	_cleanup_free_ char *tag = referrers_tag(subject);
	_cleanup_buf_ Buf text = BUF_INIT(0);
	ImageIndex index = {0};
	Descriptor d = {0};
	uint64_t size = 0;
	if (catalog_manifest(q->serve->catalog, &q->names, tag, NULL, &d, NULL, NULL) < 0)
		return;
	if (media_type_is_index(d.media_type) &&
		store_blob_has(q->serve->store, &d.digest, &size)) {
		large_begin(q->serve, size);
		if (store_blob_read(q->serve->store, &d.digest, LIMIT_MANIFEST_SIZE, &text, NULL) ==
				0 &&
			image_index_parse(buf_view(&text), "index", &index, NULL) == 0)
			vec_foreach (&index.manifests, it)
				vec_push(found, it->digest);
		image_index_done(&index);
		large_end(q->serve, size);
	}
	descriptor_done(&d);
}

static void send_referrers(Request *q, const Digests *found, const char *type)
{
	const char *last = route_query(&q->route, "last");
	Digest after = {0};
	bool has_last = last && digest_parse(str_of(last), &after, NULL) == 0;
	Answer a = {.array = json_array()};
	size_t read = 0;
	vec_foreach (found, d) {
		bool again = d > found->items && digest_eq(d, d - 1);
		bool before = has_last && memcmp(d, &after, sizeof(after)) <= 0;
		if (again || before)
			continue;
		if (read++ == REFERRERS_READ) { /* what was read may all be of another type */
			a.more = true;
			a.last = d[-1];
			break;
		}
		if (!add_referrer(q, &a, type, d))
			break;
	}
	_cleanup_json_ json_t *j = json_pack("{s:i, s:s, s:o}", "schemaVersion", 2, "mediaType",
		MT_OCI_INDEX, "manifests", a.array);
	if (a.busy) {
		response_busy(&q->reply, TOO_MUCH);
		return;
	}
	response_text(&q->reply, 200, MT_OCI_INDEX, json_text(j));
	_cleanup_free_ char *escaped = type ? query_escape(type) : NULL;
	if (type)
		response_header(&q->reply, "OCI-Filters-Applied", "artifactType");
	if (a.more)
		response_header(&q->reply, "Link",
			"</v2/%s/referrers/%s?last=%s%s%s>; rel=\"next\"", q->route.name,
			q->route.reference, digest_str(&a.last).s, type ? "&artifactType=" : "",
			type ? escaped : "");
}

static void get_referrers(Request *q)
{
	const char *type = route_query(&q->route, "artifactType");
	_cleanup_err_ Err *e = NULL;
	Digests found = {0};
	if (q->route.digest == DIGEST_BAD) {
		response_error(&q->reply, 400, "DIGEST_INVALID", "'%.160s' is no digest",
			q->route.reference);
		return;
	}
	const Digest *subject = &q->route.digest_value;
	int r = q->route.digest == DIGEST_OURS
		? catalog_referrers(q->serve->catalog, &q->names, subject, type, &found, &e)
		: 0;
	if (r < 0) {
		response_failure(&q->reply, e, "NAME_UNKNOWN");
	} else {
		if (q->route.digest == DIGEST_OURS)
			add_fallback(q, subject, &found);
		if (found.len)
			qsort(found.items, found.len, sizeof(Digest), by_digest);
		send_referrers(q, &found, type);
	}
	vec_done(&found);
}

static void get_metrics(Request *q)
{
	MetricsNow now = {.uploads = uploads_count(q->serve->uploads)};
	catalog_count(q->serve->catalog, &now.repositories, &now.manifests);
	response_text(&q->reply, 200, "text/plain; version=0.0.4; charset=utf-8",
		metrics_text(&q->serve->metrics, &now));
}

const Handler handlers_list[] = {
	{ROUTE_TAGS, METHOD_GET | METHOD_HEAD, .end = get_tags},
	{ROUTE_CATALOG, METHOD_GET | METHOD_HEAD, .end = get_catalog},
	{ROUTE_REFERRERS, METHOD_GET | METHOD_HEAD, .end = get_referrers},
	{ROUTE_METRICS, METHOD_GET | METHOD_HEAD, .end = get_metrics},
};
const size_t n_handlers_list = ARRAY_SIZE(handlers_list);
