#include <stdio.h>

#include "base/glob.h"
#include "base/timefmt.h"
#include "cli/format.h"
#include "cli/template.h"
#include "cli/terminal.h"
#include "image/sizes.h"

typedef struct ImagesOptions {
	char *format;
	StrVec filters;
	bool quiet, all, digests, no_trunc;
} ImagesOptions;

static const Option rows[] = {
	{0, "format", OPTION_STRING, offsetof(ImagesOptions, format), FORMAT_METAVAR "|names|{{…}}",
		"a table, JSON, only the names, or a line of fields as {{.Repository}}:{{.Tag}}"},
	{'f', "filter", OPTION_STRINGS, offsetof(ImagesOptions, filters), "KEY=VALUE",
		"only some: dangling=true|false, reference=PATTERN"},
	{'q', "quiet", OPTION_FLAG, offsetof(ImagesOptions, quiet), NULL, "only the IDs"},
	{'a', "all", OPTION_FLAG, offsetof(ImagesOptions, all), NULL,
		"does nothing, for habit: every image is listed anyway"},
	{0, "digests", OPTION_FLAG, offsetof(ImagesOptions, digests), NULL,
		"show the digests of the manifests"},
	{0, "no-trunc", OPTION_FLAG, offsetof(ImagesOptions, no_trunc), NULL, "show the IDs whole"},
};

typedef struct Row {
	char *repository, *tag, *name; /* familiar; NULL: untagged */
	StoreImage image;
	ImageSizes sizes;
} Row;
typedef VEC(Row) Rows;

static void rows_done(Rows *all)
{
	vec_foreach (all, row) {
		free(row->repository);
		free(row->tag);
		free(row->name);
		store_image_done(&row->image);
	}
	vec_done(all);
}

/* Equal, or fits a pattern. */
static bool fits(const char *pattern, const char *name)
{
	bool match = false;
	if (!name || cstr_eq(pattern, name))
		return name;
	return glob_has_magic(str_of(pattern)) &&
		glob_match(str_of(pattern), str_of(name), &match, NULL) == 0 && match;
}

static bool is_named(const Row *row, const char *full, const char *pattern)
{
	return fits(pattern, row->repository) || fits(pattern, row->name) || fits(pattern, full);
}

/* Filters of one key add up, those of several all have to hold. */
static bool filtered_in(const Row *row, const char *full, const StrVec *filters)
{
	bool asked = false, named = false;
	for (size_t i = 0; i < filters->len; i++) {
		const char *f = filters->items[i];
		if (cstr_starts(f, "reference=")) {
			asked = true;
			named = named || is_named(row, full, f + strlen("reference="));
		} else if (cstr_eq(f, "dangling=true") ? row->name != NULL : row->name == NULL) {
			return false;
		}
	}
	return !asked || named;
}

static int check_filters(const StrVec *filters, Err **err)
{
	for (size_t i = 0; i < filters->len; i++) {
		const char *f = filters->items[i];
		if (!cstr_eq(f, "dangling=true") && !cstr_eq(f, "dangling=false") &&
			!cstr_starts(f, "reference="))
			return err_set(err, ERR_USAGE,
				"filter '%s' is not dangling=true, dangling=false or reference=PATTERN",
				f);
	}
	return 0;
}

static int load_row(Store *s, const StoreName *n, const char *filter, const ImagesOptions *o,
	Rows *all, Err **err)
{
	Row row = {0};
	Reference ref = {0};
	if (n->name && reference_parse(str_of(n->name), &ref, NULL) == 0) {
		row.repository = reference_familiar_repository(&ref);
		row.tag = xstrdup(ref.tag);
		row.name = reference_familiar(&ref);
		reference_done(&ref);
	}
	bool wanted = (!filter || is_named(&row, n->name, filter)) &&
		filtered_in(&row, n->name, &o->filters);
	int r = wanted ? store_image_at(s, &n->descriptor, NULL, &row.image, err) : 1;
	if (r == 0)
		r = image_sizes(s, &row.image, &row.sizes, err);
	if (r == 0) {
		vec_push(all, row);
		return 0;
	}
	free(row.repository);
	free(row.tag);
	free(row.name);
	store_image_done(&row.image);
	return r < 0 ? r : 0;
}

static json_t *row_json(const Row *row)
{
	json_t *j = json_object();
	json_object_set_new(j, "Id", json_string(digest_str(&row->image.manifest.config.digest).s));
	json_object_set_new(
		j, "Repository", row->repository ? json_string(row->repository) : json_null());
	json_object_set_new(j, "Tag", row->tag ? json_string(row->tag) : json_null());
	json_object_set_new(j, "Name", row->name ? json_string(row->name) : json_null());
	json_object_set_new(j, "Digest", json_string(digest_str(&row->image.descriptor.digest).s));
	json_object_set_new(j, "Created",
		row->image.config.created ? json_string(row->image.config.created) : json_null());
	_cleanup_free_ char *platform = platform_format(&row->image.config.platform);
	json_object_set_new(j, "Platform", json_string(platform));
	json_object_set_new(j, "Layers", json_integer((json_int_t)row->sizes.layers));
	json_object_set_new(j, "Files", json_integer((json_int_t)row->sizes.files));
	json_object_set_new(j, "Size", json_integer((json_int_t)row->sizes.unpacked));
	json_object_set_new(j, "CompressedSize", json_integer((json_int_t)row->sizes.compressed));
	return j;
}

static char *row_id(const Row *row, const ImagesOptions *o)
{
	const Digest *id = &row->image.manifest.config.digest;
	return o->no_trunc ? xstrdup(digest_str(id).s) : short_id(id);
}

/* Under docker's names. */
static json_t *row_fields(const Row *row, const ImagesOptions *o)
{
	json_t *j = row_json(row);
	int64_t created = 0;
	bool dated = row->image.config.created &&
		time_parse(str_of(row->image.config.created), &created, NULL, NULL) == 0;
	_cleanup_free_ char *id = row_id(row, o), *size = size_format(row->sizes.unpacked),
			    *since = dated ? time_ago(created, time_now()) : xstrdup("N/A");
	json_object_set_new(j, "ID", json_string(id));
	json_object_set_new(j, "Size", json_string(size));
	json_object_set_new(j, "CreatedSince", json_string(since));
	json_object_set(j, "CreatedAt", json_object_get(j, "Created"));
	if (!row->repository)
		json_object_set_new(j, "Repository", json_string("<none>"));
	if (!row->tag)
		json_object_set_new(j, "Tag", json_string("<none>"));
	return j;
}

static int print_template(const Rows *all, const ImagesOptions *o, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(SIZE_MAX / 2);
	if (cstr_starts(o->format, "table "))
		return err_set(err, ERR_UNSUPPORTED, "a table of chosen fields is not made");
	int r = 0;
	vec_foreach (all, row) {
		if (r < 0)
			break;
		_cleanup_json_ json_t *fields = row_fields(row, o);
		r = template_format(o->format, fields, &text, err);
	}
	if (r == 0 && text.len)
		fputs(text.ptr, stdout);
	return r;
}

static void print_table(const Rows *all, const ImagesOptions *o)
{
	static const char *const headers[] = {"REPOSITORY", "TAG", "IMAGE ID", "CREATED", ">LAYERS",
		">FILES", ">SIZE", ">COMPRESSED", "DIGEST"};
	size_t columns = ARRAY_SIZE(headers) - !o->digests;
	Table t;
	table_init(&t, columns, headers);
	vec_foreach (all, row) {
		int64_t created = 0;
		bool dated = row->image.config.created &&
			time_parse(str_of(row->image.config.created), &created, NULL, NULL) == 0;
		table_cell(&t, row->repository ? row->repository : "<none>");
		table_cell(&t, row->tag ? row->tag : "<none>");
		table_take(&t, row_id(row, o));
		table_take(&t, dated ? time_ago(created, time_now()) : xstrdup("N/A"));
		table_take(&t, xasprintf("%zu", row->sizes.layers));
		table_take(&t, xasprintf("%llu", (unsigned long long)row->sizes.files));
		table_take(&t, size_format(row->sizes.unpacked));
		table_take(&t, size_format(row->sizes.compressed));
		if (o->digests)
			table_cell(&t, digest_str(&row->image.descriptor.digest).s);
	}
	_cleanup_buf_ Buf text = BUF_INIT(SIZE_MAX / 2);
	table_print(&t, &text);
	fputs(text.ptr, stdout);
	table_done(&t);
}

static int list(Store *s, const char *filter, const ImagesOptions *o, Rows *all, Err **err)
{
	StoreNames names = {0};
	int r = store_names(s, &names, err);
	for (size_t i = 0; r == 0 && i < names.len; i++) {
		_cleanup_err_ Err *e = NULL;
		if (store_is_artifact(s, &names.items[i].descriptor))
			continue;
		if (load_row(s, &names.items[i], filter, o, all, &e) < 0) {
			/* one broken image must not hide the others */
			fprintf(stderr, "warning: image '%s' is unreadable: %s\n",
				names.items[i].name ? names.items[i].name : "<none>", e->message);
		}
	}
	store_names_done(&names);
	return r;
}

static int run_images(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const ImagesOptions *o = options;
	Rows all = {0};
	if (o->quiet && o->format)
		return err_set(
			err, ERR_USAGE, "flags '--quiet' and '--format' contradict each other");
	int r = check_filters(&o->filters, err);
	if (r == 0)
		r = list(ctx->store, operands->len ? operands->items[0] : NULL, o, &all, err);
	if (r < 0) {
		rows_done(&all);
		return r;
	}
	if (template_is(o->format)) {
		r = print_template(&all, o, err);
	} else if (o->quiet) {
		vec_foreach (&all, row) {
			_cleanup_free_ char *id = row_id(row, o);
			puts(id);
		}
	} else if (cstr_eq(o->format, "names")) {
		vec_foreach (&all, row)
			if (row->name)
				puts(row->name);
	} else if (format_is_json(o->format)) {
		_cleanup_json_ json_t *array = json_array();
		vec_foreach (&all, row)
			json_array_append_new(array, row_json(row));
		print_json(array);
	} else {
		print_table(&all, o);
	}
	rows_done(&all);
	return r;
}

const Command cmd_images = {
	.name = "images",
	.operands = "[NAME]",
	.summary = "List the images of the store",
	.description =
		"SIZE counts the unpacked files of all layers, COMPRESSED the layer blobs as a registry\n"
		"would store them.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(ImagesOptions),
	.needs = NEEDS_STORE,
	.max_operands = 1,
	.run = run_images,
};
