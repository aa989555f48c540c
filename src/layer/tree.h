/*
 * The merged tree of a stack of layer indexes: what a container would see, without unpacking anything.
 * Layers are pushed bottom first. Look-ups cost layers × depth × log(entries).
 */
#pragma once

#include "layer/index.h"

typedef struct Tree Tree;
Tree *tree_new(void);
/* Borrows the index, which must outlive the tree. */
void tree_push(Tree *t, const Index *layer);
size_t tree_layers(const Tree *t);
Tree *tree_free(Tree *t);
DEFINE_FREEP(Tree, tree_free)

/* A node found: which layer it comes from (0 = bottom) and its entry there. */
typedef struct TreeNode {
	size_t layer;
	size_t number; /* in that layer's index */
	IndexEntry entry;
} TreeNode;
/* The path itself, links not followed. "" is the root, which always exists (entry type TAR_DIR, mode 0755
 * when no layer has it). False if absent. */
bool tree_lookup(const Tree *t, Str path, TreeNode *ret);
/* Follows links in the parents, and in the last component if follow_last, inside the root. *ret_path
 * (owned): where it led, also when the last component is missing (*ret_found false). ERR_PARSE "too many
 * levels of links"; ERR_NOT_FOUND when a parent is missing or not a directory. A missing tail is allowed
 * when missing_ok: then *ret_path keeps the rest of the words. */
int tree_resolve(const Tree *t, Str path, bool follow_last, bool missing_ok, char **ret_path,
	bool *ret_found, TreeNode *ret_node, Err **err) _warn_unused_;
/* Walks the subtree of path (itself first) in index order, links not followed. The callback returns 0 to
 * go on, 1 to skip what is below a directory, <0 to stop with that result. A hardlink entry is presented
 * as such; tree_hardlink_target gives the file. */
typedef int (*TreeWalkFn)(void *arg, const TreeNode *node, Err **err);
int tree_walk(const Tree *t, Str path, TreeWalkFn fn, void *arg, Err **err) _warn_unused_;
/* The TAR_FILE node a hardlink stands for (in its own layer). */
bool tree_hardlink_target(const Tree *t, const TreeNode *link, TreeNode *ret);
const Index *tree_layer(const Tree *t, size_t layer);
