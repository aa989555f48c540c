#include "archive/compress.h"

static const char *const names[_COMPRESSION_MAX] = {
	[COMPRESSION_NONE] = "none",
	[COMPRESSION_GZIP] = "gzip",
	[COMPRESSION_ZSTD] = "zstd",
	[COMPRESSION_BZIP2] = "bzip2",
	[COMPRESSION_XZ] = "xz",
};

/* zstd's skippable frames (magic 0x184d2a50 to 5f) may open a stream too: pzstd and zstd:chunked. */
static const struct {
	Compression compression;
	uint8_t magic[6];
	uint8_t len;
} magics[] = {
	{COMPRESSION_GZIP, {0x1f, 0x8b, 0x08}, 3},
	{COMPRESSION_ZSTD, {0x28, 0xb5, 0x2f, 0xfd}, 4},
	{COMPRESSION_BZIP2, {'B', 'Z', 'h'}, 3},
	{COMPRESSION_XZ, {0xfd, '7', 'z', 'X', 'Z', 0x00}, 6},
};

const char *compression_name(Compression c)
{
	return c < _COMPRESSION_MAX ? names[c] : "unknown";
}

int compression_parse(Str text, Compression *ret, Err **err)
{
	static const struct {
		const char *name;
		Compression compression;
	} accepted[] = {
		{"gzip", COMPRESSION_GZIP},
		{"zstd", COMPRESSION_ZSTD},
		{"none", COMPRESSION_NONE},
		{"uncompressed", COMPRESSION_NONE},
	};
	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
		if (str_eq_cstr(text, accepted[i].name)) {
			*ret = accepted[i].compression;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "compression '" STR_FMT "' is none of gzip, zstd, none",
		STR_ARG(text));
}

int compression_check_level(Compression c, int level, Err **err)
{
	int max = c == COMPRESSION_GZIP ? 12 : c == COMPRESSION_ZSTD ? 19 : 0;
	if (level == COMPRESSION_LEVEL_DEFAULT || (level >= 1 && level <= max))
		return 0;
	if (max == 0)
		return err_set(
			err, ERR_USAGE, "compression '%s' has no levels", compression_name(c));
	return err_set(err, ERR_USAGE, "compression level '%d' of %s is not in 1 to %d", level,
		compression_name(c), max);
}

Compression compression_sniff(const void *head, size_t len)
{
	const uint8_t *bytes = head;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		if (len >= magics[i].len && memcmp(bytes, magics[i].magic, magics[i].len) == 0)
			return magics[i].compression;
	}
	bool skippable = len >= 4 && (bytes[0] & 0xf0) == 0x50 && bytes[1] == 0x2a &&
		bytes[2] == 0x4d && bytes[3] == 0x18;
	return skippable ? COMPRESSION_ZSTD : COMPRESSION_NONE;
}
