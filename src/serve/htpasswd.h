/*
 * Users of a file as `htpasswd -B` writes it: bcrypt only, checked by libcrypt. The file is read again when it changes.
 * A password that was right is remembered by a keyed hash, since bcrypt takes a tenth of a second and clients send their
 * password with each request; wrong ones are checked one at a time, so that guessing cannot take every processor.
 */
#pragma once

#include "base/str.h"

typedef struct Htpasswd Htpasswd;
/* ERR_UNSUPPORTED for hashes of other kinds, with the line. */
int htpasswd_new(const char *path, Htpasswd **ret, Err **err) _warn_unused_;
Htpasswd *htpasswd_free(Htpasswd *h);
DEFINE_FREEP(Htpasswd, htpasswd_free)
/* authorization: value of the header, or NULL. True and the user's name (owned) when it is right. */
bool htpasswd_allows(Htpasswd *h, const char *authorization, char **ret_user);

/* "Basic <base64>": user and password, owned; false if it is anything else. */
bool basic_parse(Str value, char **ret_user, char **ret_password);
