/* Lists that come in pages; the tags of a repository. */
#include "base/limits.h"
#include "registry/link.h"
#include "registry/registry_int.h"
#include "registry/url.h"

#define MAX_PAGES 10000
#define MAX_LIST  (4u << 20)  /* bytes of one page of tags or referrers */
#define MAX_LISTS (24u << 20) /* what all of them may take */
#define ENTRY     48u         /* bytes that an entry takes beside its text */

int repository_each_page(Repository *p, const char *path, const char *what,
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
	int r = repository_each_page(p, "/tags/list?n=1000", what, tags_page, &found, err);
	if (r < 0) {
		strvec_done(&found);
		return r;
	}
	for (size_t i = 0; i < found.len; i++)
		strvec_take(ret, found.items[i]);
	free(found.items);
	return 0;
}
