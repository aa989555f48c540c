/*
 * Debug trace. Libraries return errors and never print; what helps while debugging goes here and is
 * shown only when its component is asked for (--debug=store,layer or --debug for all). Control characters come out as
 * \xNN.
 */
#pragma once

#include <stdbool.h>

#include "base/mem.h"

/* Comma-separated component names, "all", or NULL for none. Call before threads start. */
void log_enable(const char *components);
bool log_enabled(const char *component); /* NULL: whether any is */
void log_write(const char *component, const char *fmt, ...) _printf_(2, 3);
#define log_debug(component, ...)                                                                  \
	do {                                                                                       \
		if (log_enabled(component))                                                        \
			log_write(component, __VA_ARGS__);                                         \
	} while (0)
