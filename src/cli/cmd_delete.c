#include <stdio.h>

#include "cli/command.h"
#include "cli/named.h"
#include "cli/registry_flags.h"
#include "cli/signals.h"

typedef struct DeleteOptions {
	RegistryFlags registry;
} DeleteOptions;

static const Option rows[] = {
	REGISTRY_FLAG_ROWS(DeleteOptions, registry),
};

/* A registry that deletes by digest only would take every other tag of the image too: that is for the user to say. */
static void hint_digest(Repository *repository, const Reference *name, Err **err)
{
	Descriptor d = {0};
	_cleanup_free_ char *familiar = reference_familiar_repository(name);
	if (name->has_digest || !err || !*err ||
		repository_manifest(repository, name->tag, &d, NULL, NULL) < 0)
		return;
	err_hint(err, "by digest it may, with all tags of that image: cruet delete %s@%s", familiar,
		digest_str(&d.digest).s);
	descriptor_done(&d);
}

static int delete_one(Registry *registry, const char *operand, Err **err)
{
	_cleanup_(reference_done) Reference name = {0};
	_cleanup_(repository_freep) Repository *repository = NULL;
	DigestStr text;
	ERR_SCOPE(err, "Deleting '%s'", operand);
	int r = named_repository(registry, operand, true, &name, &repository, err);
	if (r < 0)
		return r;
	r = repository_manifest_delete(repository, named_target(&name, &text), err);
	if (r < 0 && r != -ERR_NOT_FOUND && r != -ERR_AUTH && r != -ERR_DENIED)
		hint_digest(repository, &name, err);
	if (r == 0)
		printf("deleted %s\n", named_remote(operand, NULL));
	return r;
}

static int run_delete(CmdCtx *ctx _unused_, void *options, const StrVec *operands, Err **err)
{
	const DeleteOptions *o = options;
	_cleanup_(registry_session_close) RegistrySession session = {0};
	signals_install(NULL);
	int r = registry_session_open(&o->registry, false, "plain", "Deleting", &session, err);
	for (size_t i = 0; r == 0 && i < operands->len; i++)
		r = delete_one(session.registry, operands->items[i], err);
	return r;
}

const Command cmd_delete = {
	.name = "delete",
	.operands = "NAME:TAG|NAME@DIGEST…",
	.summary = "Delete tags or manifests of a registry",
	.description =
		"A tag goes alone: the image stays under its other tags and its digest. A digest takes the\n"
		"manifest and every tag of it. The store is not touched: for that there is 'cruet rmi'.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(DeleteOptions),
	.min_operands = 1,
	.max_operands = UINT32_MAX,
	.run = run_delete,
};
