#include <stdio.h>

#include "cli/format.h"
#include "cli/progress_sink.h"
#include "cli/registry_flags.h"
#include "cli/signals.h"
#include "image/push.h"

typedef struct PushArgs {
	RegistryFlags registry;
	char *platform, *progress;
	bool quiet;
} PushArgs;

static const Option rows[] = {
	{0, "platform", OPTION_STRING, offsetof(PushArgs, platform), "OS/ARCH[/VARIANT]",
		"push only the image for this platform, not the index"},
	{0, "progress", OPTION_STRING, offsetof(PushArgs, progress), PROGRESS_METAVAR,
		"how to show progress on standard error (auto: tty on a terminal, else plain)"},
	{'q', "quiet", OPTION_FLAG, offsetof(PushArgs, quiet), NULL, "no progress"},
	REGISTRY_FLAG_ROWS(PushArgs, registry),
};

static int push_one(Store *store, Registry *registry, const char *operand,
	const PushOptions *options, Err **err)
{
	Reference name = {0};
	Descriptor pushed = {0};
	ERR_SCOPE(err, "Pushing '%s'", operand);
	int r = reference_parse(str_of(operand), &name, err);
	if (r < 0)
		return r;
	r = image_push(store, registry, operand, &name, options, &pushed, err);
	if (r == 0) {
		_cleanup_free_ char *familiar = reference_familiar(&name);
		printf("%s %s\n", familiar, digest_str(&pushed.digest).s);
	}
	descriptor_done(&pushed);
	reference_done(&name);
	return r;
}

static int run_push(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const PushArgs *a = options;
	_cleanup_(registry_session_close) RegistrySession session = {0};
	_cleanup_(platform_done) Platform platform = {0};
	signals_install(NULL);
	int r = registry_session_open(
		&a->registry, a->quiet, a->progress, "Pushing", &session, err);
	if (r == 0 && a->platform)
		r = platform_argument(a->platform, &platform, err);
	PushOptions o = {.platform = a->platform ? &platform : NULL, .progress = session.progress};
	for (size_t i = 0; r == 0 && i < operands->len; i++)
		r = push_one(ctx->store, session.registry, operands->items[i], &o, err);
	return r;
}

const Command cmd_push = {
	.name = "push",
	.operands = "NAME[:TAG]…",
	.summary = "Send images of the store to their registry",
	.description =
		"What the registry has is not sent again, what another repository there has is mounted.\n"
		"Digests stay as they are. Prints name and digest.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(PushArgs),
	.needs = NEEDS_STORE,
	.min_operands = 1,
	.max_operands = UINT32_MAX,
	.run = run_push,
};
