/* The RateLimit headers of Docker Hub: "76;w=21600", so many requests in so many seconds. */
#pragma once

#include "registry/http.h"

/* "76 of 100 requests in 6h0m0s are left"; NULL when the answer says nothing of it. Owned. */
char *rate_limit_text(const HttpResponse *answer);
/* A tenth of them or less is left. */
bool rate_limit_is_low(const HttpResponse *answer);
