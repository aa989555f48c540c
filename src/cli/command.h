/*
 * A verb of the command line. One file a verb, exporting one `const Command`; commands.def lists them
 * all. From the option rows come parsing, --help, the manual page and shell completion.
 */
#pragma once

#include "cli/option.h"
#include "store/store.h"

typedef struct CmdCtx {
	Store *store;           /* open when the verb NEEDS_STORE; borrowed */
	const char *store_path; /* --root, or NULL for the default */
	int exit_status;        /* what main returns when run() succeeds */
	bool quiet;
} CmdCtx;

typedef enum CommandNeeds {
	NEEDS_STORE = 1 << 0,
	/* enter a user namespace when the caller is not root, because trees of other owners are touched;
	 * without the permission the verb goes on as it is */
	NEEDS_IDS = 1 << 1,
	/* options end at the first operand: what follows belongs to the program to run */
	NEEDS_RAW_TAIL = 1 << 2,
	HIDDEN = 1 << 3,
	RUNS_PROGRAMS = 1 << 4, /* the user is told what cannot be done with the ids he has */
} CommandNeeds;

typedef struct Command {
	const char *name;
	const char *operands; /* "IMAGE [COMMAND…]" */
	const char *summary;  /* one line, no dot */
	/* For --help and the manual; may be NULL. Paragraphs are set apart by an empty line and broken anew;
	 * one that begins with a blank stays as it is. */
	const char *description;
	const Option *options;
	size_t n_options;
	size_t options_size; /* of the struct the rows point into */
	unsigned needs;
	unsigned min_operands, max_operands; /* max 0 with min 0: none; UINT_MAX: any */
	int (*run)(CmdCtx *ctx, void *options, const StrVec *operands, Err **err);
	void (*done)(void *options); /* releases what the rows do not know; may be NULL */
} Command;

#define COMMAND(symbol) extern const Command symbol;
#include "cli/commands.def"
#undef COMMAND

extern const Command *const commands[];
extern const size_t n_commands;
const Command *command_find(const char *name);
/* ERR_USAGE that suggests the nearest verb. */
int command_unknown(const char *name, Err **err);

/* Exit status for a cause (docs/ERRORS.md). */
int exit_status_of(ErrCode code);
