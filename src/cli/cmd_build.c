#include <stdio.h>
#include <unistd.h>

#include "base/timefmt.h"
#include "build/build.h"
#include "cli/format.h"
#include "cli/progress_sink.h"
#include "cli/signals.h"
#include "sys/process.h"
#include "cli/terminal.h"
#include "image/sizes.h"

typedef struct BuildArgs {
	BuildOptions build;
	StrVec secrets, outputs, contexts;
	char *progress, *compression, *level, *format;
	bool load;
} BuildArgs;

#define FIELD(name) offsetof(BuildArgs, build) + offsetof(BuildOptions, name)
static const Option rows[] = {
	{'t', "tag", OPTION_STRINGS, FIELD(tags), "NAME", "name of the image (may be repeated)"},
	{'f', "file", OPTION_STRING, FIELD(file), "FILE",
		"the Dockerfile (default CONTEXT/Dockerfile; - for standard input)"},
	{0, "target", OPTION_STRING, FIELD(target), "STAGE", "stop at this stage"},
	{0, "build-arg", OPTION_STRINGS, FIELD(build_args), "NAME[=VALUE]",
		"value of an ARG (without a value: from the environment)"},
	{0, "label", OPTION_STRINGS, FIELD(labels), "KEY=VALUE",
		"label of the image (may be repeated)"},
	{0, "secret", OPTION_STRINGS, offsetof(BuildArgs, secrets), "id=ID[,src=FILE|,env=VAR]",
		"give RUN --mount=type=secret a file or variable"},
	{0, "build-context", OPTION_STRINGS, offsetof(BuildArgs, contexts), "NAME=PATH",
		"further context for COPY --from, or docker-image://IMAGE in place of a base"},
	{0, "platform", OPTION_STRING, FIELD(platform), "OS/ARCH",
		"the platform to build for (default: this machine's)"},
	{0, "network", OPTION_STRING, FIELD(network), "host|none", "network of RUN (default host)"},
	{0, "add-host", OPTION_STRINGS, FIELD(add_hosts), "NAME:IP", "line for /etc/hosts of RUN"},
	{0, "runtime", OPTION_STRING, FIELD(runtime), "NAME",
		"run RUN through an OCI runtime (crun, runc or a path) instead of the built-in sandbox"},
	{0, "Cache", OPTION_GROUP, 0, NULL, NULL},
	{0, "no-cache", OPTION_FLAG, FIELD(no_cache), NULL,
		"run every step anew (cache mounts are kept)"},
	{0, "no-cache-filter", OPTION_STRINGS, FIELD(no_cache_filter), "STAGE",
		"run this stage's steps anew"},
	{'j', "jobs", OPTION_COUNT, FIELD(jobs), "N", "threads (default: one a processor)"},
	{0, "Result", OPTION_GROUP, 0, NULL, NULL},
	{'o', "output", OPTION_STRINGS, offsetof(BuildArgs, outputs), "type=TYPE[,dest=PATH]",
		"image, oci, docker, local or tar; a bare PATH is type=local, - a tar on stdout"},
	{0, "compression", OPTION_STRING, offsetof(BuildArgs, compression), "gzip|zstd|none",
		"how new layers are compressed (default gzip)"},
	{0, "compression-level", OPTION_STRING, offsetof(BuildArgs, level), "N",
		"1 to 12 for gzip, 1 to 19 for zstd"},
	{0, "iidfile", OPTION_STRING, FIELD(iidfile), "FILE", "write the image ID to this file"},
	{0, "metadata-file", OPTION_STRING, FIELD(metadata_file), "FILE",
		"write digests and names to this file, as JSON"},
	{0, "load", OPTION_FLAG, offsetof(BuildArgs, load), NULL,
		"does nothing, for habit: the image is in the store anyway"},
	{'q', "quiet", OPTION_FLAG, FIELD(quiet), NULL, "print only the image ID"},
	{0, "progress", OPTION_STRING, offsetof(BuildArgs, progress), PROGRESS_METAVAR,
		"how to show progress on standard error (auto: tty on a terminal, else plain)"},
};

typedef struct Fields {
	const char *text; /* the whole flag value, for messages */
	void *target;
} Fields;

static int secret_field(void *arg, Str key, Str value, Err **err)
{
	Fields *f = arg;
	BuildSecret *s = f->target;
	if (str_eq_cstr(key, "id"))
		s->id = str_dup(value);
	else if (str_eq_cstr(key, "src") || str_eq_cstr(key, "source"))
		s->src = str_dup(value);
	else if (str_eq_cstr(key, "env"))
		s->env = str_dup(value);
	else if (!str_eq_cstr(key, "type"))
		return err_set(err, ERR_USAGE, "secret '%s': unknown key '" STR_FMT "'", f->text,
			STR_ARG(key));
	return 0;
}

static int output_field(void *arg, Str key, Str value, Err **err)
{
	static const char *const types[] = {
		[BUILD_OUTPUT_IMAGE] = "image",
		[BUILD_OUTPUT_OCI] = "oci",
		[BUILD_OUTPUT_DOCKER] = "docker",
		[BUILD_OUTPUT_LOCAL] = "local",
		[BUILD_OUTPUT_TAR] = "tar",
	};
	Fields *f = arg;
	BuildOutput *o = f->target;
	if (str_eq_cstr(key, "type")) {
		for (size_t i = 0; i < ARRAY_SIZE(types); i++)
			if (str_eq_cstr(value, types[i])) {
				o->type = (BuildOutputType)i;
				return 0;
			}
		return err_set(err, ERR_USAGE,
			"output '%s': type is image, oci, docker, local or tar", f->text);
	}
	if (str_eq_cstr(key, "dest")) {
		free(o->dest);
		o->dest = str_dup(value);
		return 0;
	}
	if (str_eq_cstr(key, "tar")) {
		o->as_dir = str_eq_cstr(value, "false");
		return 0;
	}
	return err_set(
		err, ERR_USAGE, "output '%s': unknown key '" STR_FMT "'", f->text, STR_ARG(key));
}

static int parse_output(BuildArgs *a, const char *text, Err **err)
{
	BuildOutput *o = vec_add(&a->build.outputs);
	if (!strchr(text, '=')) {
		o->type = strcmp(text, "-") == 0 ? BUILD_OUTPUT_TAR : BUILD_OUTPUT_LOCAL;
		o->dest = xstrdup(text);
		return 0;
	}
	Fields f = {text, o};
	int r = csv_fields(text, output_field, &f, err);
	if (r == 0 && o->type != BUILD_OUTPUT_IMAGE && (!o->dest || !*o->dest)) {
		if (o->type == BUILD_OUTPUT_LOCAL || o->as_dir)
			return err_set(err, ERR_USAGE, "output '%s' needs dest=DIRECTORY", text);
		free(o->dest);
		o->dest = xstrdup("-");
	}
	if (r == 0 && o->dest && strcmp(o->dest, "-") == 0 && isatty(STDOUT_FILENO))
		return err_set(err, ERR_USAGE,
			"output '%s' would go to the terminal: name it with dest=FILE", text);
	return r;
}

static int parse_lists(BuildArgs *a, Err **err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < a->secrets.len; i++) {
		Fields f = {a->secrets.items[i], vec_add(&a->build.secrets)};
		r = csv_fields(f.text, secret_field, &f, err);
		if (r == 0 && !((BuildSecret *)f.target)->id)
			r = err_set(err, ERR_USAGE, "secret '%s' has no id", f.text);
	}
	for (size_t i = 0; r == 0 && i < a->outputs.len; i++)
		r = parse_output(a, a->outputs.items[i], err);
	for (size_t i = 0; r == 0 && i < a->contexts.len; i++) {
		const char *text = a->contexts.items[i], *eq = strchr(text, '=');
		if (!eq || eq == text || !eq[1])
			return err_set(err, ERR_USAGE, "build context '%s' is not NAME=PATH", text);
		BuildContext *c = vec_add(&a->build.contexts);
		c->name = xstrndup(text, (size_t)(eq - text));
		c->value = xstrdup(eq + 1);
	}
	return r;
}

static void print_result(Store *s, const BuildArgs *a, const BuildResult *result)
{
	StoreImage image = {0};
	ImageSizes sizes = {0};
	if (store_image_at(s, &result->manifest, NULL, &image, NULL) == 0 &&
		image_sizes(s, &image, &sizes, NULL) == 0) {
		_cleanup_free_ char *unpacked = size_format(sizes.unpacked);
		_cleanup_free_ char *compressed = size_format(sizes.compressed);
		_cleanup_free_ char *names = strvec_join(&a->build.tags, ", ");
		/* scripts that read the log get the whole ID */
		_cleanup_free_ char *id = terminal_is(STDERR_FILENO)
			? short_id(&result->config)
			: xstrdup(digest_str(&result->config).s);
		fprintf(stderr, "%s%s%s: %s in %zu layer%s, %s compressed\n", names,
			*names ? " " : "", id, unpacked, sizes.layers, sizes.layers == 1 ? "" : "s",
			compressed);
	}
	store_image_done(&image);
}

static int run_build(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	BuildArgs *a = options;
	_cleanup_err_ Err *sandbox_error = NULL;
	_cleanup_(sandbox_freep) Sandbox *sandbox = NULL;
	_cleanup_(progress_sink_freep) Progress *progress = NULL;
	BuildResult result = {0};
	int r = parse_lists(a, err);
	if (r == 0)
		r = compression_arguments(a->compression, a->level, &a->build.compression,
			&a->build.compression_level, err);
	if (r < 0)
		return r;
	a->build.context = xstrdup(operands->len ? operands->items[0] : ".");
	(void)!sandbox_new(&sandbox, &sandbox_error);
	/* the helper was forked before: RUN has the usual limit, but its trees may be deeper than that */
	process_raise_files();
	signals_install(sandbox);
	r = progress_sink_new(a->build.quiet, a->progress, "Building", &progress, err);
	if (r < 0)
		return r;
	r = build(ctx->store, sandbox, sandbox_error, &a->build, progress, &result, err);
	progress = progress_sink_free(progress);
	if (r == 0 && a->build.quiet)
		puts(digest_str(&result.config).s);
	else if (r == 0 && !(a->progress && strcmp(a->progress, "json") == 0))
		print_result(ctx->store, a, &result);
	build_result_done(&result);
	return r;
}

static void args_done(void *options)
{
	BuildArgs *a = options;
	vec_foreach (&a->build.secrets, s) {
		free(s->id);
		free(s->src);
		free(s->env);
	}
	vec_foreach (&a->build.outputs, o)
		free(o->dest);
	vec_foreach (&a->build.contexts, c) {
		free(c->name);
		free(c->value);
	}
	vec_done(&a->build.secrets);
	vec_done(&a->build.outputs);
	vec_done(&a->build.contexts);
	free(a->build.context);
}

const Command cmd_build = {
	.name = "build",
	.operands = "[CONTEXT|-]",
	.summary = "Build an image from a Dockerfile",
	.description =
		"CONTEXT is a directory (default .), or - for a tar or a Dockerfile on standard input. Bases are\n"
		"looked up in the store. A stage without RUN needs no privilege at all.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(BuildArgs),
	.needs = NEEDS_STORE | NEEDS_IDS | RUNS_PROGRAMS,
	.max_operands = 1,
	.run = run_build,
	.done = args_done,
};
