#include "cli/help.h"

#include "cli/global.h"
#include "cli/screen_text.h"

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

bool help_paragraph(Str *rest, Str *ret)
{
	while (rest->len && rest->ptr[0] == '\n')
		*rest = str_slice(*rest, 1, rest->len);
	if (rest->len == 0)
		return false;
	const char *end = memmem(rest->ptr, rest->len, "\n\n", 2);
	*ret = str_slice(*rest, 0, end ? (size_t)(end - rest->ptr) : rest->len);
	*rest = str_slice(*rest, ret->len, rest->len);
	if (ret->ptr[ret->len - 1] == '\n')
		ret->len--;
	return true;
}

void help_command(const Command *c, Buf *out)
{
	buf_printf(out, "Usage: cruet %s [OPTIONS]%s%s\n\n%s.\n", c->name, *c->operands ? " " : "",
		c->operands, c->summary);
	Str rest = str_of(c->description), paragraph;
	while (help_paragraph(&rest, &paragraph)) {
		buf_char(out, '\n');
		if (paragraph.ptr[0] == ' ')
			buf_printf(out, STR_FMT "\n", STR_ARG(paragraph));
		else
			wrap_text(out, paragraph, 0, 0);
	}
	if (c->n_options) {
		if (c->options[0].type != OPTION_GROUP)
			buf_cstr(out, "\nOptions:\n");
		options_help(c->options, c->n_options, out);
	}
	buf_cstr(out, "\nGlobal options:\n");
	options_help(global_rows, n_global_rows, out);
}
