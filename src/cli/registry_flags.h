/* The flags of the verbs that talk to registries. A verb has a RegistryFlags in its options and these rows among its own. */
#pragma once

#include "cli/option.h"
#include "image/pull.h"
#include "registry/registry.h"

typedef struct RegistryFlags {
	char *authfile, *creds, *ca_file, *cert_dir, *registries_conf, *hosts_dir, *stall_timeout;
	bool no_creds, insecure, plain_http;
} RegistryFlags;

/* Rows for a table of Options; T: the verb's options struct, m: its RegistryFlags. */
#define REGISTRY_AUTHFILE_ROW(T, m)                                                                \
	{                                                                                          \
		0, "authfile", OPTION_STRING, offsetof(T, m.authfile), "FILE",                     \
			"file with credentials (default: $REGISTRY_AUTH_FILE and the usual ones)"  \
	}
#define REGISTRY_CREDS_ROWS(T, m)                                                                  \
	{0, "creds", OPTION_SECRET, offsetof(T, m.creds), "USER:PASSWORD",                         \
		"use these credentials; others may see them for a moment, and in the history"},    \
	{                                                                                          \
		0, "no-creds", OPTION_FLAG, offsetof(T, m.no_creds), NULL,                         \
			"ask as nobody, whatever credentials there are"                            \
	}
#define REGISTRY_TLS_ROWS(T, m)                                                                    \
	{0, "tls-verify", OPTION_FLAG_OFF, offsetof(T, m.insecure), NULL,                          \
		"check the registry's certificate (--tls-verify=false: do not)"},                  \
		{0, "plain-http", OPTION_FLAG, offsetof(T, m.plain_http), NULL,                    \
			"speak HTTP without TLS"},                                                 \
		{0, "ca-file", OPTION_STRING, offsetof(T, m.ca_file), "FILE",                      \
			"trust the certificate authorities in this PEM file too"},                 \
		{0, "cert-dir", OPTION_STRING, offsetof(T, m.cert_dir), "DIR",                     \
			"take *.crt, *.cert and *.key from here instead of certs.d"},              \
		{0, "registries-conf", OPTION_STRING, offsetof(T, m.registries_conf), "FILE",      \
			"read this registries.conf instead of the usual one"},                     \
		{0, "stall-timeout", OPTION_STRING, offsetof(T, m.stall_timeout), "SECONDS",       \
			"try again when nothing has moved for so long (default 60)"},              \
	{                                                                                          \
		0, "hosts-dir", OPTION_STRING, offsetof(T, m.hosts_dir), "DIR",                    \
			"look for containerd's hosts.toml here (default /etc/containerd/certs.d)"  \
	}
#define REGISTRY_FLAG_ROWS(T, m)                                                                   \
	{0, "Registry options", OPTION_GROUP, 0, NULL, NULL}, REGISTRY_AUTHFILE_ROW(T, m),         \
		REGISTRY_CREDS_ROWS(T, m), REGISTRY_TLS_ROWS(T, m)

#define PULL_POLICY_ROW(T, m)                                                                         \
	{                                                                                             \
		0, "pull", OPTION_OPTIONAL, offsetof(T, m), "POLICY",                                 \
			"ask registries even for what the store has (POLICY: always, missing, never)" \
	}
/* text NULL: PULL_MISSING. */
int pull_policy_argument(const char *text, PullPolicy *ret, Err **err) _warn_unused_;

/* What a verb talks to registries with. */
typedef struct RegistrySession {
	RegistrySettings settings;
	Progress *progress;
	Registry *registry;
} RegistrySession;
/* Borrows from the flags. quiet, mode and title: as progress_sink_new. */
int registry_session_open(const RegistryFlags *flags, bool quiet, const char *mode,
	const char *title, RegistrySession *ret, Err **err) _warn_unused_;
void registry_session_close(RegistrySession *s);

/* *ret borrows from the flags. ERR_USAGE: flags that contradict each other. */
int registry_flags_settings(const RegistryFlags *flags, RegistrySettings *ret, Err **err)
	_warn_unused_;
