#include "base/base64.h"

#include <openssl/evp.h>

#define MAX_TEXT (1u << 30)

char *base64_encode(Str bytes)
{
	char *out = xmalloc(4 * ((bytes.len + 2) / 3) + 1);
	EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)bytes.ptr, (int)bytes.len);
	return out;
}

int base64_decode(Str text, char **ret, size_t *ret_len, Err **err)
{
	text = str_trim(text);
	size_t padding = 0;
	while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
		padding++;
	if (text.len % 4 || text.len > MAX_TEXT)
		return err_set(
			err, ERR_PARSE, "the length of a base64 text is not a multiple of 4");
	unsigned char *out = xmalloc(text.len / 4 * 3 + 1);
	int n = EVP_DecodeBlock(out, (const unsigned char *)text.ptr, (int)text.len);
	if (n < 0) {
		free(out);
		return err_set(err, ERR_PARSE, "a text is no base64");
	}
	*ret_len = (size_t)n - padding;
	out[*ret_len] = 0;
	*ret = (char *)out;
	return 0;
}
