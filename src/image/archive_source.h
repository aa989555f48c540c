/*
 * Where load reads from: an OCI layout directory, or an archive whose members are found by a table made in one scan.
 * Compressed archives and pipes are first written, plain, to a temporary file of the store: members are then read in
 * any order with bounded memory.
 */
#pragma once

#include "image/transfer.h"

typedef struct ArchiveSource ArchiveSource;
int archive_source_open(Store *s, const char *path, Progress *progress, ArchiveSource **ret,
	Err **err) _warn_unused_;
ArchiveSource *archive_source_free(ArchiveSource *a);
DEFINE_FREEP(ArchiveSource, archive_source_free)
/* Member names are relative; links inside the archive are followed. */
bool archive_source_has(const ArchiveSource *a, const char *name);
int archive_source_member(const ArchiveSource *a, const char *name, Reader **ret,
	uint64_t *ret_size, Err **err) _warn_unused_;
/* Whole small member; ERR_NOT_FOUND. */
int archive_source_text(const ArchiveSource *a, const char *name, size_t max, Buf *ret, Err **err)
	_warn_unused_;
