#include "cli/format.h"
#include "cli/outfile.h"
#include "image/transfer.h"

typedef struct ExportOptions {
	char *output, *platform;
} ExportOptions;

static const Option rows[] = {
	{'o', "output", OPTION_STRING, offsetof(ExportOptions, output), "FILE",
		"where to write (default: standard output)"},
	{0, "platform", OPTION_STRING, offsetof(ExportOptions, platform), "OS/ARCH", PLATFORM_HELP},
};

static int run_export(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const ExportOptions *o = options;
	_cleanup_(output_freep) OutputFile *out = NULL;
	Platform platform = {0};
	StoreImage image = {0};
	int r = platform_argument(o->platform, &platform, err);
	if (r == 0)
		r = store_image(ctx->store, operands->items[0], &platform, &image, err);
	if (r == 0)
		r = output_open(o->output, &out, err);
	if (r == 0)
		r = image_export(ctx->store, &image, output_writer(out), err);
	if (r == 0)
		r = output_commit(out, err);
	store_image_done(&image);
	platform_done(&platform);
	return r;
}

const Command cmd_export = {
	.name = "export",
	.operands = "IMAGE",
	.summary = "Write an image's merged file tree as a tar",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(ExportOptions),
	.needs = NEEDS_STORE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_export,
};
