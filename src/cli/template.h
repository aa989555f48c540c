/*
 * The part of docker's --format templates that scripts use: text around {{.A.B}}, {{json .A}}, {{len .A}},
 * {{index .A 0}} or {{index .A "key"}}, {{join .A ","}}, and {{range .A}}…{{end}} with {{.}} inside.
 */
#pragma once

#include "base/json.h"

bool template_is(const char *format); /* has "{{" */
/* Adds the text and a newline. ERR_USAGE for a field that is not there, ERR_UNSUPPORTED for other actions. */
int template_format(const char *format, const json_t *value, Buf *out, Err **err) _warn_unused_;
