/*
 * Where the requests for a name go: the registry itself and its mirrors, each with its TLS files, out of containers'
 * registries.conf (v2), containerd's hosts.toml and the certs.d directories of docker, podman and containerd.
 * (spec: transfer.md 3.2)
 */
#pragma once

#include "base/vec.h"
#include "oci/reference.h"
#include "registry/settings.h"

typedef enum EndpointCan {
	ENDPOINT_PULL = 1 << 0,    /* blobs, and manifests by digest */
	ENDPOINT_RESOLVE = 1 << 1, /* manifests by tag, tag lists, referrers */
	ENDPOINT_PUSH = 1 << 2,
} EndpointCan;

typedef enum EndpointScheme {
	SCHEME_HTTPS,
	SCHEME_HTTP,
	SCHEME_HTTPS_OR_HTTP, /* loopback and hosts called insecure: TLS, and plain HTTP when the server speaks none */
} EndpointScheme;

typedef struct Endpoint {
	EndpointScheme scheme;
	char *host; /* "host[:port]" as written; what credentials are looked up by. docker.io stays docker.io */
	char *address; /* "host[:port]" that is connected to: registry-1.docker.io for docker.io */
	char *prefix; /* path before the repository, "/v2" unless hosts.toml overrides it; no slash at the end */
	char *repository;               /* the name's path there: a mirror may say another one */
	char *ca_pem;                   /* certificates trusted beside the system's, PEM, or NULL */
	char *client_cert, *client_key; /* files, may be the same one; or NULL */
	StrVec headers;                 /* "Name: value", sent with each request to this endpoint */
	unsigned can;                   /* EndpointCan */
	unsigned connect_seconds;       /* hosts.toml dial_timeout; 0 = the default */
	bool insecure;                  /* certificates are not checked */
	bool mirror; /* not the registry itself: what fails there is no reason to give up */
	char *ns; /* "?ns=<this>" is added to requests: the host of the name, for mirrors of hosts.toml; else NULL */
} Endpoint;
typedef VEC(Endpoint) Endpoints;

/*
 * In the order they are to be tried; at least one. For a push only the registry itself. Mirrors that registries.conf has
 * for digests only are there when ref has a digest, or neither a digest nor a tag (then without ENDPOINT_RESOLVE);
 * those for tags only when it has no digest. ERR_DENIED: blocked by registries.conf, or hosts.toml lets nothing be
 * pushed. A configuration file that is malformed is an error with file and line. Appends to ret.
 */
int endpoints_find(const RegistrySettings *settings, const Reference *ref, bool push,
	Endpoints *ret, Err **err) _warn_unused_;
void endpoints_done(Endpoints *e);
