/* Texts made from the command table: overview, --help of a verb, manual page, bash completion. */
#pragma once

#include "cli/command.h"

void help_overview(Buf *out);
void help_command(const Command *c, const Option *global, size_t n_global, Buf *out);
void help_manual(Buf *out); /* roff, section 1 */
void help_bash_completion(Buf *out);
