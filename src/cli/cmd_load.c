#include <stdio.h>

#include "cli/format.h"
#include "cli/progress_sink.h"
#include "image/transfer.h"

typedef struct LoadOptions {
	char *input, *progress, *format;
	bool quiet;
} LoadOptions;

static const Option rows[] = {
	{'i', "input", OPTION_STRING, offsetof(LoadOptions, input), "FILE",
		"the archive, as docker load calls it"},
	{'q', "quiet", OPTION_FLAG, offsetof(LoadOptions, quiet), NULL, "no progress"},
	{0, "format", OPTION_STRING, offsetof(LoadOptions, format), FORMAT_METAVAR, FORMAT_HELP},
	{0, "progress", OPTION_STRING, offsetof(LoadOptions, progress), PROGRESS_METAVAR,
		"how to show progress on standard error (auto: tty on a terminal, else plain)"},
};

static void print_loaded(const NamedImages *loaded, bool json)
{
	_cleanup_json_ json_t *array = json_array();
	vec_foreach (loaded, l) {
		if (!json && l->name)
			printf("Loaded image: %s\n", l->name);
		else if (!json)
			printf("Loaded image digest: %s\n", digest_str(&l->descriptor.digest).s);
		json_array_append_new(array,
			json_pack("{s:s?, s:s}", "Name", l->name, "Digest",
				digest_str(&l->descriptor.digest).s));
	}
	if (json)
		print_json(array);
}

static int run_load(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const LoadOptions *o = options;
	if (o->input && operands->len)
		return err_set(err, ERR_USAGE, "both --input and '%s' name an archive",
			operands->items[0]);
	const char *path = o->input ? o->input : operands->len ? operands->items[0] : "-";
	if (strcmp(path, "-") == 0 && isatty(STDIN_FILENO)) {
		int r = err_set(
			err, ERR_USAGE, "no archive was named, and standard input is a terminal");
		err_hint(err, "usage: cruet load FILE");
		return r;
	}
	_cleanup_(pool_freep) Pool *pool = pool_new(0);
	_cleanup_(progress_sink_freep) Progress *progress = NULL;
	int r = progress_sink_new(o->quiet, o->progress, "Loading", &progress, err);
	if (r < 0)
		return r;
	NamedImages loaded = {0};
	{
		ERR_SCOPE(err, "Loading '%s'", path);
		r = image_load(ctx->store, path, true, pool, progress, &loaded, err);
	}
	progress = progress_sink_free(progress);
	if (r == 0)
		print_loaded(&loaded, format_is_json(o->format));
	named_images_done(&loaded);
	return r;
}

const Command cmd_load = {
	.name = "load",
	.operands = "[FILE|DIRECTORY|-]",
	.summary = "Read images from a docker or OCI archive or an OCI layout",
	.description =
		"What it is shows by its content. Manifests and configs keep their exact bytes.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(LoadOptions),
	.needs = NEEDS_STORE,
	.max_operands = 1,
	.run = run_load,
};
