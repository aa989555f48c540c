/*
 * Image names: [host[:port]/]path[:tag][@digest], normalised as docker does: no host means
 * docker.io, one component on docker.io gets "library/", no tag and no digest means "latest".
 * (spec: transfer.md 4.3; grammar of the distribution project)
 */
#pragma once

#include "base/digest.h"

typedef struct Reference {
	char *host; /* owned, e.g. "docker.io" */
	char *path; /* owned, e.g. "library/alpine" */
	char *tag;  /* owned; NULL when a digest is given without one */
	bool has_digest;
	Digest digest;
} Reference;

int reference_parse(Str text, Reference *ret, Err **err) _warn_unused_;
void reference_done(Reference *r);
bool reference_tag_valid(Str tag);
/* "docker.io/library/alpine:3.20[@sha256:…]"; owned. This is the key of the store. */
char *reference_full(const Reference *r);
/* Shortest form a person would type: "alpine:3.20"; owned. */
char *reference_familiar(const Reference *r);
/* Repository without tag and digest, familiar ("alpine", "ghcr.io/a/b"); owned. */
char *reference_familiar_repository(const Reference *r);
