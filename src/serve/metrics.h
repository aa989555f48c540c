/* Counters of a server, and their text in Prometheus' exposition format 0.0.4. */
#pragma once

#include "serve/router.h"

#define METRICS_METHODS 7 /* six and "other" */
#define METRICS_CLASSES 6 /* 0: cut before an answer, else the status' first digit */

typedef struct Metrics {
	uint64_t requests[_ROUTE_MAX][METRICS_METHODS][METRICS_CLASSES];
	uint64_t seconds_count[_ROUTE_MAX], microseconds[_ROUTE_MAX];
	uint64_t sent, received, in_flight, connections, denied;
	int64_t began;
} Metrics;

void metrics_request(Metrics *m, RouteKind route, Method method, unsigned status, uint64_t usec);
typedef struct MetricsNow {
	uint64_t repositories, manifests, uploads;
} MetricsNow;
char *metrics_text(const Metrics *m, const MetricsNow *now); /* owned */
