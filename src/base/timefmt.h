/* RFC 3339 times and Go-style durations, as image configs and Dockerfiles use them. */
#pragma once

#include "base/str.h"

/*
 * "2024-05-01T12:00:00Z" (UTC, whole seconds); outside the years 0 to 9999 the nearest one. Owned.
 */
char *time_format(int64_t seconds);
char *time_format_nsec(int64_t seconds, uint32_t nsec); /* RFC 3339 with trimmed fraction, as Go */
/*
 * Any RFC 3339 time with offset and fraction (digits past the ninth are dropped; 60 s are a leap
 * second).
 */
int time_parse(Str text, int64_t *ret_seconds, uint32_t *ret_nsec, Err **err) _warn_unused_;
int64_t time_now(void);
/* Go's time.ParseDuration ("1h2m3.5s", "100ms", "0") to nanoseconds; negative is ERR_PARSE. */
int duration_parse(Str text, int64_t *ret_nsec, Err **err) _warn_unused_;
char *duration_format(int64_t nsec); /* as Go prints it: "1m30s", "100ms"; owned */
/* "2 hours ago", as docker images prints it; owned. */
char *time_ago(int64_t seconds, int64_t now);
char *size_format(uint64_t bytes); /* decimal units as docker: "7.34MB", "1kB"; owned */
/* "64m", "1.5GiB", "100kB" → bytes; all units are powers of 1024, as docker has it for memory. */
int size_parse(Str text, uint64_t *ret, Err **err) _warn_unused_;
