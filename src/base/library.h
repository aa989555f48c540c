/*
 * Shared libraries that few runs need, loaded when first used: linked in, libcurl and libarchive with all that they
 * bring (TLS twice, Kerberos, LDAP, ICU) would make up most of the start of every run.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"

typedef struct LibrarySymbol {
	const char *name;
	size_t offset; /* of the function pointer in the table */
} LibrarySymbol;

/* Fills table, a struct of function pointers, from the library. soname: "libcurl.so.4"; package: the Debian package
 * that has it, for the message. The library stays loaded. Several threads may load at once. ERR_UNSUPPORTED when it or
 * a symbol is missing. */
int library_load(const char *soname, const char *package, const LibrarySymbol *symbols, size_t n,
	void *table, Err **err) _warn_unused_;
