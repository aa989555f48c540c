/*
 * TOML as a tree of JSON values: tables are objects with their keys in the order of the text, arrays are arrays; numbers
 * with a fraction, dates and times, which no file of ours has, are null. Where a key stands is kept beside it.
 */
#pragma once

#include "base/json.h"

/* ERR_PARSE with file and line; ERR_LIMIT for nesting that no such file needs. Owned result: json_decref. */
int toml_parse(Str text, const char *file, json_t **ret, Err **err) _warn_unused_;
/* Line of the key in its table; key NULL: where the table itself begins. 0: there is no such key. */
int toml_line(const json_t *table, const char *key);
/* False for the member of each table that keeps the lines: skip it when going through the keys. */
bool toml_is_key(const char *key);

/* ---- members, by type ---- */
/* Absent ones leave *ret alone. ERR_PARSE with file and line for a member of another type. Strings are borrowed. */
int toml_string(const json_t *table, const char *key, const char *file, const char **ret, Err **err)
	_warn_unused_;
int toml_bool(const json_t *table, const char *key, const char *file, bool *ret, Err **err)
	_warn_unused_;
/* An array of strings, or one string; appended. */
int toml_strings(const json_t *table, const char *key, const char *file, StrVec *ret, Err **err)
	_warn_unused_;
/* A table, an array of tables; *ret borrowed, NULL when absent. */
int toml_table(const json_t *table, const char *key, const char *file, json_t **ret, Err **err)
	_warn_unused_;
int toml_tables(const json_t *table, const char *key, const char *file, json_t **ret, Err **err)
	_warn_unused_;
/* ERR_PARSE at the place of the key. */
int toml_error(const json_t *table, const char *key, const char *file, Err **err, const char *fmt,
	...) _printf_(5, 6);
