/*
 * What the command line says about registries; everything else comes from the files that docker, podman and
 * containerd read (spec: transfer.md 3.1, 3.2). All members may be zero.
 */
#pragma once

#include <stdbool.h>

typedef struct RegistrySettings {
	const char *authfile; /* --authfile; else $REGISTRY_AUTH_FILE and the usual places */
	const char *creds;    /* --creds "user:password", for every host asked */
	const char *ca_file;  /* --ca-file: trusted as well */
	const char *cert_dir; /* --cert-dir: instead of the certs.d of the host */
	const char *
		registries; /* --registries-conf; else $CONTAINERS_REGISTRIES_CONF and the usual places */
	const char *hosts_dir;  /* --hosts-dir; else containerd's, /etc/containerd/certs.d */
	unsigned stall_seconds; /* --stall-timeout; else HTTP_STALL_SECONDS */
	bool no_creds;          /* --no-creds: ask as nobody */
	bool insecure;          /* --tls-verify=false: certificates are not checked */
	bool plain_http;        /* --plain-http */
} RegistrySettings;
