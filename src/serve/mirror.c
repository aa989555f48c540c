#include "serve/mirror.h"
Mirror *mirror_new(Store *s _unused_, const Upstream *u _unused_)
{
	return NULL;
}
Mirror *mirror_free(Mirror *m _unused_)
{
	return NULL;
}
const char *mirror_repository(const Mirror *m _unused_, const StrVec *r _unused_)
{
	return NULL;
}
bool mirror_is_fresh(Mirror *m _unused_, const char *r _unused_, const char *t _unused_)
{
	return true;
}
int mirror_manifest(Mirror *m _unused_, const char *r _unused_, const char *t _unused_,
	Descriptor *ret _unused_, Buf *b _unused_, Err **err)
{
	return err_set(err, ERR_NOT_FOUND, "no");
}
int mirror_blob(Mirror *m _unused_, const char *r _unused_, const Digest *d _unused_,
	bool get _unused_, uint64_t *s _unused_, BodySource **ret _unused_, Err **err)
{
	return err_set(err, ERR_NOT_FOUND, "no");
}
