/*
 * One word as argument (get, store, erase, list), the rest over stdin and stdout. A failure is a status other than 0 and a
 * line, on stdout as often as on stderr; "credentials not found" among them is no failure but an answer. A user name of
 * "<token>" means that the secret is a token for the token server, not a password.
 */
#include "registry/credential_helper.h"

#include <ctype.h>
#include <sys/wait.h>

#include "base/json.h"
#include "base/limits.h"
#include "sys/process.h"

#define MAX_ANSWER   (1u << 20) /* the list of a big key ring */
#define FIRST_ANSWER 16384
#define MAX_ERRORS   512
#define TOKEN_USER   "<token>"

typedef struct HelperCall {
	char *program;
	Buf output, errors;
	int status;
} HelperCall;

static void call_done(HelperCall *c)
{
	if (c->output.ptr)
		explicit_bzero(c->output.ptr, c->output.len);
	buf_done(&c->output);
	buf_done(&c->errors);
	free(c->program);
}

static bool is_helper_name(const char *name)
{
	size_t i = 0;
	for (; name[i]; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return false;
	return i > 0;
}

static int call(const char *helper, const char *verb, Str input, HelperCall *c, Err **err)
{
	_cleanup_strvec_ StrVec argv = {0};
	_cleanup_err_ Err *e = NULL;
	*c = (HelperCall){.output = BUF_INIT(MAX_ANSWER), .errors = BUF_INIT(MAX_ERRORS)};
	if (!is_helper_name(helper))
		return err_set(err, ERR_AUTH, "'%s' is no name of a credential helper", helper);
	c->program = xasprintf("docker-credential-%s", helper);
	strvec_push(&argv, c->program);
	strvec_push(&argv, verb);
	c->output.cap = FIRST_ANSWER; /* what grows leaves copies behind */
	c->output.ptr = xcalloc(1, FIRST_ANSWER);
	int r = process_talk(
		&(ProcessTalk){&argv, input, CREDENTIAL_HELPER_SECONDS, &c->output, &c->errors},
		&c->status, &e);
	if (!err_is(e, ERR_NOT_FOUND))
		return r < 0 ? err_move(err, &e) : 0;
	r = err_set(err, ERR_AUTH, "the credential helper '%s' is not installed", c->program);
	err_hint(err, "install it, take it out of the configuration, or add --no-creds");
	return r;
}

static bool is_unknown(const HelperCall *c)
{
	return (c->output.ptr && strcasestr(c->output.ptr, "credentials not found")) ||
		(c->errors.ptr && strcasestr(c->errors.ptr, "credentials not found"));
}

static int failed(const HelperCall *c, const char *verb, Err **err)
{
	Str all = buf_view(c->errors.len ? &c->errors : &c->output), line = {0};
	all = str_trim(all);
	str_cut(&all, '\n', &line);
	line = str_trim(line);
	line.len = MIN(line.len, (size_t)MAX_ERRORS);
	return err_set(err, ERR_AUTH, "'%s %s' failed%s" STR_FMT, c->program, verb,
		line.len ? ": " : "", STR_ARG(line));
}

static int read_answer(HelperCall *c, Credentials *ret, Err **err)
{
	json_t *j = NULL;
	int r = json_parse_secret(buf_view(&c->output), MAX_ANSWER, c->program, &j, err);
	if (r < 0)
		return r;
	const char *user = json_string_value(json_object_get(j, "Username"));
	const char *secret = json_string_value(json_object_get(j, "Secret"));
	if (!user || !secret) {
		r = err_set(
			err, ERR_CORRUPT, "%s: the answer has no Username and Secret", c->program);
	} else if (*secret) {
		if (strcmp(user, TOKEN_USER) == 0) {
			ret->identity_token = xstrdup(secret);
		} else {
			ret->user = xstrdup(user);
			ret->password = xstrdup(secret);
		}
		ret->source = xstrdup(c->program);
		r = 1;
	}
	json_wipe(j);
	return r;
}

int credential_helper_get(const char *helper, const char *server, Credentials *ret, Err **err)
{
	_cleanup_(call_done) HelperCall c;
	int r = call(helper, "get", str_of(server), &c, err);
	if (r < 0)
		return r;
	if (c.status != 0)
		return is_unknown(&c) ? 0 : failed(&c, "get", err);
	return read_answer(&c, ret, err);
}

int credential_helper_store(const char *helper, const char *server, const Credentials *c, Err **err)
{
	_cleanup_(call_done) HelperCall k;
	json_t *j = json_object();
	json_set_text(j, "ServerURL", server);
	json_set_text(j, "Username", c->identity_token ? TOKEN_USER : c->user);
	json_set_text(j, "Secret", c->identity_token ? c->identity_token : c->password);
	char *text = json_text(j);
	json_wipe(j);
	int r = call(helper, "store", str_of(text), &k, err);
	explicit_bzero(text, strlen(text));
	free(text);
	if (r == 0 && k.status != 0)
		r = failed(&k, "store", err);
	return r;
}

int credential_helper_erase(const char *helper, const char *server, Err **err)
{
	_cleanup_(call_done) HelperCall c;
	int r = call(helper, "erase", str_of(server), &c, err);
	if (r < 0)
		return r;
	if (c.status != 0)
		return is_unknown(&c) ? 0 : failed(&c, "erase", err);
	return 1;
}

int credential_helper_list(const char *helper, StrVec *ret, Err **err)
{
	_cleanup_(call_done) HelperCall c;
	const char *key;
	json_t *j = NULL, *user;
	int r = call(helper, "list", STR(""), &c, err);
	if (r == 0 && c.status != 0)
		r = failed(&c, "list", err);
	if (r == 0)
		r = json_parse_secret(buf_view(&c.output), MAX_ANSWER, c.program, &j, err);
	if (r < 0)
		return r;
	json_object_foreach(j, key, user) strvec_push(ret, key);
	json_wipe(j);
	return 0;
}
