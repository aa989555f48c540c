/* Base64 (RFC 4648 section 4). */
#pragma once

#include "base/str.h"

char *base64_encode(Str data); /* owned, with padding */
/* *ret owned, NUL-terminated behind *ret_len bytes. Padding may be missing; false for anything else that is not base64. */
bool base64_decode(Str text, char **ret, size_t *ret_len);
