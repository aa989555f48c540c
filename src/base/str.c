#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

bool str_eq(Str a, Str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_eq_cstr(Str a, const char *b)
{
	return str_eq(a, str_of(b));
}

bool str_eq_nocase(Str a, const char *b)
{
	return a.len == strlen(b) && (a.len == 0 || strncasecmp(a.ptr, b, a.len) == 0);
}

bool str_starts(Str s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.len >= n && memcmp(s.ptr, prefix, n) == 0;
}

bool str_ends(Str s, const char *suffix)
{
	size_t n = strlen(suffix);
	return s.len >= n && memcmp(s.ptr + s.len - n, suffix, n) == 0;
}

ssize_t str_find(Str s, char c)
{
	const char *p = s.len ? memchr(s.ptr, c, s.len) : NULL;
	return p ? p - s.ptr : -1;
}

ssize_t str_rfind(Str s, char c)
{
	const char *p = s.len ? memrchr(s.ptr, c, s.len) : NULL;
	return p ? p - s.ptr : -1;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

Str str_trim(Str s)
{
	while (s.len && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

Str str_slice(Str s, size_t from, size_t to)
{
	to = MIN(to, s.len);
	from = MIN(from, to);
	return (Str){s.ptr + from, to - from};
}

bool str_cut(Str *rest, char sep, Str *ret_part)
{
	if (!rest->ptr)
		return false;
	ssize_t at = str_find(*rest, sep);
	if (at < 0) {
		*ret_part = *rest;
		*rest = (Str){NULL, 0};
	} else {
		*ret_part = str_slice(*rest, 0, (size_t)at);
		*rest = str_slice(*rest, (size_t)at + 1, rest->len);
	}
	return true;
}

char *str_dup(Str s)
{
	char *copy = xmalloc(s.len + 1);
	if (s.len)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}

size_t str_utf8(Str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	if (s.len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	size_t len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
	if (p[0] < 0xC2 || p[0] > 0xF4 || s.len < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	/* too long a form, a surrogate, past U+10FFFF */
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
		(p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return len;
}

/* Bytes that s begins with and a terminal takes as text: not control characters (C1 ones are C2 80 to C2 9F). */
static size_t text_at(Str s)
{
	unsigned char c = (unsigned char)s.ptr[0];
	size_t len = str_utf8(s);
	bool control =
		c < 0x20 || c == 0x7F || (c == 0xC2 && len && (unsigned char)s.ptr[1] < 0xA0);
	return control ? 0 : len;
}

char *str_printable(Str s)
{
	static const char digits[] = "0123456789abcdef";
	char *out = xmalloc(s.len * 4 + 1), *to = out;
	while (s.len) {
		size_t n = text_at(s);
		if (n) {
			memcpy(to, s.ptr, n);
			to += n;
		} else {
			unsigned char c = (unsigned char)s.ptr[0];
			*to++ = '\\';
			*to++ = 'x';
			*to++ = digits[c >> 4];
			*to++ = digits[c & 15];
			n = 1;
		}
		s = str_slice(s, n, s.len);
	}
	*to = '\0';
	return out;
}

bool cstr_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static int to_number(Str s, unsigned base, uint64_t max, uint64_t *ret, Err **err)
{
	uint64_t value = 0;
	if (s.len == 0)
		return err_set(err, ERR_PARSE, "a number is missing");
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';
		if (digit >= base)
			return err_set(err, ERR_PARSE, "'" STR_FMT "' is not %s number", STR_ARG(s),
				base == 8 ? "an octal" : "a");
		if (value > (max - digit) / base || digit > max)
			return err_set(err, ERR_PARSE, "'" STR_FMT "' is too large", STR_ARG(s));
		value = value * base + digit;
	}
	*ret = value;
	return 0;
}

int str_to_u64(Str s, uint64_t max, uint64_t *ret, Err **err)
{
	return to_number(s, 10, max, ret, err);
}

int str_to_octal(Str s, uint64_t max, uint64_t *ret, Err **err)
{
	return to_number(s, 8, max, ret, err);
}

/* Makes room for len more bytes and the NUL; false once the bound is passed. */
static bool buf_reserve(Buf *b, size_t len)
{
	if (b->overflow)
		return false;
	if (len > b->max || b->len > b->max - len) {
		b->overflow = true;
		free(b->ptr);
		b->ptr = NULL;
		b->len = b->cap = 0;
		return false;
	}
	size_t need = b->len + len + 1;
	if (need > b->cap) {
		size_t cap = MAX(b->cap * 2, (size_t)64);
		b->cap = MAX(cap, need);
		b->ptr = xrealloc(b->ptr, b->cap);
	}
	return true;
}

void buf_append(Buf *b, const void *data, size_t len)
{
	if (!buf_reserve(b, len))
		return;
	if (len)
		memcpy(b->ptr + b->len, data, len);
	b->len += len;
	b->ptr[b->len] = '\0';
}

void buf_str(Buf *b, Str s)
{
	buf_append(b, s.ptr, s.len);
}

void buf_cstr(Buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

void buf_char(Buf *b, char c)
{
	buf_append(b, &c, 1);
}

void buf_printf(Buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	if (!buf_reserve(b, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void buf_clear(Buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->ptr)
		b->ptr[0] = '\0';
}

void buf_done(Buf *b)
{
	free(b->ptr);
	*b = BUF_INIT(b->max);
}

int buf_take(Buf *b, char **ret, Err **err)
{
	if (b->overflow)
		return err_set(err, ERR_LIMIT, "text is longer than %zu bytes", b->max);
	*ret = b->ptr ? b->ptr : xstrdup("");
	*b = BUF_INIT(b->max);
	return 0;
}

char *buf_steal(Buf *b)
{
	char *s = NULL;
	if (buf_take(b, &s, NULL) < 0)
		abort();
	return s;
}

void strvec_take(StrVec *v, char *s)
{
	if (v->len + 2 > v->cap) {
		v->cap = MAX(v->cap * 2, (size_t)8);
		v->items = xreallocarray(v->items, v->cap, sizeof(char *));
	}
	v->items[v->len++] = s;
	v->items[v->len] = NULL;
}

void strvec_push(StrVec *v, const char *s)
{
	strvec_take(v, xstrdup(s));
}

void strvec_push_str(StrVec *v, Str s)
{
	strvec_take(v, str_dup(s));
}

void strvec_pushf(StrVec *v, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	strvec_take(v, s);
}

void strvec_copy(StrVec *dst, const StrVec *src)
{
	for (size_t i = 0; i < src->len; i++)
		strvec_push(dst, src->items[i]);
}

void strvec_clear(StrVec *v)
{
	for (size_t i = 0; i < v->len; i++)
		free(v->items[i]);
	v->len = 0;
	if (v->items)
		v->items[0] = NULL;
}

void strvec_done(StrVec *v)
{
	strvec_clear(v);
	free(v->items);
	*v = (StrVec){0};
}

bool strvec_has(const StrVec *v, const char *s)
{
	for (size_t i = 0; i < v->len; i++)
		if (strcmp(v->items[i], s) == 0)
			return true;
	return false;
}

void strvec_drop(StrVec *v, const char *s)
{
	size_t n = 0;
	for (size_t i = 0; i < v->len; i++) {
		if (strcmp(v->items[i], s) == 0)
			free(v->items[i]);
		else
			v->items[n++] = v->items[i];
	}
	if (n < v->len)
		v->items[n] = NULL;
	v->len = n;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void strvec_sort_unique(StrVec *v)
{
	size_t n = 0;
	if (v->len == 0)
		return;
	qsort(v->items, v->len, sizeof(char *), by_bytes);
	for (size_t i = 1; i < v->len; i++) {
		if (strcmp(v->items[n], v->items[i]) == 0)
			free(v->items[i]);
		else
			v->items[++n] = v->items[i];
	}
	v->len = n + 1;
	v->items[v->len] = NULL;
}

char *strvec_join(const StrVec *v, const char *sep)
{
	Buf b = BUF_INIT(SIZE_MAX / 2);
	for (size_t i = 0; i < v->len; i++) {
		if (i)
			buf_cstr(&b, sep);
		buf_cstr(&b, v->items[i]);
	}
	return buf_steal(&b);
}

static ssize_t env_index(const StrVec *env, const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < env->len; i++)
		if (strncmp(env->items[i], name, n) == 0 && env->items[i][n] == '=')
			return (ssize_t)i;
	return -1;
}

void strvec_env_set(StrVec *env, const char *name, const char *value)
{
	char *entry = xasprintf("%s=%s", name, value);
	ssize_t i = env_index(env, name);
	if (i < 0) {
		strvec_take(env, entry);
		return;
	}
	free(env->items[i]);
	env->items[i] = entry;
}

const char *strvec_env_get(const StrVec *env, const char *name)
{
	ssize_t i = env_index(env, name);
	return i < 0 ? NULL : env->items[i] + strlen(name) + 1;
}

void strvec_env_unset(StrVec *env, const char *name)
{
	for (ssize_t i = env_index(env, name); i >= 0; i = env_index(env, name)) {
		free(env->items[i]);
		memmove(&env->items[i], &env->items[i + 1],
			(env->len - (size_t)i) * sizeof(char *));
		env->len--;
	}
}
