#include "cli/global.h"
#include "cli/help.h"

/* Text for roff: backslashes, dashes of flags, and what begins a line with a request. */
static void roff_text(Buf *out, Str text)
{
	bool line_start = true;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (line_start && (c == '.' || c == '\''))
			buf_cstr(out, "\\&");
		if (c == '\\')
			buf_cstr(out, "\\e");
		else if (c == '-')
			buf_cstr(out, "\\-");
		else if (c == '~')
			buf_cstr(out, "\\(ti");
		else
			buf_char(out, c);
		line_start = c == '\n';
	}
	buf_char(out, '\n');
}

static void roff_options(Buf *out, const Option *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const Option *o = &rows[i];
		if (o->type == OPTION_GROUP) {
			buf_printf(out, ".PP\n%s:\n", o->name);
			continue;
		}
		if (!o->help)
			continue;
		_cleanup_free_ char *letter =
			o->letter ? xasprintf("-%c, ", o->letter) : xstrdup("");
		_cleanup_free_ char *flag = xasprintf("%s--%s", letter, o->name);
		buf_cstr(out, ".TP\n.B ");
		roff_text(out, str_of(flag));
		if (o->metavar) { /* on the same line, in the plain font */
			out->len--;
			bool optional = o->type == OPTION_OPTIONAL;
			_cleanup_free_ char *value =
				xasprintf(optional ? "[=%s]" : "%s", o->metavar);
			buf_cstr(out, optional ? "\\fR" : "\\fR ");
			roff_text(out, str_of(value));
		}
		roff_text(out, str_of(o->help));
	}
}

static void roff_command(Buf *out, const Command *c)
{
	_cleanup_free_ char *title =
		xasprintf("cruet %s%s%s", c->name, *c->operands ? " " : "", c->operands);
	buf_cstr(out, ".SS ");
	roff_text(out, str_of(title));
	_cleanup_free_ char *summary = xasprintf("%s.", c->summary);
	roff_text(out, str_of(summary));
	Str rest = str_of(c->description), paragraph;
	while (help_paragraph(&rest, &paragraph)) {
		bool as_it_is = paragraph.ptr[0] == ' ';
		buf_cstr(out, as_it_is ? ".PP\n.nf\n" : ".PP\n");
		roff_text(out, paragraph);
		if (as_it_is)
			buf_cstr(out, ".fi\n");
	}
	roff_options(out, c->options, c->n_options);
}

static void roff_statuses(Buf *out)
{
	static const char *const meanings[] = {
		[0] = "done",
		[1] = "a system call failed",
		[2] = "wrong flags or operands",
		[4] = "a server wants other credentials",
		[5] = "network or server failure",
		[6] = "content does not match its digest; gc --check found damage",
		[7] = "no such image, stage or file",
		[8] = "a Dockerfile, ignore file, name or number is malformed",
		[9] = "malformed or hostile archive, JSON or compressed stream",
		[10] = "a limit was reached",
		[11] = "well-formed, but outside what cruet does",
		[12] = "privileges or namespaces are missing",
		[13] = "the disk or a quota is full",
		[14] = "a RUN of the Dockerfile failed",
		[15] = "it exists already and must not",
		[16] = "no progress within the limit",
		[130] = "interrupted",
	};
	buf_cstr(out, ".SH EXIT STATUS\n");
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
		if (meanings[i]) {
			buf_printf(out, ".TP\n.B %zu\n", i);
			roff_text(out, str_of(meanings[i]));
		}
	buf_cstr(out, ".PP\n.B cruet run\npasses the status of the program on.\n");
}

void help_manual(Buf *out)
{
	buf_cstr(out,
		".\\\" Made by 'cruet help manual'.\n.TH CRUET 1 \"\" \"cruet " CRUET_VERSION
		"\" \"User Commands\"\n"
		".SH NAME\ncruet \\- build, weigh and ship container images\n"
		".SH SYNOPSIS\n.B cruet\n.I COMMAND\n[OPTIONS] ...\n"
		".SH DESCRIPTION\n"
		"Turns a Dockerfile into a container image, as docker build does, without a daemon and\n"
		"without root; shows what an image weighs and why; and moves images in and out of its store,\n"
		"an OCI image layout.\n"
		".SH GLOBAL OPTIONS\n");
	roff_options(out, global_rows, n_global_rows);
	buf_cstr(out, ".TP\n.B \\-v\\fR, \\fB\\-\\-version\nprint the version\n.SH COMMANDS\n");
	for (size_t i = 0; i < n_commands; i++)
		if (!(commands[i]->needs & HIDDEN))
			roff_command(out, commands[i]);
	roff_statuses(out);
	buf_cstr(out,
		".SH ENVIRONMENT\n.TP\n.B CRUET_ROOT\nthe image store\n"
		".TP\n.B SOURCE_DATE_EPOCH\nseconds: no time in a built image is later\n"
		".TP\n.B NO_COLOR\nno colours on the terminal\n"
		".TP\n.B TERM\nprogress is plain where it is empty or dumb\n"
		".SH FILES\n.TP\n.I /var/lib/cruet\nthe store of root\n"
		".TP\n.I \\(ti/.local/share/cruet\nthe store of a user (or in $XDG_DATA_HOME)\n"
		".SH EXAMPLES\n.nf\n"
		"cruet import \\-t alpine \\-\\-change 'CMD [\"/bin/sh\"]' alpine\\-rootfs.tar.gz\n"
		"cruet build \\-t app .\n"
		"cruet history app\n"
		"cruet save \\-o app.tar app\n.fi\n"
		".SH SEE ALSO\n.BR docker\\-build (1),\n.BR skopeo (1)\n");
}
