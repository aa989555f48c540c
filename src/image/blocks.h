/*
 * Compressed blocks of layers that were made in this store, found by their content, so that a layer of which
 * little changed is hardly compressed. A cache only: whatever is wrong with it makes misses.
 *
 *	cache/blocks	records of fixed size, appended when a layer is committed; of equal keys the last holds
 */
#pragma once

#include "archive/compress.h"
#include "store/store.h"

typedef struct StoreBlocks StoreBlocks;
/* For one layer. The store is borrowed; nothing is read until the first search. */
StoreBlocks *store_blocks_new(Store *s);
BlockCache *store_blocks_cache(StoreBlocks *b); /* borrowed */
/* The blocks added belong to this blob, which is in the store now. */
void store_blocks_commit(StoreBlocks *b, const Digest *blob);
StoreBlocks *store_blocks_free(StoreBlocks *b);
DEFINE_FREEP(StoreBlocks, store_blocks_free)
