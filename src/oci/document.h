/* What a registry needs to know of a manifest or index whatever it describes: images, artifacts, lists of either. */
#pragma once

#include "oci/manifest.h"

typedef struct OciDocument {
	char *media_type; /* its own, else the one it was sent as */
	bool is_index;
	char *artifact_type; /* artifactType, else the config's media type; NULL for an index without one */
	bool has_subject;
	Digest subject;
	StrVec annotations;
	Descriptor config; /* of a manifest */
	Descriptors below; /* layers of a manifest, manifests of an index */
} OciDocument;
/* media_type: how it was sent or stored (parameters allowed), may be "". ERR_CORRUPT when it contradicts the document,
 * ERR_UNSUPPORTED for kinds that are neither OCI nor Docker schema 2. */
int oci_document_parse(Str text, const char *media_type, const char *name, OciDocument *ret,
	Err **err) _warn_unused_;
void oci_document_done(OciDocument *d);
/* Its entry in a list of referrers. */
json_t *oci_document_descriptor(const OciDocument *d, const Digest *digest, uint64_t size);
/* The tag under which clients list what refers to subject, where a registry keeps no lists: "sha256-<hex>" (distribution-spec
 * 1.1, "Referrers Tag Schema"). Owned. */
char *referrers_tag(const Digest *subject);
bool is_referrers_tag(const char *tag); /* may be NULL */
