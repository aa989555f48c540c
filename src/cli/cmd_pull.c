#include <stdio.h>

#include "cli/format.h"
#include "cli/progress_sink.h"
#include "cli/registry_flags.h"
#include "cli/signals.h"
#include "image/pull.h"

typedef struct PullArgs {
	RegistryFlags registry;
	char *platform, *progress;
	bool all, unpack, quiet;
} PullArgs;

static const Option rows[] = {
	{'a', "all-platforms", OPTION_FLAG, offsetof(PullArgs, all), NULL,
		"every platform of the image, not only one"},
	{0, "unpack", OPTION_FLAG, offsetof(PullArgs, unpack), NULL,
		"unpack the layers while they arrive, so that a run or build starts at once"},
	{0, "platform", OPTION_STRING, offsetof(PullArgs, platform), "OS/ARCH[/VARIANT]",
		"take the image for this platform (default: this machine's)"},
	{0, "progress", OPTION_STRING, offsetof(PullArgs, progress), PROGRESS_METAVAR,
		"how to show progress on standard error (auto: tty on a terminal, else plain)"},
	{'q', "quiet", OPTION_FLAG, offsetof(PullArgs, quiet), NULL, "no progress"},
	REGISTRY_FLAG_ROWS(PullArgs, registry),
};

static int pull_one(Store *store, Registry *registry, const char *operand,
	const PullOptions *options, Err **err)
{
	Reference name = {0};
	Descriptor pulled = {0};
	ERR_SCOPE(err, "Pulling '%s'", operand);
	int r = reference_parse(str_of(operand), &name, err);
	if (r < 0)
		return r;
	r = image_pull(store, registry, &name, options, &pulled, err);
	if (r == 0) {
		_cleanup_free_ char *familiar = reference_familiar(&name);
		progress_result(options->progress, "%s %s", familiar, digest_str(&pulled.digest).s);
	}
	if (r == -ERR_CANCELLED)
		err_hint(err, "what was transferred is kept: the next pull goes on there");
	descriptor_done(&pulled);
	reference_done(&name);
	return r;
}

static int run_pull(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const PullArgs *a = options;
	_cleanup_(registry_session_close) RegistrySession session = {0};
	_cleanup_(platform_done) Platform platform = {0};
	signals_install(NULL);
	int r = registry_session_open(
		&a->registry, a->quiet, a->progress, "Pulling", &session, err);
	if (r == 0)
		r = platform_argument(a->platform, &platform, err);
	PullOptions o = {.platform = &platform,
		.all = a->all,
		.unpack = a->unpack,
		.progress = session.progress};
	for (size_t i = 0; r == 0 && i < operands->len; i++)
		r = pull_one(ctx->store, session.registry, operands->items[i], &o, err);
	return r;
}

const Command cmd_pull = {
	.name = "pull",
	.operands = "NAME[:TAG|@DIGEST]…",
	.summary = "Fetch images from a registry into the store",
	.description =
		"Layers are verified, inflated and indexed while they arrive. What was cut off goes on the\n"
		"next time; what is known is not fetched again. Prints name and digest.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(PullArgs),
	.needs = NEEDS_STORE | NEEDS_IDS,
	.min_operands = 1,
	.max_operands = UINT32_MAX,
	.run = run_pull,
};
