#include <stdio.h>

#include "cli/format.h"
#include "cli/named.h"
#include "cli/registry_flags.h"
#include "cli/signals.h"

typedef struct DigestOptions {
	RegistryFlags registry;
	char *platform;
} DigestOptions;

static const Option rows[] = {
	{0, "platform", OPTION_STRING, offsetof(DigestOptions, platform), "OS/ARCH[/VARIANT]",
		"of the image for this platform, not of the index"},
	REGISTRY_FLAG_ROWS(DigestOptions, registry),
};

static int run_digest(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const DigestOptions *o = options;
	_cleanup_(registry_session_close) RegistrySession session = {0};
	_cleanup_(platform_done) Platform platform = {0};
	signals_install(NULL);
	int r = registry_session_open(&o->registry, false, "plain", "Asking", &session, err);
	if (r == 0 && o->platform)
		r = platform_argument(o->platform, &platform, err);
	for (size_t i = 0; r == 0 && i < operands->len; i++) {
		Descriptor d = {0};
		r = named_manifest(ctx->store, session.registry, operands->items[i],
			o->platform ? &platform : NULL, &d, NULL, err);
		if (r == 0)
			puts(digest_str(&d.digest).s);
		descriptor_done(&d);
	}
	return r;
}

const Command cmd_digest = {
	.name = "digest",
	.operands = "NAME…",
	.summary = "Print the digest of an image, of the store or of a registry",
	.description =
		"A name that the store has is the store's image, any other a registry's, which is asked.\n"
		"docker://NAME always asks the registry. Nothing is downloaded.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(DigestOptions),
	.needs = NEEDS_STORE,
	.min_operands = 1,
	.max_operands = UINT32_MAX,
	.run = run_digest,
};
