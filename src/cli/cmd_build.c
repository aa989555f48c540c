#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "base/timefmt.h"
#include "build/build.h"
#include "cli/docker_flags.h"
#include "cli/format.h"
#include "cli/progress_sink.h"
#include "cli/registry_flags.h"
#include "cli/sandbox_args.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "image/sizes.h"
#include "sys/process.h"

typedef struct BuildArgs {
	BuildOptions build;
	StrVec secrets, outputs, contexts, annotations, ulimits;
	char *progress, *compression, *level, *format, *shm_size, *pull;
	RegistryFlags registry;
	RegistrySettings registries;
	DockerFlags docker;
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
	{0, "annotation", OPTION_STRINGS, offsetof(BuildArgs, annotations), "KEY=VALUE",
		"annotation of the manifest (may be repeated)"},
	{0, "secret", OPTION_STRINGS, offsetof(BuildArgs, secrets), "id=ID[,src=FILE|,env=VAR]",
		"give RUN --mount=type=secret a file or variable"},
	{0, "build-context", OPTION_STRINGS, offsetof(BuildArgs, contexts), "NAME=PATH",
		"further context for COPY --from, or docker-image://IMAGE in place of a base"},
	PULL_POLICY_ROW(BuildArgs, pull),
	{0, "platform", OPTION_STRING, FIELD(platform), "OS/ARCH",
		"the platform to build for (default: this machine's)"},
	{0, "network", OPTION_STRING, FIELD(network), "default|host|none",
		"network of RUN (default: the host's)"},
	{0, "add-host", OPTION_STRINGS, FIELD(add_hosts), "NAME:IP", "line for /etc/hosts of RUN"},
	{0, "shm-size", OPTION_STRING, offsetof(BuildArgs, shm_size), "SIZE",
		"size of /dev/shm of RUN (default 64m)"},
	{0, "ulimit", OPTION_STRINGS, offsetof(BuildArgs, ulimits), "NAME=SOFT[:HARD]",
		"limit of RUN, as nofile=1024 (may be repeated)"},
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
	{0, "push", OPTION_FLAG, FIELD(push), NULL,
		"send the image to the registry of each name, layers as soon as they are made"},
	{0, "compression", OPTION_STRING, offsetof(BuildArgs, compression), "gzip|zstd|none",
		"how new layers are compressed (default gzip)"},
	{0, "compression-level", OPTION_STRING, offsetof(BuildArgs, level), "N",
		"1 to 12 for gzip, 1 to 19 for zstd"},
	{0, "iidfile", OPTION_STRING, FIELD(iidfile), "FILE", "write the image ID to this file"},
	{0, "metadata-file", OPTION_STRING, FIELD(metadata_file), "FILE",
		"write digests and names to this file, as JSON"},
	{0, "check", OPTION_FLAG, FIELD(check), NULL,
		"build nothing: look for mistakes, exit status 1 when there are warnings"},
	{'q', "quiet", OPTION_FLAG, FIELD(quiet), NULL, "print only the image ID"},
	{0, "progress", OPTION_STRING, offsetof(BuildArgs, progress), PROGRESS_METAVAR,
		"how to show progress on standard error (auto: tty on a terminal, else plain)"},
	REGISTRY_FLAG_ROWS(BuildArgs, registry),
	DOCKER_FLAG_ROWS(offsetof(BuildArgs, docker)),
};

typedef struct Fields {
	const char *text; /* the whole flag value, for messages */
	void *target;
	BuildArgs *args;
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

static int output_type(const Fields *f, BuildOutput *o, Str value, Err **err)
{
	static const char *const types[] = {
		[BUILD_OUTPUT_IMAGE] = "image",
		[BUILD_OUTPUT_OCI] = "oci",
		[BUILD_OUTPUT_DOCKER] = "docker",
		[BUILD_OUTPUT_LOCAL] = "local",
		[BUILD_OUTPUT_TAR] = "tar",
	};
	if (str_eq_cstr(value, "registry")) {
		f->args->build.push = true;
		return 0;
	}
	if (str_eq_cstr(value, "cacheonly"))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_eq_cstr(value, types[i])) {
			o->type = (BuildOutputType)i;
			return 0;
		}
	return err_set(err, ERR_USAGE,
		"output '%s': type is image, registry, oci, docker, local, tar or cacheonly",
		f->text);
}

static void set(char **at, Str value)
{
	free(*at);
	*at = str_dup(value);
}

/* Keys of BuildKit whose usual value says what is done anyway. */
static bool output_as_always(Str key, Str value)
{
	static const char *const on[] = {"oci-mediatypes", "rewrite-timestamp", "store", "unpack"};
	static const char *const off[] = {"force-compression", "push-by-digest", "oci-artifact"};
	for (size_t i = 0; i < ARRAY_SIZE(on); i++)
		if (str_eq_cstr(key, on[i]))
			return !str_eq_cstr(value, "false");
	for (size_t i = 0; i < ARRAY_SIZE(off); i++)
		if (str_eq_cstr(key, off[i]))
			return str_eq_cstr(value, "false");
	return false;
}

static int output_field(void *arg, Str key, Str value, Err **err)
{
	Fields *f = arg;
	BuildArgs *a = f->args;
	BuildOutput *o = f->target;
	if (str_eq_cstr(key, "type"))
		return output_type(f, o, value, err);
	if (str_eq_cstr(key, "dest")) {
		set(&o->dest, value);
	} else if (str_eq_cstr(key, "tar")) {
		o->as_dir = str_eq_cstr(value, "false");
	} else if (str_eq_cstr(key, "name")) {
		Str name;
		while (str_cut(&value, ',', &name))
			strvec_take(&a->build.tags, str_dup(name));
	} else if (str_eq_cstr(key, "compression")) {
		set(&a->compression, str_eq_cstr(value, "uncompressed") ? STR("none") : value);
	} else if (str_eq_cstr(key, "compression-level")) {
		set(&a->level, value);
	} else if (str_starts(key, "annotation.")) {
		strvec_take(&a->annotations,
			xasprintf(STR_FMT "=" STR_FMT,
				STR_ARG(str_slice(key, strlen("annotation."), key.len)),
				STR_ARG(value)));
	} else if (str_eq_cstr(key, "push")) {
		a->build.push = !str_eq_cstr(value, "false");
	} else if (!output_as_always(key, value)) {
		return err_set(err, ERR_USAGE, "output '%s': unknown key '" STR_FMT "'", f->text,
			STR_ARG(key));
	}
	return 0;
}

static int parse_output(BuildArgs *a, const char *text, Err **err)
{
	BuildOutput *o = vec_add(&a->build.outputs);
	if (!strchr(text, '=')) {
		o->type = strcmp(text, "-") == 0 ? BUILD_OUTPUT_TAR : BUILD_OUTPUT_LOCAL;
		o->dest = xstrdup(text);
		return 0;
	}
	Fields f = {text, o, a};
	int r = csv_fields(text, output_field, &f, err);
	/* docker's own type without a file means its image store */
	if (r == 0 && o->type == BUILD_OUTPUT_DOCKER && !o->dest)
		o->type = BUILD_OUTPUT_IMAGE;
	if (r == 0 && o->type != BUILD_OUTPUT_IMAGE && (!o->dest || !*o->dest)) {
		if (o->type == BUILD_OUTPUT_LOCAL || o->as_dir)
			return err_set(err, ERR_USAGE, "output '%s' needs dest=DIRECTORY", text);
		set(&o->dest, STR("-"));
	}
	if (r == 0 && o->dest && strcmp(o->dest, "-") == 0 && isatty(STDOUT_FILENO))
		return err_set(err, ERR_USAGE,
			"output '%s' would go to the terminal: name it with dest=FILE", text);
	return r;
}

/* "KEY=VALUE", with "manifest:" before it or nothing: there is no index to annotate. */
static int parse_annotation(BuildArgs *a, const char *text, Err **err)
{
	const char *eq = strchr(text, '='), *colon = strchr(text, ':');
	if (eq && colon && colon < eq &&
		(cstr_starts(text, "index") || cstr_starts(text, "manifest-descriptor")))
		return err_set(err, ERR_UNSUPPORTED,
			"annotation '%s': one image has a manifest and no index", text);
	if (eq && colon && colon < eq && cstr_starts(text, "manifest"))
		text = colon + 1;
	if (!eq || eq == text)
		return err_set(err, ERR_USAGE, "annotation '%s' is not KEY=VALUE", text);
	_cleanup_free_ char *key = xstrndup(text, (size_t)(eq - text));
	strvec_env_set(&a->build.annotations, key, eq + 1);
	return 0;
}

static int parse_platform(BuildArgs *a, Err **err)
{
	char **platform = &a->build.platform;
	if (*platform && strcmp(*platform, "local") == 0)
		freep(platform);
	if (!*platform || !strchr(*platform, ','))
		return 0;
	int r = err_set(
		err, ERR_UNSUPPORTED, "platforms '%s': a build makes an image for one", *platform);
	err_hint(err, "build once for each, with its own --tag");
	return r;
}

static int parse_lists(BuildArgs *a, Err **err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < a->secrets.len; i++) {
		Fields f = {a->secrets.items[i], vec_add(&a->build.secrets), a};
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
	for (size_t i = 0; r == 0 && i < a->annotations.len; i++)
		r = parse_annotation(a, a->annotations.items[i], err);
	if (r == 0)
		r = ulimit_arguments(&a->ulimits, &a->build.limits, err);
	if (r == 0 && a->shm_size)
		r = size_argument("shm-size", a->shm_size, &a->build.shm_size, err);
	return r < 0 ? r : parse_platform(a, err);
}

static void print_result(Store *s, const BuildArgs *a, const BuildResult *result)
{
	StoreImage image = {0};
	ImageSizes sizes = {0};
	if (result->stored && store_image_at(s, &result->manifest, NULL, &image, NULL) == 0 &&
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
	if (!result->stored)
		fputs("only pushed: layers of its base stay in their registry ('cruet pull' brings them)\n",
			stderr);
}

/* Counts what it passes on. */
typedef struct WarningCounter {
	Progress base;
	Progress *sink; /* NULL: swallows all */
	unsigned warnings;
} WarningCounter;

static void count_warning(Progress *p, const char *file, int line, const char *text)
{
	WarningCounter *c = (WarningCounter *)p;
	c->warnings++;
	progress_warn(c->sink, file, line, "%s", text);
}

/* Nothing but warnings comes out of a check. */
static int run_check(CmdCtx *ctx, BuildArgs *a, Progress *progress, Err **err)
{
	static const ProgressOps ops = {.warn = count_warning};
	WarningCounter counter = {.base = {&ops}, .sink = progress};
	BuildResult result = {0};
	int r = build(ctx->store, NULL, NULL, &a->build, &counter.base, &result, err);
	build_result_done(&result);
	if (r < 0)
		return r;
	ctx->exit_status = counter.warnings > 0;
	if (counter.warnings)
		printf("Check complete, %u warning%s found.\n", counter.warnings,
			counter.warnings == 1 ? "" : "s");
	else
		puts("Check complete, no warnings found.");
	return 0;
}

static int parse_args(BuildArgs *a, const StrVec *operands, Err **err)
{
	int r = docker_flags_check(&a->docker, err);
	if (r == 0)
		r = registry_flags_settings(&a->registry, &a->registries, err);
	a->build.registries = &a->registries;
	if (r == 0)
		r = pull_policy_argument(a->pull, &a->build.pull, err);
	if (r == 0)
		r = parse_lists(a, err);
	if (r == 0)
		r = compression_arguments(a->compression, a->level, &a->build.compression,
			&a->build.compression_level, err);
	if (a->docker.call && strcmp(a->docker.call, "check") == 0)
		a->build.check = true;
	if (!a->progress && !a->build.quiet && getenv("BUILDKIT_PROGRESS") &&
		strcmp(getenv("BUILDKIT_PROGRESS"), "plain") == 0)
		a->progress = xstrdup("plain");
	a->build.context = xstrdup(operands->len ? operands->items[0] : ".");
	return r;
}

static int run_build(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	BuildArgs *a = options;
	_cleanup_err_ Err *sandbox_error = NULL;
	_cleanup_(sandbox_freep) Sandbox *sandbox = NULL;
	_cleanup_(progress_sink_freep) Progress *progress = NULL;
	BuildResult result = {0};
	int r = parse_args(a, operands, err);
	if (r < 0)
		return r;
	if (!a->build.check)
		(void)!sandbox_new(&sandbox, &sandbox_error);
	/* the helper was forked before: RUN has the usual limit, but its trees may be deeper than that */
	process_raise_files();
	signals_install(sandbox);
	r = progress_sink_new(a->build.quiet, a->progress, "Building", &progress, err);
	if (r < 0)
		return r;
	docker_flags_warn(&a->docker, progress);
	if (a->build.check)
		return run_check(ctx, a, progress, err);
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
	vec_done(&a->build.limits);
	strvec_done(&a->build.annotations);
	free(a->build.context);
}

const Command cmd_build = {
	.name = "build",
	.operands = "[CONTEXT|-]",
	.summary = "Build an image from a Dockerfile",
	.description =
		"CONTEXT is a directory (default .), or - for a tar or a Dockerfile on standard input. Bases are\n"
		"looked up in the store, then at their registry, and of those only the layers come here that a\n"
		"step or the result needs. A stage without RUN needs no privilege at all.\n"
		"\n"
		"Flags of docker build that need nothing done here are taken too: --load, --rm, --force-rm,\n"
		"--compress, --builder, --provenance=false, --sbom=false; with a warning --cache-from,\n"
		"--cache-to, --security-opt and limits of memory and processors.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(BuildArgs),
	.needs = NEEDS_STORE | NEEDS_IDS | RUNS_PROGRAMS,
	.max_operands = 1,
	.run = run_build,
	.done = args_done,
};
