#include "base/cancel.h"

static int requested;

void cancel_request(void)
{
	__atomic_store_n(&requested, 1, __ATOMIC_RELAXED);
}

bool cancel_requested(void)
{
	return __atomic_load_n(&requested, __ATOMIC_RELAXED);
}

int cancel_check(Err **err)
{
	return cancel_requested() ? err_set(err, ERR_CANCELLED, "interrupted") : 0;
}
