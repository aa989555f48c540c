/* What the tar reader and writer share: the header block and the PAX extension. Only for this folder. */
#pragma once

#include "archive/tar.h"
#include "base/limits.h"
#include "base/vec.h"

#define TAR_BLOCK_SIZE 512u

/* Bytes of a name as written: a path of LIMIT_PATH bytes with "./" before and "/" behind. */
#define TAR_RAW_NAME (LIMIT_PATH + 3u)

typedef struct TarHeader {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char typeflag;
	char linkname[100];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char devmajor[8];
	char devminor[8];
	char prefix[155];
	char pad[12];
} TarHeader;
_Static_assert(sizeof(TarHeader) == TAR_BLOCK_SIZE, "tar header layout");

/* The largest values that the octal fields hold. */
#define TAR_MAX_OCTAL7  07777777u
#define TAR_MAX_OCTAL11 077777777777u

static inline uint64_t tar_padding(uint64_t size)
{
	return -size & (TAR_BLOCK_SIZE - 1);
}

/* Sum of the header's bytes with the checksum field taken as spaces. */
uint32_t tar_checksum(const TarHeader *h);

/* A number field: octal, or GNU's base-256. False if it is neither or does not fit. */
bool tar_number(const char *field, size_t size, int64_t *ret);

/* Another bound than LIMIT_LAYER_ENTRIES (tests reach it). */
void tar_reader_limit_entries(TarReader *t, uint64_t max);

/* ---- PAX records in force: those of one extended header laid over those of the global ones ---- */

typedef VEC(TarXattr) TarXattrs;

typedef struct TarPax {
	/* A Buf in use has a ptr; present tells an empty value from none. */
	Buf path, link;
	bool has_path, has_link, has_size, has_uid, has_gid, has_mtime;
	uint64_t size, uid, gid;
	int64_t mtime;
	uint32_t mtime_nsec;
	bool ignore_xattrs; /* global headers: attributes for all would pile up without bound */
	TarXattrs xattrs;   /* owned strings, in order of appearance */
} TarPax;

void tar_pax_clear(TarPax *p); /* keeps memory for the next use */
void tar_pax_done(TarPax *p);
/* Adds the records of one header body; a later record for the same key wins. */
int tar_pax_parse(TarPax *p, Str body, Err **err) _warn_unused_;
/* Appends "LEN key=value\n". */
void tar_pax_record(Buf *out, Str key, Str value);
/* Appends the record of one extended attribute. */
void tar_pax_xattr(Buf *out, const TarXattr *x);
