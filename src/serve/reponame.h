/*
 * Which names of the store a repository of the registry means.
 *
 * A path is read as cruet reads an image name: "app" is docker.io/library/app, "team/app" docker.io/team/app, a first
 * word with a dot in it is a host: "ghcr.io/a/b", "docker.io/library/app". So what is pushed as HOST:PORT/team/app:1 is
 * the image `cruet run team/app:1` runs, and alpine:3.20 is pulled as HOST:PORT/alpine:3.20, HOST:PORT/library/alpine:3.20
 * or HOST:PORT/docker.io/library/alpine:3.20. For pulls there are more, in this order: names under the very address the
 * client used ("localhost:5000/app", as docker wants them for a push), and those of the registry that is mirrored. A
 * client that asks for a mirror of "ghcr.io" says so (?ns= or OCI-Namespace): then it is that host's name and no other.
 */
#pragma once

#include "base/str.h"

/* The one that is written: "docker.io/team/app". NULL when the store cannot have the name. Owned. */
char *repository_of(const char *url_name);
typedef struct NameContext {
	const char *host;       /* Host header, or NULL */
	const char *mirror;     /* host of --mirror, or NULL */
	const char *name_space; /* ?ns= or OCI-Namespace, or NULL */
} NameContext;
/* All that are read. */
void repositories_of(const char *url_name, const NameContext *context, StrVec *ret);
/* The shortest path of a repository of the store; NULL when none leads there. Owned. */
char *repository_url_name(const char *repository, const char *host);
