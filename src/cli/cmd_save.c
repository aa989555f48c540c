#include "cli/format.h"
#include "cli/outfile.h"
#include "cli/progress_sink.h"
#include "image/transfer.h"

typedef struct SaveOptions {
	char *output, *format, *progress;
	bool quiet;
} SaveOptions;

static const Option rows[] = {
	{'o', "output", OPTION_STRING, offsetof(SaveOptions, output), "FILE",
		"where to write (default: standard output; a directory for oci-dir)"},
	{0, "format", OPTION_STRING, offsetof(SaveOptions, format), "docker|oci|oci-dir",
		"docker-archive (default), OCI archive, or OCI layout directory"},
	{'q', "quiet", OPTION_FLAG, offsetof(SaveOptions, quiet), NULL, "no progress"},
	{0, "progress", OPTION_STRING, offsetof(SaveOptions, progress), PROGRESS_METAVAR,
		"how to show progress on standard error (auto: tty on a terminal, else plain)"},
};

static int save_file(Store *s, const NamedImages *images, SaveFormat format, const char *path,
	Progress *progress, Err **err)
{
	_cleanup_(output_freep) OutputFile *out = NULL;
	int r = output_open(path, &out, err);
	if (r == 0)
		r = image_save(s, images, format, output_writer(out), NULL, progress, err);
	if (r == 0)
		r = output_commit(out, err);
	return r;
}

static int run_save(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const SaveOptions *o = options;
	_cleanup_(progress_sink_freep) Progress *progress = NULL;
	SaveFormat format = SAVE_DOCKER;
	if (o->format && strcmp(o->format, "oci") == 0)
		format = SAVE_OCI;
	else if (o->format && strcmp(o->format, "oci-dir") == 0)
		format = SAVE_OCI_DIR;
	if (format == SAVE_OCI_DIR && (!o->output || strcmp(o->output, "-") == 0))
		return err_set(err, ERR_USAGE, "format oci-dir needs -o DIRECTORY");
	NamedImages images = {0};
	int r = progress_sink_new(o->quiet, o->progress, "Saving", &progress, err);
	if (r == 0)
		r = named_images_find(ctx->store, operands, &images, err);
	if (r == 0 && format == SAVE_OCI_DIR)
		r = image_save(ctx->store, &images, format, NULL, o->output, progress, err);
	else if (r == 0)
		r = save_file(ctx->store, &images, format, o->output, progress, err);
	named_images_done(&images);
	return r;
}

const Command cmd_save = {
	.name = "save",
	.operands = "IMAGE…",
	.summary = "Write images to an archive",
	.description =
		"The docker format is an OCI layout at the same time, so that every engine reads it and\n"
		"loading it again gives the same digests.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(SaveOptions),
	.needs = NEEDS_STORE,
	.min_operands = 1,
	.max_operands = UINT32_MAX,
	.run = run_save,
};
