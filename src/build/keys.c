#include "build/keys.h"

#define KEY_VERSION 2

Sha256 *key_begin(const char *kind)
{
	Sha256 *h = sha256_new();
	sha256_field(h, STR("cruet build key"));
	sha256_field_u64(h, KEY_VERSION);
	sha256_field(h, str_of(kind));
	return h;
}

void key_cstr(Sha256 *h, const char *field)
{
	sha256_field_u64(h, field != NULL);
	if (field)
		sha256_field(h, str_of(field));
}

void key_strvec(Sha256 *h, const StrVec *v)
{
	sha256_field_u64(h, v->len);
	for (size_t i = 0; i < v->len; i++)
		sha256_field(h, str_of(v->items[i]));
}

void key_digest(Sha256 *h, const Digest *d)
{
	sha256_field(h, (Str){(const char *)d->bytes, DIGEST_SIZE});
}

void key_end(Sha256 *h, Digest *ret)
{
	sha256_final(h, ret);
	sha256_free(h);
}

void key_on_chain(const Digest *op, const Digest *chain, Digest *ret)
{
	Sha256 *h = key_begin("step");
	key_digest(h, op);
	key_digest(h, chain);
	key_end(h, ret);
}

void key_lineage(Digest *lineage, const Digest *op)
{
	Sha256 *h = key_begin("lineage");
	key_digest(h, lineage);
	key_digest(h, op);
	key_end(h, lineage);
}
