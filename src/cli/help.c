#include "cli/help.h"

void help_overview(Buf *out)
{
	buf_cstr(out,
		"cruet builds, weighs and ships container images: one program, no daemon, no root.\n\n"
		"Usage: cruet COMMAND [OPTIONS] …\n\nCommands:\n");
	for (size_t i = 0; i < n_commands; i++)
		if (!(commands[i]->needs & HIDDEN))
			buf_printf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	buf_cstr(out,
		"\n'cruet COMMAND --help' explains a command, 'cruet --version' tells the version.\n");
}

void help_command(const Command *c, const Option *global, size_t n_global, Buf *out)
{
	buf_printf(out, "Usage: cruet %s [OPTIONS]%s%s\n\n%s.\n", c->name, *c->operands ? " " : "",
		c->operands, c->summary);
	if (c->description)
		buf_printf(out, "\n%s", c->description);
	if (c->n_options) {
		if (c->options[0].type != OPTION_GROUP)
			buf_cstr(out, "\nOptions:\n");
		options_help(c->options, c->n_options, out);
	}
	buf_cstr(out, "\nGlobal options:\n");
	options_help(global, n_global, out);
}

/* Text for roff: backslashes, leading dots and dashes of flags. */
static void roff_text(Buf *out, const char *text)
{
	bool line_start = true;
	for (const char *p = text; *p; p++) {
		if (line_start && (*p == '.' || *p == '\''))
			buf_cstr(out, "\\&");
		if (*p == '\\')
			buf_cstr(out, "\\e");
		else if (*p == '-')
			buf_cstr(out, "\\-");
		else
			buf_char(out, *p);
		line_start = *p == '\n';
	}
}

static void roff_option(Buf *out, const Option *o)
{
	if (o->type == OPTION_GROUP) {
		buf_printf(out, ".PP\n%s:\n", o->name);
		return;
	}
	buf_cstr(out, ".TP\n.B ");
	if (o->letter)
		buf_printf(out, "\\-%c, ", o->letter);
	buf_cstr(out, "\\-\\-");
	roff_text(out, o->name);
	if (o->metavar) {
		buf_char(out, ' ');
		roff_text(out, o->metavar);
	}
	buf_char(out, '\n');
	roff_text(out, o->help);
	buf_char(out, '\n');
}

void help_manual(Buf *out)
{
	buf_cstr(out,
		".TH CRUET 1\n.SH NAME\ncruet \\- build, weigh and ship container images\n"
		".SH SYNOPSIS\n.B cruet\n.I COMMAND\n[OPTIONS] ...\n.SH COMMANDS\n");
	for (size_t i = 0; i < n_commands; i++) {
		const Command *c = commands[i];
		if (c->needs & HIDDEN)
			continue;
		buf_printf(out, ".SS cruet %s ", c->name);
		roff_text(out, c->operands);
		buf_char(out, '\n');
		roff_text(out, c->summary);
		buf_cstr(out, ".\n");
		if (c->description) {
			buf_cstr(out, ".PP\n.nf\n");
			roff_text(out, c->description);
			buf_cstr(out, ".fi\n");
		}
		for (size_t k = 0; k < c->n_options; k++)
			roff_option(out, &c->options[k]);
	}
	buf_cstr(out,
		".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage, 4 credentials, 5 network, 6 digest, "
		"7 not found, 8 malformed text, 9 malformed data, 10 limit, 11 unsupported, 12 denied, "
		"13 disk full, 14 a RUN failed, 15 exists already, 16 timeout, 130 interrupted.\n"
		".SH ENVIRONMENT\n.TP\n.B CRUET_ROOT\nthe image store\n.TP\n.B SOURCE_DATE_EPOCH\n"
		"seconds: no time in a built image is later\n.TP\n.B NO_COLOR\nno colours\n");
}

static void completion_words(Buf *out, const Command *c)
{
	for (size_t k = 0; k < c->n_options; k++)
		if (c->options[k].type != OPTION_GROUP)
			buf_printf(out, "--%s ", c->options[k].name);
	buf_cstr(out, "--root --debug --help");
}

void help_bash_completion(Buf *out)
{
	buf_cstr(out,
		"# bash completion for cruet: source it, or put it into "
		"/usr/share/bash-completion/completions/cruet\n"
		"_cruet()\n{\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= i words=\n"
		"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		"\t\tcase ${COMP_WORDS[i]} in\n\t\t--root | --debug) ((i++)) ;;\n\t\t-*) ;;\n"
		"\t\t*) verb=${COMP_WORDS[i]}; break ;;\n\t\tesac\n\tdone\n"
		"\tcase $verb/$prev in\n");
	for (size_t i = 0; i < n_commands; i++)
		for (size_t k = 0; k < commands[i]->n_options; k++) {
			const Option *o = &commands[i]->options[k];
			if (o->type == OPTION_GROUP || !o->metavar || !strchr(o->metavar, '|') ||
				strchr(o->metavar, '='))
				continue;
			buf_printf(out, "\t%s/--%s) words='", commands[i]->name, o->name);
			for (const char *p = o->metavar; *p; p++)
				buf_char(out, *p == '|' ? ' ' : *p);
			buf_cstr(out, "' ;;\n");
		}
	buf_cstr(out, "\tesac\n\tif [[ -z $words ]]; then\n\t\tcase $verb in\n\t\t'') words='");
	for (size_t i = 0; i < n_commands; i++)
		if (!(commands[i]->needs & HIDDEN))
			buf_printf(out, "%s%s", i ? " " : "", commands[i]->name);
	buf_cstr(out, "' ;;\n");
	for (size_t i = 0; i < n_commands; i++) {
		buf_printf(out, "\t\t%s) [[ $cur == -* ]] && words='", commands[i]->name);
		completion_words(out, commands[i]);
		buf_cstr(out, "' ;;\n");
	}
	buf_cstr(out,
		"\t\tesac\n\tfi\n"
		"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		"\tif [[ ${#COMPREPLY[@]} -eq 0 && $cur != -* ]]; then\n"
		"\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
		"\t\tcase $verb in rmi | tag | inspect | history | run | save | export | unpack)\n"
		"\t\t\tCOMPREPLY+=($(compgen -W \"$(cruet images --quiet --names 2>/dev/null)\" -- \"$cur\")) ;;\n"
		"\t\tesac\n\tfi\n}\n"
		"complete -o filenames -F _cruet cruet\n");
}
