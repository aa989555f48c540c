/*
 * One file with credentials: docker's config.json, containers' auth.json, the old ~/.dockercfg. Read whole, changed as a
 * tree, written whole; what is not about credentials is kept.
 */
#pragma once

#include "base/json.h"
#include "registry/credentials.h"

typedef struct AuthFile {
	char *path;
	json_t *root; /* an object; empty when there is no file */
	bool exists;
	bool legacy; /* ~/.dockercfg: what is "auths" elsewhere is the file itself */
} AuthFile;

/* A file that is not there is an empty one. ERR_CORRUPT, with nothing of the text in the message. */
int auth_file_load(const char *path, bool legacy, AuthFile *ret, Err **err) _warn_unused_;
int auth_file_parse(Str text, const char *path, bool legacy, AuthFile *ret, Err **err)
	_warn_unused_;
void auth_file_done(AuthFile *f); /* overwrites the secrets */

/* The name registries go by here, owned: without scheme and path; all of Docker Hub's are "docker.io". */
char *auth_host(const char *host);
/* Whose credentials a key of a file has: a host as auth_host gives it, or host/namespace. Owned. */
char *auth_key(const char *key);
/* What helper programs know the host by. */
const char *auth_server(const char *host);

/* The helper that answers for the host (credHelpers), or NULL; *ret_key: the key as it is written there. Borrowed. */
const char *auth_file_host_helper(const AuthFile *f, const char *host, const char **ret_key);
/* The one for all hosts (credsStore), or NULL. */
const char *auth_file_store_helper(const AuthFile *f);
/* Out of "auths": the most specific key of host/repository (which may be NULL). 1, or 0 if there is nothing. */
int auth_file_find(const AuthFile *f, const char *host, const char *repository, Credentials *ret,
	Err **err) _warn_unused_;
/* False if there was nothing. host may have a namespace behind it. */
bool auth_file_remove(AuthFile *f, const char *host);
/* c NULL: an entry that only says that somebody logged in. */
void auth_file_set(AuthFile *f, const char *host, const Credentials *c);
/* Mode 0600, whole or not at all. Where the path is a symbolic link, what it leads to is written. */
int auth_file_save(const AuthFile *f, Err **err) _warn_unused_;
