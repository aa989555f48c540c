/* The programs docker-credential-<name> that keep credentials elsewhere (github.com/docker/docker-credential-helpers). */
#pragma once

#include "base/str.h"
#include "registry/credentials.h"

#define CREDENTIAL_HELPER_SECONDS 60 /* for an answer: somebody may have to unlock a key ring */

/* 1, or 0 when it knows nothing of that server. ERR_AUTH with what it said when it fails, is not there, or is named in
 * a way no program can be. */
int credential_helper_get(const char *helper, const char *server, Credentials *ret, Err **err)
	_warn_unused_;
int credential_helper_store(const char *helper, const char *server, const Credentials *c, Err **err)
	_warn_unused_;
/* 1, or 0 when there was nothing. */
int credential_helper_erase(const char *helper, const char *server, Err **err) _warn_unused_;
/* Servers it knows; appended. */
int credential_helper_list(const char *helper, StrVec *ret, Err **err) _warn_unused_;
