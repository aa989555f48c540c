#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "build/change.h"
#include "cli/format.h"
#include "cli/progress_sink.h"
#include "image/transfer.h"

typedef struct ImportArgs {
	StrVec tags, changes;
	char *message, *compression, *level, *platform, *progress;
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
		"platform of the image (default: this machine's)"},
	{0, "compression", OPTION_STRING, offsetof(ImportArgs, compression), "gzip|zstd|none",
		"how the layer is compressed (default gzip)"},
	{0, "compression-level", OPTION_STRING, offsetof(ImportArgs, level), "N",
		"1 to 12 for gzip, 1 to 19 for zstd"},
	{'q', "quiet", OPTION_FLAG, offsetof(ImportArgs, quiet), NULL, "print only the image ID"},
	{0, "progress", OPTION_STRING, offsetof(ImportArgs, progress), PROGRESS_METAVAR,
		"how to show progress on standard error (auto: tty on a terminal, else plain)"},
};

static int open_input(const char *path, Progress *progress, unsigned id, Reader **ret, Err **err)
{
	bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "'%s' does not exist", path);
	if (fd < 0)
		return err_sys(err, "open '%s'", path);
	uint64_t size = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	Reader *file = fd_reader_new(fd, !standard, standard ? "standard input" : path);
	*ret = progress_reader_new(file, progress, id, size);
	return 0;
}

/* One step on the screen: the tar is read, compressed and named. */
static int import(CmdCtx *ctx, const char *path, const ImportOptions *o, const StrVec *names,
	Progress *progress, Descriptor *ret, Err **err)
{
	unsigned id = progress_next_id();
	Reader *source = NULL;
	_cleanup_err_ Err *e = NULL;
	_cleanup_free_ char *what = xasprintf("importing %s", path);
	int r = open_input(path, progress, id, &source, err);
	if (r < 0)
		return r;
	progress_state(progress, id, what, PROGRESS_STARTED, NULL);
	_cleanup_(pool_freep) Pool *pool = pool_new(0);
	(void)!image_import(ctx->store, source, o, names, pool, ret, &e);
	progress_state(progress, id, what, e ? PROGRESS_FAILED : PROGRESS_DONE, e);
	return err_move(err, &e);
}

static int run_import(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	ImportArgs *a = options;
	_cleanup_strvec_ StrVec names = {0};
	_cleanup_(progress_sink_freep) Progress *progress = NULL;
	ImportOptions o = {.changes = &a->changes, .apply = change_apply, .message = a->message};
	Descriptor image = {0};
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
		r = progress_sink_new(a->quiet, a->progress, "Importing", &progress, err);
	if (r == 0) {
		ERR_SCOPE(err, "Importing '%s'", operands->items[0]);
		r = import(ctx, operands->items[0], &o, &names, progress, &image, err);
	}
	progress = progress_sink_free(progress);
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
