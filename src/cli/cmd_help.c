#include <stdio.h>

#include "cli/help.h"

static int run_help(CmdCtx *ctx _unused_, void *options _unused_, const StrVec *operands, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(1 << 20);
	if (operands->len == 0) {
		help_overview(&text);
	} else if (strcmp(operands->items[0], "manual") == 0) {
		help_manual(&text);
	} else {
		const Command *c = command_find(operands->items[0]);
		if (!c)
			return command_unknown(operands->items[0], err);
		help_command(c, &text);
	}
	fputs(text.ptr, stdout);
	return 0;
}

const Command cmd_help = {
	.name = "help",
	.operands = "[COMMAND]",
	.summary = "Explain a command",
	.description = "'cruet help manual' prints the manual page, in the form of man.\n",
	.max_operands = 1,
	.run = run_help,
};
