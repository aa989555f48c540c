/*
 * The script works on the text of the line, not on bash's words: those are split at ':' and '=', which image names and
 * --flag=value have. What is offered loses the part that bash already took for other words.
 */
#include "cli/global.h"
#include "cli/help.h"

static const char head[] =
	"# bash completion for cruet; 'cruet completion bash' prints it\n"
	"_cruet()\n{\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} words verb= last= kind= list= root=() i operands=0\n"
	"\tread -ra words <<<\"$line\"\n"
	"\t[[ $line == *[[:space:]] ]] && words+=('')\n"
	"\tlocal cur=${words[-1]} n=$((${#words[@]} - 1))\n"
	"\tfor ((i = 1; i < n; i++)); do\n"
	"\t\tcase ${words[i]} in\n"
	"\t\t--root) root=(--root \"${words[++i]}\") ;;\n"
	"\t\t--root=*) root=(\"${words[i]}\") ;;\n"
	"\t\t--debug) ((i++)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*) if [[ $verb ]]; then ((operands++)); else verb=${words[i]}; fi ;;\n"
	"\t\tesac\n\tdone\n"
	"\tlast=${words[n-1]}\n"
	"\tif [[ $cur == --*=* ]]; then\n\t\tlast=${cur%%=*} cur=${cur#*=}\n\tfi\n"
	"\tcase $verb/$last in\n";

static const char tail[] =
	"\tesac\n"
	"\tcase $kind in\n"
	"\timages) list=$(cruet \"${root[@]}\" images --format names 2>/dev/null) ;;\n"
	"\tplatforms) list='linux/amd64 linux/arm64 linux/arm/v7 linux/riscv64' ;;\n"
	"\tesac\n"
	"\tCOMPREPLY=($(compgen -W \"$list\" -- \"$cur\"))\n"
	"\tif [[ $kind == *files || $kind == folders ]]; then\n"
	"\t\tlocal what=-f\n"
	"\t\t[[ $kind == folders ]] && what=-d\n"
	"\t\tlocal IFS=$'\\n'\n"
	"\t\tCOMPREPLY+=($(compgen $what -- \"$cur\"))\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\tfi\n"
	"\tlocal taken=\n"
	"\t[[ $COMP_WORDBREAKS == *:* && $cur == *:* ]] && taken=${cur%\"${cur##*:}\"}\n"
	"\tfor i in \"${!COMPREPLY[@]}\"; do\n\t\tCOMPREPLY[i]=${COMPREPLY[i]#\"$taken\"}\n\tdone\n"
	"}\n"
	"complete -F _cruet cruet\n";

static bool mentions(const char *text, const char *word)
{
	return text && strstr(text, word);
}

/* What follows a flag or stands as an operand, told by its name in the help. */
static const char *kind_of(const char *metavar)
{
	if (mentions(metavar, "="))
		return "none";
	if (mentions(metavar, "IMAGE"))
		return "images";
	if (mentions(metavar, "DIRECTORY") || mentions(metavar, "CONTEXT") ||
		cstr_eq(metavar, "DIR"))
		return mentions(metavar, "FILE") ? "files" : "folders";
	if (mentions(metavar, "FILE") || mentions(metavar, "SOURCE"))
		return "files";
	return cstr_eq(metavar, "OS/ARCH") ? "platforms" : "none";
}

static void add_choices(Buf *out, const char *metavar)
{
	for (const char *p = metavar; *p && !cstr_starts(p, "|{{"); p++)
		buf_char(out, *p == '|' ? ' ' : *p);
}

/* "build/--progress | …) list='auto tty …' ;;" for every flag with a value. verb: a pattern. */
static void add_flag(Buf *out, const char *verb, const Option *o)
{
	if (o->type == OPTION_GROUP || option_is_flag(o) || !o->help)
		return;
	buf_printf(out, "\t%s/--%s", verb, o->name);
	if (o->letter)
		buf_printf(out, " | %s/-%c", verb, o->letter);
	if (option_has_choices(o)) {
		buf_cstr(out, ") list='");
		add_choices(out, o->metavar);
		buf_cstr(out, "' ;;\n");
	} else {
		/* the name of an image to be made is often that of one there is */
		bool tag = strcmp(o->name, "tag") == 0;
		buf_printf(out, ") kind=%s ;;\n", tag ? "images" : kind_of(o->metavar));
	}
}

static void add_flag_names(Buf *out, const Option *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].type != OPTION_GROUP && rows[i].help)
			buf_printf(out, "--%s ", rows[i].name);
}

static void add_verbs(Buf *out)
{
	for (size_t i = 0; i < n_commands; i++)
		if (!(commands[i]->needs & HIDDEN))
			buf_printf(out, "%s ", commands[i]->name);
}

/* A new word that no flag has asked for: a flag or an operand. */
static void add_operands(Buf *out, const Command *c)
{
	buf_printf(out, "\t%s/*)\n\t\tif [[ $cur == -* ]]; then\n\t\t\tlist='", c->name);
	add_flag_names(out, c->options, c->n_options);
	add_flag_names(out, global_rows, n_global_rows);
	buf_cstr(out, "'\n\t\telse\n\t\t\t");
	if (strcmp(c->name, "help") == 0) {
		buf_cstr(out, "list='");
		add_verbs(out);
		buf_cstr(out, "manual'");
	} else if (strcmp(c->name, "completion") == 0) {
		buf_cstr(out, "list=bash");
	} else if (strcmp(c->name, "index") == 0) {
		buf_cstr(out, "list='create append'\n\t\t\t((operands)) && list= kind=images");
	} else if (strcmp(c->name, "images") == 0) {
		buf_cstr(out, "kind=images");
	} else if (c->max_operands == 0) {
		buf_cstr(out, "kind=none");
	} else if (mentions(c->operands, "IMAGE ") && c->max_operands > 1) {
		/* what follows the image: the tree's directory, the program's words */
		buf_printf(out, "kind=images\n\t\t\t((operands)) && kind=%s",
			strcmp(c->name, "tag") == 0 ? "images" : "files");
	} else {
		buf_printf(out, "kind=%s", kind_of(c->operands));
	}
	buf_cstr(out, "\n\t\tfi ;;\n");
}

void help_bash_completion(Buf *out)
{
	buf_cstr(out, head);
	for (size_t i = 0; i < n_global_rows; i++)
		add_flag(out, "*", &global_rows[i]);
	for (size_t i = 0; i < n_commands; i++)
		for (size_t k = 0; k < commands[i]->n_options; k++)
			add_flag(out, commands[i]->name, &commands[i]->options[k]);
	buf_cstr(out, "\t/*) list='");
	add_verbs(out);
	add_flag_names(out, global_rows, n_global_rows);
	buf_cstr(out, "--version' ;;\n");
	for (size_t i = 0; i < n_commands; i++)
		add_operands(out, commands[i]);
	buf_cstr(out, tail);
}
