/*
 * A request target of arbitrary bytes: refused, or a route whose name is safe to become a name of the store and whose
 * reference is what it says. The first byte chooses the method.
 */
#include <stdint.h>
#include <stdlib.h>

#include "serve/reponame.h"
#include "serve/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			abort();
}

static void check_name(const Route *r)
{
	if (r->bad_name)
		return;
	if (strstr(r->name, "..") || strstr(r->name, "//") || r->name[0] == '/' ||
		strlen(r->name) > 255)
		abort();
	_cleanup_free_ char *repository = repository_of(r->name);
	if (!repository)
		return;
	_cleanup_free_ char *shown = repository_url_name(repository, NULL);
	_cleanup_free_ char *again = shown ? repository_of(shown) : NULL;
	if (again && strcmp(again, repository) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const words[] = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "X"};
	Route r;
	if (size == 0)
		return 0;
	Method m = method_of(words[data[0] % ARRAY_SIZE(words)]);
	if (route_parse((Str){(const char *)data + 1, size - 1}, &r, NULL) == 0) {
		if (r.kind >= _ROUTE_MAX || (r.kind == ROUTE_NONE && r.name))
			abort();
		(void)(route_methods(r.kind) & m);
		if (r.name)
			check_name(&r);
		if (r.reference)
			check_text(r.reference);
		if (r.is_tag && (strchr(r.reference, '/') || r.reference[0] == '.'))
			abort();
		if (r.digest == DIGEST_OURS &&
			strcmp(digest_str(&r.digest_value).s, r.reference) != 0)
			abort();
		for (size_t i = 0; i < r.query.len; i++)
			check_text(r.query.items[i]);
	}
	route_done(&r);
	return 0;
}
