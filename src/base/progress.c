#include "base/progress.h"

#include <stdio.h>

unsigned progress_next_id(void)
{
	static unsigned last;
	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

void progress_plan(Progress *p, unsigned total)
{
	if (p && p->ops->plan)
		p->ops->plan(p, total);
}

void progress_state(Progress *p, unsigned id, const char *name, ProgressState state, const Err *err)
{
	if (p && p->ops->state)
		p->ops->state(p, id, name, state, err);
}

void progress_log(Progress *p, unsigned id, int stream, const char *text, size_t len)
{
	if (p && p->ops->log && len)
		p->ops->log(p, id, stream, text, len);
}

void progress_bytes(Progress *p, unsigned id, const char *what, uint64_t done, uint64_t total)
{
	if (p && p->ops->bytes)
		p->ops->bytes(p, id, what, done, total);
}

void progress_warn(Progress *p, const char *file, int line, const char *fmt, ...)
{
	if (!p || !p->ops->warn)
		return;
	_cleanup_free_ char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	p->ops->warn(p, file, line, text);
}
