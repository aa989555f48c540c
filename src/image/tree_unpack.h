/* The tree of one layer made while its tar passes by. */
#pragma once

#include "image/layers.h"

typedef struct TreeUnpack TreeUnpack;
/* below: its indexed layers are those under this one; borrowed until the end. *ret NULL: there is one, or somebody makes
 * it. */
int tree_unpack_begin(const LayerStack *below, Store *s, const Digest *diff_id, TreeUnpack **ret,
	Err **err) _warn_unused_;
/* Unpacks plain (owned) on a thread of its own. */
void tree_unpack_start(TreeUnpack *t, Reader *plain);
/* verified: the tar had the digest it should, so that the tree is kept. Frees t, which may be NULL. */
int tree_unpack_end(TreeUnpack *t, bool verified, Err **err) _warn_unused_;
