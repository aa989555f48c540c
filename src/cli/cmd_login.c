#include <stdio.h>

#include "base/stream.h"
#include "cli/command.h"
#include "cli/registry_flags.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "oci/reference.h"
#include "registry/auth_file.h"
#include "registry/registry.h"

#define MAX_PASSWORD (64u << 10) /* cloud tokens are long */

typedef struct LoginOptions {
	RegistryFlags registry;
	char *user, *password;
	bool password_stdin;
} LoginOptions;

static const Option rows[] = {
	{'u', "username", OPTION_STRING, offsetof(LoginOptions, user), "USER",
		"who logs in (default: asked for)"},
	{0, "password-stdin", OPTION_FLAG, offsetof(LoginOptions, password_stdin), NULL,
		"read the password, or a token, from standard input"},
	{'p', "password", OPTION_SECRET, offsetof(LoginOptions, password), "PASSWORD",
		"the password; others may see it for a moment, and in the history"},
	REGISTRY_AUTHFILE_ROW(LoginOptions, registry),
	REGISTRY_TLS_ROWS(LoginOptions, registry),
};

static void wipe(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	freep(text);
}

/* "host[:port][/namespace]", as credentials are kept by. */
static int check_place(const char *operand, char **ret_place, char **ret_host, Err **err)
{
	Reference ref = {0};
	_cleanup_free_ char *place = auth_key(operand), *host = auth_host(place);
	_cleanup_free_ char *image = xasprintf("%s/x", place);
	int r = reference_parse(str_of(image), &ref, NULL);
	bool good = r == 0 && strcmp(ref.host, host) == 0 && !ref.has_digest;
	reference_done(&ref);
	if (!good)
		return err_set(err, ERR_USAGE, "'%s' is no registry: host[:port]", operand);
	*ret_place = TAKE_PTR(place);
	*ret_host = TAKE_PTR(host);
	return 0;
}

/* All of it but the line end behind it. */
static int password_from_stdin(char **ret, Err **err)
{
	Buf text = BUF_INIT(MAX_PASSWORD);
	_cleanup_(reader_freep) Reader *in = fd_reader_new(STDIN_FILENO, false, "standard input");
	int r = reader_read_all(in, &text, err);
	Str line = buf_view(&text);
	while (str_ends(line, "\n") || str_ends(line, "\r"))
		line.len--;
	if (r == 0 && (line.len == 0 || memchr(line.ptr, '\0', line.len)))
		r = err_set(err, ERR_USAGE, "there is no password on standard input");
	if (r == 0)
		*ret = str_dup(line);
	if (text.ptr)
		explicit_bzero(text.ptr, text.len);
	buf_done(&text);
	return r;
}

static int ask(const char *question, bool hidden, const char *flag, char **ret, Err **err)
{
	if (!terminal_is(STDIN_FILENO))
		return err_set(err, ERR_USAGE,
			"nobody can be asked, standard input is no terminal: add %s", flag);
	int r = terminal_ask(question, hidden, ret, err);
	if (r == 0 && !**ret)
		r = err_set(err, ERR_USAGE, "nothing was typed");
	return r;
}

static int get_password(const LoginOptions *o, char **ret, Err **err)
{
	if (o->password_stdin)
		return password_from_stdin(ret, err);
	if (!o->password)
		return ask("Password: ", true, "--password-stdin", ret, err);
	fputs("warning: others may see a password on the command line; --password-stdin reads it\n",
		stderr);
	*ret = xstrdup(o->password);
	return **ret ? 0 : err_set(err, ERR_USAGE, "the password is empty");
}

static int prove(
	const RegistrySettings *settings, const char *host, const Credentials *c, Err **err)
{
	_cleanup_(registry_freep) Registry *registry = NULL;
	_cleanup_(wipe) char *creds = xasprintf("%s:%s", c->user, c->password);
	RegistrySettings with = *settings;
	with.creds = creds;
	int r = registry_new(&with, NULL, &registry, err);
	if (r == 0)
		r = registry_ping(registry, host, err);
	if (r == -ERR_AUTH)
		err_hint(err, "some registries want a token here instead of the password");
	return r;
}

static int log_in(const LoginOptions *o, const char *operand, Credentials *c, Err **err)
{
	RegistrySettings settings;
	_cleanup_free_ char *place = NULL, *host = NULL, *where = NULL;
	int r = registry_flags_settings(&o->registry, &settings, err);
	if (r == 0)
		r = check_place(operand, &place, &host, err);
	if (r == 0 && o->password && o->password_stdin)
		r = err_set(err, ERR_USAGE,
			"'--password' and '--password-stdin' cannot stand together");
	if (r == 0 && o->user)
		c->user = xstrdup(o->user);
	else if (r == 0 && o->password_stdin)
		r = err_set(err, ERR_USAGE, "'--password-stdin' needs '--username'");
	else if (r == 0)
		r = ask("Username: ", false, "--username", &c->user, err);
	if (r == 0 && (!*c->user || strchr(c->user, ':')))
		r = err_set(err, ERR_USAGE,
			*c->user ? "a user name cannot have a ':' in it"
				 : "the user name is empty");
	if (r == 0)
		r = get_password(o, &c->password, err);
	if (r == 0)
		r = prove(&settings, host, c, err);
	if (r == 0)
		r = credentials_store(&settings, place, c, &where, err);
	if (r == 0)
		printf("logged in to %s, kept in %s\n", place, where);
	return r;
}

static int run_login(CmdCtx *ctx _unused_, void *options, const StrVec *operands, Err **err)
{
	Credentials c = {0};
	signals_install(NULL);
	int r = log_in(options, operands->len ? operands->items[0] : "docker.io", &c, err);
	credentials_done(&c);
	return r;
}

const Command cmd_login = {
	.name = "login",
	.operands = "[HOST[/NAMESPACE]]",
	.summary = "Keep credentials for a registry",
	.description =
		"Asks the registry whether they are right, then keeps them: in the credential helper that\n"
		"is configured for it, else in a file that podman, skopeo and buildah read too. Without a\n"
		"registry it is Docker Hub. Every file that is looked at is in docs/REGISTRIES.md.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(LoginOptions),
	.max_operands = 1,
	.run = run_login,
};
