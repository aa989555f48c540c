/*
 * Options as tables: each row says how a flag is written and where its value goes in the verb's options
 * struct (zeroed before parsing). Both --name=value and --name value, -nvalue and -n value, grouped
 * short switches, "--" ends options.
 */
#pragma once

#include "base/str.h"

typedef enum OptionType {
	OPTION_FLAG,     /* bool; --name or --name=true|false */
	OPTION_FLAG_OFF, /* bool, the opposite: --name=false sets it */
	OPTION_STRING,   /* char *, owned; last wins */
	OPTION_SECRET,   /* the same, and it is struck out in argv: of what /proc and ps show */
	OPTION_STRINGS,  /* StrVec, appended */
	OPTION_COUNT,    /* unsigned */
	OPTION_LEVEL,    /* int, may be negative */
	OPTION_OPTIONAL, /* char *, owned; --name means "true", a value needs --name=value */
	OPTION_GROUP,    /* no option: a heading in --help (name = heading) */
} OptionType;

typedef struct Option {
	char letter;      /* 0 = no short form */
	const char *name; /* without "--" */
	OptionType type;
	size_t offset;
	const char *
		metavar; /* NULL for flags; "a|b|c" doubles as the list of allowed values ("{{…}}": also templates) */
	const char *help; /* no dot at the end; NULL: taken, but told nowhere */
} Option;

bool option_is_flag(const Option *o);     /* on or off */
bool option_has_choices(const Option *o); /* its metavar is "a|b|c" */

/* Rows every verb has (help, root, debug …) are parsed by main from the same kind of table. */
typedef struct OptionSet {
	const Option *rows;
	size_t n_rows;
	void *target;
} OptionSet;

/* argv without the verb. Operands are appended. stop_at_operand: everything from the first operand on is
 * operands. ERR_USAGE names the flag and suggests the nearest. */
int options_parse(const OptionSet *sets, size_t n_sets, int argc, char **argv, bool stop_at_operand,
	StrVec *operands, Err **err) _warn_unused_;
void options_done(const OptionSet *set);
/* Help lines, at most 80 columns. */
void options_help(const Option *rows, size_t n_rows, Buf *out);
/* "KEY=VALUE[,KEY=VALUE…]" as in --secret id=x,src=y. A bare word becomes KEY with value "". A field in "…" may have
 * commas. */
typedef int (*CsvFn)(void *arg, Str key, Str value, Err **err);
int csv_fields(const char *text, CsvFn fn, void *arg, Err **err) _warn_unused_;
