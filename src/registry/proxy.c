#include "registry/proxy.h"

#include <ctype.h>

#include "base/str.h"
#include "registry/url.h"

static const char *variable(const char *upper, const char *lower)
{
	const char *value = getenv(upper);
	return value && *value ? value : getenv(lower);
}

/* host is in small letters. */
static bool excludes(Str entry, Str host, Str port)
{
	Str entry_port, name = authority_host(entry, &entry_port);
	if (str_eq_cstr(entry, "*") || address_in(host, entry))
		return true;
	if (name.len == 0 || (entry_port.len && !str_eq(entry_port, port)))
		return false;
	if (address_in(host, name))
		return true;
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
	/* a password may have in it, malformed, what ends an authority */
	const char *slashes = strstr(proxy, "://"), *place = slashes ? slashes + 3 : proxy;
	const char *at = strrchr(place, '@');
	place = at ? at + 1 : place;
	return str_dup((Str){place, strcspn(place, "/?#")});
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
	Str port, host = authority_host(str_of(place), &port);
	if (!port.len)
		port = tls ? STR("443") : STR("80");
	if (host_is_loopback(host))
		return NULL;
	Str rest = str_of(without), entry;
	while (str_cut(&rest, ',', &entry))
		if (excludes(str_trim(entry), host, port))
			return NULL;
	return xstrdup(proxy);
}
