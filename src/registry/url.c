#include "registry/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>

#include "base/str.h"
#include "registry/libcurl.h"

/* Parts of a URL; NULL where it has none. Freed with curl's free, except by parts_done. */
typedef struct Parts {
	const Libcurl *curl;
	char *scheme, *host, *port, *query, *user;
} Parts;

static void parts_done(Parts *p)
{
	char **all[] = {&p->scheme, &p->host, &p->port, &p->query, &p->user};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (*all[i])
			p->curl->free(*all[i]);
}

static bool parts_of(const char *url, Parts *ret)
{
	*ret = (Parts){0};
	if (libcurl_load(&ret->curl, NULL) < 0)
		return false;
	CURLU *u = ret->curl->url();
	bool good = u && ret->curl->url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
		ret->curl->url_get(u, CURLUPART_SCHEME, &ret->scheme, 0) == CURLUE_OK &&
		ret->curl->url_get(u, CURLUPART_HOST, &ret->host, 0) == CURLUE_OK &&
		ret->curl->url_get(u, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
	if (good) {
		(void)ret->curl->url_get(u, CURLUPART_QUERY, &ret->query, 0);
		(void)ret->curl->url_get(u, CURLUPART_USER, &ret->user, 0);
	}
	if (u)
		ret->curl->url_cleanup(u);
	return good;
}

int url_resolve(const char *base, const char *location, char **ret, Err **err)
{
	const Libcurl *curl;
	int r = libcurl_load(&curl, err);
	if (r < 0)
		return r;
	CURLU *u = curl->url();
	char *whole = NULL;
	bool good = u && curl->url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
		curl->url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK &&
		curl->url_get(u, CURLUPART_URL, &whole, 0) == CURLUE_OK;
	if (good)
		*ret = xstrdup(whole);
	if (whole)
		curl->free(whole);
	if (u)
		curl->url_cleanup(u);
	_cleanup_(parts_done) Parts p = {.curl = curl};
	if (good && parts_of(*ret, &p) && !p.user &&
		(cstr_eq(p.scheme, "https") || cstr_eq(p.scheme, "http")))
		return 0;
	if (good) {
		free(*ret);
		*ret = NULL;
	}
	_cleanup_free_ char *shown = url_shown(location);
	return err_set(err, ERR_CORRUPT,
		"the server names the location '%.300s', which is no URL of http or https", shown);
}

bool url_same_origin(const char *a, const char *b)
{
	_cleanup_(parts_done) Parts x, y = {0};
	return parts_of(a, &x) && parts_of(b, &y) && cstr_eq(x.scheme, y.scheme) &&
		str_eq_nocase(str_of(x.host), y.host) && cstr_eq(x.port, y.port);
}

char *url_host(const char *url)
{
	_cleanup_(parts_done) Parts p;
	if (!parts_of(url, &p))
		return xstrdup("");
	bool usual = cstr_eq(p.port, cstr_eq(p.scheme, "http") ? "80" : "443");
	return usual ? xstrdup(p.host) : xasprintf("%s:%s", p.host, p.port);
}

bool url_is_https(const char *url)
{
	return strncasecmp(url, "https://", 8) == 0;
}

/* ---- addresses ---- */

static AddressKind kind_v4(uint32_t a)
{
	static const struct {
		uint32_t net;
		unsigned bits;
	} private[] = {{0x00000000, 8}, {0x0a000000, 8}, {0x64400000, 10}, {0x7f000000, 8},
		{0xac100000, 12}, {0xc0a80000, 16}, {0xf0000000, 4}};
	if (a >> 16 == 0xa9fe)
		return ADDRESS_LINK_LOCAL;
	for (size_t i = 0; i < ARRAY_SIZE(private); i++)
		if (a >> (32 - private[i].bits) == private[i].net >> (32 - private[i].bits))
			return ADDRESS_PRIVATE;
	return ADDRESS_PUBLIC;
}

AddressKind address_kind(const char *host)
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b}; /* 64:ff9b::/96, RFC 6052 */
	struct in_addr v4;
	struct in6_addr v6;
	_cleanup_free_ char *bare = xstrdup(host[0] == '[' ? host + 1 : host);
	bare[strcspn(bare, "]%")] = 0;
	size_t len = strlen(bare);
	while (len && bare[len - 1] == '.') /* the root of all names */
		bare[--len] = 0;
	if (strcasecmp(bare, "localhost") == 0 ||
		(len > 10 && strcasecmp(bare + len - 10, ".localhost") == 0))
		return ADDRESS_PRIVATE;
	if (inet_aton(bare, &v4)) /* also the forms with fewer dots, octal and hexadecimal */
		return kind_v4(ntohl(v4.s_addr));
	if (inet_pton(AF_INET6, bare, &v6) != 1)
		return ADDRESS_PUBLIC;
	if (IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6))
		return ADDRESS_PRIVATE;
	if (IN6_IS_ADDR_V4MAPPED(&v6) || IN6_IS_ADDR_V4COMPAT(&v6) ||
		memcmp(&v6, nat64, sizeof(nat64)) == 0) {
		uint32_t a;
		memcpy(&a, &v6.s6_addr[12], sizeof(a));
		return kind_v4(ntohl(a));
	}
	if (IN6_IS_ADDR_LINKLOCAL(&v6) || cstr_eq(bare, "fd00:ec2::254"))
		return ADDRESS_LINK_LOCAL;
	bool local = (v6.s6_addr[0] & 0xfe) == 0xfc || IN6_IS_ADDR_SITELOCAL(&v6) ||
		IN6_IS_ADDR_MULTICAST(&v6);
	return local ? ADDRESS_PRIVATE : ADDRESS_PUBLIC;
}

/* Bytes of an address, 4 or 16; 0: it is none. */
static unsigned address_bytes(Str text, uint8_t ret[16])
{
	_cleanup_free_ char *host = str_dup(text);
	return inet_pton(AF_INET, host, ret) == 1     ? 4
		: inet_pton(AF_INET6, host, ret) == 1 ? 16
						      : 0;
}

bool address_in(Str host, Str network)
{
	uint8_t a[16], net[16];
	ssize_t slash = str_find(network, '/');
	Str prefix = slash < 0 ? network : str_slice(network, 0, (size_t)slash);
	unsigned len = address_bytes(host, a);
	uint64_t bits = 8 * len;
	if (!len || address_bytes(prefix, net) != len ||
		(slash >= 0 &&
			str_to_u64(str_slice(network, (size_t)slash + 1, network.len), 8 * len,
				&bits, NULL) < 0))
		return false;
	size_t whole = bits / 8;
	unsigned rest = bits % 8;
	return memcmp(a, net, whole) == 0 && (!rest || (a[whole] ^ net[whole]) >> (8 - rest) == 0);
}

Str authority_host(Str authority, Str *ret_port)
{
	ssize_t colon = str_rfind(authority, ':'), end = str_find(authority, ']');
	Str host = authority, port = {0};
	if (str_starts(authority, "[")) {
		host = str_slice(authority, 1, end > 0 ? (size_t)end : authority.len);
		if (end < 0 || colon != end + 1)
			colon = -1;
	} else if (colon >= 0 && str_find(authority, ':') == colon) {
		host = str_slice(authority, 0, (size_t)colon);
	} else {
		colon = -1;
	}
	if (colon >= 0)
		port = str_slice(authority, (size_t)colon + 1, authority.len);
	if (ret_port)
		*ret_port = port;
	return host;
}

bool host_is_loopback(Str host)
{
	return str_eq_cstr(host, "localhost") || address_in(host, STR("127.0.0.0/8")) ||
		address_in(host, STR("::1"));
}

static AddressKind kind_of_url(const char *url)
{
	_cleanup_(parts_done) Parts p;
	return parts_of(url, &p) ? address_kind(p.host) : ADDRESS_PUBLIC;
}

bool url_is_private(const char *url)
{
	return kind_of_url(url) != ADDRESS_PUBLIC;
}

bool url_is_link_local(const char *url)
{
	return kind_of_url(url) == ADDRESS_LINK_LOCAL;
}

/* ---- text ---- */

char *url_escape(const char *text)
{
	Buf out = BUF_INIT(SIZE_MAX / 2);
	for (const char *c = text; *c; c++) {
		if (isalnum((unsigned char)*c) || strchr("-._~", *c))
			buf_char(&out, *c);
		else
			buf_printf(&out, "%%%02X", (unsigned char)*c);
	}
	return buf_steal(&out);
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9'    ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : -1;
}

char *url_unescape(const char *text)
{
	char *ret = xstrdup(text), *out = ret;
	for (const char *c = text; *c; c++) {
		int high = *c == '%' ? hex_value(c[1]) : -1;
		int low = high >= 0 ? hex_value(c[2]) : -1;
		if (low < 0) {
			*out++ = *c;
			continue;
		}
		*out = (char)(high << 4 | low);
		if (!*out++) {
			free(ret);
			return NULL;
		}
		c += 2;
	}
	*out = '\0';
	return ret;
}

char *url_with_query(const char *url, const char *name, const char *value)
{
	_cleanup_free_ char *escaped = url_escape(value);
	return xasprintf("%s%c%s=%s", url, strchr(url, '?') ? '&' : '?', name, escaped);
}

/* What a URL of the protocol itself says is no secret; anything else (signatures, states, tokens) may be. */
static bool shown_parameter(Str name)
{
	static const char *const known[] = {
		"artifactType", "digest", "from", "last", "mount", "n", "ns", "scope", "service"};
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq_cstr(name, known[i]))
			return true;
	return false;
}

char *url_shown(const char *url)
{
	Buf out = BUF_INIT(SIZE_MAX / 2);
	Str rest = str_of(url), word;
	/* user:password@, even of what is no URL */
	const char *slashes = strstr(url, "://"), *host = slashes ? slashes + 3 : url;
	ssize_t at = str_rfind((Str){host, strcspn(host, "/?#")}, '@');
	if (at >= 0) {
		buf_str(&out, (Str){url, (size_t)(host - url)});
		buf_cstr(&out, "…@");
		rest = str_of(host + at + 1);
	}
	ssize_t mark = str_find(rest, '?');
	if (mark < 0) {
		buf_str(&out, rest);
		return buf_steal(&out);
	}
	buf_str(&out, str_slice(rest, 0, (size_t)mark));
	rest = str_slice(rest, (size_t)mark + 1, rest.len);
	for (char separator = '?'; str_cut(&rest, '&', &word); separator = '&') {
		ssize_t equals = str_find(word, '=');
		Str name = equals < 0 ? word : str_slice(word, 0, (size_t)equals);
		buf_char(&out, separator);
		buf_str(&out, equals < 0 || shown_parameter(name) ? word : name);
		if (equals >= 0 && !shown_parameter(name))
			buf_cstr(&out, "=…");
	}
	return buf_steal(&out);
}
