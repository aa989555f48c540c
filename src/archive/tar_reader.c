/*
 * The tar reader. An archive is a sequence of 512-byte blocks: a header, then the body padded to whole
 * blocks; two zero blocks end it. Many writers leave the end out, so the end of data between two entries
 * is an end as well; in the middle of anything it is corruption.
 *
 * Four dialects meet in practice, often in one archive:
 *	v7	no magic; a directory is a file whose name ends in '/'
 *	ustar	magic "ustar\0": a prefix field before the name, device numbers (star: a shorter prefix)
 *	GNU	magic "ustar ": entries 'L' and 'K' hold a long name and link for the next entry; numbers
 *		that do not fit in octal are base-256 (first bit set, two's complement, big-endian)
 *	PAX	entries 'x' and 'g' hold records for the next entry / for all that follow (tar_pax.c)
 * Where several name the same thing: GNU long names over PAX 'x' over PAX 'g' over the header, as Go's
 * archive/tar (hence docker) has it.
 *
 * Only files have a body. Directories, links and devices carry sizes in some archives; docker takes those
 * for header-only, and so does this. The one exception are hard links, which POSIX allows a body: if what
 * follows such a header is no header, it is skipped as body.
 *
 * Names: whatever way a name came, ".." components are refused, and leading slashes, "." components and
 * doubled slashes are taken out, so that nobody behind this has to think of them. Memory is bounded by
 * LIMIT_PAX_RECORDS and LIMIT_PATH whatever the archive claims; bodies are never held.
 */
#include "archive/tar_int.h"

#include <assert.h>

#define BUFFER_SIZE (128u * 1024)
#define MAX_UID     (UINT32_MAX - 1)

struct TarReader {
	Reader *source;
	uint8_t *
		buf; /* BUFFER_SIZE: for sources without memory of their own, and for what lies across two views */
	const uint8_t
		*at; /* the source's bytes that are not consumed yet, in its memory or in buf */
	size_t len;
	uint64_t offset;    /* consumed, as the caller sees it */
	uint64_t body_left; /* of the current entry */
	uint64_t padding;   /* behind its body */
	uint64_t headers;   /* seen, extensions included */
	uint64_t max_headers;
	TarPax global, local;
	Buf long_name, long_link; /* of GNU 'L' and 'K' */
	bool has_long_name, has_long_link;
	TarEntry entry;
	Buf path, link; /* memory of the entry's */
	TarXattrs xattrs;
	bool ended;
	ErrCode failed; /* the archive broke before: no further entries */
};

uint32_t tar_checksum(const TarHeader *h)
{
	const uint8_t *bytes = (const uint8_t *)h;
	uint32_t sum = 0;
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += bytes[i];
	for (size_t i = 0; i < sizeof(h->checksum); i++)
		sum += (uint32_t)' ' - (uint8_t)h->checksum[i];
	return sum;
}

static int32_t signed_checksum(const TarHeader *h)
{
	const int8_t *bytes = (const int8_t *)h;
	int32_t sum = 0;
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += bytes[i];
	for (size_t i = 0; i < sizeof(h->checksum); i++)
		sum += ' ' - (int8_t)h->checksum[i];
	return sum;
}

void tar_entry_done(TarEntry *e)
{
	free(e->path);
	free(e->link);
	for (size_t i = 0; i < e->n_xattrs; i++) {
		free(e->xattrs[i].name);
		free(e->xattrs[i].value);
	}
	free(e->xattrs);
	*e = (TarEntry){0};
}

TarReader *tar_reader_new(Reader *source)
{
	TarReader *t = xnew(TarReader);
	t->source = source;
	t->global.ignore_xattrs = true;
	t->max_headers = LIMIT_LAYER_ENTRIES;
	t->buf = xmalloc(BUFFER_SIZE);
	t->path = t->link = BUF_INIT(LIMIT_PATH);
	t->long_name = t->long_link = BUF_INIT(TAR_RAW_NAME);
	return t;
}

TarReader *tar_reader_free(TarReader *t)
{
	if (!t)
		return NULL;
	tar_pax_done(&t->global);
	tar_pax_done(&t->local);
	buf_done(&t->long_name);
	buf_done(&t->long_link);
	buf_done(&t->path);
	buf_done(&t->link);
	vec_done(&t->xattrs); /* the strings are the PAX states' */
	free(t->buf);
	free(t);
	return NULL;
}

uint64_t tar_reader_offset(const TarReader *t)
{
	return t->offset;
}

void tar_reader_limit_entries(TarReader *t, uint64_t max)
{
	t->max_headers = max;
}

/* ---- bytes ---- */

/* Makes want bytes (BUFFER_SIZE at most) available; returns how many there are, at most want, fewer only at the end. */
static ssize_t look_ahead(TarReader *t, size_t want, Err **err)
{
	ssize_t n = 1;
	if (t->len == 0) {
		const void *data;
		n = reader_view(t->source, t->buf, BUFFER_SIZE, &data, err);
		if (n <= 0)
			return n;
		t->at = data;
		t->len = (size_t)n;
	}
	if (t->len < want) {
		memmove(t->buf, t->at, t->len);
		t->at = t->buf;
	}
	while (t->len < want && n > 0) {
		n = reader_read(t->source, t->buf + t->len, want - t->len, err);
		if (n > 0)
			t->len += (size_t)n;
	}
	return n < 0 ? n : (ssize_t)MIN(t->len, want);
}

static void consume(TarReader *t, size_t n)
{
	t->at += n;
	t->len -= n;
	t->offset += n;
}

/* Some of the next len bytes, which are consumed: valid until the next call; 0 is the end. */
static ssize_t take_some(TarReader *t, uint64_t len, const void **ret, Err **err)
{
	ssize_t n = look_ahead(t, 1, err);
	if (n <= 0)
		return n;
	n = (ssize_t)MIN(len, (uint64_t)t->len);
	*ret = t->at;
	consume(t, (size_t)n);
	return n;
}

static int truncated(Err **err)
{
	return err_set(err, ERR_CORRUPT, "tar: archive ends in the middle of an entry");
}

static int skip(TarReader *t, uint64_t len, Err **err)
{
	while (len > 0) {
		const void *skipped;
		ssize_t n = take_some(t, len, &skipped, err);
		if (n <= 0)
			return n < 0 ? (int)n : truncated(err);
		len -= (uint64_t)n;
	}
	return 0;
}

ssize_t tar_reader_body_view(TarReader *t, const void **ret, Err **err)
{
	if (t->body_left == 0)
		return 0;
	ssize_t n = take_some(t, t->body_left, ret, err);
	if (n == 0)
		n = truncated(err);
	if (n > 0)
		t->body_left -= (uint64_t)n;
	return n;
}

ssize_t tar_reader_body(TarReader *t, void *buf, size_t len, Err **err)
{
	const void *data;
	uint64_t rest = t->body_left - MIN((uint64_t)len, t->body_left);
	t->body_left -= rest;
	ssize_t n = tar_reader_body_view(t, &data, err);
	t->body_left += rest;
	if (n > 0)
		memcpy(buf, data, (size_t)n);
	return n;
}

int tar_reader_drain(TarReader *t, Err **err)
{
	const void *rest;
	ssize_t n;
	while ((n = take_some(t, UINT64_MAX, &rest, err)) > 0)
		;
	return (int)n;
}

/* ---- fields ---- */

static Str field_str(const char *field, size_t size)
{
	return (Str){field, strnlen(field, size)};
}

/* A number of 95 bits at most: false if it does not fit in an int64_t. */
static bool parse_base256(const uint8_t *field, size_t size, int64_t *ret)
{
	bool negative = field[0] & 0x40;
	uint64_t value = negative ? UINT64_MAX : 0;
	for (size_t i = 0; i < size; i++) {
		uint8_t byte =
			i > 0 ? field[i] : (uint8_t)((field[0] & 0x7f) | (negative ? 0x80 : 0));
		/* What is shifted out must be sign only. */
		if ((value >> 56) != (negative ? 0xffu : 0u))
			return false;
		value = value << 8 | byte;
	}
	*ret = (int64_t)value;
	return (*ret < 0) == negative;
}

static bool parse_octal(const char *field, size_t size, int64_t *ret)
{
	size_t i = 0;
	while (i < size && field[i] == ' ')
		i++;
	uint64_t value = 0; /* 12 digits at most: 36 bits */
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
		value = value << 3 | (uint64_t)(field[i] - '0');
	for (; i < size; i++) {
		if (field[i] == '\0')
			break;
		if (field[i] != ' ')
			return false;
	}
	*ret = (int64_t)value;
	return true;
}

bool tar_number(const char *field, size_t size, int64_t *ret)
{
	if ((uint8_t)field[0] & 0x80)
		return parse_base256((const uint8_t *)field, size, ret);
	return parse_octal(field, size, ret);
}

#define NUMBER(h, field, max, ret, err)                                                            \
	header_number((h)->field, sizeof((h)->field), #field, (max), (ret), (err))

static int header_number(
	const char *field, size_t size, const char *what, uint64_t max, uint64_t *ret, Err **err)
{
	int64_t value;
	if (!tar_number(field, size, &value) || value < 0 || (uint64_t)value > max)
		return err_set(err, ERR_CORRUPT, "tar: bad number in field '%s'", what);
	*ret = (uint64_t)value;
	return 0;
}

static bool is_header(const TarHeader *h)
{
	int64_t sum;
	if (!tar_number(h->checksum, sizeof(h->checksum), &sum))
		return false;
	return sum == (int64_t)tar_checksum(h) || sum == (int64_t)signed_checksum(h);
}

static bool is_zero(const TarHeader *h)
{
	const char *bytes = (const char *)h;
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, sizeof(*h) - 1) == 0;
}

/* Cleans a name into out: no leading or doubled or trailing '/', no "." component. */
static int clean_name(Str name, Buf *out, Err **err)
{
	buf_clear(out);
	Str rest = name;
	Str part;
	while (str_cut(&rest, '/', &part)) {
		if (part.len == 0 || str_eq_cstr(part, "."))
			continue;
		if (str_eq_cstr(part, ".."))
			return err_set(err, ERR_CORRUPT, "tar: '..' in the name '" STR_FMT "'",
				STR_ARG(name));
		if (out->len > 0)
			buf_char(out, '/');
		buf_str(out, part);
	}
	if (out->overflow)
		return err_set(err, ERR_LIMIT, "tar: name is longer than %u bytes", LIMIT_PATH);
	return 0;
}

/* ---- extensions ---- */

static int read_extension(TarReader *t, const TarHeader *h, Buf *body, Err **err)
{
	uint64_t size = 0;
	int r = NUMBER(h, size, INT64_MAX, &size, err);
	if (r < 0)
		return r;
	if (size > LIMIT_PAX_RECORDS)
		return err_set(err, ERR_LIMIT, "tar: extended header is longer than %u bytes",
			LIMIT_PAX_RECORDS);
	for (uint64_t left = size; left > 0;) {
		const void *data;
		ssize_t n = take_some(t, left, &data, err);
		if (n <= 0)
			return n < 0 ? (int)n : truncated(err);
		buf_append(body, data, (size_t)n);
		left -= (uint64_t)n;
	}
	return skip(t, tar_padding(size), err);
}

static int read_long_name(TarReader *t, const TarHeader *h, Buf *name, bool *has, Err **err)
{
	_cleanup_buf_ Buf body = BUF_INIT(LIMIT_PAX_RECORDS);
	int r = read_extension(t, h, &body, err);
	if (r < 0)
		return r;
	Str text = buf_view(&body);
	text.len = strnlen(text.ptr, text.len);
	if (text.len > TAR_RAW_NAME)
		return err_set(err, ERR_LIMIT, "tar: name is longer than %u bytes", LIMIT_PATH);
	buf_clear(name);
	buf_str(name, text);
	*has = text.len > 0;
	return 0;
}

static int read_pax(TarReader *t, const TarHeader *h, TarPax *pax, Err **err)
{
	_cleanup_buf_ Buf body = BUF_INIT(LIMIT_PAX_RECORDS);
	int r = read_extension(t, h, &body, err);
	return r < 0 ? r : tar_pax_parse(pax, buf_view(&body), err);
}

static int skip_extension(TarReader *t, const TarHeader *h, Err **err)
{
	uint64_t size;
	int r = NUMBER(h, size, INT64_MAX, &size, err);
	return r < 0 ? r : skip(t, size + tar_padding(size), err);
}

/* 1 if the header was one that only says something about later ones. */
static int take_extension(TarReader *t, const TarHeader *h, Err **err)
{
	int r;
	switch (h->typeflag) {
	case 'x':
	case 'X':                         /* Solaris */
		tar_pax_clear(&t->local); /* one header an entry, the last if there are more */
		r = read_pax(t, h, &t->local, err);
		break;
	case 'g':
		r = read_pax(t, h, &t->global, err);
		break;
	case 'L':
		r = read_long_name(t, h, &t->long_name, &t->has_long_name, err);
		break;
	case 'K':
		r = read_long_name(t, h, &t->long_link, &t->has_long_link, err);
		break;
	case 'V': /* GNU volume label */
	case 'A': /* Solaris ACL */
		r = skip_extension(t, h, err);
		break;
	default:
		return 0;
	}
	return r < 0 ? r : 1;
}

/* ---- entries ---- */

static bool has_prefix_field(const TarHeader *h)
{
	return memcmp(h->magic, "ustar", sizeof(h->magic)) == 0;
}

static bool has_device_fields(const TarHeader *h)
{
	return memcmp(h->magic, "ustar", 5) == 0;
}

static int set_path(TarReader *t, const TarHeader *h, bool *ret_slash, Err **err)
{
	char joined[sizeof(h->prefix) + 1 + sizeof(h->name)];
	Str name;
	if (t->has_long_name) {
		name = buf_view(&t->long_name);
	} else if (t->local.has_path) {
		name = buf_view(&t->local.path);
	} else if (t->global.has_path) {
		name = buf_view(&t->global.path);
	} else {
		name = field_str(h->name, sizeof(h->name));
		bool star = memcmp(h->pad + 8, "tar", 4) == 0;
		Str prefix = field_str(h->prefix, star ? 131 : sizeof(h->prefix));
		if (has_prefix_field(h) && prefix.len > 0) {
			memcpy(joined, prefix.ptr, prefix.len);
			joined[prefix.len] = '/';
			memcpy(joined + prefix.len + 1, name.ptr, name.len);
			name = (Str){joined, prefix.len + 1 + name.len};
		}
	}
	*ret_slash = str_ends(name, "/");
	int r = clean_name(name, &t->path, err);
	if (r < 0)
		return r;
	buf_cstr(&t->path, ""); /* a Buf without bytes has no memory */
	t->entry.path = t->path.ptr;
	return 0;
}

static int set_link(TarReader *t, const TarHeader *h, Err **err)
{
	TarEntry *e = &t->entry;
	if (e->type != TAR_SYMLINK && e->type != TAR_HARDLINK)
		return 0;
	Str target = field_str(h->linkname, sizeof(h->linkname));
	if (t->has_long_link)
		target = buf_view(&t->long_link);
	else if (t->local.has_link)
		target = buf_view(&t->local.link);
	else if (t->global.has_link)
		target = buf_view(&t->global.link);
	if (e->type == TAR_HARDLINK) {
		int r = clean_name(target, &t->link, err);
		if (r < 0)
			return r;
	} else {
		buf_clear(&t->link);
		buf_str(&t->link, target);
	}
	if (t->link.overflow)
		return err_set(err, ERR_LIMIT, "tar: target of '%s' is longer than %u bytes",
			e->path, LIMIT_PATH);
	if (t->link.len == 0)
		return err_set(err, ERR_CORRUPT, "tar: link '%s' without a target", e->path);
	e->link = t->link.ptr;
	return 0;
}

static int set_type(TarReader *t, const TarHeader *h, bool slash, uint64_t size, Err **err)
{
	static const struct {
		char flag;
		TarType type;
	} types[] = {
		{'\0', TAR_FILE},
		{'0', TAR_FILE},
		{'7', TAR_FILE}, /* contiguous */
		{'1', TAR_HARDLINK},
		{'2', TAR_SYMLINK},
		{'3', TAR_CHAR},
		{'4', TAR_BLOCK},
		{'5', TAR_DIR},
		{'D', TAR_DIR}, /* GNU incremental dump: the body lists names */
		{'6', TAR_FIFO},
	};
	TarEntry *e = &t->entry;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].flag != h->typeflag)
			continue;
		e->type = types[i].type;
		/* v7 has no type for directories. */
		if (e->type == TAR_FILE && slash && (h->typeflag == '\0' || size == 0))
			e->type = TAR_DIR;
		return 0;
	}
	if (h->typeflag == 'S')
		return err_set(err, ERR_UNSUPPORTED, "tar: sparse file '%s'", e->path);
	return err_set(err, ERR_UNSUPPORTED, "tar: entry '%s' is of the unknown type 0x%02x",
		e->path, (unsigned)(uint8_t)h->typeflag);
}

static int set_owner(TarReader *t, const TarHeader *h, Err **err)
{
	TarEntry *e = &t->entry;
	int r = 0;
	if (t->local.has_uid || t->global.has_uid)
		e->uid = t->local.has_uid ? t->local.uid : t->global.uid;
	else
		r = NUMBER(h, uid, MAX_UID, &e->uid, err);
	if (r < 0)
		return r;
	if (t->local.has_gid || t->global.has_gid)
		e->gid = t->local.has_gid ? t->local.gid : t->global.gid;
	else
		r = NUMBER(h, gid, MAX_UID, &e->gid, err);
	return r;
}

static int set_mtime(TarReader *t, const TarHeader *h, Err **err)
{
	TarEntry *e = &t->entry;
	const TarPax *from = t->local.has_mtime ? &t->local : &t->global;
	if (from->has_mtime) {
		e->mtime = from->mtime;
		e->mtime_nsec = from->mtime_nsec;
		return 0;
	}
	if (!tar_number(h->mtime, sizeof(h->mtime), &e->mtime))
		return err_set(err, ERR_CORRUPT, "tar: bad number in field 'mtime'");
	return 0;
}

static int set_numbers(TarReader *t, const TarHeader *h, Err **err)
{
	TarEntry *e = &t->entry;
	uint64_t mode;
	int r = NUMBER(h, mode, INT64_MAX, &mode, err);
	if (r < 0)
		return r;
	e->mode = (uint32_t)mode & 07777;
	r = set_owner(t, h, err);
	if (r < 0)
		return r;
	r = set_mtime(t, h, err);
	if (r < 0 || (e->type != TAR_CHAR && e->type != TAR_BLOCK) || !has_device_fields(h))
		return r;
	uint64_t major, minor;
	r = NUMBER(h, devmajor, TAR_MAX_OCTAL7, &major, err);
	if (r < 0)
		return r;
	r = NUMBER(h, devminor, TAR_MAX_OCTAL7, &minor, err);
	if (r < 0)
		return r;
	e->dev_major = (uint32_t)major;
	e->dev_minor = (uint32_t)minor;
	return 0;
}

static int compare_xattrs(const void *a, const void *b)
{
	const TarXattr *x = *(const TarXattr *const *)a;
	const TarXattr *y = *(const TarXattr *const *)b;
	int order = strcmp(x->name, y->name);
	/* They lie in one array: of equal names the later one comes last. */
	return order ? order : (x > y) - (x < y);
}

/* Sorted by name; of equal names the one that stands last counts. */
static void set_xattrs(TarReader *t)
{
	const TarXattrs *from = &t->local.xattrs;
	vec_clear(&t->xattrs);
	if (from->len == 0)
		return;
	_cleanup_free_ const TarXattr **sorted = xmalloc(from->len * sizeof(*sorted));
	for (size_t i = 0; i < from->len; i++)
		sorted[i] = &from->items[i];
	qsort(sorted, from->len, sizeof(*sorted), compare_xattrs);
	for (size_t i = 0; i < from->len; i++) {
		bool same = i > 0 && strcmp(sorted[i - 1]->name, sorted[i]->name) == 0;
		if (same)
			*vec_last(&t->xattrs) = *sorted[i];
		else
			vec_push(&t->xattrs, *sorted[i]);
	}
	t->entry.xattrs = t->xattrs.items;
	t->entry.n_xattrs = t->xattrs.len;
}

/* Whether a hard link that claims a size really has a body: then no header stands behind it. */
static int link_has_body(TarReader *t, Err **err)
{
	ssize_t n = look_ahead(t, TAR_BLOCK_SIZE, err);
	if (n < 0)
		return (int)n;
	const TarHeader *next = (const TarHeader *)(const void *)t->at;
	return n == TAR_BLOCK_SIZE && !is_zero(next) && !is_header(next);
}

static int set_body(TarReader *t, const TarHeader *h, uint64_t size, Err **err)
{
	TarEntry *e = &t->entry;
	int r = e->type == TAR_FILE || h->typeflag == 'D';
	if (e->type == TAR_DIR && h->typeflag == '\0')
		r = 1;
	if (e->type == TAR_HARDLINK && size > 0)
		r = link_has_body(t, err);
	if (r < 0)
		return r;
	t->body_left = r ? size : 0;
	t->padding = tar_padding(t->body_left);
	e->body_offset = t->offset;
	if (e->type == TAR_FILE) {
		e->size = size;
		return 0;
	}
	/* Not the caller's business. */
	uint64_t hidden = t->body_left + t->padding;
	t->body_left = t->padding = 0;
	return skip(t, hidden, err);
}

/* h was copied out of the buffer: reading bodies may move that. */
static int build_entry(TarReader *t, const TarHeader *h, Err **err)
{
	TarEntry *e = &t->entry;
	*e = (TarEntry){0};
	uint64_t size = 0;
	int r = 0;
	bool slash;
	if (t->local.has_size || t->global.has_size)
		size = t->local.has_size ? t->local.size : t->global.size;
	else if (!h->typeflag || !strchr("123456", h->typeflag) || h->typeflag == '1')
		r = NUMBER(h, size, INT64_MAX, &size, err);
	if (r < 0)
		return r;
	r = set_path(t, h, &slash, err);
	if (r < 0)
		return r;
	r = set_type(t, h, slash, size, err);
	if (r < 0)
		return r;
	if (t->path.len == 0 && e->type != TAR_DIR)
		return err_set(err, ERR_CORRUPT, "tar: entry without a name");
	r = set_link(t, h, err);
	if (r < 0)
		return r;
	r = set_numbers(t, h, err);
	if (r < 0)
		return r;
	set_xattrs(t);
	return set_body(t, h, size, err);
}

/* Next block into *ret: 1, or 0 at the end of data. */
static int read_header(TarReader *t, TarHeader *ret, Err **err)
{
	ssize_t n = look_ahead(t, TAR_BLOCK_SIZE, err);
	if (n <= 0)
		return (int)n;
	if (n < (ssize_t)TAR_BLOCK_SIZE)
		return t->headers ? truncated(err)
				  : err_set(err, ERR_CORRUPT, "tar: not a tar archive");
	memcpy(ret, t->at, TAR_BLOCK_SIZE);
	consume(t, TAR_BLOCK_SIZE);
	return 1;
}

/* One zero block was read: the end if the data ends there or another one follows. */
static int at_end_marker(TarReader *t, Err **err)
{
	TarHeader second;
	int r = read_header(t, &second, err);
	if (r < 0)
		return r;
	if (r > 0 && !is_zero(&second))
		return err_set(err, ERR_CORRUPT, "tar: data behind a single zero block");
	t->ended = true;
	return 0;
}

static int next_entry(TarReader *t, Err **err)
{
	int r = skip(t, t->body_left + t->padding, err);
	if (r < 0)
		return r;
	t->body_left = t->padding = 0;
	tar_pax_clear(&t->local);
	t->has_long_name = t->has_long_link = false;
	bool pending = false; /* an extension waits for its entry */
	for (;;) {
		TarHeader h;
		r = read_header(t, &h, err);
		if (r < 0)
			return r;
		if (r == 0 || is_zero(&h)) {
			if (pending)
				return truncated(err);
			t->ended = true;
			return r == 0 ? 0 : at_end_marker(t, err);
		}
		if (!is_header(&h))
			return err_set(err, ERR_CORRUPT,
				t->headers ? "tar: bad header checksum" : "tar: not a tar archive");
		if (++t->headers > t->max_headers)
			return err_set(err, ERR_LIMIT, "tar: more than %llu entries",
				(unsigned long long)t->max_headers);
		r = take_extension(t, &h, err);
		if (r < 0)
			return r;
		if (r == 0) {
			r = build_entry(t, &h, err);
			return r < 0 ? r : 1;
		}
		pending |= strchr("xXLK", h.typeflag) != NULL;
	}
}

int tar_reader_next(TarReader *t, TarEntry **ret, Err **err)
{
	if (t->failed)
		return err_set(err, t->failed, "tar: archive is unusable");
	if (t->ended)
		return 0;
	int r = next_entry(t, err);
	if (r < 0)
		t->failed = (ErrCode)-r;
	if (r > 0)
		*ret = &t->entry;
	return r;
}
