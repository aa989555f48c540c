#include <stdio.h>

#include "base/timefmt.h"
#include "cli/format.h"

typedef struct GcArgs {
	bool check, dry_run, all;
	char *format;
} GcArgs;

static const Option rows[] = {
	{0, "check", OPTION_FLAG, offsetof(GcArgs, check), NULL,
		"remove nothing: verify every reachable blob and index; exit status 6 when something is wrong"},
	{0, "dry-run", OPTION_FLAG, offsetof(GcArgs, dry_run), NULL, "only tell what would go"},
	{'a', "all", OPTION_FLAG, offsetof(GcArgs, all), NULL,
		"remove the build cache, build logs and untagged images as well"},
	{0, "format", OPTION_STRING, offsetof(GcArgs, format), FORMAT_METAVAR, FORMAT_HELP},
};

static void print_report(const GcReport *report, const GcArgs *a)
{
	if (format_is_json(a->format)) {
		_cleanup_json_ json_t *j = json_object();
		json_t *problems = json_array();
		const struct {
			const char *key;
			uint64_t count;
		} counts[] = {
			{"ImagesRemoved", report->images_removed},
			{"BlobsRemoved", report->blobs_removed},
			{"LayersRemoved", report->layers_removed},
			{"RecordsRemoved", report->records_removed},
			{"LogsRemoved", report->logs_removed},
			{"TempsRemoved", report->temps_removed},
			{"LocksRemoved", report->locks_removed},
			{"BytesFreed", report->bytes_freed},
		};
		for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
			json_object_set_new(
				j, counts[i].key, json_integer((json_int_t)counts[i].count));
		for (size_t i = 0; i < report->problems.len; i++)
			json_array_append_new(problems, json_string(report->problems.items[i]));
		json_object_set_new(j, "Problems", problems);
		print_json(j);
		return;
	}
	for (size_t i = 0; i < report->problems.len; i++)
		printf("problem: %s\n", report->problems.items[i]);
	if (a->check) {
		if (report->problems.len == 0)
			puts("the store is sound");
		return;
	}
	_cleanup_free_ char *freed = size_format(report->bytes_freed);
	printf("%s %s: %llu untagged images, %llu blobs, %llu layers, %llu cache records, %llu logs, %llu temporary files\n",
		a->dry_run ? "would free" : "freed", freed,
		(unsigned long long)report->images_removed,
		(unsigned long long)report->blobs_removed,
		(unsigned long long)report->layers_removed,
		(unsigned long long)report->records_removed,
		(unsigned long long)report->logs_removed,
		(unsigned long long)report->temps_removed);
}

static int run_gc(CmdCtx *ctx, void *options, const StrVec *operands _unused_, Err **err)
{
	const GcArgs *a = options;
	GcReport report = {0};
	if (a->check && (a->dry_run || a->all))
		return err_set(err, ERR_USAGE, "flag '--check' removes nothing and takes no '--%s'",
			a->dry_run ? "dry-run" : "all");
	GcOptions o = {
		.check = a->check,
		.dry_run = a->dry_run,
		.keep_cache = !a->all,
		.keep_logs = !a->all,
		.untagged = a->all,
	};
	int r = store_gc(ctx->store, &o, &report, err);
	if (r == 0) {
		print_report(&report, a);
		if (report.problems.len)
			ctx->exit_status = exit_status_of(ERR_DIGEST);
	}
	gc_report_done(&report);
	return r;
}

const Command cmd_gc = {
	.name = "gc",
	.operands = "",
	.summary = "Free what no image and no build cache needs, or check the store",
	.description =
		"Without --all, images that lost their name stay, and so do the newest 50 build logs of the\n"
		"last 7 days. Cache mounts always stay.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(GcArgs),
	.needs = NEEDS_STORE | NEEDS_IDS,
	.run = run_gc,
};
