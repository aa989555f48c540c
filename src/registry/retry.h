/* When to try again: exponential back-off with jitter, Retry-After, shared by all requests to a host. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define RETRY_MAX_TRIES   5
#define RETRY_FIRST_TRIES 3 /* of a host that nobody was reached at: its name may be wrong */

typedef struct Backoff Backoff; /* one a host, by many threads */
Backoff *backoff_new(void);
Backoff *backoff_free(Backoff *b);
/* Seconds since the epoch of an HTTP date (RFC 9110 section 5.6.7); ERR_PARSE. */
int http_date_parse(const char *value, int64_t *ret);
/* Seconds of a Retry-After header (delta or HTTP date, RFC 9110 section 10.2.3), capped; -1 if malformed. */
int retry_after_seconds(const char *value, int64_t now);
bool retry_status(long status); /* 408, 429, 500, 502, 503, 504 and the likes of proxies */
/* A request failed for the try-th time (0 = first): tells the host's other requests to wait too. */
void backoff_failed(Backoff *b, unsigned try, int retry_after /* -1: none */);
/* Sleeps until the host may be asked again; ERR_CANCELLED. */
int backoff_wait(Backoff *b, Err **err) _warn_unused_;
