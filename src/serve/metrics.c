#include "serve/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#define TEXT_MAX (256u << 10)

static const char *const methods[METRICS_METHODS] = {
	"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "other"};

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

void metrics_request(Metrics *m, RouteKind route, Method method, unsigned status, uint64_t usec)
{
	unsigned i = 0;
	while (i < METRICS_METHODS - 1 && method != 1u << i)
		i++;
	unsigned class = status / 100 < METRICS_CLASSES ? status / 100 : 0;
	add(&m->requests[route][i][class], 1);
	add(&m->seconds_count[route], 1);
	add(&m->microseconds[route], usec);
}

/* Resident memory: the second number of /proc/self/statm, in pages. */
static uint64_t resident(void)
{
	char text[128];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	uint64_t pages = 0;
	if (fd >= 0)
		close(fd);
	Str rest = {text, n > 0 ? (size_t)n : 0}, first, second;
	if (str_cut(&rest, ' ', &first) && str_cut(&rest, ' ', &second))
		(void)!str_to_u64(second, UINT64_MAX / 65536, &pages, NULL);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void head(Buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(Buf *b, const char *name, const char *type, const char *help, uint64_t value)
{
	head(b, name, type, help);
	buf_printf(b, "%s %llu\n", name, (unsigned long long)value);
}

char *metrics_text(const Metrics *m, const MetricsNow *now)
{
	Buf b = BUF_INIT(TEXT_MAX);
	head(&b, "cruet_http_requests_total", "counter",
		"Requests by place, method and first digit of the status.");
	for (unsigned r = 0; r < _ROUTE_MAX; r++)
		for (unsigned i = 0; i < METRICS_METHODS; i++)
			for (unsigned c = 0; c < METRICS_CLASSES; c++)
				if (get(&m->requests[r][i][c]))
					buf_printf(&b,
						"cruet_http_requests_total{route=\"%s\",method=\"%s\",code=\"%s\"} %llu\n",
						route_name((RouteKind)r), methods[i],
						c == 0 ? "cut"
						       : (const char *[]){"1xx", "2xx", "3xx",
								 "4xx", "5xx"}[c - 1],
						(unsigned long long)get(&m->requests[r][i][c]));
	head(&b, "cruet_http_request_seconds", "summary",
		"Time of requests until their last byte.");
	for (unsigned r = 0; r < _ROUTE_MAX; r++) {
		if (!get(&m->seconds_count[r]))
			continue;
		const char *name = route_name((RouteKind)r);
		uint64_t usec = get(&m->microseconds[r]);
		buf_printf(&b, "cruet_http_request_seconds_sum{route=\"%s\"} %llu.%06llu\n", name,
			(unsigned long long)(usec / 1000000), (unsigned long long)(usec % 1000000));
		buf_printf(&b, "cruet_http_request_seconds_count{route=\"%s\"} %llu\n", name,
			(unsigned long long)get(&m->seconds_count[r]));
	}
	one(&b, "cruet_http_sent_bytes_total", "counter", "Bytes of bodies sent.", get(&m->sent));
	one(&b, "cruet_http_received_bytes_total", "counter", "Bytes of bodies received.",
		get(&m->received));
	one(&b, "cruet_http_in_flight", "gauge", "Requests being answered.", get(&m->in_flight));
	one(&b, "cruet_http_connections", "gauge", "Open connections.", get(&m->connections));
	one(&b, "cruet_http_denied_total", "counter", "Requests without valid credentials.",
		get(&m->denied));
	one(&b, "cruet_uploads", "gauge", "Uploads on their way.", now->uploads);
	one(&b, "cruet_repositories", "gauge", "Repositories.", now->repositories);
	one(&b, "cruet_manifests", "gauge", "Manifests with a name or kept.", now->manifests);
	one(&b, "process_resident_memory_bytes", "gauge", "Resident memory.", resident());
	one(&b, "process_start_time_seconds", "gauge", "When the server started.",
		(uint64_t)m->began);
	return buf_steal(&b);
}
