/*
 * What NAME means where a verb takes an image of the store or of a registry: the store's, else the registry's.
 * "docker://NAME" is the registry's whatever the store has.
 */
#pragma once

#include "registry/registry.h"
#include "store/store.h"

/* The rest of "docker://NAME"; NAME itself without that. *ret_remote (may be NULL): it was there. Borrowed. */
const char *named_remote(const char *operand, bool *ret_remote);
/* Name and open repository of a registry's image. */
int named_repository(Registry *registry, const char *operand, bool push, Reference *ret_name,
	Repository **ret, Err **err) _warn_unused_;
const char *named_target(const Reference *name, DigestStr *text); /* its digest, else its tag */
/* The manifest or index that the name stands for; with a platform, the manifest for it out of an index. bytes may be
 * NULL: only the descriptor. */
int named_manifest(Store *store, Registry *registry, const char *operand, const Platform *platform,
	Descriptor *ret, Buf *ret_bytes, Err **err) _warn_unused_;
/* The same, always of the registry. */
int named_remote_manifest(Registry *registry, const char *operand, const Platform *platform,
	Descriptor *ret, Buf *ret_bytes, Err **err) _warn_unused_;
