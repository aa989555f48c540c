#include "build/history.h"

#include "base/timefmt.h"

static void quote_byte(Buf *b, unsigned char c)
{
	static const char named[] = "\a\b\f\n\r\t\v";
	static const char letters[] = "abfnrtv";
	const char *at = c ? strchr(named, c) : NULL;
	if (c == '"' || c == '\\')
		buf_printf(b, "\\%c", c);
	else if (at)
		buf_printf(b, "\\%c", letters[at - named]);
	else if (c < 0x20 || c == 0x7f)
		buf_printf(b, "\\x%02x", c);
	else
		buf_char(b, (char)c);
}

void history_quote(Buf *b, Str s)
{
	buf_char(b, '"');
	for (size_t i = 0; i < s.len; i++)
		quote_byte(b, (unsigned char)s.ptr[i]);
	buf_char(b, '"');
}

static void quoted_list(Buf *b, const StrVec *v)
{
	buf_char(b, '[');
	for (size_t i = 0; i < v->len; i++) {
		if (i > 0)
			buf_char(b, ' ');
		history_quote(b, str_of(v->items[i]));
	}
	buf_char(b, ']');
}

char *history_quoted_list(const char *word, const StrVec *v)
{
	Buf b = BUF_INIT(SIZE_MAX);
	buf_printf(&b, "%s ", word);
	quoted_list(&b, v);
	return buf_steal(&b);
}

char *history_plain_list(const char *word, const StrVec *v)
{
	_cleanup_free_ char *joined = strvec_join(v, " ");
	return xasprintf("%s [%s]", word, joined);
}

char *history_words(const char *word, const StrVec *v)
{
	_cleanup_free_ char *joined = strvec_join(v, " ");
	return xasprintf("%s %s", word, joined);
}

static void duration(Buf *b, int64_t nsec)
{
	_cleanup_free_ char *text = duration_format(nsec);
	buf_char(b, ' ');
	history_quote(b, str_of(text));
}

char *history_healthcheck(const Healthcheck *h)
{
	Buf b = BUF_INIT(SIZE_MAX);
	buf_cstr(&b, "HEALTHCHECK &{");
	quoted_list(&b, &h->test);
	duration(&b, h->interval);
	duration(&b, h->timeout);
	duration(&b, h->start_period);
	duration(&b, h->start_interval);
	/* Go prints the number as a quoted character */
	if (h->retries >= 0x20 && h->retries < 0x7f)
		buf_printf(&b, " '%c'}", (int)h->retries);
	else
		buf_printf(&b, " '\\x%02x'}", (unsigned)h->retries);
	return buf_steal(&b);
}
