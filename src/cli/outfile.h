/* Where a verb's file goes: a path (appearing whole or not at all) or standard output. */
#pragma once

#include "sys/atomic.h"

typedef struct OutputFile OutputFile;
/* path "-" or NULL: standard output, refused when it is a terminal (ERR_USAGE). */
int output_open(const char *path, OutputFile **ret, Err **err) _warn_unused_;
Writer *output_writer(OutputFile *o); /* borrowed */
int output_commit(OutputFile *o, Err **err) _warn_unused_;
OutputFile *output_free(OutputFile *o); /* removes what was not committed */
DEFINE_FREEP(OutputFile, output_free)
