#include <stdio.h>

#include "base/limits.h"
#include "cli/format.h"
#include "cli/named.h"
#include "cli/registry_flags.h"
#include "cli/signals.h"

typedef struct ManifestOptions {
	RegistryFlags registry;
	char *platform;
} ManifestOptions;

static const Option rows[] = {
	{0, "platform", OPTION_STRING, offsetof(ManifestOptions, platform), "OS/ARCH[/VARIANT]",
		"the manifest for this platform, not the index"},
	REGISTRY_FLAG_ROWS(ManifestOptions, registry),
};

static int run_manifest(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const ManifestOptions *o = options;
	_cleanup_(registry_session_close) RegistrySession session = {0};
	_cleanup_(platform_done) Platform platform = {0};
	_cleanup_(descriptor_done) Descriptor d = {0};
	_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
	signals_install(NULL);
	int r = registry_session_open(&o->registry, false, "plain", "Asking", &session, err);
	if (r == 0 && o->platform)
		r = platform_argument(o->platform, &platform, err);
	if (r == 0)
		r = named_manifest(ctx->store, session.registry, operands->items[0],
			o->platform ? &platform : NULL, &d, &bytes, err);
	if (r == 0)
		fwrite(bytes.ptr, 1, bytes.len, stdout);
	return r;
}

const Command cmd_manifest = {
	.name = "manifest",
	.operands = "NAME",
	.summary = "Print a manifest or index, of the store or of a registry",
	.description =
		"Its exact bytes, which have the digest that 'cruet digest' prints. A name that the store\n"
		"has is the store's image, any other a registry's; docker://NAME always asks the registry.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(ManifestOptions),
	.needs = NEEDS_STORE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_manifest,
};
