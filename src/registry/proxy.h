/*
 * Which proxy the environment names for a URL, as docker, podman and skopeo read it (Go's httpproxy): HTTPS_PROXY or
 * HTTP_PROXY by the scheme, else ALL_PROXY, each in small letters as well; none for this machine itself and for what
 * NO_PROXY lists: "*", addresses, networks (10.0.0.0/8), domains with what is below them, ".domain" and "*.domain" for
 * only that, each but a network with ":port" behind it if it is to hold for that port alone.
 */
#pragma once

#include <stdbool.h>

/* Owned; NULL: none. It may have a password in it. */
char *proxy_for(const char *url);
/* "host:port" of it, without that. Owned. */
char *proxy_host(const char *proxy);
