/*
 * The raw syntax tree: one node an instruction, its words as a chain, exactly as BuildKit's parser has it (its test
 * vectors are ours). instr.c turns nodes into typed instructions.
 */
#pragma once

#include "dockerfile/ast.h"

typedef struct Node Node;
struct Node {
	char *value;
	size_t len;   /* of value: a JSON word may hold NULs */
	StrVec flags; /* "--name=value" as written, quotes removed */
	bool json;
	Node *next;  /* owned */
	Node *child; /* owned: of ONBUILD */
	VEC(Heredoc) heredocs;
	char *source; /* the logical line (instruction nodes) */
	int line, end_line;
	StrVec comments;
};

typedef struct NodeList {
	VEC(Node *) nodes;
	char escape;
	char *syntax, *check;
	VEC(DockerfileWarning) warnings;
} NodeList;

/* name: file for error locations. */
int nodes_parse(Str text, const char *name, NodeList *ret, Err **err) _warn_unused_;
void nodes_done(NodeList *l);
/* One instruction line (without heredoc bodies). */
int node_from_line(Str line, char escape, Node **ret, Err **err) _warn_unused_;
Node *node_free(Node *n);
DEFINE_FREEP(Node, node_free)

/* Heredoc introducers of an instruction line, bodies still empty. */
void node_find_heredocs(Node *n, char escape);
/* NAME, KEY=VALUE words of ENV, LABEL and ARG: quotes and escapes kept, blanks inside quotes do not split. */
void split_words(Str text, char escape, StrVec *ret);
/* Splits at runs of blanks. max 0: all of it; else at most max words, the last keeps the rest. */
void split_blanks(Str text, size_t max, StrVec *ret);
