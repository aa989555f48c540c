/* Between toml.c and the one file of C++: what a TOML document consists of, as a sequence of events. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum TomlEvent {
	TOML_KEY,    /* text: of the value that follows */
	TOML_TABLE,  /* begins; ends with TOML_END */
	TOML_ARRAY,  /* the same */
	TOML_STRING, /* text */
	TOML_INTEGER,
	TOML_BOOL,
	TOML_OTHER, /* numbers with a fraction, dates, times */
	TOML_END,
} TomlEvent;

typedef void (*TomlFn)(
	void *arg, TomlEvent event, const char *text, size_t len, int64_t number, unsigned line);

/* Keys of a table come in the order of the text. 0, or the line of the mistake with its description. */
unsigned toml_events(
	const char *text, size_t len, TomlFn fn, void *arg, char *message, size_t size);

#ifdef __cplusplus
}
#endif
