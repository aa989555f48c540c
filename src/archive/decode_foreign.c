/*
 * bzip2 and xz, which ADD accepts but cruet never writes: libarchive's filters around its raw format.
 * The filter is set, not bid for, so that what comes out is never taken for compressed once more.
 */
#include "archive/decompress_int.h"

#include <archive.h>
#include <archive_entry.h>
#include <pthread.h>

#include "base/library.h"

typedef struct Libarchive {
	__typeof__(&archive_read_new) read_new;
	__typeof__(&archive_read_free) read_free;
	__typeof__(&archive_read_support_format_raw) read_support_format_raw;
	__typeof__(&archive_read_support_format_empty) read_support_format_empty;
	__typeof__(&archive_read_append_filter) read_append_filter;
	__typeof__(&archive_read_open) read_open;
	__typeof__(&archive_read_next_header) read_next_header;
	__typeof__(&archive_read_data) read_data;
	__typeof__(&archive_set_error) set_error;
	__typeof__(&archive_error_string) error_string;
	__typeof__(&archive_errno) last_error;
} Libarchive;
static Libarchive la;
static int la_result;
static Err *la_error; /* of the only attempt */

static void load_libarchive(void)
{
#define SYMBOL(name)                                                                               \
	{                                                                                          \
		"archive_" #name, offsetof(Libarchive, name)                                       \
	}
	static const LibrarySymbol symbols[] = {
		SYMBOL(read_new),
		SYMBOL(read_free),
		SYMBOL(read_support_format_raw),
		SYMBOL(read_support_format_empty),
		SYMBOL(read_append_filter),
		SYMBOL(read_open),
		SYMBOL(read_next_header),
		SYMBOL(read_data),
		SYMBOL(set_error),
		SYMBOL(error_string),
		{"archive_errno", offsetof(Libarchive, last_error)},
	};
#undef SYMBOL
	la_result = library_load(
		"libarchive.so.13", "libarchive13", symbols, ARRAY_SIZE(symbols), &la, &la_error);
}

static int need_libarchive(Err **err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, load_libarchive);
	return la_result < 0 ? err_set(err, ERR_UNSUPPORTED, "%s", la_error->message) : 0;
}

typedef struct Foreign {
	Decoder *decoder;
	struct archive *archive;
	Err *source_error; /* of the reader below: it says more than libarchive */
	bool opened;
	bool ended;
	size_t shown; /* bytes of the input that libarchive looks at */
} Foreign;

static la_ssize_t show_input(struct archive *archive _unused_, void *arg, const void **ret)
{
	Foreign *f = arg;
	Input *in = &f->decoder->in;
	input_consume(in, f->shown);
	f->shown = 0;
	int r = input_need(in, 1, &f->source_error);
	if (r < 0) {
		la.set_error(f->archive, EIO, "%s", f->source_error->message);
		return -1;
	}
	*ret = in->next;
	f->shown = in->avail;
	return (la_ssize_t)in->avail;
}

static int foreign_error(Foreign *f, const char *name, Err **err)
{
	if (f->source_error)
		return err_move(err, &f->source_error);
	const char *text = la.error_string(f->archive);
	return err_set(err, ERR_CORRUPT, "%s: %s", name, text ? text : "malformed data");
}

static int foreign_init(Decoder *d, Err **err)
{
	int r = need_libarchive(err);
	if (r < 0)
		return r;
	Foreign *f = xnew(Foreign);
	d->state = f;
	f->decoder = d;
	f->archive = la.read_new();
	return f->archive ? 0 : err_set(err, ERR_SYS, "archive: out of memory");
}

static void foreign_free(Decoder *d)
{
	Foreign *f = d->state;
	if (!f)
		return;
	la.read_free(f->archive);
	err_free(f->source_error);
	free(f);
}

/* libarchive's bzip2 filter takes a stream that does not begin well for the end of the data before. */
static int check_bzip2(Input *in, Err **err)
{
	static const uint8_t block[] = {0x31, 0x41, 0x59, 0x26, 0x53, 0x59};
	static const uint8_t end[] = {0x17, 0x72, 0x45, 0x38, 0x50, 0x90};
	int r = input_need(in, 14, err);
	if (r < 0)
		return r;
	const uint8_t *p = in->next;
	if (r > 0 && memcmp(p, "BZh", 3) == 0 && p[3] >= '1' && p[3] <= '9' &&
		(memcmp(p + 4, block, sizeof(block)) == 0 || memcmp(p + 4, end, sizeof(end)) == 0))
		return 0;
	return err_set(err, ERR_CORRUPT, "bzip2: malformed header");
}

static int foreign_open(Foreign *f, int filter, const char *name, Err **err)
{
	struct archive *a = f->archive;
	struct archive_entry *entry;
	f->opened = true;
	if (la.read_support_format_raw(a) != ARCHIVE_OK ||
		la.read_support_format_empty(a) != ARCHIVE_OK ||
		la.read_append_filter(a, filter) != ARCHIVE_OK)
		return err_set(err, ERR_UNSUPPORTED, "%s: libarchive cannot read it", name);
	decoder_point(f->decoder);
	int r = filter == ARCHIVE_FILTER_BZIP2 ? check_bzip2(&f->decoder->in, err) : 0;
	if (r < 0)
		return r;
	/* A filter that breaks at once looks like no content, but leaves its error behind. */
	if (la.read_open(a, f, NULL, show_input, NULL) != ARCHIVE_OK || la.last_error(a) != 0)
		return foreign_error(f, name, err);
	r = la.read_next_header(a, &entry);
	if (r != ARCHIVE_OK && r != ARCHIVE_EOF)
		return foreign_error(f, name, err);
	f->ended = r == ARCHIVE_EOF; /* no content at all is no entry */
	return 0;
}

static ssize_t foreign_read(
	Decoder *d, void *buf, size_t len, int filter, const char *name, Err **err)
{
	Foreign *f = d->state;
	if (!f->opened) {
		int r = foreign_open(f, filter, name, err);
		if (r < 0)
			return r;
	}
	if (f->ended)
		return 0;
	la_ssize_t n = la.read_data(f->archive, buf, len);
	if (n < 0)
		return foreign_error(f, name, err);
	return n;
}

static ssize_t bzip2_read(Decoder *d, void *buf, size_t len, Err **err)
{
	return foreign_read(d, buf, len, ARCHIVE_FILTER_BZIP2, "bzip2", err);
}

static ssize_t xz_read(Decoder *d, void *buf, size_t len, Err **err)
{
	return foreign_read(d, buf, len, ARCHIVE_FILTER_XZ, "xz", err);
}

const DecoderOps decode_bzip2 = {foreign_init, bzip2_read, foreign_free, 0};
const DecoderOps decode_xz = {foreign_init, xz_read, foreign_free, 0};
