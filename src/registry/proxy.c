#include "registry/proxy.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "base/str.h"
#include "registry/url.h"

typedef struct Address {
	int family; /* 0: it is a name */
	uint8_t bytes[16];
} Address;

static const char *variable(const char *upper, const char *lower)
{
	const char *value = getenv(upper);
	return value && *value ? value : getenv(lower);
}

static Address address_of(Str text)
{
	Address a = {0};
	_cleanup_free_ char *host = str_dup(text);
	if (inet_pton(AF_INET, host, a.bytes) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, host, a.bytes) == 1)
		a.family = AF_INET6;
	return a;
}

static bool is_loopback(Str host, const Address *a)
{
	static const uint8_t v6[16] = {[15] = 1};
	return str_eq_cstr(host, "localhost") || (a->family == AF_INET && a->bytes[0] == 127) ||
		(a->family == AF_INET6 && memcmp(a->bytes, v6, sizeof(v6)) == 0);
}

static bool in_network(const Address *a, const Address *net, uint64_t bits)
{
	size_t whole = bits / 8;
	unsigned rest = bits % 8;
	return a->family == net->family && bits <= (a->family == AF_INET ? 32 : 128) &&
		memcmp(a->bytes, net->bytes, whole) == 0 &&
		(!rest || (a->bytes[whole] ^ net->bytes[whole]) >> (8 - rest) == 0);
}

/* "host:port", "[v6]:port", "[v6]", "host", "v6": *ret_port is empty when there is none. */
static Str split_port(Str text, Str *ret_port)
{
	ssize_t colon = str_rfind(text, ':');
	*ret_port = (Str){0};
	if (str_starts(text, "[")) {
		ssize_t end = str_find(text, ']');
		if (end > 0 && colon == end + 1)
			*ret_port = str_slice(text, (size_t)colon + 1, text.len);
		return str_slice(text, 1, end > 0 ? (size_t)end : text.len);
	}
	if (colon < 0 || str_find(text, ':') != colon)
		return text;
	*ret_port = str_slice(text, (size_t)colon + 1, text.len);
	return str_slice(text, 0, (size_t)colon);
}

/* host is in small letters. */
static bool excludes(Str entry, Str host, Str port, const Address *a)
{
	Str entry_port, name = split_port(entry, &entry_port);
	ssize_t slash = str_find(entry, '/');
	if (str_eq_cstr(entry, "*"))
		return true;
	if (slash > 0) {
		uint64_t bits;
		Address net = address_of(str_slice(entry, 0, (size_t)slash));
		return net.family &&
			str_to_u64(str_slice(entry, (size_t)slash + 1, entry.len), 128, &bits,
				NULL) == 0 &&
			in_network(a, &net, bits);
	}
	if (name.len == 0 || (entry_port.len && !str_eq(entry_port, port)))
		return false;
	Address one = address_of(name);
	if (one.family)
		return in_network(a, &one, one.family == AF_INET ? 32 : 128);
	if (str_starts(name, "*."))
		name = str_slice(name, 1, name.len);
	bool below = name.ptr[0] == '.'; /* only */
	if (!below && str_eq(host, name))
		return true;
	if (host.len <= name.len)
		return false;
	Str end = str_slice(host, host.len - name.len, host.len);
	return str_eq(end, name) && (below || host.ptr[host.len - name.len - 1] == '.');
}

static char *lower_case(const char *text)
{
	char *ret = xstrdup(text);
	for (char *c = ret; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return ret;
}

char *proxy_host(const char *proxy)
{
	const char *slashes = strstr(proxy, "://"), *place = slashes ? slashes + 3 : proxy;
	Str authority = {place, strcspn(place, "/?#")};
	ssize_t at = str_rfind(authority, '@');
	return str_dup(str_slice(authority, (size_t)(at + 1), authority.len));
}

char *proxy_for(const char *url)
{
	bool tls = url_is_https(url);
	const char *proxy =
		tls ? variable("HTTPS_PROXY", "https_proxy") : variable("HTTP_PROXY", "http_proxy");
	const char *list = variable("NO_PROXY", "no_proxy");
	if (!proxy || !*proxy)
		proxy = variable("ALL_PROXY", "all_proxy");
	if (!proxy || !*proxy)
		return NULL;
	_cleanup_free_ char *named = url_host(url), *place = lower_case(named),
			    *without = lower_case(list ? list : "");
	Str port, host = split_port(str_of(place), &port);
	if (!port.len)
		port = tls ? STR("443") : STR("80");
	Address a = address_of(host);
	if (is_loopback(host, &a))
		return NULL;
	Str rest = str_of(without), entry;
	while (str_cut(&rest, ',', &entry))
		if (excludes(str_trim(entry), host, port, &a))
			return NULL;
	return xstrdup(proxy);
}
