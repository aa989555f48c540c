#include <fcntl.h>
#include <stdio.h>

#include "base/pool.h"
#include "cli/format.h"
#include "cli/progress_sink.h"
#include "cli/registry_flags.h"
#include "cli/signals.h"
#include "image/transport_copy.h"
#include "image/pull.h"
#include "oci/document.h"
#include "sys/atomic.h"

typedef struct CopyArgs {
	RegistryFlags registry;
	char *platform, *compression, *level, *digest_file, *progress, *src_creds, *dest_creds;
	bool all_tags, all_platforms, referrers, quiet, src_insecure, dest_insecure;
} CopyArgs;

static const Option rows[] = {
	{'a', "all-tags", OPTION_FLAG, offsetof(CopyArgs, all_tags), NULL,
		"every tag of SOURCE's repository, each under its name"},
	{0, "platform", OPTION_STRING, offsetof(CopyArgs, platform), "OS/ARCH[/VARIANT]",
		"only the image for this platform, not the index"},
	{0, "all-platforms", OPTION_FLAG, offsetof(CopyArgs, all_platforms), NULL,
		"all of an index into the store, too, not only this machine's platform"},
	{0, "referrers", OPTION_FLAG, offsetof(CopyArgs, referrers), NULL,
		"signatures, SBOMs and attestations too, those under cosign's tags as well"},
	{0, "compression", OPTION_STRING, offsetof(CopyArgs, compression), "gzip|zstd|none",
		"compress layers so that are not: digests change"},
	{0, "compression-level", OPTION_STRING, offsetof(CopyArgs, level), "N", "how hard"},
	{0, "digestfile", OPTION_STRING, offsetof(CopyArgs, digest_file), "FILE",
		"write the digest of what was copied"},
	{0, "progress", OPTION_STRING, offsetof(CopyArgs, progress), PROGRESS_METAVAR,
		"how to show progress on standard error (auto: tty on a terminal, else plain)"},
	{'q', "quiet", OPTION_FLAG, offsetof(CopyArgs, quiet), NULL, "no progress"},
	REGISTRY_FLAG_ROWS(CopyArgs, registry),
	{0, "src-creds", OPTION_SECRET, offsetof(CopyArgs, src_creds), "USER:PASSWORD",
		"as --creds, for SOURCE"},
	{0, "dest-creds", OPTION_SECRET, offsetof(CopyArgs, dest_creds), "USER:PASSWORD",
		"as --creds, for TARGET"},
	{0, "src-tls-verify", OPTION_FLAG_OFF, offsetof(CopyArgs, src_insecure), NULL,
		"as --tls-verify, for SOURCE"},
	{0, "dest-tls-verify", OPTION_FLAG_OFF, offsetof(CopyArgs, dest_insecure), NULL,
		"as --tls-verify, for TARGET"},
};

typedef struct CopyRun {
	const CopyArgs *args;
	const char *from, *to;
	TransportContext source_context, target_context;
	CopyOptions options;
	Transport *source, *target;
	Digest digest; /* of the last image */
} CopyRun;

static int check_args(const CopyArgs *a, Err **err)
{
	if (a->platform && a->all_platforms)
		return err_set(err, ERR_USAGE,
			"flags '--platform' and '--all-platforms' contradict each other");
	if (a->all_tags && a->digest_file)
		return err_set(err, ERR_USAGE,
			"flag '--digestfile' is for one image, not for '--all-tags'");
	if (a->level && !a->compression)
		return err_set(err, ERR_USAGE, "'--compression-level' needs '--compression'");
	return 0;
}

/* From a registry into the store: verified, inflated and indexed while it arrives. */
static int pull_one(CopyRun *run, const char *from, const char *to, Descriptor *ret, Err **err)
{
	const TransportContext *c = &run->source_context;
	_cleanup_free_ char *text = NULL, *as = NULL;
	Reference source = {0}, target = {0};
	int r = reference_parse(str_of(run->from + strlen("docker://")), &source, err);
	if (r == 0 && !source.has_digest)
		text = xasprintf("%s/%s:%s", source.host, source.path, from);
	reference_done(&source);
	if (r == 0)
		r = reference_parse(
			str_of(text ? text : run->from + strlen("docker://")), &source, err);
	if (r == 0)
		r = reference_parse(str_of(run->to), &target, err);
	if (r == 0)
		as = run->args->all_tags ? xasprintf("%s/%s:%s", target.host, target.path, to)
					 : reference_full(&target);
	PullOptions o = {.platform = run->options.platform,
		.all = run->args->all_platforms,
		.as = as,
		.progress = c->progress};
	if (r == 0)
		r = image_pull(c->store, c->registry, &source, &o, ret, err);
	reference_done(&source);
	reference_done(&target);
	return r;
}

static int copy_one(CopyRun *run, const char *from, const char *to, Err **err)
{
	Descriptor d = {0};
	bool pull = transport_is_registry(run->from) && transport_is_store(run->to) &&
		!run->options.referrers && !run->options.recompress;
	int r = pull ? pull_one(run, from, to, &d, err)
		     : image_copy(&run->target_context, run->source, from, run->target, to,
			       &run->options, &d, err);
	bool tagged = !(run->options.referrers && is_referrers_tag(to) && cstr_eq(from, to));
	if (r == 0 && tagged)
		progress_result(run->source_context.progress, "%s %s",
			to ? to : digest_str(&d.digest).s, digest_str(&d.digest).s);
	if (r == 0)
		run->digest = d.digest;
	descriptor_done(&d);
	return r;
}

/* Layouts may have whole references for names. */
static char *tag_of(const char *name)
{
	Reference ref = {0};
	if (!strpbrk(name, "/:") || reference_parse(str_of(name), &ref, NULL) < 0)
		return xstrdup(name);
	char *tag = ref.tag ? xstrdup(ref.tag) : NULL;
	reference_done(&ref);
	return tag;
}

static int copy_all(CopyRun *run, Err **err)
{
	_cleanup_strvec_ StrVec tags = {0};
	int r = transport_tags(run->source, &tags, err);
	strvec_sort_unique(&tags);
	run->options.tags = &tags;
	for (size_t i = 0; r == 0 && i < tags.len; i++) {
		_cleanup_free_ char *tag = tag_of(tags.items[i]);
		ERR_SCOPE(err, "Tag '%s'", tags.items[i]);
		r = copy_one(run, tags.items[i], tag, err);
	}
	if (r == 0 && tags.len == 0)
		r = err_set(err, ERR_NOT_FOUND, "there are no tags to copy");
	return r;
}

static int copy_between(CopyRun *run, Err **err)
{
	ERR_SCOPE(err, "Copying '%s'", run->from);
	int r = transport_open(
		&run->source_context, run->from, TRANSPORT_SOURCE, &run->source, err);
	if (r == 0)
		r = transport_open(
			&run->target_context, run->to, TRANSPORT_TARGET, &run->target, err);
	if (r == 0 && run->args->all_tags)
		r = copy_all(run, err);
	else if (r == 0)
		r = copy_one(
			run, transport_target(run->source), transport_target(run->target), err);
	return r < 0 ? r : transport_finish(run->target, err);
}

static int write_digest(const CopyRun *run, Err **err)
{
	_cleanup_free_ char *line = xasprintf("%s\n", digest_str(&run->digest).s);
	if (!run->args->digest_file)
		return 0;
	return atomic_write(AT_FDCWD, run->args->digest_file, str_of(line), 0644, false, err);
}

/* The flags that are for one side only. */
static RegistryFlags side_flags(const CopyArgs *a, char *creds, bool insecure)
{
	RegistryFlags f = a->registry;
	f.creds = creds ? creds : f.creds;
	f.no_creds = f.no_creds && !creds;
	f.insecure = f.insecure || insecure;
	return f;
}

static int run_copy(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const CopyArgs *a = options;
	RegistryFlags source_flags = side_flags(a, a->src_creds, a->src_insecure),
		      target_flags = side_flags(a, a->dest_creds, a->dest_insecure);
	RegistrySettings source_settings;
	_cleanup_(registry_session_close) RegistrySession session = {0};
	_cleanup_(registry_freep) Registry *source = NULL;
	_cleanup_(platform_done) Platform platform = {0};
	_cleanup_(pool_freep) Pool *pool = NULL;
	CopyRun run = {.args = a, .options = {.referrers = a->referrers}};
	signals_install(NULL);
	int r = check_args(a, err);
	if (r == 0)
		r = registry_session_open(
			&target_flags, a->quiet, a->progress, "Copying", &session, err);
	if (r == 0)
		r = registry_flags_settings(&source_flags, &source_settings, err);
	if (r == 0)
		r = registry_new(&source_settings, session.progress, &source, err);
	if (r == 0 && a->platform)
		r = platform_argument(a->platform, &platform, err);
	if (r == 0 && a->compression)
		r = compression_arguments(a->compression, a->level, &run.options.compression,
			&run.options.level, err);
	if (r < 0)
		return r;
	run.options.platform = a->platform ? &platform : NULL;
	run.options.recompress = a->compression != NULL;
	run.options.pool = pool = a->compression ? pool_new(0) : NULL;
	run.source_context = (TransportContext){ctx->store, source, session.progress};
	run.target_context = (TransportContext){ctx->store, session.registry, session.progress};
	run.from = operands->items[0];
	run.to = operands->items[1];
	r = copy_between(&run, err);
	transport_free(run.source);
	transport_free(run.target);
	return r < 0 ? r : write_digest(&run, err);
}

const Command cmd_copy = {
	.name = "copy",
	.operands = "SOURCE TARGET",
	.summary = "Copy images between registries, layouts, archives and the store",
	.description =
		"Each side is one of:\n"
		"\n"
		"  docker://NAME           an image of a registry\n"
		"  oci:DIR[:TAG]           an OCI layout; images are added to it\n"
		"  oci-archive:FILE[:TAG]  the same as a tar\n"
		"  docker-archive:FILE[:NAME]  what docker save writes\n"
		"  NAME                    an image of the store\n"
		"\n"
		"Bytes, and so digests, stay as they are, for all platforms, unless a flag says otherwise.\n"
		"What the target has is not sent again, and blobs between two repositories of a registry\n"
		"are mounted. Prints tag and digest.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(CopyArgs),
	.needs = NEEDS_STORE,
	.min_operands = 2,
	.max_operands = 2,
	.run = run_copy,
};
