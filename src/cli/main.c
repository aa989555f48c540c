/* The program: global flags, dispatch, one message a failure, the exit status. */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/screen_text.h"
#include "cli/terminal.h"
#include "dockerfile/ast.h"
#include "sys/userns.h"

typedef struct GlobalOptions {
	bool help;
	char *root;
	char *debug;
} GlobalOptions;

static const Option global_rows[] = {
	{0, "root", OPTION_STRING, offsetof(GlobalOptions, root), "DIR",
		"the image store (default: $CRUET_ROOT, else /var/lib/cruet, for a user ~/.local/share/cruet)"},
	{0, "debug", OPTION_STRING, offsetof(GlobalOptions, debug), "PARTS",
		"trace parts of the program to stderr: all, or store,layer,…"},
	{'h', "help", OPTION_FLAG, offsetof(GlobalOptions, help), NULL, "show this help"},
};

/* Lines of a Dockerfile, and what a program printed: on a terminal none of it may steer it. */
static void print_excerpt(const char *text)
{
	bool terminal = terminal_is(STDERR_FILENO);
	const char *bold = terminal_color(STDERR_FILENO, "\033[1m");
	const char *off = terminal_color(STDERR_FILENO, "\033[0m");
	unsigned flags = *off ? SCREEN_TEXT_COLORS : 0;
	Str rest = str_of(text), line;
	while (str_cut(&rest, '\n', &line)) {
		_cleanup_buf_ Buf clean = BUF_INIT(SIZE_MAX / 2);
		if (!rest.ptr && line.len == 0)
			break;
		bool marked = line.len > 10 && str_starts(str_slice(line, 4, line.len), " | >>> ");
		if (terminal) {
			size_t indent = 0;
			while (indent < line.len && line.ptr[indent] == ' ')
				indent++;
			buf_str(&clean, str_slice(line, 0, indent));
			line = screen_line(str_slice(line, indent, line.len));
			screen_text(&clean, line, ALL_COLUMNS, flags);
			line = buf_view(&clean);
		}
		fprintf(stderr, "%s" STR_FMT "%s\n", marked ? bold : "", STR_ARG(line),
			marked ? off : "");
	}
}

static void print_error(const Err *e)
{
	const char *red = terminal_color(STDERR_FILENO, "\033[1;31m");
	const char *bold = terminal_color(STDERR_FILENO, "\033[1m");
	const char *off = terminal_color(STDERR_FILENO, "\033[0m");
	fflush(stdout);
	fprintf(stderr, "%scruet:%s ", red, off);
	if (e->file && e->line)
		fprintf(stderr, "%s%s:%d:%s ", bold, e->file, e->line, off);
	else if (e->file)
		fprintf(stderr, "%s%s:%s ", bold, e->file, off);
	fprintf(stderr, "%s\n", e->message);
	if (e->excerpt)
		print_excerpt(e->excerpt);
	if (e->hint)
		fprintf(stderr, "%shint:%s %s\n", bold, off, e->hint);
}

static int check_operands(const Command *c, const StrVec *operands, Err **err)
{
	if (operands->len >= c->min_operands && operands->len <= c->max_operands)
		return 0;
	int r = 0;
	if (operands->len < c->min_operands)
		r = err_set(err, ERR_USAGE, "'cruet %s' needs %s%s", c->name,
			c->min_operands > 1 ? "more operands: " : "", c->operands);
	else
		r = err_set(err, ERR_USAGE, "'cruet %s' cannot use '%s'", c->name,
			operands->items[c->max_operands]);
	err_hint(err, "usage: cruet %s [OPTIONS]%s%s", c->name, *c->operands ? " " : "",
		c->operands);
	return r;
}

static int run_command(
	const Command *c, CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	_cleanup_(store_closep) Store *store = NULL;
	if (c->needs & NEEDS_IDS) {
		UsernsKind kind;
		_cleanup_free_ char *note = NULL;
		if (userns_enter(&kind, &note, NULL) == 0 && note && (c->needs & RUNS_PROGRAMS))
			fprintf(stderr, "note: %s\n", note);
	}
	if (c->needs & NEEDS_STORE) {
		int r = store_open(ctx->store_path, &store, err);
		if (r < 0)
			return r;
		ctx->store = store;
	}
	int r = c->run(ctx, options, operands, err);
	ctx->store = NULL;
	return r;
}

static int dispatch(const Command *c, int argc, char **argv, int *ret_status, Err **err)
{
	GlobalOptions global = {0};
	_cleanup_free_ void *options = xcalloc(1, c->options_size);
	_cleanup_strvec_ StrVec operands = {0};
	OptionSet sets[] = {
		{c->options, c->n_options, options},
		{global_rows, ARRAY_SIZE(global_rows), &global},
	};
	CmdCtx ctx = {0};
	int r = options_parse(
		sets, ARRAY_SIZE(sets), argc, argv, c->needs & NEEDS_RAW_TAIL, &operands, err);
	if (r == 0 && global.help) {
		_cleanup_buf_ Buf text = BUF_INIT(1 << 20);
		help_command(c, global_rows, ARRAY_SIZE(global_rows), &text);
		fputs(text.ptr, stdout);
	} else if (r == 0) {
		if (global.debug)
			log_enable(global.debug);
		ctx.store_path = global.root;
		r = check_operands(c, &operands, err);
		if (r == 0)
			r = run_command(c, &ctx, options, &operands, err);
	} else {
		err_hint(err, "%s%s'cruet %s --help' lists the flags",
			err && *err && (*err)->hint ? (*err)->hint : "",
			err && *err && (*err)->hint ? "; " : "", c->name);
	}
	if (c->done)
		c->done(options);
	options_done(&sets[0]);
	options_done(&sets[1]);
	*ret_status = ctx.exit_status;
	return r;
}

static int unknown_command(const char *word, Err **err)
{
	const char *names[64];
	size_t n = 0;
	for (size_t i = 0; i < n_commands && n < ARRAY_SIZE(names); i++)
		names[n++] = commands[i]->name;
	int r = err_set(err, ERR_USAGE, "'%s' is not a cruet command", word);
	const char *near = did_you_mean(word, names, n);
	if (near)
		err_hint(err, "did you mean 'cruet %s'?", near);
	else
		err_hint(err, "'cruet help' lists the commands");
	return r;
}

/* Global flags may stand before the verb too: they are moved behind it. */
static const Command *take_command(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++) {
		const char *word = argv[i];
		if (word[0] != '-') {
			const Command *c = command_find(word);
			memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i) * sizeof(char *));
			(*argc)--;
			return c;
		}
		if (strcmp(word, "--root") == 0 || strcmp(word, "--debug") == 0)
			i++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	_cleanup_err_ Err *err = NULL;
	int status = 0, r = 0;
	const char *word = NULL;
	for (int i = 1; i < argc && !word; i++) {
		if (argv[i][0] != '-')
			word = argv[i];
		else if (strcmp(argv[i], "--root") == 0 || strcmp(argv[i], "--debug") == 0)
			i++;
		else if (strcmp(argv[i], "--version") == 0)
			return puts("cruet " CRUET_VERSION) < 0;
	}
	if (!word) {
		_cleanup_buf_ Buf text = BUF_INIT(1 << 20);
		help_overview(&text);
		bool asked =
			argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
		fputs(text.ptr, asked ? stdout : stderr);
		return asked ? 0 : exit_status_of(ERR_USAGE);
	}
	const Command *c = take_command(&argc, argv);
	if (!c)
		r = unknown_command(word, &err);
	else
		r = dispatch(c, argc - 1, argv + 1, &status, &err);
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = err_sys(&err, "write standard output");
	if (r < 0) {
		print_error(err);
		return c && c->needs & NEEDS_RAW_TAIL && status ? status
								: exit_status_of(err->code);
	}
	return status;
}
