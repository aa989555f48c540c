/* SHA256_CTX: the newer interface hides the state that sha256_both.c works on. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <openssl/sha.h>

#include "base/sha256_both.h"

#define BLOCK SHA256_CBLOCK

struct Sha256 {
	SHA256_CTX ctx;
};

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool all_hex(Str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (hex_value(s.ptr[i]) < 0)
			return false;
	return true;
}

bool digest_parse_hex(Str hex, Digest *ret)
{
	Digest d;
	if (hex.len != DIGEST_SIZE * 2)
		return false;
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		int hi = hex_value(hex.ptr[2 * i]), lo = hex_value(hex.ptr[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		d.bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret = d;
	return true;
}

int digest_parse(Str text, Digest *ret, Err **err)
{
	if (str_starts(text, "sha256:") && digest_parse_hex(str_slice(text, 7, text.len), ret))
		return 0;
	if (((str_starts(text, "sha512:") && text.len == 7 + 128) ||
		    (str_starts(text, "sha384:") && text.len == 7 + 96)) &&
		all_hex(str_slice(text, 7, text.len)))
		return err_set(err, ERR_UNSUPPORTED, "digest '" STR_FMT "' is not of type sha256",
			STR_ARG(str_slice(text, 0, 160)));
	return err_set(err, ERR_PARSE, "'" STR_FMT "' is not a digest (sha256:<64 hex digits>)",
		STR_ARG(str_slice(text, 0, 160)));
}

DigestHex digest_hex(const Digest *d)
{
	static const char digits[] = "0123456789abcdef";
	DigestHex out;
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		out.s[2 * i] = digits[d->bytes[i] >> 4];
		out.s[2 * i + 1] = digits[d->bytes[i] & 15];
	}
	out.s[2 * DIGEST_SIZE] = '\0';
	return out;
}

DigestStr digest_str(const Digest *d)
{
	DigestStr out;
	memcpy(out.s, "sha256:", 7);
	memcpy(out.s + 7, digest_hex(d).s, DIGEST_HEX_SIZE);
	return out;
}

bool digest_eq(const Digest *a, const Digest *b)
{
	return memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0;
}

bool digest_is_zero(const Digest *d)
{
	static const Digest zero;
	return digest_eq(d, &zero);
}

Sha256 *sha256_new(void)
{
	Sha256 *h = xnew(Sha256);
	sha256_reset(h);
	return h;
}

void sha256_update(Sha256 *h, const void *data, size_t len)
{
	if (SHA256_Update(&h->ctx, data, len) != 1)
		abort();
}

/* As SHA256_Update counts. */
static void add_blocks(SHA256_CTX *c, size_t n)
{
	uint64_t bits = ((uint64_t)c->Nh << 32 | c->Nl) + (uint64_t)n * BLOCK * 8;
	c->Nl = (SHA_LONG)bits;
	c->Nh = (SHA_LONG)(bits >> 32);
}

void sha256_update_both(Sha256 *a, Sha256 *b, const void *data, size_t len)
{
	const char *rest = data;
	if (a->ctx.num == b->ctx.num && sha256_both_possible()) {
		size_t first = MIN(len, (BLOCK - a->ctx.num) % BLOCK), n = (len - first) / BLOCK;
		sha256_update(a, rest, first);
		sha256_update(b, rest, first);
		sha256_both(a->ctx.h, b->ctx.h, rest + first, n);
		add_blocks(&a->ctx, n);
		add_blocks(&b->ctx, n);
		rest += first + n * BLOCK;
		len -= first + n * BLOCK;
	}
	sha256_update(a, rest, len);
	sha256_update(b, rest, len);
}

void sha256_final(Sha256 *h, Digest *ret)
{
	if (SHA256_Final(ret->bytes, &h->ctx) != 1)
		abort();
}

void sha256_reset(Sha256 *h)
{
	if (SHA256_Init(&h->ctx) != 1)
		abort();
}

Sha256 *sha256_free(Sha256 *h)
{
	free(h);
	return NULL;
}

void digest_of(const void *data, size_t len, Digest *ret)
{
	Sha256 h;
	sha256_reset(&h);
	sha256_update(&h, data, len);
	sha256_final(&h, ret);
}

void sha256_field(Sha256 *h, Str field)
{
	sha256_field_u64(h, field.len);
	sha256_update(h, field.ptr, field.len);
}

void sha256_field_u64(Sha256 *h, uint64_t value)
{
	uint8_t le[8];
	for (size_t i = 0; i < 8; i++)
		le[i] = (uint8_t)(value >> (8 * i));
	sha256_update(h, le, sizeof(le));
}
