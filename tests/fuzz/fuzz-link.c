/* A Link header: a target that is found stands in it, and is found again when it is alone. */
#include "registry/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_err_ Err *err = NULL;
	_cleanup_free_ char *target = NULL, *header = NULL, *again = NULL;
	int r = link_next((Str){(const char *)data, size}, &target, &err);
	must((r < 0) == (err != NULL) && (r == 0 || target == NULL));
	if (!target)
		return 0;
	must(*target == '\0' || memmem(data, size, target, strlen(target)));
	header = xasprintf("<%s>; rel=\"next\"", target);
	must(link_next(str_of(header), &again, NULL) == 0 && again);
	must(strcmp(target, again) == 0);
	return 0;
}
