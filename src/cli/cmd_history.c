#include <stdio.h>

#include "base/timefmt.h"
#include "cli/format.h"
#include "cli/screen_text.h"
#include "cli/terminal.h"
#include "image/sizes.h"

#define COMMAND_COLUMNS 60

typedef struct HistoryOptions {
	char *format, *platform;
	bool no_trunc;
} HistoryOptions;

static const Option rows[] = {
	{0, "format", OPTION_STRING, offsetof(HistoryOptions, format), FORMAT_METAVAR, FORMAT_HELP},
	{0, "no-trunc", OPTION_FLAG, offsetof(HistoryOptions, no_trunc), NULL,
		"show the commands whole"},
	{0, "platform", OPTION_STRING, offsetof(HistoryOptions, platform), "OS/ARCH",
		PLATFORM_HELP},
};

typedef struct Step {
	const History *history;
	const Descriptor *layer; /* NULL: metadata only */
	uint64_t size;
} Step;
typedef VEC(Step) Steps;

/* Pairs history with layers, newest first, as docker prints it. */
static int collect(Store *s, const StoreImage *image, Steps *steps, Err **err)
{
	size_t layer = 0;
	vec_foreach (&image->config.history, h) {
		Step step = {.history = h};
		if (!h->empty_layer && layer < image->manifest.layers.len &&
			layer < image->config.diff_ids.len) {
			step.layer = &image->manifest.layers.items[layer];
			int r = layer_unpacked_size(s, step.layer,
				&image->config.diff_ids.items[layer], &step.size, err);
			if (r < 0)
				return r;
			layer++;
		}
		vec_push(steps, step);
	}
	for (size_t i = 0; i < steps->len / 2; i++) {
		Step swap = steps->items[i];
		steps->items[i] = steps->items[steps->len - 1 - i];
		steps->items[steps->len - 1 - i] = swap;
	}
	return 0;
}

static void print_steps_json(const Steps *steps)
{
	_cleanup_json_ json_t *array = json_array();
	vec_foreach (steps, step) {
		const History *h = step->history;
		json_t *j = json_object();
		json_object_set_new(
			j, "Created", h->created ? json_string(h->created) : json_null());
		json_object_set_new(
			j, "CreatedBy", json_string(h->created_by ? h->created_by : ""));
		json_object_set_new(j, "Comment", json_string(h->comment ? h->comment : ""));
		json_object_set_new(j, "Author", json_string(h->author ? h->author : ""));
		json_object_set_new(j, "EmptyLayer", json_boolean(h->empty_layer));
		json_object_set_new(j, "Size", json_integer((json_int_t)step->size));
		json_object_set_new(j, "CompressedSize",
			json_integer(step->layer ? (json_int_t)step->layer->size : 0));
		json_object_set_new(j, "Digest",
			step->layer ? json_string(digest_str(&step->layer->digest).s)
				    : json_null());
		json_array_append_new(array, j);
	}
	print_json(array);
}

static char *shorten(const char *text, bool whole)
{
	Buf b = BUF_INIT(SIZE_MAX / 2);
	screen_text(&b, str_of(text), whole ? ALL_COLUMNS : COMMAND_COLUMNS, 0);
	return buf_steal(&b);
}

static void print_steps_table(const Steps *steps, bool whole)
{
	static const char *const headers[] = {
		"CREATED", "CREATED BY", ">SIZE", ">COMPRESSED", "COMMENT"};
	Table t;
	table_init(&t, ARRAY_SIZE(headers), headers);
	vec_foreach (steps, step) {
		const History *h = step->history;
		int64_t created = 0;
		bool dated =
			h->created && time_parse(str_of(h->created), &created, NULL, NULL) == 0;
		table_take(&t, dated ? time_ago(created, time_now()) : xstrdup("N/A"));
		table_take(&t, shorten(h->created_by ? h->created_by : "", whole));
		table_take(&t, size_format(step->size));
		table_take(&t, size_format(step->layer ? step->layer->size : 0));
		table_cell(&t, h->comment ? h->comment : "");
	}
	_cleanup_buf_ Buf text = BUF_INIT(SIZE_MAX / 2);
	table_print(&t, &text);
	fputs(text.ptr, stdout);
	table_done(&t);
}

static int run_history(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const HistoryOptions *o = options;
	Platform platform = {0};
	StoreImage image = {0};
	Steps steps = {0};
	int r = platform_argument(o->platform, &platform, err);
	if (r < 0)
		return r;
	r = store_image(ctx->store, operands->items[0], &platform, &image, err);
	platform_done(&platform);
	if (r < 0)
		return r;
	r = collect(ctx->store, &image, &steps, err);
	if (r == 0 && format_is_json(o->format))
		print_steps_json(&steps);
	else if (r == 0)
		print_steps_table(&steps, o->no_trunc);
	vec_done(&steps);
	store_image_done(&image);
	return r;
}

const Command cmd_history = {
	.name = "history",
	.operands = "IMAGE",
	.summary = "Show the steps an image was made by, newest first",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(HistoryOptions),
	.needs = NEEDS_STORE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_history,
};
