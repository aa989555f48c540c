#include "serve/mhd.h"

#include <pthread.h>

#include "base/library.h"

Mhd mhd;
static int load_result;
static Err *load_error; /* of the only attempt */

static void load(void)
{
#define SYMBOL(name)                                                                               \
	{                                                                                          \
		"MHD_" #name, offsetof(Mhd, name)                                                  \
	}
	static const LibrarySymbol symbols[] = {
		SYMBOL(start_daemon),
		SYMBOL(stop_daemon),
		SYMBOL(quiesce_daemon),
		SYMBOL(get_daemon_info),
		SYMBOL(get_connection_info),
		SYMBOL(lookup_connection_value),
		SYMBOL(get_connection_values),
		SYMBOL(queue_response),
		SYMBOL(create_response_from_buffer),
		SYMBOL(create_response_from_callback),
		SYMBOL(create_response_from_fd_at_offset64),
		SYMBOL(add_response_header),
		SYMBOL(destroy_response),
		SYMBOL(is_feature_supported),
	};
#undef SYMBOL
	load_result = library_load("libmicrohttpd.so.12", "libmicrohttpd12", symbols,
		ARRAY_SIZE(symbols), &mhd, &load_error);
}

int mhd_load(Err **err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, load);
	return load_result < 0 ? err_set(err, ERR_UNSUPPORTED, "%s", load_error->message) : 0;
}
