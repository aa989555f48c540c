/*
 * Strict JSON over jansson, read through tables.
 *
 * Parsing rejects duplicate keys, NUL in strings, bytes behind the document, invalid UTF-8, depth
 * past LIMIT_JSON_DEPTH, more than LIMIT_JSON_VALUES values and size past the caller's bound. A
 * table row names a key, its type, where it goes in a C struct, and whether it must be there; a
 * wrong type gives ERR_CORRUPT naming the path.
 */
#pragma once

#include <jansson.h>

#include "base/digest.h"

/* name is for messages ("manifest sha256:…"). Owned result: json_decref, or _cleanup_json_. */
int json_parse(Str text, size_t max_size, const char *name, json_t **ret, Err **err) _warn_unused_;

/* The same, but "\\u0000" is allowed in strings (json_string_length tells). */
int json_parse_nul(Str text, size_t max_size, const char *name, json_t **ret, Err **err)
	_warn_unused_;

/* The same for documents with secrets: errors quote nothing of the text. */
int json_parse_secret(Str text, size_t max_size, const char *name, json_t **ret, Err **err)
	_warn_unused_;
/* Overwrites the texts in it, then json_decref. The value must have no other owner. NULL is fine. */
void json_wipe(json_t *value);

typedef enum JsonType {
	JSON_FIELD_STRING,  /* char *, owned */
	JSON_FIELD_U64,     /* uint64_t, not negative */
	JSON_FIELD_I64,     /* int64_t */
	JSON_FIELD_BOOL,    /* bool */
	JSON_FIELD_DIGEST,  /* Digest, from "sha256:…" */
	JSON_FIELD_STRINGS, /* StrVec, from an array of strings */
	JSON_FIELD_KEYS,    /* StrVec, the sorted keys of an object */
	JSON_FIELD_PAIRS,   /* StrVec, "key=value" of an object of strings, sorted by key */
	JSON_FIELD_OBJECT,  /* json_t *, owned reference to an object */
	JSON_FIELD_ARRAY,   /* json_t *, owned reference to an array */
} JsonType;

typedef struct JsonField {
	const char *name;
	JsonType type;
	size_t offset;
	bool mandatory; /* null counts as absent */
} JsonField;

/* Fills out (zeroed by the caller) from the object; path is the prefix for messages, e.g. "config".
 * Unknown keys are ignored: the raw bytes stay the truth. On error nothing of out is left owned. */
int json_read_object(const json_t *object, const char *path, const JsonField *fields,
	size_t n_fields, void *out, Err **err) _warn_unused_;

/*
 * Writing what did not come out of JSON (Dockerfiles, flags, file names): bytes that are not UTF-8
 * become U+FFFD, one each, as Go does it; jansson's own functions would drop the whole value.
 */
json_t *json_from_text(const char *text);                      /* owned */
void json_set(json_t *object, const char *key, json_t *value); /* takes value */
void json_set_text(json_t *object, const char *key, const char *text);
/*
 * What JSON_FIELD_PAIRS reads: sets object[key] to an object of strings, or removes it when pairs
 * is empty. Keys with '=' in them, which a pair cannot tell from its value, are known from the old
 * one.
 */
void json_set_pairs(json_t *object, const char *key, const StrVec *pairs);

/* Deterministic text: keys sorted, no spaces, slashes not escaped, no trailing newline. Owned. */
char *json_text(const json_t *value);
char *json_text_pretty(
	const json_t *value); /* two-space indent, keys in insertion order, newline */

#define _cleanup_json_ _cleanup_(json_decrefp)
