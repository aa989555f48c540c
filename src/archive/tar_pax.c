/*
 * PAX extended headers (POSIX.1-2001, pax, "Extended Header"): the body of an entry of type 'x' (for the
 * next entry) or 'g' (for all that follow) is a sequence of records
 *
 *	LEN SP key '=' value LF
 *
 * where LEN is the decimal length of the whole record, itself included. Values are bytes: a name may hold
 * newlines, an attribute anything. What a hostile archive controls is thus every length and number; each
 * record must lie wholly in the body, end in a newline and have a key, else the archive is corrupt.
 *
 * Keys that change what a layer means are path, linkpath, size, uid, gid, mtime and SCHILY.xattr.NAME.
 * GNU.sparse.* would change how the body is to be read: refused rather than misread. Everything else
 * (atime, comment, uname, LIBARCHIVE.*, …) is information that layers do not carry, and ignored. An empty
 * value takes a record of these keys back, but is a value for an extended attribute.
 *
 * An attribute's name may hold '=', which would end the key: GNU tar writes '=' as %3D and '%' as %25 in
 * such names; so does this, and reads them so.
 */
#include "archive/tar_int.h"

#define XATTR_PREFIX    "SCHILY.xattr."
#define SPARSE_PREFIX   "GNU.sparse."
#define XATTR_NAME_SIZE 255u /* the kernel's XATTR_NAME_MAX */
#define MAX_UID         (UINT32_MAX - 1)

static void xattrs_clear(TarXattrs *v)
{
	vec_foreach (v, x) {
		free(x->name);
		free(x->value);
	}
	vec_clear(v);
}

void tar_pax_clear(TarPax *p)
{
	buf_clear(&p->path);
	buf_clear(&p->link);
	xattrs_clear(&p->xattrs);
	p->has_path = p->has_link = p->has_size = p->has_uid = p->has_gid = p->has_mtime = false;
}

void tar_pax_done(TarPax *p)
{
	xattrs_clear(&p->xattrs);
	vec_done(&p->xattrs);
	buf_done(&p->path);
	buf_done(&p->link);
}

/* ---- reading ---- */

static int set_name(Buf *buf, bool *has, Str key, Str value, Err **err)
{
	if (str_find(value, '\0') >= 0)
		return err_set(
			err, ERR_CORRUPT, "tar: NUL byte in PAX '" STR_FMT "'", STR_ARG(key));
	if (value.len > TAR_RAW_NAME)
		return err_set(err, ERR_LIMIT, "tar: PAX '" STR_FMT "' is longer than %u bytes",
			STR_ARG(key), LIMIT_PATH);
	buf->max = TAR_RAW_NAME;
	buf_clear(buf);
	buf_str(buf, value);
	*has = value.len > 0;
	return 0;
}

static int set_number(uint64_t *ret, bool *has, uint64_t max, Str key, Str value, Err **err)
{
	*has = value.len > 0;
	if (*has && str_to_u64(value, max, ret, NULL) < 0)
		return err_set(
			err, ERR_CORRUPT, "tar: bad number in PAX '" STR_FMT "'", STR_ARG(key));
	return 0;
}

/* "[-]seconds[.fraction]" to whole seconds rounded down, and nanoseconds. */
static bool parse_time(Str value, int64_t *ret_seconds, uint32_t *ret_nsec)
{
	bool negative = str_starts(value, "-");
	if (negative)
		value = str_slice(value, 1, value.len);
	Str whole;
	Str rest = value;
	str_cut(&rest, '.', &whole);
	uint64_t seconds = 0;
	if (str_to_u64(whole, INT64_MAX - 1, &seconds, NULL) < 0)
		return false;
	uint32_t nsec = 0;
	uint32_t unit = 100000000;
	for (size_t i = 0; rest.ptr && i < rest.len; i++) {
		if (rest.ptr[i] < '0' || rest.ptr[i] > '9')
			return false;
		nsec += (uint32_t)(rest.ptr[i] - '0') * unit;
		unit /= 10;
	}
	*ret_seconds = negative ? -(int64_t)seconds : (int64_t)seconds;
	*ret_nsec = nsec;
	if (negative && nsec) {
		*ret_seconds -= 1;
		*ret_nsec = 1000000000 - nsec;
	}
	return true;
}

static int set_time(TarPax *p, Str value, Err **err)
{
	p->has_mtime = value.len > 0;
	if (p->has_mtime && !parse_time(value, &p->mtime, &p->mtime_nsec))
		return err_set(err, ERR_CORRUPT, "tar: bad time in PAX 'mtime'");
	return 0;
}

static char *decode_xattr_name(Str encoded)
{
	char *name = xmalloc(encoded.len + 1);
	size_t n = 0;
	for (size_t i = 0; i < encoded.len; i++) {
		Str rest = str_slice(encoded, i, encoded.len);
		bool equals = str_starts(rest, "%3D");
		if (equals || str_starts(rest, "%25")) {
			name[n++] = equals ? '=' : '%';
			i += 2;
		} else {
			name[n++] = encoded.ptr[i];
		}
	}
	name[n] = '\0';
	return name;
}

static int set_xattr(TarPax *p, Str encoded, Str value, Err **err)
{
	if (p->ignore_xattrs)
		return 0;
	if (encoded.len == 0 || str_find(encoded, '\0') >= 0)
		return err_set(err, ERR_CORRUPT, "tar: bad name of an extended attribute");
	_cleanup_free_ char *name = decode_xattr_name(encoded);
	if (strlen(name) > XATTR_NAME_SIZE)
		return err_set(err, ERR_LIMIT,
			"tar: name of an extended attribute is longer than %u bytes",
			XATTR_NAME_SIZE);
	if (value.len > LIMIT_XATTR_SIZE)
		return err_set(err, ERR_LIMIT,
			"tar: extended attribute '%s' is longer than %u bytes", name,
			LIMIT_XATTR_SIZE);
	*vec_add(&p->xattrs) = (TarXattr){
		.name = TAKE_PTR(name),
		.value = xmemdup(value.ptr, value.len),
		.value_len = value.len,
	};
	return 0;
}

static int apply_record(TarPax *p, Str key, Str value, Err **err)
{
	if (str_eq_cstr(key, "path"))
		return set_name(&p->path, &p->has_path, key, value, err);
	if (str_eq_cstr(key, "linkpath"))
		return set_name(&p->link, &p->has_link, key, value, err);
	if (str_eq_cstr(key, "size"))
		return set_number(&p->size, &p->has_size, INT64_MAX, key, value, err);
	if (str_eq_cstr(key, "uid"))
		return set_number(&p->uid, &p->has_uid, MAX_UID, key, value, err);
	if (str_eq_cstr(key, "gid"))
		return set_number(&p->gid, &p->has_gid, MAX_UID, key, value, err);
	if (str_eq_cstr(key, "mtime"))
		return set_time(p, value, err);
	if (str_starts(key, XATTR_PREFIX))
		return set_xattr(p, str_slice(key, sizeof(XATTR_PREFIX) - 1, key.len), value, err);
	if (str_starts(key, SPARSE_PREFIX))
		return err_set(
			err, ERR_UNSUPPORTED, "tar: sparse file (PAX '" STR_FMT "')", STR_ARG(key));
	return 0;
}

int tar_pax_parse(TarPax *p, Str body, Err **err)
{
	while (body.len > 0) {
		ssize_t space = str_find(body, ' ');
		uint64_t len = 0;
		if (space < 0 ||
			str_to_u64(str_slice(body, 0, (size_t)space), body.len, &len, NULL) < 0)
			return err_set(err, ERR_CORRUPT, "tar: bad length of a PAX record");
		/* At least the blank, one byte of key, '=' and the newline. */
		if (len < (size_t)space + 4 || body.ptr[len - 1] != '\n')
			return err_set(
				err, ERR_CORRUPT, "tar: PAX record does not end in a newline");
		Str record = str_slice(body, (size_t)space + 1, len - 1);
		ssize_t equals = str_find(record, '=');
		if (equals <= 0)
			return err_set(err, ERR_CORRUPT, "tar: PAX record without a key");
		int r = apply_record(p, str_slice(record, 0, (size_t)equals),
			str_slice(record, (size_t)equals + 1, record.len), err);
		if (r < 0)
			return r;
		body = str_slice(body, len, body.len);
	}
	return 0;
}

/* ---- writing ---- */

static size_t digits(size_t n)
{
	size_t count = 1;
	for (; n >= 10; n /= 10)
		count++;
	return count;
}

void tar_pax_record(Buf *out, Str key, Str value)
{
	size_t rest = key.len + value.len + 3; /* blank, '=', newline */
	size_t len = rest + digits(rest);
	/* Counting its own digits can add one. */
	len = rest + digits(len);
	buf_printf(out, "%zu " STR_FMT "=", len, STR_ARG(key));
	buf_str(out, value);
	buf_char(out, '\n');
}

void tar_pax_xattr(Buf *out, const TarXattr *x)
{
	_cleanup_buf_ Buf key = BUF_INIT(sizeof(XATTR_PREFIX) + 3 * strlen(x->name));
	buf_cstr(&key, XATTR_PREFIX);
	for (const char *c = x->name; *c; c++) {
		if (*c == '=' || *c == '%')
			buf_cstr(&key, *c == '=' ? "%3D" : "%25");
		else
			buf_char(&key, *c);
	}
	tar_pax_record(out, buf_view(&key), (Str){x->value, x->value_len});
}
