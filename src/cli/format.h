/* Shared by the verbs that list: --format, reference arguments, JSON on stdout. */
#pragma once

#include "archive/compress.h"
#include "cli/command.h"

#define FORMAT_METAVAR "table|json"
#define FORMAT_HELP    "a table (default) or JSON"
#define PLATFORM_HELP  "which of an image's platforms (default: this machine's)"
static inline bool format_is_json(const char *format)
{
	return format && strcmp(format, "json") == 0;
}
void print_json(const json_t *value); /* pretty, on stdout */
/* "sha256:…" without the algorithm, first 12 digits; owned. */
char *short_id(const Digest *d);
/* Full reference of what the user typed; ERR_PARSE. */
int reference_argument(const char *text, char **ret_full, Err **err) _warn_unused_;
/* Several, e.g. of -t. */
int reference_arguments(const StrVec *texts, StrVec *ret_full, Err **err) _warn_unused_;
/* --platform, or this machine's when NULL. */
int platform_argument(const char *text, Platform *ret, Err **err) _warn_unused_;
/* --compression and --compression-level. */
int compression_arguments(const char *name, const char *level, Compression *ret, int *ret_level,
	Err **err) _warn_unused_;
