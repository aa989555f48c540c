#include <stdio.h>

#include "base/timefmt.h"
#include "cli/format.h"
#include "cli/terminal.h"
#include "image/sizes.h"

typedef struct ImagesOptions {
	char *format;
	bool quiet, all, digests, no_trunc;
} ImagesOptions;

static const Option rows[] = {
	{0, "format", OPTION_STRING, offsetof(ImagesOptions, format), FORMAT_METAVAR "|names",
		"a table, JSON, or only the names, one a line"},
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

static int load_row(Store *s, const StoreName *n, const char *filter, Rows *all, Err **err)
{
	Row row = {0};
	Reference ref = {0};
	if (n->name && reference_parse(str_of(n->name), &ref, NULL) == 0) {
		row.repository = reference_familiar_repository(&ref);
		row.tag = xstrdup(ref.tag);
		row.name = reference_familiar(&ref);
		reference_done(&ref);
	}
	bool wanted = !filter || cstr_eq(filter, row.repository) || cstr_eq(filter, row.name) ||
		cstr_eq(filter, n->name);
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

static int list(Store *s, const char *filter, Rows *all, Err **err)
{
	StoreNames names = {0};
	int r = store_names(s, &names, err);
	for (size_t i = 0; r == 0 && i < names.len; i++) {
		_cleanup_err_ Err *e = NULL;
		if (store_is_artifact(s, &names.items[i].descriptor))
			continue;
		if (load_row(s, &names.items[i], filter, all, &e) < 0) {
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
	int r = list(ctx->store, operands->len ? operands->items[0] : NULL, &all, err);
	if (r < 0) {
		rows_done(&all);
		return r;
	}
	if (o->quiet) {
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
	return 0;
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
