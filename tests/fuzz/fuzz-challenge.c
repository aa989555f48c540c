/* A WWW-Authenticate header: what comes out can be written as a header again that says the same. */
#include "registry/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

static void write_challenge(const Challenge *c, Buf *out)
{
	buf_printf(out, "%s%s", out->len ? ", " : "", c->scheme);
	for (size_t i = 0; i < c->params.len; i++) {
		const char *param = c->params.items[i], *eq = strchr(param, '=');
		must(eq != NULL);
		buf_printf(out, "%s%.*s=\"", i ? "," : " ", (int)(eq - param), param);
		for (const char *p = eq + 1; *p; p++) {
			if (*p == '"' || *p == '\\')
				buf_char(out, '\\');
			buf_char(out, *p);
		}
		buf_char(out, '"');
		must(challenge_param(c, "realm") == NULL ||
			strlen(challenge_param(c, "realm")) < SIZE_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Challenges first = {0}, second = {0};
	_cleanup_err_ Err *err = NULL;
	Buf text = BUF_INIT(1 << 24);
	int r = challenges_parse((Str){(const char *)data, size}, &first, &err);
	must((r < 0) == (err != NULL) && (r == 0 || first.len == 0));
	vec_foreach (&first, c)
		write_challenge(c, &text);
	if (r == 0) {
		must(challenges_parse(buf_view(&text), &second, NULL) == 0);
		must(first.len == second.len);
		for (size_t i = 0; i < first.len; i++) {
			_cleanup_free_ char *a = strvec_join(&first.items[i].params, "\n");
			_cleanup_free_ char *b = strvec_join(&second.items[i].params, "\n");
			must(strcmp(first.items[i].scheme, second.items[i].scheme) == 0);
			must(strcmp(a, b) == 0);
		}
	}
	buf_done(&text);
	challenges_done(&first);
	challenges_done(&second);
	return 0;
}
