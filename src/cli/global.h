/* The flags every verb has. */
#pragma once

#include "cli/option.h"

typedef struct GlobalOptions {
	bool help;
	char *root;
	char *debug;
} GlobalOptions;

extern const Option global_rows[];
extern const size_t n_global_rows;
/* Whether the word is one of these flags and takes the next word as its value. */
bool global_takes_value(const char *word);
