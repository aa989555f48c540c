/*
 * Who a registry is told we are, from the files and helper programs of docker and podman: $REGISTRY_AUTH_FILE,
 * containers' auth.json (keys with namespaces, the most specific first), docker's config.json (auths, credHelpers,
 * credsStore), in the order podman looks. (spec: transfer.md 3.1)
 */
#pragma once

#include "base/error.h"
#include "registry/settings.h"

typedef struct Credentials {
	char *user, *password; /* owned, wiped by credentials_done; NULL: none */
	char *identity_token;  /* a refresh token for the token server, or NULL */
	char *registry_token;  /* a bearer token as it is, or NULL */
	char *source; /* where they were found, for messages: a file's path, "user 'x'" of --creds, "docker-credential-x" */
} Credentials;

/* host: "docker.io", "ghcr.io", "localhost:5000"; repository may be NULL. All members NULL when nothing is known: that
 * is no error; a malformed file or a failing helper is one. */
int credentials_find(const RegistrySettings *settings, const char *host, const char *repository,
	Credentials *ret, Err **err) _warn_unused_;
void credentials_done(Credentials *c);
/* Keeps what login proved to be right: through the helper when one is configured for the host, else in the auth file
 * (mode 0600, written whole, other members kept). *ret_where (owned): where it went. */
int credentials_store(const RegistrySettings *settings, const char *host, const Credentials *c,
	char **ret_where, Err **err) _warn_unused_;
/* ERR_NOT_FOUND when nothing was there. host NULL: all. */
int credentials_erase(const RegistrySettings *settings, const char *host, char **ret_where,
	Err **err) _warn_unused_;
