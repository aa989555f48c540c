#include "base/cancel.h"

static int requested;
static _Thread_local const CancelScope *scopes;

void cancel_request(void)
{
	__atomic_store_n(&requested, 1, __ATOMIC_RELAXED);
}

static bool interrupted(void)
{
	return __atomic_load_n(&requested, __ATOMIC_RELAXED);
}

bool cancel_requested(void)
{
	bool found = interrupted();
	for (const CancelScope *s = scopes; s && !found; s = s->outer)
		found = __atomic_load_n(s->stop, __ATOMIC_RELAXED);
	return found;
}

int cancel_check(Err **err)
{
	if (!cancel_requested())
		return 0;
	return err_set(
		err, ERR_CANCELLED, interrupted() ? "interrupted" : "it is of no use any more");
}

void cancel_scope_begin(CancelScope *scope, const bool *stop)
{
	*scope = (CancelScope){stop, scopes};
	scopes = scope;
}

void cancel_scope_end(CancelScope *scope)
{
	scopes = scope->outer;
}

void cancel_set(bool *stop)
{
	__atomic_store_n(stop, true, __ATOMIC_RELAXED);
}

const CancelScope *cancel_scopes(void)
{
	return scopes;
}

void cancel_scopes_enter(const CancelScope *of_creator)
{
	scopes = of_creator;
}
