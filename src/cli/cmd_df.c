#include <stdio.h>

#include "base/timefmt.h"
#include "cli/format.h"
#include "cli/terminal.h"

typedef struct DfOptions {
	char *format;
} DfOptions;

static const Option rows[] = {
	{0, "format", OPTION_STRING, offsetof(DfOptions, format), FORMAT_METAVAR, FORMAT_HELP},
};

typedef struct Line {
	const char *what, *key;
	uint64_t bytes;
	bool counted; /* count is meaningful */
	uint64_t count;
} Line;

static int run_df(CmdCtx *ctx, void *options, const StrVec *operands _unused_, Err **err)
{
	const DfOptions *o = options;
	StoreUsage u = {0};
	int r = store_usage(ctx->store, &u, err);
	if (r < 0)
		return r;
	const Line lines[] = {
		{"blobs", "Blobs", u.blob_bytes, true, u.blobs},
		{"unpacked layers", "LayerTrees", u.layer_tree_bytes, true, u.layer_trees},
		{"layer indexes", "LayerIndexes", u.index_bytes, false, 0},
		{"build cache", "BuildCache", u.cache_bytes, false, 0},
		{"cache mounts", "CacheMounts", u.mount_bytes, false, 0},
		{"build logs", "Logs", u.log_bytes, true, u.logs},
		{"total", "Total", u.total_bytes, false, 0},
		{"freed by gc", "Reclaimable", u.reclaimable_bytes, false, 0},
	};
	if (format_is_json(o->format)) {
		_cleanup_json_ json_t *j = json_object();
		json_object_set_new(j, "Root", json_string(store_path(ctx->store)));
		json_object_set_new(j, "Images", json_integer((json_int_t)u.images));
		for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
			json_t *line = json_object();
			json_object_set_new(
				line, "Bytes", json_integer((json_int_t)lines[i].bytes));
			if (lines[i].counted)
				json_object_set_new(
					line, "Count", json_integer((json_int_t)lines[i].count));
			json_object_set_new(j, lines[i].key, line);
		}
		print_json(j);
		return 0;
	}
	static const char *const headers[] = {"WHAT", ">COUNT", ">SIZE"};
	Table t;
	table_init(&t, ARRAY_SIZE(headers), headers);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		table_cell(&t, lines[i].what);
		table_take(&t,
			lines[i].counted ? xasprintf("%llu", (unsigned long long)lines[i].count)
					 : xstrdup(""));
		table_take(&t, size_format(lines[i].bytes));
	}
	_cleanup_buf_ Buf text = BUF_INIT(1 << 20);
	table_print(&t, &text);
	printf("%s\n%s", store_path(ctx->store), text.ptr);
	table_done(&t);
	return 0;
}

const Command cmd_df = {
	.name = "df",
	.operands = "",
	.summary = "Show what the store takes on disk",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(DfOptions),
	.needs = NEEDS_STORE | NEEDS_IDS,
	.run = run_df,
};
