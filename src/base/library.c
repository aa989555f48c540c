#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

int library_load(const char *soname, const char *package, const LibrarySymbol *symbols, size_t n,
	void *table, Err **err)
{
	void *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return err_set(err, ERR_UNSUPPORTED, "the library of package %s is needed: %s",
			package, dlerror());
	for (size_t i = 0; i < n; i++) {
		void *function = dlsym(handle, symbols[i].name);
		if (!function)
			return err_set(
				err, ERR_UNSUPPORTED, "%s has no %s", soname, symbols[i].name);
		memcpy((char *)table + symbols[i].offset, &function, sizeof(function));
	}
	return 0;
}
