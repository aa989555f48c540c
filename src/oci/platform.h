/* os/architecture/variant, normalised as containerd does (x86_64 → amd64, aarch64 → arm64 …). */
#pragma once

#include "base/str.h"

typedef struct Platform {
	char *os, *arch, *variant; /* owned; variant NULL or empty when none */
} Platform;
/* "os/arch[/variant]", or one word: a system, or an architecture of linux. */
int platform_parse(Str text, Platform *ret, Err **err) _warn_unused_;
void platform_host(Platform *ret); /* of this machine */
void platform_copy(const Platform *src, Platform *ret);
char *platform_format(const Platform *p); /* "linux/arm/v7"; owned */
/*
 * 0 = cannot run; larger is closer (exact match largest): smaller variants of amd64, arm and
 * arm64, and arm v8…v5 on arm64, 386 on amd64. Neither needs to be normalised.
 */
int platform_match(const Platform *want, const Platform *have);
bool platform_same(const Platform *a, const Platform *b); /* however it is spelled */
void platform_done(Platform *p);
