/* "created_by" of the history, in the shapes that BuildKit writes and other tools parse (spec: build.md 3). */
#pragma once

#include "base/str.h"
#include "oci/config.h"

#define HISTORY_COMMENT "buildkit.dockerfile.v0"

/* Go's %q of a string. */
void history_quote(Buf *b, Str s);
/* ["a" "b"]: Go's %q of a slice. Owned. */
char *history_quoted_list(const char *word, const StrVec *v);
/* "WORD [a b]": Go's %v of a slice. Owned. */
char *history_plain_list(const char *word, const StrVec *v);
/* "WORD a b". Owned. */
char *history_words(const char *word, const StrVec *v);
char *history_healthcheck(const Healthcheck *h); /* owned */
