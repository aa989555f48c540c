#include "serve/reponame.h"

#include "oci/reference.h"
#include "serve/router.h"

char *repository_of(const char *url_name)
{
	Reference ref = {0};
	/* with a tag: 64 hex digits alone would be an image ID, and the length is bounded as that of the image */
	_cleanup_free_ char *text = xasprintf("%s:t", url_name);
	if (reference_parse(str_of(text), &ref, NULL) < 0)
		return NULL;
	char *ret = xasprintf("%s/%s", ref.host, ref.path);
	reference_done(&ref);
	return ret;
}

static void add_under(const char *host, const char *url_name, StrVec *ret)
{
	_cleanup_free_ char *text = xasprintf("%s/%s", host ? host : "", url_name);
	_cleanup_free_ char *repository = host && *host ? repository_of(text) : NULL;
	if (repository && !strvec_has(ret, repository))
		strvec_push(ret, repository);
}

void repositories_of(const char *url_name, const NameContext *context, StrVec *ret)
{
	if (context->name_space && *context->name_space) {
		add_under(context->name_space, url_name, ret);
		return;
	}
	_cleanup_free_ char *own = repository_of(url_name);
	if (own)
		strvec_push(ret, own);
	add_under(context->host, url_name, ret);
	add_under(context->mirror, url_name, ret);
}

char *repository_url_name(const char *repository, const char *host)
{
	Reference ref = {0};
	_cleanup_free_ char *text = xasprintf("%s:t", repository);
	if (reference_parse(str_of(text), &ref, NULL) < 0)
		return NULL;
	_cleanup_free_ char *name =
		cstr_eq(ref.host, host) ? xstrdup(ref.path) : reference_familiar_repository(&ref);
	reference_done(&ref);
	return repository_name_valid(str_of(name)) ? TAKE_PTR(name) : NULL;
}
