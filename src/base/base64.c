#include "base/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(Str data)
{
	char *out = xmalloc((data.len + 2) / 3 * 4 + 1), *p = out;
	for (size_t i = 0; i < data.len; i += 3) {
		size_t n = MIN(data.len - i, (size_t)3);
		uint32_t v = 0;
		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (k < n ? (uint8_t)data.ptr[i + k] : 0u);
		for (size_t k = 0; k < 4; k++)
			*p++ = k <= n ? letters[v >> (18 - 6 * k) & 63] : '=';
	}
	*p = '\0';
	return out;
}

bool base64_decode(Str text, char **ret, size_t *ret_len)
{
	while (text.len && text.ptr[text.len - 1] == '=')
		text.len--;
	if (text.len % 4 == 1)
		return false;
	char *out = xmalloc(text.len / 4 * 3 + 4);
	size_t len = 0;
	uint32_t v = 0;
	for (size_t i = 0; i < text.len; i++) {
		const char *at = text.ptr[i] ? strchr(letters, text.ptr[i]) : NULL;
		if (!at) {
			explicit_bzero(out, len);
			free(out);
			return false;
		}
		v = v << 6 | (uint32_t)(at - letters);
		if (i % 4)
			out[len++] = (char)(v >> (6 - 2 * (i % 4)));
	}
	out[len] = '\0';
	*ret = out;
	*ret_len = len;
	return true;
}
