/* Extended attributes of files in an upper directory (diff_xattr.c). */
#pragma once

#include "layer/index.h"

typedef struct DiffXattrs {
	TarXattr *items; /* owned, sorted by name */
	size_t len;
} DiffXattrs;

/* Those that go into a layer: security.capability (in the form without a root id) and user.*. */
int diff_xattrs_read(int fd, const char *path, DiffXattrs *ret, Err **err) _warn_unused_;
/* Lends them to the entry. */
void diff_xattrs_put(const DiffXattrs *x, TarEntry *e);
/* As an entry of a lower layer has them, those that do not go into layers left aside. */
bool diff_xattrs_equal(const DiffXattrs *x, const Index *index, const IndexEntry *e);
void diff_xattrs_done(DiffXattrs *x);
int diff_is_opaque(int fd, const char *path, bool userxattr, bool *ret, Err **err) _warn_unused_;
