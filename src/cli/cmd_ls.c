#include <stdio.h>

#include "cli/format.h"
#include "cli/named.h"
#include "cli/registry_flags.h"
#include "cli/signals.h"

typedef struct LsOptions {
	RegistryFlags registry;
	char *format;
} LsOptions;

static const Option rows[] = {
	{0, "format", OPTION_STRING, offsetof(LsOptions, format), FORMAT_METAVAR,
		"a tag a line (default) or JSON"},
	REGISTRY_FLAG_ROWS(LsOptions, registry),
};

static void print_tags(const Reference *name, const StrVec *tags, const char *format)
{
	if (!format_is_json(format)) {
		vec_foreach (tags, tag)
			puts(*tag);
		return;
	}
	_cleanup_json_ json_t *j = json_object();
	_cleanup_free_ char *repository = xasprintf("%s/%s", name->host, name->path);
	json_t *array = json_array();
	vec_foreach (tags, tag)
		json_array_append_new(array, json_string(*tag));
	json_object_set_new(j, "Repository", json_string(repository));
	json_object_set_new(j, "Tags", array);
	print_json(j);
}

static int run_ls(CmdCtx *ctx _unused_, void *options, const StrVec *operands, Err **err)
{
	const LsOptions *o = options;
	_cleanup_(registry_session_close) RegistrySession session = {0};
	_cleanup_(reference_done) Reference name = {0};
	_cleanup_(repository_freep) Repository *repository = NULL;
	_cleanup_(strvec_done) StrVec tags = {0};
	const char *operand = operands->items[0], *slash = strrchr(operand, '/');
	ERR_SCOPE(err, "Listing '%s'", operand);
	signals_install(NULL);
	int r = registry_session_open(&o->registry, false, "plain", "Listing", &session, err);
	if (r == 0)
		r = named_repository(session.registry, operand, false, &name, &repository, err);
	if (r == 0 && strpbrk(slash ? slash : operand, ":@"))
		r = err_set(err, ERR_USAGE, "'%s' is one image: ls takes a repository", operand);
	if (r == 0)
		r = repository_tags(repository, &tags, err);
	strvec_sort_unique(&tags);
	if (r == 0)
		print_tags(&name, &tags, o->format);
	return r;
}

const Command cmd_ls = {
	.name = "ls",
	.operands = "REPOSITORY",
	.summary = "List the tags of a registry's repository",
	.description = "All of them, sorted, however many pages the registry sends.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(LsOptions),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_ls,
};
