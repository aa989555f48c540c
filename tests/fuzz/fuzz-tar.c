/*
 * Any bytes as a tar archive: no crash, and what the reader yields the writer can write, so that reading
 * it again yields the same (but for nanoseconds, which are not written). Header checksums are put right
 * before, or no mutation would get past them; a second run takes the bytes as they are.
 */
#include <assert.h>

#include "archive/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_OUTPUT (8u << 20)

/* Copies the body; stops at the first error, which must not have a side effect. */
static int copy_body(TarReader *in, TarWriter *out)
{
	char chunk[3000];
	ssize_t n;
	while ((n = tar_reader_body(in, chunk, sizeof(chunk), NULL)) > 0) {
		if (tar_writer_body(out, chunk, (size_t)n, NULL) < 0)
			return -1;
	}
	return (int)n;
}

static void check_entry(const TarEntry *e)
{
	assert(e->path && e->path[0] != '/');
	assert(strlen(e->path) <= 4096);
	assert(!strstr(e->path, "//") && !strstr(e->path, "/../"));
	assert(strncmp(e->path, "../", 3) != 0 && strcmp(e->path, "..") != 0);
	assert(e->path[0] || e->type == TAR_DIR);
	assert((e->link != NULL) == (e->type == TAR_SYMLINK || e->type == TAR_HARDLINK));
	assert(e->type == TAR_FILE || e->size == 0);
	assert((e->mode & ~07777u) == 0);
	for (size_t i = 1; i < e->n_xattrs; i++)
		assert(strcmp(e->xattrs[i - 1].name, e->xattrs[i].name) < 0);
}

/* True if the archive was read and written wholly. */
static bool rewrite(const char *data, size_t size, Buf *ret)
{
	Reader *source = mem_reader_new(data, size);
	Writer *sink = buf_writer_new(ret);
	TarReader *in = tar_reader_new(source);
	TarWriter *out = tar_writer_new(sink);
	TarEntry *e;
	bool whole = true;
	int r = 0;
	while (whole && (r = tar_reader_next(in, &e, NULL)) == 1) {
		check_entry(e);
		int w = tar_writer_entry(out, e, NULL);
		assert(w == 0 || w == -ERR_LIMIT);
		whole = w == 0 && copy_body(in, out) == 0;
	}
	whole = whole && r == 0 && tar_writer_end(out, NULL) == 0;
	(void)!tar_reader_drain(in, NULL);
	tar_reader_free(in);
	tar_writer_free(out);
	reader_free(source);
	writer_free(sink);
	return whole;
}

static void check_archive(const char *data, size_t size)
{
	_cleanup_buf_ Buf first = BUF_INIT(MAX_OUTPUT);
	_cleanup_buf_ Buf second = BUF_INIT(MAX_OUTPUT);
	if (!rewrite(data, size, &first))
		return;
	bool whole = rewrite(first.ptr, first.len, &second);
	assert(whole);
	assert(first.len == second.len && memcmp(first.ptr, second.ptr, first.len) == 0);
}

/* Every block that has a digit where a checksum begins gets the right one. */
static void repair(char *data, size_t size)
{
	for (; size >= 512; data += 512, size -= 512) {
		if (data[148] < '0' || data[148] > '7')
			continue;
		unsigned sum = 8 * ' ';
		for (size_t i = 0; i < 512; i++)
			sum += i < 148 || i >= 156 ? (uint8_t)data[i] : 0;
		for (size_t i = 6; i-- > 0; sum >>= 3)
			data[148 + i] = (char)('0' + (sum & 7));
		data[154] = '\0';
		data[155] = ' ';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_archive((const char *)data, size);
	_cleanup_free_ char *repaired = xmemdup(data, size);
	repair(repaired, size);
	if (size && memcmp(data, repaired, size) != 0)
		check_archive(repaired, size);
	return 0;
}
