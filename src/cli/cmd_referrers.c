#include <stdio.h>

#include "base/timefmt.h"
#include "cli/format.h"
#include "cli/named.h"
#include "cli/registry_flags.h"
#include "cli/signals.h"
#include "cli/terminal.h"

typedef struct ReferrersOptions {
	RegistryFlags registry;
	char *type, *platform, *format;
} ReferrersOptions;

static const Option rows[] = {
	{0, "artifact-type", OPTION_STRING, offsetof(ReferrersOptions, type), "TYPE",
		"only those of this type"},
	{0, "platform", OPTION_STRING, offsetof(ReferrersOptions, platform), "OS/ARCH[/VARIANT]",
		"of the image for this platform, not of the index"},
	{0, "format", OPTION_STRING, offsetof(ReferrersOptions, format), FORMAT_METAVAR,
		"a table (default) or JSON, which has the annotations too"},
	REGISTRY_FLAG_ROWS(ReferrersOptions, registry),
};

static const char *type_of(const Descriptor *d)
{
	const char *type = json_string_value(json_object_get(d->raw, "artifactType"));
	return type ? type : "";
}

static void print_table(const ImageIndex *list)
{
	static const char *const headers[] = {"DIGEST", "ARTIFACT TYPE", ">SIZE"};
	Table t;
	table_init(&t, ARRAY_SIZE(headers), headers);
	vec_foreach (&list->manifests, d) {
		table_cell(&t, digest_str(&d->digest).s);
		table_cell(&t, type_of(d));
		table_take(&t, size_format(d->size));
	}
	_cleanup_buf_ Buf text = BUF_INIT(SIZE_MAX / 2);
	table_print(&t, &text);
	fputs(text.ptr, stdout);
	table_done(&t);
}

/* Descriptors as the registry gave them. */
static void print_list_json(const ImageIndex *list)
{
	_cleanup_json_ json_t *array = json_array();
	vec_foreach (&list->manifests, d)
		json_array_append_new(array, descriptor_json(d));
	print_json(array);
}

static int run_referrers(CmdCtx *ctx _unused_, void *options, const StrVec *operands, Err **err)
{
	const ReferrersOptions *o = options;
	_cleanup_(registry_session_close) RegistrySession session = {0};
	_cleanup_(platform_done) Platform platform = {0};
	_cleanup_(reference_done) Reference name = {0};
	_cleanup_(repository_freep) Repository *repository = NULL;
	_cleanup_(descriptor_done) Descriptor subject = {0};
	_cleanup_(image_index_done) ImageIndex list = {0};
	const char *operand = operands->items[0];
	ERR_SCOPE(err, "Referrers of '%s'", operand);
	signals_install(NULL);
	int r = registry_session_open(&o->registry, false, "plain", "Listing", &session, err);
	if (r == 0 && o->platform)
		r = platform_argument(o->platform, &platform, err);
	if (r == 0)
		r = named_repository(session.registry, operand, false, &name, &repository, err);
	if (r == 0 && name.has_digest && !o->platform)
		subject.digest = name.digest; /* which may be gone, and its referrers not */
	else if (r == 0)
		r = named_remote_manifest(session.registry, operand, o->platform ? &platform : NULL,
			&subject, NULL, err);
	if (r == 0)
		r = repository_referrers(repository, &subject.digest, o->type, &list, err);
	if (r == 0 && format_is_json(o->format))
		print_list_json(&list);
	else if (r == 0)
		print_table(&list);
	return r;
}

const Command cmd_referrers = {
	.name = "referrers",
	.operands = "NAME[:TAG|@DIGEST]",
	.summary = "List what refers to an image: signatures, SBOMs, attestations",
	.description =
		"Manifests whose subject the image is. A registry without the referrers API is asked for\n"
		"the tag that clients keep the list under instead.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(ReferrersOptions),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_referrers,
};
