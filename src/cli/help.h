/* Texts made from the command table: overview, --help of a verb, manual page, bash completion. */
#pragma once

#include "cli/command.h"

void help_overview(Buf *out);
void help_command(const Command *c, Buf *out);
/* Cuts the next paragraph of a description off *rest; false at the end. */
bool help_paragraph(Str *rest, Str *ret);
void help_manual(Buf *out); /* roff, section 1 */
void help_bash_completion(Buf *out);
