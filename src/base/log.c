#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/str.h"

static char *enabled;

void log_enable(const char *components)
{
	free(enabled);
	enabled = xstrdup(components);
}

bool log_enabled(const char *component)
{
	if (!enabled || !component)
		return enabled;
	Str rest = str_of(enabled), part;
	while (str_cut(&rest, ',', &part))
		if (str_eq_cstr(part, component) || str_eq_cstr(part, "all"))
			return true;
	return false;
}

void log_write(const char *component, const char *fmt, ...)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	_cleanup_free_ char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	_cleanup_free_ char *shown = str_printable(str_of(text));
	fprintf(stderr, "%5ld.%03ld %s: %s\n", (long)now.tv_sec % 100000, now.tv_nsec / 1000000,
		component, shown);
}
