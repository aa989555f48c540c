#include "cli/command.h"

#include "dockerfile/ast.h"

#define COMMAND(symbol) &symbol,
const Command *const commands[] = {
#include "cli/commands.def"
};
#undef COMMAND
const size_t n_commands = ARRAY_SIZE(commands);

const Command *command_find(const char *name)
{
	for (size_t i = 0; i < n_commands; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

int command_unknown(const char *name, Err **err)
{
	const char *names[64];
	size_t n = 0;
	for (size_t i = 0; i < n_commands && n < ARRAY_SIZE(names); i++)
		names[n++] = commands[i]->name;
	int r = err_set(err, ERR_USAGE, "'%s' is not a cruet command", name);
	const char *near = did_you_mean(name, names, n);
	if (near)
		err_hint(err, "did you mean 'cruet %s'?", near);
	else
		err_hint(err, "'cruet help' lists the commands");
	return r;
}

int exit_status_of(ErrCode code)
{
	static const int status[_ERR_MAX] = {
		[ERR_NONE] = 0,
		[ERR_SYS] = 1,
		[ERR_USAGE] = 2,
		[ERR_AUTH] = 4,
		[ERR_NET] = 5,
		[ERR_DIGEST] = 6,
		[ERR_NOT_FOUND] = 7,
		[ERR_PARSE] = 8,
		[ERR_CORRUPT] = 9,
		[ERR_LIMIT] = 10,
		[ERR_UNSUPPORTED] = 11,
		[ERR_DENIED] = 12,
		[ERR_NO_SPACE] = 13,
		[ERR_RUN_FAILED] = 14,
		[ERR_EXISTS] = 15,
		[ERR_TIMEOUT] = 16,
		[ERR_CANCELLED] = 130,
	};
	return code < _ERR_MAX ? status[code] : 1;
}
