#include <stdio.h>

#include "cli/format.h"
#include "cli/progress_sink.h"
#include "cli/registry_flags.h"
#include "cli/signals.h"
#include "image/push.h"

typedef struct PushArgs {
	RegistryFlags registry;
	char *platform, *progress;
	bool all_tags, quiet;
} PushArgs;

static const Option rows[] = {
	{'a', "all-tags", OPTION_FLAG, offsetof(PushArgs, all_tags), NULL,
		"every tag of the repository that the store has"},
	{0, "platform", OPTION_STRING, offsetof(PushArgs, platform), "OS/ARCH[/VARIANT]",
		"push only the image for this platform, not the index"},
	{0, "progress", OPTION_STRING, offsetof(PushArgs, progress), PROGRESS_METAVAR,
		"how to show progress on standard error (auto: tty on a terminal, else plain)"},
	{'q', "quiet", OPTION_FLAG, offsetof(PushArgs, quiet), NULL, "no progress"},
	REGISTRY_FLAG_ROWS(PushArgs, registry),
};

/* The pushes so far: several tags of one repository send what they share once. */
typedef VEC(Push *) Pushes;

static void pushes_done(Pushes *all)
{
	vec_foreach (all, p)
		push_free(*p);
	vec_done(all);
}

static int find_push(CmdCtx *ctx, RegistrySession *session, Pushes *all, const Reference *name,
	Push **ret, Err **err)
{
	vec_foreach (all, p)
		if (push_goes_to(*p, name)) {
			*ret = *p;
			return 0;
		}
	int r = push_open(ctx->store, session->registry, name, NULL, session->progress, ret, err);
	if (r == 0)
		vec_push(all, *ret);
	return r;
}

static int push_name(CmdCtx *ctx, RegistrySession *session, Pushes *all, const char *what,
	const Reference *name, const Platform *platform, Err **err)
{
	Push *push = NULL;
	Descriptor top = {0};
	_cleanup_strvec_ StrVec tags = {0};
	int r = push_choose(ctx->store, what, platform, session->progress, &top, err);
	if (r < 0)
		return r;
	if (name->has_digest && !digest_eq(&name->digest, &top.digest))
		r = err_set(err, ERR_USAGE, "'%s' has the digest %s, not the one that is named",
			what, digest_str(&top.digest).s);
	if (name->tag)
		strvec_push(&tags, name->tag);
	if (r == 0)
		r = find_push(ctx, session, all, name, &push, err);
	if (r == 0)
		r = push_image(push, &top, &tags, err);
	if (r == 0) {
		_cleanup_free_ char *familiar = reference_familiar(name);
		progress_result(session->progress, "%s %s", familiar, digest_str(&top.digest).s);
	}
	descriptor_done(&top);
	return r;
}

static int push_operand(CmdCtx *ctx, RegistrySession *session, Pushes *all, const char *operand,
	const Platform *platform, Err **err)
{
	Reference name = {0};
	ERR_SCOPE(err, "Pushing '%s'", operand);
	int r = reference_parse(str_of(operand), &name, err);
	if (r == 0)
		r = push_name(ctx, session, all, operand, &name, platform, err);
	reference_done(&name);
	return r;
}

/* Names of the store that are tags of the repository. */
static int all_tags(Store *s, const char *repository, StrVec *ret, Err **err)
{
	Reference wanted = {0};
	StoreNames names = {0};
	int r = reference_parse(str_of(repository), &wanted, err);
	if (r == 0)
		r = store_names(s, &names, err);
	vec_foreach (&names, n) {
		Reference ref = {0};
		if (!n->name || reference_parse(str_of(n->name), &ref, NULL) < 0)
			continue;
		if (ref.tag && cstr_eq(ref.host, wanted.host) && cstr_eq(ref.path, wanted.path))
			strvec_push(ret, n->name);
		reference_done(&ref);
	}
	if (r == 0 && ret->len == 0)
		r = err_set(err, ERR_NOT_FOUND, "the store has no tag of '%s'", repository);
	store_names_done(&names);
	reference_done(&wanted);
	return r;
}

static int run_push(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const PushArgs *a = options;
	_cleanup_(registry_session_close) RegistrySession session = {0};
	_cleanup_(pushes_done) Pushes pushes = {0};
	_cleanup_(platform_done) Platform platform = {0};
	_cleanup_strvec_ StrVec names = {0};
	signals_install(NULL);
	int r = registry_session_open(
		&a->registry, a->quiet, a->progress, "Pushing", &session, err);
	if (r == 0 && a->platform)
		r = platform_argument(a->platform, &platform, err);
	for (size_t i = 0; r == 0 && i < operands->len; i++)
		if (a->all_tags)
			r = all_tags(ctx->store, operands->items[i], &names, err);
		else
			strvec_push(&names, operands->items[i]);
	for (size_t i = 0; r == 0 && i < names.len; i++)
		r = push_operand(ctx, &session, &pushes, names.items[i],
			a->platform ? &platform : NULL, err);
	return r;
}

const Command cmd_push = {
	.name = "push",
	.operands = "NAME[:TAG]…",
	.summary = "Send images of the store to their registry",
	.description =
		"What the registry has is not sent again, what another repository there has is mounted.\n"
		"Digests stay as they are. Prints name and digest.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(PushArgs),
	.needs = NEEDS_STORE,
	.min_operands = 1,
	.max_operands = UINT32_MAX,
	.run = run_push,
};
