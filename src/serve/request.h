/* The callbacks libmicrohttpd is given; arg is the Serve. */
#pragma once

#include "serve/serve_int.h"

void *request_new(void *arg, const char *target, struct MHD_Connection *connection);
enum MHD_Result request_handle(void *arg, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *data, size_t *data_len, void **state);
void request_done(void *arg, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode why);
