/* Variable expansion of one word, with all modifiers (spec: build.md 1.2). */
#pragma once

#include "base/str.h"

/* Value of a variable, borrowed, or NULL if it is unset. */
typedef const char *(*ExpandLookup)(void *arg, const char *name);
typedef struct Expander {
	ExpandLookup lookup;
	void *arg;
	char escape;
	StrVec *undefined; /* optional: names asked for and not set (for warnings) */
	bool raw_quotes;   /* keep quotes and escapes as they are (heredoc bodies, JSON) */
} Expander;
/* One word: quotes removed, variables replaced. Owned result; ERR_PARSE names the bad construct. */
int expand_word(const Expander *x, Str text, char **ret, Err **err) _warn_unused_;
/* Expands, then splits on unquoted blanks (EXPOSE, VOLUME …). */
int expand_words(const Expander *x, Str text, StrVec *ret, Err **err) _warn_unused_;
