/* .dockerignore: text to patterns (spec: build.md 1.5); base/glob.h matches them. */
#pragma once

#include "base/str.h"

int ignore_parse(Str text, const char *path, StrVec *ret_patterns, Err **err) _warn_unused_;
