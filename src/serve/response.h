/* An answer before it is sent: status, headers, and a body out of memory, a file or a source that makes it. */
#pragma once

#include "base/str.h"

/* A body that is made while it is sent, by a thread of its own connection: reading may wait. */
typedef struct BodySource BodySource;
struct BodySource {
	/* >0 bytes from offset on, 0: give up, the connection is cut */
	ssize_t (*read)(BodySource *s, uint64_t offset, void *buf, size_t len);
	void (*free)(BodySource *s);
};

typedef struct Response {
	unsigned status;
	StrVec headers; /* "Name: value" */
	char *body;     /* owned; size bytes */
	int fd;         /* owned, or -1: size bytes of it from offset on */
	BodySource *source;
	uint64_t offset, size;
} Response;

#define RESPONSE_INIT ((Response){.fd = -1})
void response_done(Response *r);
void response_header(Response *r, const char *name, const char *fmt, ...) _printf_(3, 4);
void response_status(Response *r, unsigned status); /* without a body */
void response_text(Response *r, unsigned status, const char *type, char *body /* taken */);
/* {"errors":[{"code":…,"message":…}]}, as distribution-spec has it. Replaces what the reply was before. */
void response_error(Response *r, unsigned status, const char *code, const char *fmt, ...)
	_printf_(4, 5);
/* 429 */
void response_busy(Response *r, const char *fmt, ...) _printf_(2, 3);
/* The status and code that fit the error's cause; not_found: the code for what is absent ("BLOB_UNKNOWN"). */
void response_failure(Response *r, const Err *e, const char *not_found);
