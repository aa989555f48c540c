/* From a raw node to a typed instruction: flags, counts, forms. */
#pragma once

#include "dockerfile/node.h"

/* Takes the node's heredocs and comments. Errors carry no location: the caller adds it. */
int instr_from_node(Node *n, Instr *ret, Err **err) _warn_unused_;
