#include <stdio.h>
#include <unistd.h>

#include "cli/format.h"
#include "image/transfer.h"

typedef struct UnpackOptions {
	char *platform;
	bool keep_owner;
} UnpackOptions;

static const Option rows[] = {
	{0, "platform", OPTION_STRING, offsetof(UnpackOptions, platform), "OS/ARCH", PLATFORM_HELP},
	{0, "no-same-owner", OPTION_FLAG, offsetof(UnpackOptions, keep_owner), NULL,
		"the files belong to you, not to the image's users (always so without root)"},
};

static int run_unpack(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const UnpackOptions *o = options;
	_cleanup_strvec_ StrVec warnings = {0};
	Platform platform = {0};
	StoreImage image = {0};
	unsigned flags = o->keep_owner ? APPLY_KEEP_OWNER : 0;
	if (geteuid() != 0)
		flags |= APPLY_KEEP_OWNER | APPLY_NO_DEVICES;
	int r = platform_argument(o->platform, &platform, err);
	if (r == 0)
		r = store_image(ctx->store, operands->items[0], &platform, &image, err);
	if (r == 0)
		r = image_unpack(ctx->store, &image, operands->items[1], flags, &warnings, err);
	for (size_t i = 0; i < warnings.len; i++)
		fprintf(stderr, "warning: %s\n", warnings.items[i]);
	store_image_done(&image);
	platform_done(&platform);
	return r;
}

const Command cmd_unpack = {
	.name = "unpack",
	.operands = "IMAGE DIRECTORY",
	.summary = "Write an image's merged file tree into a directory",
	.description =
		"The directory must be empty or absent. Types, modes, owners, times, links and extended\n"
		"attributes are kept; nothing is ever written outside.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(UnpackOptions),
	.needs = NEEDS_STORE,
	.min_operands = 2,
	.max_operands = 2,
	.run = run_unpack,
};
