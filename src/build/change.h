/* docker import --change: one Dockerfile instruction applied to an image config. */
#pragma once

#include "oci/config.h"

/* CMD ENTRYPOINT ENV EXPOSE LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR HEALTHCHECK SHELL; ERR_UNSUPPORTED for
 * others, ERR_PARSE naming the change. arg is unused (the signature of ImportOptions.apply). */
int change_apply(void *arg, const char *change, ImageConfig *config, Err **err) _warn_unused_;
