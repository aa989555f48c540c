/*
 * A Dockerfile as data: stages of instructions with their words still unexpanded. dockerfile_parse does lexing,
 * directives, continuation, heredocs, JSON form and flags (spec: build.md 1.1, 1.3, 1.4, 14–25); expand.h turns
 * words into values with the variables of the moment.
 */
#pragma once

#include "base/vec.h"
#include "base/str.h"

typedef enum InstrKind {
	INSTR_ADD,
	INSTR_ARG,
	INSTR_CMD,
	INSTR_COPY,
	INSTR_ENTRYPOINT,
	INSTR_ENV,
	INSTR_EXPOSE,
	INSTR_FROM,
	INSTR_HEALTHCHECK,
	INSTR_LABEL,
	INSTR_MAINTAINER,
	INSTR_ONBUILD,
	INSTR_RUN,
	INSTR_SHELL,
	INSTR_STOPSIGNAL,
	INSTR_USER,
	INSTR_VOLUME,
	INSTR_WORKDIR,
	_INSTR_MAX
} InstrKind;
const char *instr_name(InstrKind k); /* "ADD" … */

typedef struct InstrFlag {
	char *name;  /* without "--" */
	char *value; /* "true"/"false" for booleans; unexpanded */
} InstrFlag;

typedef struct KeyValue {
	char *key;
	char *value; /* NULL: ARG without a default */
} KeyValue;

typedef struct Heredoc {
	char *name;
	char *content; /* tabs already stripped for <<- */
	bool expand;   /* delimiter was not quoted */
	bool strip_tabs;
	unsigned fd; /* digits before <<; 0 if none */
} Heredoc;

typedef struct Instr {
	InstrKind kind;
	int line, end_line; /* 1-based, physical lines */
	char *source;       /* the logical line, instruction word included, continuation joined */
	bool json;          /* exec form */
	/* RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK CMD: shell form = one word, the command line; exec form = argv.
	 * COPY, ADD: sources then destination (heredoc sources as "<<NAME"). EXPOSE, VOLUME: words. FROM: image, then
	 * the stage name if any. USER, WORKDIR, STOPSIGNAL, MAINTAINER: one word. ONBUILD: the trigger's text
	 * (heredoc bodies included). */
	StrVec args;
	VEC(InstrFlag) flags;
	VEC(KeyValue) pairs; /* ENV, LABEL, ARG */
	VEC(Heredoc) heredocs;
	bool healthcheck_none;
	StrVec comments; /* comment lines right above, without '#' */
} Instr;
const char *instr_flag(const Instr *i, const char *name); /* first value or NULL */
void instr_done(Instr *i);

typedef struct Stage {
	Instr from;
	char *name; /* lower case; NULL if unnamed */
	VEC(Instr) instrs;
} Stage;

typedef struct DockerfileWarning {
	int line;
	char *text;
} DockerfileWarning;

typedef struct Dockerfile {
	char *path;             /* as shown in messages */
	char *text;             /* owned copy of the source */
	char escape;            /* '\\' or '`' */
	char *syntax;           /* "# syntax=" value or NULL */
	char *check;            /* "# check=" value or NULL */
	VEC(Instr) global_args; /* ARG before the first FROM */
	VEC(Stage) stages;
	VEC(DockerfileWarning) warnings;
} Dockerfile;

/* ERR_PARSE with file, line and excerpt; ERR_UNSUPPORTED for a foreign "# syntax=" frontend. */
int dockerfile_parse(Str text, const char *path, Dockerfile **ret, Err **err) _warn_unused_;
Dockerfile *dockerfile_free(Dockerfile *d);
DEFINE_FREEP(Dockerfile, dockerfile_free)
/* One instruction without FROM: an ONBUILD trigger, or import --change. *ret is filled; instr_done. */
int dockerfile_parse_instr(Str text, const char *path, char escape, Instr *ret, Err **err)
	_warn_unused_;
/* Index of a stage by name (case-insensitive) or number text; -1 if none. before: only stages below this index. */
ssize_t dockerfile_stage(const Dockerfile *d, const char *name, size_t before);
/* Lines around, as a terminal excerpt with ">>>" before line..end_line; owned. */
char *dockerfile_excerpt(Str text, int line, int end_line);
/* Nearest candidate to word by slips of the fingers, or the one it begins; NULL if none is near; borrowed. */
const char *did_you_mean(const char *word, const char *const *candidates, size_t n);
/* The raw syntax tree as an s-expression, one line an instruction (BuildKit's parser test format); owned. */
int dockerfile_sexpr(Str text, char **ret, Err **err) _warn_unused_;
