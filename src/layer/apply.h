/*
 * Unpacking: a tar layer into a directory. Two targets: a plain directory that takes the layers of an
 * image one after the other (whiteouts remove), or one directory a layer in the form that overlayfs stacks
 * (whiteouts become character devices 0:0, opaque directories the overlay xattr). Nothing outside the
 * directory is ever touched, whatever the tar says. (spec: build.md 71–73)
 */
#pragma once

#include "layer/tree.h"

typedef enum ApplyFlags {
	APPLY_OVERLAY = 1 << 0, /* overlay form, else merged form */
	APPLY_USERXATTR =
		1 << 1, /* overlay xattrs in the user. namespace (inside a user namespace) */
	APPLY_KEEP_OWNER = 1 << 2,   /* files belong to the caller; owners are not set */
	APPLY_NO_DEVICES = 1 << 3,   /* device nodes are skipped */
	APPLY_NO_WHITEOUTS = 1 << 4, /* the tar is no layer: names that mean whiteouts are names */
} ApplyFlags;

/* source: uncompressed tar, read to its end. root_fd: target directory, which exists. lower (APPLY_OVERLAY):
 * merged tree of the layers below, for parents that this tar leaves out and for hard links into lower layers
 * (then lower_open must give the file's body). warnings (optional): what could not be kept (one sentence each). */
typedef struct ApplyOptions {
	unsigned flags;
	const Tree *lower;
	int (*lower_open)(void *arg, const TreeNode *node, Reader **ret, Err **err);
	void *lower_arg;
	StrVec *warnings;
} ApplyOptions;
int apply_layer(Reader *source, int root_fd, const ApplyOptions *options, Err **err) _warn_unused_;
