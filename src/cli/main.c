/* The program: global flags, dispatch, one message a failure, the exit status. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/global.h"
#include "cli/help.h"
#include "cli/screen_text.h"
#include "cli/terminal.h"
#include "sys/userns.h"

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

static void more_hint(Err **err, const char *text)
{
	const char *hint = (*err)->hint;
	if (hint)
		err_hint(err, "%s%s %s", hint, str_ends(str_of(hint), "?") ? "" : ";", text);
	else
		err_hint(err, "%s", text);
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
		{global_rows, n_global_rows, &global},
	};
	CmdCtx ctx = {0};
	int r = options_parse(
		sets, ARRAY_SIZE(sets), argc, argv, c->needs & NEEDS_RAW_TAIL, &operands, err);
	if (r == 0 && global.help) {
		_cleanup_buf_ Buf text = BUF_INIT(1 << 20);
		help_command(c, &text);
		fputs(text.ptr, stdout);
	} else if (r == 0) {
		if (global.debug)
			log_enable(global.debug);
		ctx.store_path = global.root;
		r = check_operands(c, &operands, err);
		if (r == 0)
			r = run_command(c, &ctx, options, &operands, err);
	} else {
		_cleanup_free_ char *where =
			xasprintf("'cruet %s --help' lists the flags", c->name);
		more_hint(err, where);
	}
	if (c->done)
		c->done(options);
	options_done(&sets[0]);
	options_done(&sets[1]);
	*ret_status = ctx.exit_status;
	return r;
}

/* The first word that is neither a global flag nor its value: the verb. 0: there is none. */
static int find_verb(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-')
			return i;
		if (global_takes_value(argv[i]))
			i++;
	}
	return 0;
}

static bool asks_version(const char *word)
{
	return strcmp(word, "--version") == 0 || strcmp(word, "-v") == 0;
}

/* Flags without a verb: the version, the overview, or a mistake. */
static int without_verb(int argc, char **argv, int *ret_status, Err **err)
{
	GlobalOptions global = {0};
	OptionSet set = {global_rows, n_global_rows, &global};
	_cleanup_strvec_ StrVec operands = {0};
	_cleanup_buf_ Buf text = BUF_INIT(1 << 20);
	for (int i = 1; i < argc; i++)
		if (asks_version(argv[i]))
			return puts("cruet " CRUET_VERSION) < 0 ? err_sys(err, "write the version")
								: 0;
	int r = options_parse(&set, 1, argc - 1, argv + 1, false, &operands, err);
	if (r < 0) {
		more_hint(err, "'cruet help' lists the commands");
	} else {
		help_overview(&text);
		fputs(text.ptr, global.help ? stdout : stderr);
		*ret_status = global.help ? 0 : exit_status_of(ERR_USAGE);
	}
	options_done(&set);
	return r;
}

/* Global flags may stand before the verb too: it is moved before them. */
static void verb_first(int verb, char **argv)
{
	char *word = argv[verb];
	memmove(&argv[2], &argv[1], (size_t)(verb - 1) * sizeof(char *));
	argv[1] = word;
}

/* What docker says in two words: the second is dropped, the first becomes the verb. */
static int docker_words(int argc, char **argv)
{
	static const char *const words[][3] = {
		{"buildx", "build", "build"},
		{"buildx", "b", "build"},
		{"builder", "build", "build"},
		{"container", "run", "run"},
		{"image", "build", "build"},
		{"image", "history", "history"},
		{"image", "import", "import"},
		{"image", "inspect", "inspect"},
		{"image", "list", "images"},
		{"image", "load", "load"},
		{"image", "ls", "images"},
		{"image", "remove", "rmi"},
		{"image", "rm", "rmi"},
		{"image", "save", "save"},
		{"image", "tag", "tag"},
		{"system", "df", "df"},
	};
	for (size_t i = 0; argc > 2 && i < ARRAY_SIZE(words); i++)
		if (strcmp(argv[1], words[i][0]) == 0 && strcmp(argv[2], words[i][1]) == 0) {
			argv[2] = (char *)(uintptr_t)words[i][2];
			memmove(&argv[1], &argv[2], (size_t)(argc - 1) * sizeof(char *));
			return argc - 1;
		}
	return argc;
}

/* Else a file of the store becomes standard error, and what is told is written into it. To write still fails. */
static void open_standard_files(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", O_RDONLY);
}

int main(int argc, char **argv)
{
	open_standard_files();
	_cleanup_err_ Err *err = NULL;
	const Command *c = NULL;
	int status = 0, r = 0, verb = find_verb(argc, argv);
	if (verb == 0) {
		r = without_verb(argc, argv, &status, &err);
	} else {
		verb_first(verb, argv);
		argc = docker_words(argc, argv);
		c = command_find(argv[1]);
		r = c ? dispatch(c, argc - 2, argv + 2, &status, &err)
		      : command_unknown(argv[1], &err);
	}
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = err_sys(&err, "write standard output");
	if (r < 0) {
		print_error(err);
		return c && c->needs & NEEDS_RAW_TAIL && status ? status
								: exit_status_of(err->code);
	}
	return status;
}
