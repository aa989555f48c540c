/*
 * Strings: Str is a borrowed slice (not NUL-terminated), Buf grows up to a mandatory bound, StrVec is
 * a NULL-terminated owned array fit for execve.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

typedef struct Str {
	const char *ptr; /* borrowed; may be NULL only when len is 0 */
	size_t len;
} Str;

#define STR(lit)   ((Str){(lit), sizeof(lit) - 1}) /* of a literal */
#define STR_FMT    "%.*s"
#define STR_ARG(s) (int)(s).len, (s).ptr /* for STR_FMT */
static inline Str str_of(const char *s)
{
	return (Str){s, s ? strlen(s) : 0};
}
bool str_eq(Str a, Str b);
bool str_eq_cstr(Str a, const char *b);
bool str_eq_nocase(Str a, const char *b); /* ASCII case only */
bool str_starts(Str s, const char *prefix);
bool str_ends(Str s, const char *suffix);
/* Index of the first / last byte c, or -1. */
ssize_t str_find(Str s, char c);
ssize_t str_rfind(Str s, char c);
Str str_trim(Str s); /* blanks: space, tab, CR, LF, VT, FF */
Str str_slice(Str s, size_t from, size_t to);
/* Cuts *rest at the first sep: returns what stood before it and moves *rest behind it. False when
 * *rest is exhausted (rest->ptr == NULL); "a,,b" yields "a", "", "b"; "" yields "" once. */
bool str_cut(Str *rest, char sep, Str *ret_part);
char *str_dup(Str s); /* owned, every byte, NUL-terminated */
/* Owned, fit for one line of a terminal: control characters and what is not UTF-8 as \xNN. */
char *str_printable(Str s);
/* Bytes of the well-formed UTF-8 character that s begins with: 1 to 4, or 0 if it is none. */
size_t str_utf8(Str s);
bool cstr_eq(const char *a, const char *b); /* both may be NULL */
static inline bool cstr_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Whole-string decimal or octal numbers; ERR_PARSE on anything else, or past max. No sign. */
int str_to_u64(Str s, uint64_t max, uint64_t *ret, Err **err) _warn_unused_;
int str_to_octal(Str s, uint64_t max, uint64_t *ret, Err **err) _warn_unused_;

/* Growable byte buffer with a bound. Going past the bound drops the data and sticks: every later
 * append is ignored and buf_take says ERR_LIMIT. Always NUL-terminated behind len. */
typedef struct Buf {
	char *ptr; /* owned; NULL until the first append */
	size_t len, cap, max;
	bool overflow;
} Buf;

#define BUF_INIT(limit) ((Buf){.max = (limit)})
void buf_append(Buf *b, const void *data, size_t len);
void buf_str(Buf *b, Str s);
void buf_cstr(Buf *b, const char *s);
void buf_char(Buf *b, char c);
void buf_printf(Buf *b, const char *fmt, ...) _printf_(2, 3);
void buf_clear(Buf *b); /* keeps the memory */
void buf_done(Buf *b);  /* frees; the Buf can be used again */
static inline Str buf_view(const Buf *b)
{
	return (Str){b->ptr ? b->ptr : "", b->len};
}
/* Owned NUL-terminated content; the Buf is empty afterwards. ERR_LIMIT if the bound was passed. */
int buf_take(Buf *b, char **ret, Err **err) _warn_unused_;
/* For buffers whose bound cannot be reached by foreign data: aborts on overflow. */
char *buf_steal(Buf *b);
#define _cleanup_buf_ _cleanup_(buf_done)

typedef struct StrVec {
	char **items; /* owned, NULL-terminated once not empty; may be NULL when empty */
	size_t len, cap;
} StrVec;

void strvec_push(StrVec *v, const char *s); /* copies */
void strvec_push_str(StrVec *v, Str s);
void strvec_take(StrVec *v, char *s); /* takes ownership */
void strvec_pushf(StrVec *v, const char *fmt, ...) _printf_(2, 3);
void strvec_copy(StrVec *dst, const StrVec *src); /* appends copies */
void strvec_clear(StrVec *v);
void strvec_done(StrVec *v);
bool strvec_has(const StrVec *v, const char *s);
void strvec_drop(StrVec *v, const char *s);          /* every one that is equal */
void strvec_sort_unique(StrVec *v);                  /* by bytes; of equal ones the first stays */
char *strvec_join(const StrVec *v, const char *sep); /* owned */
#define _cleanup_strvec_ _cleanup_(strvec_done)

/* Environment lists ("NAME=value"): set replaces in place (order of first appearance is kept). */
void strvec_env_set(StrVec *env, const char *name, const char *value);
const char *strvec_env_get(const StrVec *env, const char *name); /* borrowed, NULL if unset */
void strvec_env_unset(StrVec *env, const char *name);            /* all of that name */
