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
	while (text.len && strchr("=\r\n", text.ptr[text.len - 1]))
		text.len--;
	char *out = xmalloc(text.len / 4 * 3 + 4);
	size_t len = 0, n = 0;
	uint32_t v = 0;
	bool good = true;
	for (size_t i = 0; good && i < text.len; i++) {
		if (text.ptr[i] == '\r' || text.ptr[i] == '\n')
			continue;
		const char *at = text.ptr[i] ? strchr(letters, text.ptr[i]) : NULL;
		good = at != NULL;
		v = v << 6 | (uint32_t)(good ? at - letters : 0);
		if (n % 4)
			out[len++] = (char)(v >> (6 - 2 * (n % 4)));
		n++;
	}
	if (!good || n % 4 == 1) {
		explicit_bzero(out, len);
		free(out);
		return false;
	}
	out[len] = '\0';
	*ret = out;
	*ret_len = len;
	return true;
}
