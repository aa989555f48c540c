/*
 * The tar writer: for each entry a ustar header where every value fits, else a PAX header (type 'x') with
 * the values that do not, and the ustar header behind it. The bytes are a function of the entries alone:
 * records sorted by key, no user or group names, no atime or ctime, whole seconds, and fixed texts in the
 * fields that a PAX record overrides.
 *
 * ustar cannot say: names that are not plain ASCII or do not split into 155 + '/' + 100 bytes, link
 * targets past 100 bytes, owners past 2097151, sizes from 8 GiB, times before 1970 or after 2242, and
 * extended attributes.
 */
#include "archive/tar_int.h"

struct TarWriter {
	Writer *sink;
	uint64_t offset;
	uint64_t body_left;
	uint64_t padding;
	Buf out;     /* headers of one entry */
	Buf records; /* body of its PAX header */
	Buf name;    /* with the '/' of a directory */
};

static const char zeros[2 * TAR_BLOCK_SIZE];

TarWriter *tar_writer_new(Writer *sink)
{
	TarWriter *t = xnew(TarWriter);
	t->sink = sink;
	t->records = BUF_INIT(LIMIT_PAX_RECORDS);
	t->out = BUF_INIT(LIMIT_PAX_RECORDS + 3 * TAR_BLOCK_SIZE);
	t->name = BUF_INIT(LIMIT_PATH + 2);
	return t;
}

TarWriter *tar_writer_free(TarWriter *t)
{
	if (!t)
		return NULL;
	buf_done(&t->out);
	buf_done(&t->records);
	buf_done(&t->name);
	free(t);
	return NULL;
}

uint64_t tar_writer_offset(const TarWriter *t)
{
	return t->offset;
}

static int put(TarWriter *t, const void *data, size_t len, Err **err)
{
	t->offset += len;
	return writer_write(t->sink, data, len, err);
}

/* ---- fields ---- */

/* Zero-filled octal with a NUL behind, in a field of size bytes. */
static void put_octal(char *field, size_t size, uint64_t value)
{
	field[size - 1] = '\0';
	for (size_t i = size - 1; i-- > 0; value >>= 3)
		field[i] = (char)('0' + (value & 7));
}

static void put_checksum(TarHeader *h)
{
	put_octal(h->checksum, sizeof(h->checksum) - 1, tar_checksum(h));
	h->checksum[sizeof(h->checksum) - 1] = ' ';
}

static void header_init(TarHeader *h, char typeflag)
{
	*h = (TarHeader){.typeflag = typeflag, .magic = "ustar", .version = {'0', '0'}};
	put_octal(h->mode, sizeof(h->mode), 0);
	put_octal(h->uid, sizeof(h->uid), 0);
	put_octal(h->gid, sizeof(h->gid), 0);
	put_octal(h->size, sizeof(h->size), 0);
	put_octal(h->mtime, sizeof(h->mtime), 0);
	put_octal(h->devmajor, sizeof(h->devmajor), 0);
	put_octal(h->devminor, sizeof(h->devminor), 0);
}

static bool is_plain(Str s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.ptr[i];
		if (c < ' ' || c >= 0x7f)
			return false;
	}
	return true;
}

/* What stands in the header when a PAX record says the real text: as much of it as can be shown. */
static void put_substitute(char *field, size_t size, Str s)
{
	for (size_t i = 0; i < MIN(s.len, size); i++)
		field[i] = is_plain(str_slice(s, i, i + 1)) ? s.ptr[i] : '_';
}

/* Into name, or prefix and name. False if it fits neither way. */
static bool put_name(TarHeader *h, Str name)
{
	if (!is_plain(name))
		return false;
	if (name.len <= sizeof(h->name)) {
		memcpy(h->name, name.ptr, name.len);
		return true;
	}
	/* The longest prefix leaves the shortest name, which must not be empty. */
	ssize_t slash =
		str_rfind(str_slice(name, 0, MIN(sizeof(h->prefix) + 1, name.len - 1)), '/');
	if (slash <= 0 || name.len - (size_t)slash - 1 > sizeof(h->name))
		return false;
	memcpy(h->prefix, name.ptr, (size_t)slash);
	memcpy(h->name, name.ptr + slash + 1, name.len - (size_t)slash - 1);
	return true;
}

static void record_number(TarWriter *t, const char *key, int64_t value)
{
	_cleanup_free_ char *text = xasprintf("%lld", (long long)value);
	tar_pax_record(&t->records, str_of(key), str_of(text));
}

static void number_or_record(
	TarWriter *t, char *field, size_t size, uint64_t max, const char *key, int64_t value)
{
	bool fits = value >= 0 && (uint64_t)value <= max;
	put_octal(field, size, fits ? (uint64_t)value : 0);
	if (!fits)
		record_number(t, key, value);
}

/* ---- headers ---- */

static int check_entry(const TarEntry *e, Err **err)
{
	if (strlen(e->path) > LIMIT_PATH || (e->link && strlen(e->link) > LIMIT_PATH))
		return err_set(err, ERR_LIMIT, "tar: name is longer than %u bytes", LIMIT_PATH);
	if (e->path[0] == '\0' && e->type != TAR_DIR)
		return err_set(err, ERR_CORRUPT, "tar: entry without a name");
	if ((e->type == TAR_SYMLINK || e->type == TAR_HARDLINK) && (!e->link || !e->link[0]))
		return err_set(err, ERR_CORRUPT, "tar: link '%s' without a target", e->path);
	if (e->dev_major > TAR_MAX_OCTAL7 || e->dev_minor > TAR_MAX_OCTAL7)
		return err_set(
			err, ERR_UNSUPPORTED, "tar: device number of '%s' is too large", e->path);
	if (e->size > INT64_MAX || e->uid > INT64_MAX || e->gid > INT64_MAX)
		return err_set(err, ERR_CORRUPT, "tar: number out of range in '%s'", e->path);
	return 0;
}

static void put_link(TarWriter *t, TarHeader *h, const TarEntry *e)
{
	if (e->type != TAR_SYMLINK && e->type != TAR_HARDLINK)
		return;
	Str link = str_of(e->link);
	if (is_plain(link) && link.len <= sizeof(h->linkname)) {
		memcpy(h->linkname, link.ptr, link.len);
		return;
	}
	tar_pax_record(&t->records, STR("linkpath"), link);
	put_substitute(h->linkname, sizeof(h->linkname), link);
}

/* Fills the header and, in the order of their keys, the records for what it cannot say. */
static void put_entry(TarWriter *t, TarHeader *h, const TarEntry *e)
{
	static const char flags[_TAR_TYPE_MAX] = {
		[TAR_FILE] = '0',
		[TAR_HARDLINK] = '1',
		[TAR_SYMLINK] = '2',
		[TAR_CHAR] = '3',
		[TAR_BLOCK] = '4',
		[TAR_DIR] = '5',
		[TAR_FIFO] = '6',
	};
	header_init(h, flags[e->type]);
	for (size_t i = 0; i < e->n_xattrs; i++)
		tar_pax_xattr(&t->records, &e->xattrs[i]);
	put_octal(h->mode, sizeof(h->mode), e->mode & 07777);
	number_or_record(t, h->gid, sizeof(h->gid), TAR_MAX_OCTAL7, "gid", (int64_t)e->gid);
	put_link(t, h, e);
	number_or_record(t, h->mtime, sizeof(h->mtime), TAR_MAX_OCTAL11, "mtime", e->mtime);
	Str name = buf_view(&t->name);
	if (!put_name(h, name)) {
		tar_pax_record(&t->records, STR("path"), name);
		put_substitute(h->name, sizeof(h->name), name);
	}
	uint64_t size = e->type == TAR_FILE ? e->size : 0;
	number_or_record(t, h->size, sizeof(h->size), TAR_MAX_OCTAL11, "size", (int64_t)size);
	number_or_record(t, h->uid, sizeof(h->uid), TAR_MAX_OCTAL7, "uid", (int64_t)e->uid);
	if (e->type == TAR_CHAR || e->type == TAR_BLOCK) {
		put_octal(h->devmajor, sizeof(h->devmajor), e->dev_major);
		put_octal(h->devminor, sizeof(h->devminor), e->dev_minor);
	}
	put_checksum(h);
}

/* The header before the records: named after the entry, so that old programs unpack it beside. */
static void put_pax_header(TarWriter *t, TarHeader *h)
{
	Str name = buf_view(&t->name);
	if (str_ends(name, "/"))
		name.len--;
	ssize_t slash = str_rfind(name, '/');
	Str base = str_slice(name, (size_t)(slash + 1), name.len);
	static const char folder[] = "PaxHeaders/";
	header_init(h, 'x');
	memcpy(h->name, folder, sizeof(folder) - 1);
	put_substitute(h->name + sizeof(folder) - 1, sizeof(h->name) - sizeof(folder) + 1, base);
	put_octal(h->mode, sizeof(h->mode), 0644);
	put_octal(h->size, sizeof(h->size), t->records.len);
	put_checksum(h);
}

int tar_writer_entry(TarWriter *t, const TarEntry *e, Err **err)
{
	if (t->body_left > 0)
		return err_set(err, ERR_CORRUPT, "tar: %llu bytes of the entry before '%s' missing",
			(unsigned long long)t->body_left, e->path);
	int r = check_entry(e, err);
	if (r < 0)
		return r;
	buf_clear(&t->name);
	buf_cstr(&t->name, e->path[0] ? e->path : ".");
	if (e->type == TAR_DIR)
		buf_char(&t->name, '/');
	buf_clear(&t->records);
	TarHeader h;
	put_entry(t, &h, e);
	if (t->records.overflow)
		return err_set(err, ERR_LIMIT,
			"tar: extended attributes of '%s' take more than %u bytes", e->path,
			LIMIT_PAX_RECORDS);
	buf_clear(&t->out);
	if (t->records.len > 0) {
		TarHeader pax;
		put_pax_header(t, &pax);
		buf_append(&t->out, &pax, sizeof(pax));
		buf_append(&t->out, t->records.ptr, t->records.len);
		buf_append(&t->out, zeros, (size_t)tar_padding(t->records.len));
	}
	buf_append(&t->out, &h, sizeof(h));
	t->body_left = e->type == TAR_FILE ? e->size : 0;
	t->padding = tar_padding(t->body_left);
	return put(t, t->out.ptr, t->out.len, err);
}

int tar_writer_body(TarWriter *t, const void *buf, size_t len, Err **err)
{
	if (len == 0)
		return 0;
	if (len > t->body_left)
		return err_set(err, ERR_CORRUPT, "tar: body is longer than the size in its header");
	int r = put(t, buf, len, err);
	if (r < 0)
		return r;
	t->body_left -= len;
	if (t->body_left > 0 || t->padding == 0)
		return 0;
	return put(t, zeros, (size_t)t->padding, err);
}

int tar_writer_end(TarWriter *t, Err **err)
{
	if (t->body_left > 0)
		return err_set(err, ERR_CORRUPT, "tar: %llu bytes of the last entry missing",
			(unsigned long long)t->body_left);
	return put(t, zeros, sizeof(zeros), err);
}
