/* The Link header (RFC 8288) as registries use it for paging: <…>; rel="next". */
#pragma once

#include "base/str.h"

/* The target of rel=next, owned; NULL when there is none. ERR_CORRUPT. */
int link_next(Str value, char **ret, Err **err) _warn_unused_;
