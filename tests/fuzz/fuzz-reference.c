/*
 * Any bytes as an image name and as a platform: what parses is written in its full and in its short form, and both
 * parse to the same again.
 */
#include <assert.h>

#include "base/limits.h"
#include "oci/platform.h"
#include "oci/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const Err *err)
{
	assert(err && err->code == ERR_PARSE && err->message[0] && !strchr(err->message, '\n'));
}

static void check_form(const Reference *ref, const char *form, bool suffixes)
{
	Reference again;
	int r = reference_parse(str_of(form), &again, NULL);
	assert(r == 0);
	assert(strcmp(ref->host, again.host) == 0 && strcmp(ref->path, again.path) == 0);
	if (suffixes) {
		assert(cstr_eq(ref->tag, again.tag) && ref->has_digest == again.has_digest);
		_cleanup_free_ char *one = reference_full(ref);
		_cleanup_free_ char *two = reference_full(&again);
		assert(strcmp(one, two) == 0);
	}
	reference_done(&again);
}

static void check_reference(Str text)
{
	Reference ref;
	_cleanup_err_ Err *err = NULL;
	int r = reference_parse(text, &ref, &err);
	if (r < 0) {
		assert(err && err->message[0] && !strchr(err->message, '\n'));
		return;
	}
	assert(!memchr(text.ptr, '\0', text.len) && text.len <= LIMIT_REFERENCE);
	assert(ref.tag || ref.has_digest);
	_cleanup_free_ char *full = reference_full(&ref);
	_cleanup_free_ char *familiar = reference_familiar(&ref);
	_cleanup_free_ char *repository = reference_familiar_repository(&ref);
	check_form(&ref, full, true);
	check_form(&ref, familiar, true);
	check_form(&ref, repository, false);
	assert(strlen(familiar) <= strlen(full));
	reference_done(&ref);
}

static void check_platform(Str text)
{
	Platform p, q;
	_cleanup_err_ Err *err = NULL;
	if (platform_parse(text, &p, &err) < 0) {
		check_error(err);
		return;
	}
	_cleanup_free_ char *form = platform_format(&p);
	int r = platform_parse(str_of(form), &q, NULL);
	assert(r == 0);
	_cleanup_free_ char *again = platform_format(&q);
	assert(strcmp(form, again) == 0);
	assert(platform_match(&p, &q) == 100);
	platform_done(&p);
	platform_done(&q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Str text = {(const char *)data, size};
	check_reference(text);
	check_platform(text);
	return 0;
}
