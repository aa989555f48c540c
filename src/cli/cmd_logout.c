#include <stdio.h>

#include "cli/command.h"
#include "cli/registry_flags.h"
#include "registry/credentials.h"

typedef struct LogoutOptions {
	RegistryFlags registry;
	bool all;
} LogoutOptions;

static const Option rows[] = {
	{'a', "all", OPTION_FLAG, offsetof(LogoutOptions, all), NULL,
		"forget the credentials of every registry"},
	REGISTRY_AUTHFILE_ROW(LogoutOptions, registry),
};

static int run_logout(CmdCtx *ctx _unused_, void *options, const StrVec *operands, Err **err)
{
	const LogoutOptions *o = options;
	RegistrySettings settings;
	_cleanup_free_ char *where = NULL;
	const char *host = operands->len ? operands->items[0] : "docker.io";
	if (o->all && operands->len)
		return err_set(err, ERR_USAGE, "'--all' and a registry cannot stand together");
	int r = registry_flags_settings(&o->registry, &settings, err);
	if (r == 0)
		r = credentials_erase(&settings, o->all ? NULL : host, &where, err);
	if (r == 0)
		printf("removed from %s\n", where);
	return r;
}

const Command cmd_logout = {
	.name = "logout",
	.operands = "[HOST[/NAMESPACE]]",
	.summary = "Forget the credentials of a registry",
	.description =
		"Removes them from every file and credential helper that cruet would find them in. Without\n"
		"a registry it is Docker Hub. --all empties only what 'cruet login' writes to.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(LogoutOptions),
	.max_operands = 1,
	.run = run_logout,
};
