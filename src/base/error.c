#include "base/error.h"

#include <assert.h>
#include <stdio.h>

#include "base/str.h"

static const char *const code_names[_ERR_MAX] = {
	[ERR_NONE] = "none",
	[ERR_SYS] = "system",
	[ERR_USAGE] = "usage",
	[ERR_NOT_FOUND] = "not-found",
	[ERR_EXISTS] = "exists",
	[ERR_PARSE] = "parse",
	[ERR_CORRUPT] = "corrupt",
	[ERR_DIGEST] = "digest",
	[ERR_LIMIT] = "limit",
	[ERR_UNSUPPORTED] = "unsupported",
	[ERR_DENIED] = "denied",
	[ERR_AUTH] = "auth",
	[ERR_NET] = "net",
	[ERR_TIMEOUT] = "timeout",
	[ERR_NO_SPACE] = "no-space",
	[ERR_RUN_FAILED] = "run-failed",
	[ERR_CANCELLED] = "cancelled",
};

const char *err_code_name(ErrCode code)
{
	return code < _ERR_MAX ? code_names[code] : "unknown";
}

/* Takes an owned text and gives it back fit for one line of a terminal. */
static char *printable(char *text)
{
	char *out = str_printable(str_of(text));
	free(text);
	return out;
}

int err_vset(Err **err, ErrCode code, int errnum, const char *fmt, va_list ap)
{
	assert(code > ERR_NONE && code < _ERR_MAX);
	if (!err)
		return -(int)code;
	assert(!*err);
	Err *e = xnew(Err);
	e->code = code;
	e->errnum = errnum;
	if (vasprintf(&e->message, fmt, ap) < 0)
		abort();
	e->message = printable(e->message);
	*err = e;
	return -(int)code;
}

int err_set(Err **err, ErrCode code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int r = err_vset(err, code, 0, fmt, ap);
	va_end(ap);
	return r;
}

static int _printf_(3, 0) sys_vset(Err **err, int errnum, const char *fmt, va_list ap)
{
	ErrCode code = errnum == ENOSPC || errnum == EDQUOT ? ERR_NO_SPACE : ERR_SYS;
	int r = err_vset(err, code, errnum, fmt, ap);
	if (err) {
		char *message = xasprintf("%s: %s", (*err)->message, strerror(errnum));
		free((*err)->message);
		(*err)->message = message;
	}
	return r;
}

int err_sys(Err **err, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	va_start(ap, fmt);
	int r = sys_vset(err, saved, fmt, ap);
	va_end(ap);
	return r;
}

int err_sys_num(Err **err, int errnum, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int r = sys_vset(err, errnum, fmt, ap);
	va_end(ap);
	return r;
}

void err_hint(Err **err, const char *fmt, ...)
{
	if (!err || !*err)
		return;
	va_list ap;
	va_start(ap, fmt);
	char *hint = NULL; /* the old one may be among the arguments */
	if (vasprintf(&hint, fmt, ap) < 0)
		abort();
	va_end(ap);
	free((*err)->hint);
	(*err)->hint = printable(hint);
}

void err_at(Err **err, const char *file, int line)
{
	if (!err || !*err || (*err)->file)
		return;
	(*err)->file = xstrdup(file);
	(*err)->line = line;
}

static void prefix_with(Err *e, const char *prefix)
{
	char *message = xasprintf("%s: %s", prefix, e->message);
	free(e->message);
	e->message = printable(message);
}

void err_prefix(Err **err, const char *fmt, ...)
{
	if (!err || !*err)
		return;
	_cleanup_free_ char *prefix = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&prefix, fmt, ap) < 0)
		abort();
	va_end(ap);
	prefix_with(*err, prefix);
}

int err_move(Err **dst, Err **src)
{
	Err *e = *src;
	*src = NULL;
	if (!e)
		return 0;
	int r = -(int)e->code;
	if (!dst) {
		err_free(e);
		return r;
	}
	assert(!*dst);
	*dst = e;
	return r;
}

Err *err_free(Err *err)
{
	if (!err)
		return NULL;
	free(err->message);
	free(err->hint);
	free(err->file);
	free(err->excerpt);
	free(err);
	return NULL;
}

void err_freep(Err **err)
{
	*err = err_free(*err);
}

ErrScope err_scope_begin(Err **err, const char *fmt, ...)
{
	ErrScope scope = {.err = err};
	if (!err)
		return scope;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&scope.prefix, fmt, ap) < 0)
		abort();
	va_end(ap);
	return scope;
}

void err_scope_end(ErrScope *scope)
{
	if (scope->err && *scope->err)
		prefix_with(*scope->err, scope->prefix);
	free(scope->prefix);
}
