#include "registry/libcurl.h"

#include <pthread.h>

#include "base/library.h"

static Libcurl table;
static int result;
static Err *error; /* of the only attempt */

static void load(void)
{
#define SYMBOL(name)                                                                               \
	{                                                                                          \
		"curl_" #name, offsetof(Libcurl, name)                                             \
	}
	static const LibrarySymbol symbols[] = {
		SYMBOL(easy_init),
		SYMBOL(easy_setopt),
		SYMBOL(easy_perform),
		SYMBOL(easy_getinfo),
		SYMBOL(easy_reset),
		SYMBOL(easy_cleanup),
		SYMBOL(easy_strerror),
		SYMBOL(global_init),
		SYMBOL(share_init),
		SYMBOL(share_setopt),
		SYMBOL(share_cleanup),
		SYMBOL(slist_append),
		SYMBOL(slist_free_all),
		SYMBOL(url),
		SYMBOL(url_set),
		SYMBOL(url_get),
		SYMBOL(url_cleanup),
		SYMBOL(free),
	};
#undef SYMBOL
	result = library_load(
		"libcurl.so.4", "libcurl4", symbols, ARRAY_SIZE(symbols), &table, &error);
	if (result == 0)
		table.global_init(CURL_GLOBAL_DEFAULT);
}

int libcurl_load(const Libcurl **ret, Err **err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, load);
	if (result < 0)
		return err_set(err, error->code, "%s", error->message);
	*ret = &table;
	return 0;
}
