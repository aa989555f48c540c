/* In place of upstream_registry.c where registry/ is not part of the build. */
#include "serve/upstream.h"

int upstream_open(const char *host, Upstream **ret _unused_, Err **err)
{
	return err_set(
		err, ERR_UNSUPPORTED, "this cruet cannot mirror '%s': it has no client", host);
}

Upstream *upstream_close(Upstream *u)
{
	free(u);
	return NULL;
}
