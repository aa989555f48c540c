#include "build/exec_config.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>

#include "base/glob.h"
#include "base/timefmt.h"
#include "build/history.h"

void config_shell_argv(const ImageConfig *c, const char *text, StrVec *ret)
{
	if (c->has_shell && c->shell.len) {
		strvec_copy(ret, &c->shell);
	} else {
		strvec_push(ret, "/bin/sh");
		strvec_push(ret, "-c");
	}
	strvec_push(ret, text);
}

static void command_words(const Instr *i, const ImageConfig *c, StrVec *ret)
{
	if (i->json)
		strvec_copy(ret, &i->args);
	else if (i->args.len)
		config_shell_argv(c, i->args.items[0], ret);
}

static int exec_cmd(const Instr *i, ConfigChange *c, Err **err _unused_)
{
	StrVec words = {0};
	command_words(i, c->config, &words);
	strvec_done(&c->config->cmd);
	c->config->cmd = words;
	c->config->has_cmd = true;
	c->config->args_escaped = true;
	*c->cmd_set = true;
	c->history = history_quoted_list("CMD", &c->config->cmd);
	return 0;
}

static int exec_entrypoint(const Instr *i, ConfigChange *c, Err **err _unused_)
{
	StrVec words = {0};
	command_words(i, c->config, &words);
	strvec_done(&c->config->entrypoint);
	c->config->entrypoint = words;
	c->config->has_entrypoint = true;
	if (!*c->cmd_set) {
		strvec_done(&c->config->cmd);
		c->config->has_cmd = false;
	}
	c->history = history_quoted_list("ENTRYPOINT", &c->config->entrypoint);
	return 0;
}

typedef void (*SetPairFn)(ImageConfig *config, const char *key, const char *value);

static void set_env(ImageConfig *config, const char *key, const char *value)
{
	strvec_env_set(&config->env, key, value);
}

/* ENV, LABEL: all values are expanded before the first is set. */
static int exec_pairs(const Instr *i, ConfigChange *c, SetPairFn set, Err **err)
{
	_cleanup_strvec_ StrVec keys = {0}, values = {0};
	vec_foreach (&i->pairs, p) {
		char *key = NULL, *value = NULL;
		int r = expand_word(c->expander, str_of(p->key), &key, err);
		if (r < 0)
			return r;
		strvec_take(&keys, key);
		if (!*key)
			return err_set(
				err, ERR_PARSE, "%s names cannot be blank", instr_name(i->kind));
		r = expand_word(c->expander, str_of(p->value ? p->value : ""), &value, err);
		if (r < 0)
			return r;
		strvec_take(&values, value);
	}
	Buf text = BUF_INIT(SIZE_MAX);
	buf_cstr(&text, instr_name(i->kind));
	for (size_t n = 0; n < keys.len; n++) {
		set(c->config, keys.items[n], values.items[n]);
		buf_printf(&text, " %s=%s", keys.items[n], values.items[n]);
		strvec_pushf(&c->pairs, "%s=%s", keys.items[n], values.items[n]);
	}
	c->history = buf_steal(&text);
	return 0;
}

static int exec_env(const Instr *i, ConfigChange *c, Err **err)
{
	return exec_pairs(i, c, set_env, err);
}

static int exec_label(const Instr *i, ConfigChange *c, Err **err)
{
	return exec_pairs(i, c, config_set_label, err);
}

static int one_word(const Instr *i, ConfigChange *c, char **ret, Err **err)
{
	if (i->args.len != 1)
		return err_set(
			err, ERR_PARSE, "%s requires exactly one argument", instr_name(i->kind));
	return expand_word(c->expander, str_of(i->args.items[0]), ret, err);
}

static int exec_user(const Instr *i, ConfigChange *c, Err **err)
{
	char *user = NULL;
	int r = one_word(i, c, &user, err);
	if (r < 0)
		return r;
	free(c->config->user);
	c->config->user = user;
	c->history = xasprintf("USER %s", user);
	return 0;
}

static int exec_workdir(const Instr *i, ConfigChange *c, Err **err)
{
	_cleanup_free_ char *word = NULL;
	int r = one_word(i, c, &word, err);
	if (r < 0)
		return r;
	const char *old = c->config->working_dir;
	char *dir = path_join(str_of(old && *old ? old : "/"), str_of(word));
	free(c->config->working_dir);
	c->config->working_dir = dir;
	c->history = xasprintf("WORKDIR %s", dir);
	return 0;
}

static int exec_volume(const Instr *i, ConfigChange *c, Err **err)
{
	_cleanup_strvec_ StrVec shown = {0};
	for (size_t n = 0; n < i->args.len; n++) {
		char *word = NULL;
		int r = expand_word(c->expander, str_of(i->args.items[n]), &word, err);
		if (r < 0)
			return r;
		strvec_take(&shown, word);
		if (!*word)
			return err_set(
				err, ERR_PARSE, "VOLUME specified can not be an empty string");
		if (!strvec_has(&c->config->volumes, word))
			strvec_push(&c->config->volumes, word);
	}
	c->history = history_plain_list("VOLUME", &shown);
	return 0;
}

static int port_error(const char *text, Err **err)
{
	int r = err_set(err, ERR_PARSE, "'%s' is no port", text);
	err_hint(err, "EXPOSE takes PORT[-PORT][/tcp|/udp|/sctp]");
	return r;
}

/* "[[ip:]host:]from[-to][/proto]": only the container's side counts. */
static int add_ports(const char *text, ConfigChange *c, StrVec *shown, Err **err)
{
	Str rest = str_of(text), range = {0}, low = {0};
	str_cut(&rest, '/', &range);
	_cleanup_free_ char *proto = rest.ptr ? str_dup(rest) : xstrdup("tcp");
	for (char *p = proto; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0 && strcmp(proto, "sctp") != 0)
		return err_set(err, ERR_PARSE, "port '%s': unknown protocol '%s'", text, proto);
	ssize_t colon = str_rfind(range, ':');
	if (colon >= 0)
		range = str_slice(range, (size_t)colon + 1, range.len);
	Str high = range;
	str_cut(&high, '-', &low);
	uint64_t from = 0, to = 0;
	if (str_to_u64(low, 65535, &from, NULL) < 0)
		return port_error(text, err);
	to = from;
	if (high.ptr && (str_to_u64(high, 65535, &to, NULL) < 0 || to < from))
		return port_error(text, err);
	for (uint64_t n = from; n <= to; n++) {
		_cleanup_free_ char *port = xasprintf("%u/%s", (unsigned)n, proto);
		if (!strvec_has(&c->config->exposed_ports, port))
			strvec_push(&c->config->exposed_ports, port);
		strvec_push(shown, port);
	}
	return 0;
}

static int exec_expose(const Instr *i, ConfigChange *c, Err **err)
{
	_cleanup_strvec_ StrVec words = {0}, shown = {0};
	int r = 0;
	for (size_t n = 0; r == 0 && n < i->args.len; n++)
		r = expand_words(c->expander, str_of(i->args.items[n]), &words, err);
	for (size_t n = 0; r == 0 && n < words.len; n++)
		r = add_ports(words.items[n], c, &shown, err);
	if (r < 0)
		return r;
	c->history = history_plain_list("EXPOSE", &shown);
	return 0;
}

static bool signal_known(const char *text)
{
	uint64_t number;
	if (str_to_u64(str_of(text), 64, &number, NULL) == 0)
		return number > 0;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int n = 1; n < SIGRTMIN; n++) {
		const char *name = sigabbrev_np(n);
		if (name && strcasecmp(text, name) == 0)
			return true;
	}
	bool min = strncasecmp(text, "RTMIN", 5) == 0, max = strncasecmp(text, "RTMAX", 5) == 0;
	if (!min && !max)
		return false;
	return !text[5] ||
		(text[5] == (min ? '+' : '-') &&
			str_to_u64(str_of(text + 6), 15, &number, NULL) == 0);
}

static int exec_stopsignal(const Instr *i, ConfigChange *c, Err **err)
{
	char *word = NULL;
	int r = one_word(i, c, &word, err);
	if (r < 0)
		return r;
	if (!signal_known(word)) {
		r = err_set(err, ERR_PARSE, "'%s' is no signal", word);
		free(word);
		return r;
	}
	free(c->config->stop_signal);
	c->config->stop_signal = word;
	c->history = xasprintf("STOPSIGNAL %s", word);
	return 0;
}

static int exec_shell(const Instr *i, ConfigChange *c, Err **err)
{
	if (!i->json || i->args.len == 0)
		return err_set(err, ERR_PARSE, "SHELL requires the arguments to be in JSON form");
	strvec_done(&c->config->shell);
	c->config->shell = (StrVec){0};
	strvec_copy(&c->config->shell, &i->args);
	c->config->has_shell = true;
	c->history = history_plain_list("SHELL", &c->config->shell);
	return 0;
}

static int exec_onbuild(const Instr *i, ConfigChange *c, Err **err)
{
	if (i->args.len != 1)
		return err_set(err, ERR_PARSE, "ONBUILD needs an instruction");
	strvec_push(&c->config->on_build, i->args.items[0]);
	c->history = xasprintf("ONBUILD %s", i->args.items[0]);
	return 0;
}

static int exec_maintainer(const Instr *i, ConfigChange *c, Err **err)
{
	if (i->args.len != 1)
		return err_set(err, ERR_PARSE, "MAINTAINER requires exactly one argument");
	free(c->config->author);
	c->config->author = xstrdup(i->args.items[0]);
	c->history = xasprintf("MAINTAINER %s", c->config->author);
	return 0;
}

static int health_duration(const Instr *i, const char *flag, int64_t *ret, Err **err)
{
	const char *text = instr_flag(i, flag);
	if (!text)
		return 0;
	int r = duration_parse(str_of(text), ret, err);
	if (r == 0 && *ret != 0 && *ret < 1000000)
		r = err_set(err, ERR_PARSE, "'%s' cannot be less than 1ms", text);
	if (r < 0)
		err_prefix(err, "--%s", flag);
	return r;
}

static int health_fields(const Instr *i, Healthcheck *h, Err **err)
{
	const char *retries = instr_flag(i, "retries");
	uint64_t n = 0;
	int r = health_duration(i, "interval", &h->interval, err);
	if (r == 0)
		r = health_duration(i, "timeout", &h->timeout, err);
	if (r == 0)
		r = health_duration(i, "start-period", &h->start_period, err);
	if (r == 0)
		r = health_duration(i, "start-interval", &h->start_interval, err);
	if (r == 0 && retries && *retries) {
		r = str_to_u64(str_of(retries), INT32_MAX, &n, err);
		if (r < 0)
			err_prefix(err, "--retries");
	}
	h->retries = (int64_t)n;
	return r;
}

static int exec_healthcheck(const Instr *i, ConfigChange *c, Err **err)
{
	Healthcheck h = {.present = true};
	int r = i->healthcheck_none ? 0 : health_fields(i, &h, err);
	if (r < 0)
		return r;
	strvec_push(&h.test, i->healthcheck_none ? "NONE" : i->json ? "CMD" : "CMD-SHELL");
	if (!i->healthcheck_none)
		strvec_copy(&h.test, &i->args);
	strvec_done(&c->config->healthcheck.test);
	c->config->healthcheck = h;
	c->history = history_healthcheck(&h);
	return 0;
}

typedef int (*ConfigFn)(const Instr *i, ConfigChange *c, Err **err);
static const ConfigFn table[_INSTR_MAX] = {
	[INSTR_CMD] = exec_cmd,
	[INSTR_ENTRYPOINT] = exec_entrypoint,
	[INSTR_ENV] = exec_env,
	[INSTR_EXPOSE] = exec_expose,
	[INSTR_HEALTHCHECK] = exec_healthcheck,
	[INSTR_LABEL] = exec_label,
	[INSTR_MAINTAINER] = exec_maintainer,
	[INSTR_ONBUILD] = exec_onbuild,
	[INSTR_SHELL] = exec_shell,
	[INSTR_STOPSIGNAL] = exec_stopsignal,
	[INSTR_USER] = exec_user,
	[INSTR_VOLUME] = exec_volume,
	[INSTR_WORKDIR] = exec_workdir,
};

bool config_instr_is(InstrKind k)
{
	return k < _INSTR_MAX && table[k];
}

int config_instr(const Instr *i, ConfigChange *c, Err **err)
{
	if (!config_instr_is(i->kind))
		return err_set(err, ERR_UNSUPPORTED, "%s is not allowed here", instr_name(i->kind));
	return table[i->kind](i, c, err);
}
