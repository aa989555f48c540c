/* The WWW-Authenticate header (RFC 9110 section 11.6.1): which schemes a server offers. */
#pragma once

#include "base/str.h"
#include "base/vec.h"

typedef struct Challenge {
	char *scheme;  /* lower case: "bearer", "basic" */
	StrVec params; /* "key=value", keys in lower case, values unquoted */
} Challenge;
typedef VEC(Challenge) Challenges;

/* One header's value; several challenges may stand in it. ERR_CORRUPT. Appends to ret. */
int challenges_parse(Str value, Challenges *ret, Err **err) _warn_unused_;
void challenges_done(Challenges *c);
/* Value of a parameter, or NULL; borrowed. */
const char *challenge_param(const Challenge *c, const char *key);
