/* URLs of registries (RFC 3986), through libcurl's parser. */
#pragma once

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

/* Absolute URL of location, which may be relative to base (RFC 3986 section 5); ERR_CORRUPT unless it is http or
 * https and without user information. Owned. */
int url_resolve(const char *base, const char *location, char **ret, Err **err) _warn_unused_;
bool url_same_origin(const char *a, const char *b); /* scheme, host and port */
char *url_host(const char *url); /* "host[:port]", owned; "" when there is none */
bool url_is_https(const char *url);
typedef enum AddressKind {
	ADDRESS_PUBLIC,
	ADDRESS_PRIVATE,
	ADDRESS_LINK_LOCAL, /* where clouds keep their metadata */
} AddressKind;
AddressKind address_kind(const char *host); /* names are public, but for localhost */
/* Whether host is an address of the network: "10.0.0.0/8", "fd00::/8", or one address. */
bool address_in(Str host, Str network);
/* Of "host:port", "[v6]:port", "[v6]", "host" or "v6", without brackets; *ret_port (optional) is empty when there is none. */
Str authority_host(Str authority, Str *ret_port);
bool host_is_loopback(Str host); /* "localhost", 127.0.0.0/8, "::1" */
/* True if the host of the URL is, by number or by name, no public address: loopback, link-local, private, unique
 * local, unspecified. */
bool url_is_private(const char *url);
bool url_is_link_local(const char *url);
/* Percent-encodes what is not unreserved (RFC 3986 section 2.3). Owned. */
char *url_escape(const char *text);
/* The opposite: %XX becomes a byte; NULL when that would be a NUL. Owned. */
char *url_unescape(const char *text);
/* url with name=value added to its query (value is escaped). Owned. */
char *url_with_query(const char *url, const char *name, const char *value);
/* The URL with user information and every query value that may be a secret replaced: for messages and traces. Owned. */
char *url_shown(const char *url);
