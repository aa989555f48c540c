#include <stdio.h>

#include "cli/help.h"

static int run_completion(
	CmdCtx *ctx _unused_, void *options _unused_, const StrVec *operands, Err **err)
{
	if (strcmp(operands->items[0], "bash") != 0)
		return err_set(err, ERR_USAGE, "there is no completion for '%s', only for bash",
			operands->items[0]);
	_cleanup_buf_ Buf text = BUF_INIT(1 << 20);
	help_bash_completion(&text);
	fputs(text.ptr, stdout);
	return 0;
}

const Command cmd_completion = {
	.name = "completion",
	.operands = "bash",
	.summary = "Print the shell completion script",
	.description =
		"'make install' puts it where bash-completion looks. Without that, for this shell:\n\n"
		"  source <(cruet completion bash)\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = run_completion,
};
