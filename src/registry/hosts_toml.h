/* containerd's hosts.toml: where the requests for one host go (containerd's docs/hosts.md). */
#pragma once

#include "registry/endpoint.h"

typedef struct HostsEntry {
	EndpointScheme scheme;
	char *host; /* "host[:port]"; of the server, NULL: the host of the name */
	char *path; /* "/v2", or what override_path says; "" for the root */
	unsigned can;
	StrVec ca; /* files */
	char *client_cert, *client_key;
	StrVec headers;
	unsigned connect_seconds;
	bool skip_verify;
	int line;
} HostsEntry;

typedef struct HostsFile {
	char *file;
	VEC(HostsEntry) hosts; /* mirrors, in the order of the file */
	HostsEntry server;
} HostsFile;

/* ERR_PARSE with file and line. Paths in it are relative to the file. */
int hosts_toml_parse(Str text, const char *file, HostsFile *ret, Err **err) _warn_unused_;
/* The file for the host below root: host_port_, host:port, _default, the first of these directories that is there.
 * 1, or 0 when there is no file. */
int hosts_toml_load(const char *root, const char *host, HostsFile *ret, Err **err) _warn_unused_;
void hosts_file_done(HostsFile *f);
