/* Instructions that change nothing but the image config: one table (spec: build.md 1.3, 2–8, 25). */
#pragma once

#include "dockerfile/ast.h"
#include "dockerfile/expand.h"
#include "oci/config.h"

typedef struct ConfigChange {
	ImageConfig *config;
	const Expander *expander;
	bool *cmd_set; /* a CMD stood in this stage already: ENTRYPOINT keeps it */
	char *history; /* out: created_by, owned by the caller */
	StrVec pairs;  /* out: "K=V" as ENV and LABEL set them; for the caller to release */
} ConfigChange;
/* ERR_UNSUPPORTED for instructions that are no mere metadata (and for ARG, which belongs to the stage). */
int config_instr(const Instr *i, ConfigChange *c, Err **err) _warn_unused_;
bool config_instr_is(InstrKind k);
/* The command line that a shell form becomes: SHELL (default /bin/sh -c) and the text. */
void config_shell_argv(const ImageConfig *c, const char *text, StrVec *ret);
