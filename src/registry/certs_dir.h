/* The directories certs.d of docker and containers: in <host:port>, *.crt are authorities, X.cert with X.key who we are. */
#pragma once

#include "registry/settings.h"

#include "base/str.h"

typedef struct TlsFiles {
	Buf ca;           /* PEM; TLS_FILES_INIT */
	char *cert, *key; /* owned; NULL: none */
} TlsFiles;
#define TLS_FILES_INIT ((TlsFiles){.ca = BUF_INIT(LIMIT_CERTIFICATES)})
void tls_files_done(TlsFiles *t);

/* Adds the certificates of a PEM file. ERR_PARSE when it has none, ERR_NOT_FOUND. */
int tls_files_add_ca(TlsFiles *t, const char *path, Err **err) _warn_unused_;
/* Adds what is in the directory; several pairs: the first by name. ERR_NOT_FOUND, ERR_PARSE. */
int certs_dir_read(const char *dir, TlsFiles *t, Err **err) _warn_unused_;
/* The first directory there is for one of the names: ~/.config/containers, /etc/containers, /etc/docker, extra (may be
 * NULL; containerd's, where a hosts.toml decides instead if there is one). Nothing is added when there is none. */
int certs_dirs_read(const char *const *names, size_t n_names, const char *extra, TlsFiles *t,
	Err **err) _warn_unused_;
