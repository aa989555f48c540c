#include <stdio.h>

#include "cli/format.h"
#include "cli/named.h"
#include "cli/progress_sink.h"
#include "cli/registry_flags.h"
#include "cli/signals.h"
#include "dockerfile/ast.h"
#include "image/combine.h"

typedef struct IndexArgs {
	RegistryFlags registry;
	StrVec annotations, platforms;
	char *media_type, *progress;
	bool dry_run, quiet;
} IndexArgs;

static const Option rows[] = {
	{0, "platform", OPTION_STRINGS, offsetof(IndexArgs, platforms), "OS/ARCH[/VARIANT]",
		"only the images for this platform (may be repeated)"},
	{'t', "annotation", OPTION_STRINGS, offsetof(IndexArgs, annotations), "KEY=VALUE",
		"annotation of the index (may be repeated)"},
	{0, "media-type", OPTION_STRING, offsetof(IndexArgs, media_type), "oci|docker",
		"an OCI index (default) or Docker's manifest list"},
	{0, "dry-run", OPTION_FLAG, offsetof(IndexArgs, dry_run), NULL,
		"write nothing but the index, to standard output"},
	{0, "progress", OPTION_STRING, offsetof(IndexArgs, progress), PROGRESS_METAVAR,
		"how to show progress on standard error (auto: tty on a terminal, else plain)"},
	{'q', "quiet", OPTION_FLAG, offsetof(IndexArgs, quiet), NULL, "no progress"},
	REGISTRY_FLAG_ROWS(IndexArgs, registry),
};

static int check_action(const char *word, bool *ret_append, Err **err)
{
	static const char *const words[] = {"create", "append"};
	*ret_append = strcmp(word, words[1]) == 0;
	if (*ret_append || strcmp(word, words[0]) == 0)
		return 0;
	int r = err_set(err, ERR_USAGE, "'cruet index' cannot '%s'", word);
	const char *near = did_you_mean(word, words, ARRAY_SIZE(words));
	if (near)
		err_hint(err, "did you mean 'cruet index %s'?", near);
	else
		err_hint(err, "it can create and append");
	return r;
}

/* Each may be several with commas between them. */
static int parse_platforms(const StrVec *texts, Platforms *ret, Err **err)
{
	for (size_t i = 0; i < texts->len; i++) {
		Str rest = str_of(texts->items[i]), one;
		while (str_cut(&rest, ',', &one)) {
			Platform p = {0};
			int r = platform_parse(one, &p, err);
			if (r < 0)
				return r;
			vec_push(ret, p);
		}
	}
	return 0;
}

static int check_annotations(const StrVec *texts, Err **err)
{
	for (size_t i = 0; i < texts->len; i++)
		if (!strchr(texts->items[i], '=') || texts->items[i][0] == '=')
			return err_set(err, ERR_USAGE, "annotation '%s' is not KEY=VALUE",
				texts->items[i]);
	return 0;
}

/* As the user would name it elsewhere. */
static void print_made(const char *target, const Descriptor *d)
{
	Reference ref = {0};
	_cleanup_free_ char *familiar = NULL;
	if ((transport_is_registry(target) || transport_is_store(target)) &&
		reference_parse(str_of(named_remote(target, NULL)), &ref, NULL) == 0)
		familiar = reference_familiar(&ref);
	printf("%s %s\n", familiar ? familiar : target, digest_str(&d->digest).s);
	reference_done(&ref);
}

static int combine(
	CmdCtx *ctx, const IndexArgs *a, CombineOptions *o, const StrVec *operands, Err **err)
{
	_cleanup_(registry_session_close) RegistrySession session = {0};
	_cleanup_(descriptor_done) Descriptor made = {0};
	_cleanup_strvec_ StrVec images = {0};
	_cleanup_free_ char *text = NULL;
	const char *target = operands->items[1];
	int r = registry_session_open(
		&a->registry, a->quiet, a->progress, "Combining", &session, err);
	if (r < 0)
		return r;
	for (size_t i = 2; i < operands->len; i++)
		strvec_push(&images, operands->items[i]);
	TransportContext context = {ctx->store, session.registry, session.progress};
	r = image_combine(&context, target, &images, o, &made, &text, err);
	registry_session_close(&session);
	if (r < 0)
		return r;
	if (o->dry_run)
		fputs(text, stdout);
	else
		print_made(target, &made);
	return 0;
}

static int run_index(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const IndexArgs *a = options;
	Platforms platforms = {0};
	CombineOptions o = {
		.platforms = &platforms, .annotations = &a->annotations, .dry_run = a->dry_run};
	signals_install(NULL);
	if (a->media_type)
		o.media_type = strcmp(a->media_type, "oci") == 0 ? MT_OCI_INDEX : MT_DOCKER_LIST;
	int r = check_action(operands->items[0], &o.append, err);
	if (r == 0)
		r = check_annotations(&a->annotations, err);
	if (r == 0)
		r = parse_platforms(&a->platforms, &platforms, err);
	if (r == 0)
		r = combine(ctx, a, &o, operands, err);
	vec_foreach (&platforms, p)
		platform_done(p);
	vec_done(&platforms);
	return r;
}

const Command cmd_index = {
	.name = "index",
	.operands = "create|append TARGET IMAGE…",
	.summary = "Put images for several platforms under one name",
	.description =
		"'create' makes TARGET an index of the images; 'append' adds them to what TARGET is, where\n"
		"an image takes the place of the one for its platform. TARGET and IMAGE are each a name of\n"
		"the store, docker://NAME for a registry's, or what else 'cruet copy' takes. An IMAGE that\n"
		"is an index gives all that it names.\n"
		"\n"
		"What the index names comes to TARGET's repository first, with the digests it has; what is\n"
		"there is not sent again. Prints name and digest.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(IndexArgs),
	.needs = NEEDS_STORE,
	.min_operands = 3,
	.max_operands = UINT32_MAX,
	.run = run_index,
};
