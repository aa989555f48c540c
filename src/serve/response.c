#include "serve/response.h"

#include "base/json.h"
#include "registry/http.h"

#define RETRY_SECONDS 2

void response_done(Response *r)
{
	strvec_done(&r->headers);
	free(r->body);
	if (r->fd >= 0)
		close(r->fd);
	if (r->source)
		r->source->free(r->source);
	*r = RESPONSE_INIT;
}

void response_header(Response *r, const char *name, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *value = NULL;
	if (vasprintf(&value, fmt, ap) < 0)
		abort();
	va_end(ap);
	/* values come from clients and manifests: one line each */
	for (char *p = value; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	strvec_pushf(&r->headers, "%s: %s", name, value);
	free(value);
}

void response_status(Response *r, unsigned status)
{
	r->status = status;
}

void response_text(Response *r, unsigned status, const char *type, char *body)
{
	r->status = status;
	r->body = body;
	r->size = strlen(body);
	response_header(r, "Content-Type", "%s", type);
}

static _printf_(4, 0) void error_of(
	Response *r, unsigned status, const char *code, const char *fmt, va_list ap)
{
	char *message = NULL;
	if (vasprintf(&message, fmt, ap) < 0)
		abort();
	_cleanup_json_ json_t *error = json_object();
	json_set_text(error, "code", code);
	json_set_text(error, "message", message);
	_cleanup_json_ json_t *j = json_pack("{s:[O]}", "errors", error);
	free(message);
	response_done(r);
	response_text(r, status, "application/json", json_text(j));
}

void response_error(Response *r, unsigned status, const char *code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	error_of(r, status, code, fmt, ap);
	va_end(ap);
}

void response_busy(Response *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	error_of(r, 429, "TOOMANYREQUESTS", fmt, ap);
	va_end(ap);
	response_header(r, "Retry-After", "%d", RETRY_SECONDS);
}

void response_failure(Response *r, const Err *e, const char *not_found)
{
	static const struct {
		ErrCode cause;
		unsigned status;
		const char *code;
	} rows[] = {
		{ERR_DIGEST, 400, "DIGEST_INVALID"},
		{ERR_PARSE, 400, "NAME_INVALID"},
		{ERR_CORRUPT, 400, "MANIFEST_INVALID"},
		{ERR_UNSUPPORTED, 400, "UNSUPPORTED"},
		{ERR_USAGE, 400, "UNSUPPORTED"},
		{ERR_LIMIT, 413, "SIZE_INVALID"},
		{ERR_DENIED, 403, "DENIED"},
		{ERR_AUTH, 502, "DENIED"},
		{ERR_NET, 502, "UNAVAILABLE"},
		{ERR_TIMEOUT, 503, "UNAVAILABLE"},
		{ERR_NO_SPACE, 507, "UNAVAILABLE"},
		{ERR_CANCELLED, 503, "UNAVAILABLE"},
	};
	if (err_is(e, ERR_NET) && e->errnum == HTTP_FAULT_LIMITED) {
		response_busy(r, "%s", e->message);
		return;
	}
	if (e->code == ERR_NOT_FOUND) {
		response_error(r, 404, not_found, "%s", e->message);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (e->code == rows[i].cause) {
			response_error(r, rows[i].status, rows[i].code, "%s", e->message);
			return;
		}
	}
	response_error(r, 500, "UNKNOWN", "%s", e->message);
}
