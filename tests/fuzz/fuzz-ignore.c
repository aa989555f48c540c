/*
 * An ignore file, a NUL and a path. Cleaning a path twice changes nothing; a malformed file is named with its line;
 * what an excluded directory is said to hold nothing of is excluded; and the two pattern languages agree where they
 * mean the same.
 */
#include <assert.h>

#include "base/glob.h"
#include "base/limits.h"
#include "dockerfile/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool ascii(Str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return true;
}

/* One pattern without "**": it takes the path or one of its parents. */
static void check_languages(const char *pattern, Str path)
{
	_cleanup_(globset_freep) GlobSet *set = NULL;
	_cleanup_strvec_ StrVec one = {0};
	_cleanup_free_ char *clean = path_clean(str_of(pattern));
	Str text = str_of(clean[0] == '/' && clean[1] ? clean + 1 : clean);
	bool hit = false;
	if (pattern[0] == '!' || strstr(text.ptr, "**") || !ascii(text) || !ascii(path) ||
		str_trim(text).len != text.len)
		return;
	strvec_push_str(&one, text);
	int set_r = globset_new(&one, &set, NULL);
	int r = glob_match(text, path, &hit, NULL);
	assert(set_r == r);
	if (r < 0)
		return;
	for (size_t i = 1; !hit && i < path.len; i++)
		if (path.ptr[i] == '/' && glob_match(text, str_slice(path, 0, i), &hit, NULL) < 0)
			abort();
	assert(hit == globset_match(set, path));
}

static void check_parents(const GlobSet *set, Str path)
{
	bool excluded = globset_match(set, path);
	for (size_t i = 1; i < path.len; i++) {
		if (path.ptr[i] != '/')
			continue;
		Str parent = str_slice(path, 0, i);
		if (globset_match(set, parent) && !globset_may_include_below(set, parent))
			assert(excluded);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
	Str text = {(const char *)data, nul ? (size_t)(nul - data) : size};
	Str rest = nul ? (Str){(const char *)nul + 1, size - text.len - 1} : STR("a/b/c");
	_cleanup_free_ char *path = path_clean(rest);
	_cleanup_free_ char *again = path_clean(str_of(path));
	assert(memchr(rest.ptr, '\0', rest.len) || strcmp(path, again) == 0);
	const char *relative = path[0] == '/' && path[1] ? path + 1 : path;

	_cleanup_strvec_ StrVec patterns = {0};
	_cleanup_err_ Err *err = NULL;
	_cleanup_(globset_freep) GlobSet *set = NULL;
	if (ignore_parse(text, ".dockerignore", &patterns, &err) < 0) {
		assert(err && err->message[0] && !strchr(err->message, '\n'));
		assert(err->code == ERR_LIMIT ||
			(cstr_eq(err->file, ".dockerignore") && err->line > 0));
		return 0;
	}
	for (size_t i = 0; i < patterns.len && i < 16; i++)
		check_languages(patterns.items[i], str_of(relative));
	if (globset_new(&patterns, &set, &err) < 0) {
		assert(err && err->code == ERR_PARSE && err->message[0]);
		return 0;
	}
	check_parents(set, str_of(relative));
	return 0;
}
