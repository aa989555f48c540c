/* Raw tar archives put together block by block, also malformed ones, and whole streams read at once. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "archive/tar_int.h"

/* A header with the checksum right; other fields are changed by the caller, who then signs again. */
static inline TarHeader raw_header(char type, const char *name, const char *size)
{
	TarHeader h = {.typeflag = type, .magic = "ustar", .version = {'0', '0'}};
	memcpy(h.name, name, MIN(strlen(name), sizeof(h.name)));
	memcpy(h.size, size, MIN(strlen(size), sizeof(h.size)));
	memcpy(h.mode, "0000644", 8);
	memcpy(h.uid, "0000000", 8);
	memcpy(h.gid, "0000000", 8);
	memcpy(h.mtime, "00000000000", 12);
	return h;
}

static inline void raw_sign(TarHeader *h)
{
	char text[8];
	snprintf(text, sizeof(text), "%06o", (unsigned)tar_checksum(h) & 0777777);
	memcpy(h->checksum, text, 7);
	h->checksum[7] = ' ';
}

static inline void raw_put(Buf *out, TarHeader h)
{
	raw_sign(&h);
	buf_append(out, &h, sizeof(h));
}

static inline void raw_body(Buf *out, const void *data, size_t len)
{
	static const char zeros[TAR_BLOCK_SIZE];
	buf_append(out, data, len);
	buf_append(out, zeros, (size_t)tar_padding(len));
}

static inline void raw_end(Buf *out)
{
	static const char zeros[2 * TAR_BLOCK_SIZE];
	buf_append(out, zeros, sizeof(zeros));
}

/* An entry of type 'x', 'g', 'L' … with a body. */
static inline void raw_extension(Buf *out, char type, const void *body, size_t len)
{
	char size[12];
	snprintf(size, sizeof(size), "%011zo", len);
	raw_put(out, raw_header(type, "ext", size));
	raw_body(out, body, len);
}

static inline void raw_pax(Buf *out, const char *key, const char *value, size_t len)
{
	_cleanup_buf_ Buf record = BUF_INIT(4u << 20);
	tar_pax_record(&record, str_of(key), (Str){value, len});
	raw_extension(out, 'x', record.ptr, record.len);
}

#define TEST_TAR_MAX (8u << 20)
