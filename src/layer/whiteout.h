/*
 * The names by which a tar layer says that something of the layers below is gone (OCI image-spec,
 * layer.md): "dir/.wh.NAME" removes dir/NAME, "dir/.wh..wh..opq" hides what they have in dir. Other names that
 * start with ".wh..wh." are book-keeping of aufs and mean nothing. Internal to layer/.
 */
#pragma once

#include "base/str.h"

#define WHITEOUT_PREFIX      ".wh."
#define WHITEOUT_META_PREFIX ".wh..wh."
#define WHITEOUT_OPAQUE      ".wh..wh..opq"

typedef enum WhiteoutKind {
	WHITEOUT_NOT,     /* an ordinary entry */
	WHITEOUT_PATH,    /* *target is removed from the layers below */
	WHITEOUT_DIR,     /* *target hides its content in the layers below */
	WHITEOUT_IGNORED, /* aufs book-keeping */
} WhiteoutKind;

/* target (cleared here) receives the path concerned. ERR_CORRUPT for names made to confuse: ".wh." alone, of "." or
 * "..", of another whiteout, and entries below a whiteout. */
int whiteout_parse(Str path, WhiteoutKind *ret, Buf *target, Err **err) _warn_unused_;
/* Whether a component of path starts with ".wh.". */
bool whiteout_name_in(Str path);
