#include "build/change.h"

#include "build/exec_config.h"

static const char *lookup_env(void *arg, const char *name)
{
	return strvec_env_get(arg, name);
}

int change_apply(void *arg _unused_, const char *change, ImageConfig *config, Err **err)
{
	ERR_SCOPE(err, "Change '%s'", change);
	Instr i = {0};
	int r = dockerfile_parse_instr(str_of(change), "change", '\\', &i, err);
	if (r < 0)
		return r;
	Expander x = {.lookup = lookup_env, .arg = &config->env, .escape = '\\'};
	/* each change stands alone: CMD is kept by a later ENTRYPOINT, as docker import does */
	bool cmd_set = true;
	ConfigChange c = {.config = config, .expander = &x, .cmd_set = &cmd_set};
	r = config_instr(&i, &c, err);
	free(c.history);
	strvec_done(&c.pairs);
	instr_done(&i);
	return r;
}
