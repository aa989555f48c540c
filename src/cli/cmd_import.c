#include <fcntl.h>
#include <stdio.h>

#include "build/change.h"
#include "cli/format.h"
#include "image/transfer.h"

typedef struct ImportArgs {
	StrVec tags, changes;
	char *message, *compression, *level, *platform;
	bool quiet;
} ImportArgs;

static const Option rows[] = {
	{'t', "tag", OPTION_STRINGS, offsetof(ImportArgs, tags), "NAME",
		"name of the image (may be repeated)"},
	{'c', "change", OPTION_STRINGS, offsetof(ImportArgs, changes), "INSTRUCTION",
		"apply a Dockerfile instruction to the config, e.g. 'CMD [\"/bin/sh\"]'"},
	{'m', "message", OPTION_STRING, offsetof(ImportArgs, message), "TEXT",
		"comment in the history"},
	{0, "platform", OPTION_STRING, offsetof(ImportArgs, platform), "OS/ARCH",
		"platform of the image"},
	{0, "compression", OPTION_STRING, offsetof(ImportArgs, compression), "gzip|zstd|none",
		"of the layer (default gzip)"},
	{0, "compression-level", OPTION_STRING, offsetof(ImportArgs, level), "N",
		"gzip 1 to 12, zstd 1 to 19"},
	{'q', "quiet", OPTION_FLAG, offsetof(ImportArgs, quiet), NULL, "print only the image ID"},
};

static int open_input(const char *path, Reader **ret, Err **err)
{
	if (strcmp(path, "-") == 0) {
		*ret = fd_reader_new(STDIN_FILENO, false, "standard input");
		return 0;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open '%s'", path);
	*ret = fd_reader_new(fd, true, path);
	return 0;
}

static int run_import(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	ImportArgs *a = options;
	_cleanup_strvec_ StrVec names = {0};
	_cleanup_(pool_freep) Pool *pool = NULL;
	ImportOptions o = {.changes = &a->changes, .apply = change_apply, .message = a->message};
	Descriptor image = {0};
	Reader *source = NULL;
	/* docker import FILE NAME: the name may stand as an operand too */
	if (operands->len > 1)
		strvec_push(&a->tags, operands->items[1]);
	int r = reference_arguments(&a->tags, &names, err);
	if (r == 0)
		r = compression_arguments(a->compression, a->level, &o.compression, &o.level, err);
	if (r == 0)
		r = platform_argument(a->platform, &o.platform, err);
	if (r == 0)
		r = epoch_from_environment(&o.epoch, err);
	if (r == 0)
		r = open_input(operands->items[0], &source, err);
	if (r == 0) {
		pool = pool_new(0);
		ERR_SCOPE(err, "Importing '%s'", operands->items[0]);
		r = image_import(ctx->store, source, &o, &names, pool, &image, err);
	}
	StoreImage loaded = {0};
	if (r == 0)
		r = store_image_at(ctx->store, &image, NULL, &loaded, err);
	if (r == 0)
		puts(digest_str(&loaded.manifest.config.digest).s);
	store_image_done(&loaded);
	descriptor_done(&image);
	platform_done(&o.platform);
	return r;
}

const Command cmd_import = {
	.name = "import",
	.operands = "FILE|- [NAME]",
	.summary = "Make an image of a root file system tar",
	.description = "The tar may be compressed (gzip, zstd, xz, bzip2). Prints the image ID.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(ImportArgs),
	.needs = NEEDS_STORE,
	.min_operands = 1,
	.max_operands = 2,
	.run = run_import,
};
