/*
 * SHA-256 digests in the OCI form "sha256:<64 lower-case hex>". libcrypto does the hashing (it uses the processor's SHA
 * instructions), but for data that two hashes take at once.
 */
#pragma once

#include <stdbool.h>

#include "base/str.h"

#define DIGEST_SIZE     32
#define DIGEST_HEX_SIZE 65                    /* with the NUL */
#define DIGEST_STR_SIZE (7 + DIGEST_HEX_SIZE) /* "sha256:" + hex + NUL */

typedef struct Digest {
	uint8_t bytes[DIGEST_SIZE];
} Digest;

/* "sha256:…" only, exactly; ERR_PARSE else (ERR_UNSUPPORTED for a well-formed other algorithm). */
int digest_parse(Str text, Digest *ret, Err **err) _warn_unused_;
/* 64 lower-case hex digits without the algorithm. False if it is anything else. */
bool digest_parse_hex(Str hex, Digest *ret);
/* Into the caller's array; returned for use in printf. */
typedef struct DigestStr {
	char s[DIGEST_STR_SIZE];
} DigestStr;
typedef struct DigestHex {
	char s[DIGEST_HEX_SIZE];
} DigestHex;
DigestStr digest_str(const Digest *d); /* digest_str(&d).s lives until the full expression ends */
DigestHex digest_hex(const Digest *d);
bool digest_eq(const Digest *a, const Digest *b);
bool digest_is_zero(const Digest *d); /* all zero = "none" by convention */

typedef struct Sha256 Sha256;
Sha256 *sha256_new(void);
void sha256_update(Sha256 *h, const void *data, size_t len);
/* The same data to two hashes: hardly slower than to one where the processor has SHA instructions and both are at the same
 * place in their block of 64 bytes. */
void sha256_update_both(Sha256 *a, Sha256 *b, const void *data, size_t len);
/* Result so far into *ret; the hash must not be updated afterwards, only freed or reset. */
void sha256_final(Sha256 *h, Digest *ret);
void sha256_reset(Sha256 *h);
Sha256 *sha256_free(Sha256 *h);
DEFINE_FREEP(Sha256, sha256_free)
void digest_of(const void *data, size_t len, Digest *ret);

/* Fields of a composite key are framed with their length, so that no two field lists can collide. */
void sha256_field(Sha256 *h, Str field);
void sha256_field_u64(Sha256 *h, uint64_t value);
