/*
 * An OCI layout being written: a directory, to which images may be added, or an archive. Blobs appear as they come,
 * index.json last: what was not finished names nothing. (image-spec: image-layout.md)
 */
#pragma once

#include "base/stream.h"
#include "oci/manifest.h"

typedef struct LayoutOut LayoutOut; /* thread-safe: members of an archive wait for one another */
LayoutOut *layout_out_archive(Writer *out); /* borrowed; not finished through it */
/* add: images may be there already (else ERR_EXISTS); those that are listed under the same names are replaced. */
int layout_out_directory(const char *dir, bool add, LayoutOut **ret, Err **err) _warn_unused_;
LayoutOut *layout_out_free(LayoutOut *o);
DEFINE_FREEP(LayoutOut, layout_out_free)

bool layout_out_has(LayoutOut *o, const Descriptor *d); /* there, and of its size */
/* body (borrowed) has d's size; verify: and its digest, else ERR_DIGEST and it does not appear. One that is there is not
 * written again. */
int layout_out_blob(LayoutOut *o, const Descriptor *d, Reader *body, bool verify, Err **err)
	_warn_unused_;
/* Another file beside the layout, as docker's archives have them. */
int layout_out_file(LayoutOut *o, const char *name, Reader *body, uint64_t size, Err **err)
	_warn_unused_;
/* An entry of index.json, with the annotations that d has. name (may be NULL) is what it is found by. */
void layout_out_list(LayoutOut *o, const Descriptor *d, const char *name);
int layout_out_finish(LayoutOut *o, Err **err) _warn_unused_; /* once */
