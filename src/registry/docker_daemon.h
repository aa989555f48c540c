/*
 * What docker's daemon is told of registries (dockerd(8)): "registry-mirrors" of Docker Hub, in order, and
 * "insecure-registries", hosts or networks.
 */
#pragma once

#include "base/str.h"

typedef struct DockerDaemon {
	StrVec mirrors; /* "http[s]://host[:port]" */
	StrVec insecure;
} DockerDaemon;

/* ~/.config/docker/daemon.json ($XDG_CONFIG_HOME), else /etc/docker/daemon.json, else nothing. ERR_CORRUPT, ERR_PARSE. */
int docker_daemon_load(DockerDaemon *ret, Err **err) _warn_unused_;
int docker_daemon_parse(Str text, const char *file, DockerDaemon *ret, Err **err) _warn_unused_;
void docker_daemon_done(DockerDaemon *d);
/* host: "host[:port]". */
bool docker_daemon_is_insecure(const DockerDaemon *d, const char *host);
