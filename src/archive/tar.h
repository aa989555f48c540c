/*
 * tar, read and written as streams: ustar and PAX (POSIX.1-2001 pax), GNU long names and base-256
 * numbers on input. Nothing here touches the file system. (spec: build.md 62–75)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/stream.h"

typedef enum TarType {
	TAR_FILE,
	TAR_HARDLINK,
	TAR_SYMLINK,
	TAR_CHAR,
	TAR_BLOCK,
	TAR_DIR,
	TAR_FIFO,
	_TAR_TYPE_MAX
} TarType;

typedef struct TarXattr {
	char *name;  /* without the SCHILY.xattr. prefix */
	char *value; /* raw bytes */
	size_t value_len;
} TarXattr;

typedef struct TarEntry {
	char *path; /* as in the archive minus leading "./" and "/", and trailing "/"; root = "" */
	char *link; /* symlink target verbatim; hardlink target cleaned like path; else NULL */
	TarType type;
	uint32_t mode; /* permission, setuid, setgid and sticky bits (07777) */
	uint64_t uid, gid;
	uint64_t size; /* body bytes; 0 unless TAR_FILE */
	int64_t mtime; /* seconds */
	uint32_t mtime_nsec;
	uint32_t dev_major, dev_minor;
	TarXattr *xattrs; /* sorted by name */
	size_t n_xattrs;
	uint64_t body_offset; /* reading: where the body starts in the tar stream */
} TarEntry;
void tar_entry_done(TarEntry *e);

typedef struct TarReader TarReader;
/* Borrows source, which must give the uncompressed tar. */
TarReader *tar_reader_new(Reader *source);
/* Next entry: 1 and *ret (borrowed until the next call), 0 at the end marker or end of data, <0 error:
 * ERR_CORRUPT (bad checksum, truncated, bad number, absolute or ".." path components, NUL in a name),
 * ERR_LIMIT, ERR_UNSUPPORTED (GNU sparse). An unread body is skipped. */
int tar_reader_next(TarReader *t, TarEntry **ret, Err **err) _warn_unused_;
/* Body of the current entry; as reader_view and reader_read. */
ssize_t tar_reader_body_view(TarReader *t, const void **ret, Err **err) _warn_unused_;
ssize_t tar_reader_body(TarReader *t, void *buf, size_t len, Err **err) _warn_unused_;
uint64_t tar_reader_offset(const TarReader *t); /* bytes of the stream consumed */
/* Reads what follows the end marker, so that a digest over the source covers the whole blob. */
int tar_reader_drain(TarReader *t, Err **err) _warn_unused_;
TarReader *tar_reader_free(TarReader *t);
DEFINE_FREEP(TarReader, tar_reader_free)

typedef struct TarWriter TarWriter;
/* Borrows sink. Headers are deterministic: ustar where the values fit, else PAX records sorted by key;
 * uname and gname empty, no atime or ctime, mtime whole seconds (rounded toward minus infinity). */
TarWriter *tar_writer_new(Writer *sink);
/* Starts an entry (body_offset and nsec are ignored); for TAR_FILE exactly size body bytes follow
 * through tar_writer_body. */
int tar_writer_entry(TarWriter *t, const TarEntry *e, Err **err) _warn_unused_;
int tar_writer_body(TarWriter *t, const void *buf, size_t len, Err **err) _warn_unused_;
int tar_writer_end(TarWriter *t, Err **err) _warn_unused_; /* two zero blocks; leaves sink open */
uint64_t tar_writer_offset(const TarWriter *t);
TarWriter *tar_writer_free(TarWriter *t);
DEFINE_FREEP(TarWriter, tar_writer_free)
