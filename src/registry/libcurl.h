/* libcurl's functions, loaded when first used. Private to registry/. */
#pragma once

#include <curl/curl.h>

#include "base/error.h"

typedef struct Libcurl {
	__typeof__(&curl_easy_init) easy_init;
	__typeof__(&curl_easy_setopt) easy_setopt;
	__typeof__(&curl_easy_perform) easy_perform;
	__typeof__(&curl_easy_getinfo) easy_getinfo;
	__typeof__(&curl_easy_reset) easy_reset;
	__typeof__(&curl_easy_cleanup) easy_cleanup;
	__typeof__(&curl_easy_strerror) easy_strerror;
	__typeof__(&curl_global_init) global_init;
	__typeof__(&curl_share_init) share_init;
	__typeof__(&curl_share_setopt) share_setopt;
	__typeof__(&curl_share_cleanup) share_cleanup;
	__typeof__(&curl_slist_append) slist_append;
	__typeof__(&curl_slist_free_all) slist_free_all;
	__typeof__(&curl_url) url;
	__typeof__(&curl_url_set) url_set;
	__typeof__(&curl_url_get) url_get;
	__typeof__(&curl_url_cleanup) url_cleanup;
	__typeof__(&curl_free) free;
} Libcurl;

/* The table, the same at every call; ERR_UNSUPPORTED when the library is not there. */
int libcurl_load(const Libcurl **ret, Err **err) _warn_unused_;
