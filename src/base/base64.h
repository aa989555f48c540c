/* Base64 (RFC 4648 section 4), by libcrypto. */
#pragma once

#include "base/str.h"

char *base64_encode(Str bytes); /* owned, with padding */
/* Owned bytes, NUL-terminated; *ret_len without that NUL. ERR_PARSE on anything that is no base64. */
int base64_decode(Str text, char **ret, size_t *ret_len, Err **err) _warn_unused_;
