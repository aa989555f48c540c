#include <stdio.h>

#include "cli/command.h"

static int run_version(CmdCtx *ctx _unused_, void *options _unused_,
	const StrVec *operands _unused_, Err **err _unused_)
{
	puts("cruet " CRUET_VERSION);
	return 0;
}

const Command cmd_version = {
	.name = "version",
	.operands = "",
	.summary = "Print the version",
	.run = run_version,
};
