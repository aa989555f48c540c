#include "cli/format.h"

#include <stdio.h>

void print_json(const json_t *value)
{
	_cleanup_free_ char *text = json_text_pretty(value);
	fputs(text, stdout);
}

char *short_id(const Digest *d)
{
	return xstrndup(digest_hex(d).s, 12);
}

int reference_argument(const char *text, char **ret_full, Err **err)
{
	Reference ref = {0};
	int r = reference_parse(str_of(text), &ref, err);
	if (r < 0)
		return r;
	*ret_full = reference_full(&ref);
	reference_done(&ref);
	return 0;
}

int reference_arguments(const StrVec *texts, StrVec *ret_full, Err **err)
{
	_cleanup_strvec_ StrVec all = {0};
	for (size_t i = 0; i < texts->len; i++) {
		char *full = NULL;
		int r = reference_argument(texts->items[i], &full, err);
		if (r < 0)
			return r;
		strvec_take(&all, full);
	}
	*ret_full = all;
	all = (StrVec){0};
	return 0;
}

int platform_argument(const char *text, Platform *ret, Err **err)
{
	if (text)
		return platform_parse(str_of(text), ret, err);
	platform_host(ret);
	return 0;
}

int compression_arguments(
	const char *name, const char *level, Compression *ret, int *ret_level, Err **err)
{
	Compression c = COMPRESSION_GZIP;
	int r = name ? compression_parse(str_of(name), &c, err) : 0;
	if (r < 0)
		return r;
	uint64_t n = 0;
	if (level && c == COMPRESSION_NONE)
		return err_set(err, ERR_USAGE, "compression 'none' has no level");
	if (level) {
		uint64_t max = c == COMPRESSION_ZSTD ? 19 : 12;
		if (str_to_u64(str_of(level), max, &n, NULL) < 0 || n == 0)
			return err_set(err, ERR_USAGE,
				"compression level '%s' is not one of %s (1 to %d)", level,
				compression_name(c), (int)max);
	}
	*ret = c;
	*ret_level = level ? (int)n : COMPRESSION_LEVEL_DEFAULT;
	return 0;
}
