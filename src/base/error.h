/*
 * Errors.
 *
 * A function that can fail returns 0 or a negative ErrCode and takes `Err **err` as its last
 * parameter. On failure it stores one Err there (owned by the caller; err_free), unless err is NULL
 * ("do not care"). An Err is set once: setting over an existing one is a bug and aborts.
 *
 *	if (n < 0)
 *		return err_sys(err, "read '%s'", path);
 *
 * Messages: one line, no trailing dot, the object in '…', no "failed to". Control characters and what
 * is not UTF-8 come out as \xNN, so that a hostile name cannot steer a terminal. ERR_SCOPE(err,
 * "Loading '%s'", path) at the top of an operation prefixes whatever error leaves that scope. Only
 * causes that somebody branches on have a code; the command line maps codes to exit statuses
 * (docs/ERRORS.md).
 */
#pragma once

#include <errno.h>
#include <stdarg.h>

#include "base/forward.h"
#include "base/mem.h"

typedef enum ErrCode {
	ERR_NONE = 0,
	ERR_SYS,       /* a system call failed: errnum says why */
	ERR_USAGE,     /* wrong call: flags, arguments */
	ERR_NOT_FOUND, /* the named image, stage, file … does not exist */
	ERR_EXISTS,    /* it exists already, and must not */
	ERR_PARSE,     /* a text a person wrote (Dockerfile, ignore file, reference) is malformed */
	ERR_CORRUPT,   /* foreign bytes (tar, JSON, compressed stream) are malformed or hostile */
	ERR_DIGEST,    /* content does not match the digest or length that was promised */
	ERR_LIMIT,     /* a bound of base/limits.h was reached */
	ERR_UNSUPPORTED, /* well-formed, but outside what cruet does */
	ERR_DENIED,      /* not permitted: privileges, namespaces, policy */
	ERR_AUTH,        /* a server wants other credentials */
	ERR_NET,         /* network or server failure */
	ERR_TIMEOUT,     /* no progress within the limit */
	ERR_NO_SPACE,    /* disk or quota full */
	ERR_RUN_FAILED, /* a program that cruet ran for the user failed; errnum = its exit status, or
			    128 + signal */
	ERR_CANCELLED,  /* interrupted, or given up because something beside it failed */
	_ERR_MAX
} ErrCode;

struct Err {
	ErrCode code;
	int errnum;    /* errno for ERR_SYS, exit status for ERR_RUN_FAILED, else 0 */
	char *message; /* owned, never NULL */
	char *hint;    /* owned: what to do about it, or NULL */
	char *file;    /* owned: where, or NULL */
	int line;      /* 1-based, 0 = unknown */
	char *excerpt; /* owned: the source lines around, ready to print, or NULL */
};

/* Each sets *err (if err is not NULL) and returns -code, so that they can be returned as they are. */
int err_set(Err **err, ErrCode code, const char *fmt, ...) _printf_(3, 4);
int err_vset(Err **err, ErrCode code, int errnum, const char *fmt, va_list ap) _printf_(4, 0);
/* Uses errno: appends ": <strerror>". ENOSPC and EDQUOT become ERR_NO_SPACE, ENOENT stays ERR_SYS. */
int err_sys(Err **err, const char *fmt, ...) _printf_(2, 3);
int err_sys_num(Err **err, int errnum, const char *fmt, ...) _printf_(3, 4);

/* Additions to an error already set; no-ops when err or *err is NULL. */
void err_hint(Err **err, const char *fmt, ...) _printf_(2, 3);
void err_at(Err **err, const char *file, int line); /* keeps a location already there */
void err_prefix(Err **err, const char *fmt, ...) _printf_(2, 3);

/* True if a function returned (or an Err carries) this cause. */
static inline int err_is(const Err *err, ErrCode code)
{
	return err && err->code == code;
}

/* Moves *src to *dst (frees *src when dst is NULL) and returns its negative code, 0 if there is none. */
int err_move(Err **dst, Err **src);
Err *err_free(Err *err); /* NULL is fine; returns NULL */
void err_freep(Err **err);
/* Word for a code, e.g. "not-found": stable, used in JSON output. */
const char *err_code_name(ErrCode code);

#define _cleanup_err_ _cleanup_(err_freep)

typedef struct ErrScope {
	Err **err;
	char *prefix;
} ErrScope;
ErrScope err_scope_begin(Err **err, const char *fmt, ...) _printf_(2, 3);
void err_scope_end(ErrScope *scope);
#define ERR_SCOPE_NAME2(line) err_scope_##line
#define ERR_SCOPE_NAME(line)  ERR_SCOPE_NAME2(line)
#define ERR_SCOPE(err, ...)                                                                        \
	_cleanup_(err_scope_end) _unused_ ErrScope ERR_SCOPE_NAME(__LINE__) =                      \
		err_scope_begin((err), __VA_ARGS__)
