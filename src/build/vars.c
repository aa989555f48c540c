#include "build/vars.h"

#include <stdio.h>

/* Names that --build-arg may give without any ARG. */
static const char *const proxy_names[] = {
	"HTTP_PROXY",
	"http_proxy",
	"HTTPS_PROXY",
	"https_proxy",
	"FTP_PROXY",
	"ftp_proxy",
	"NO_PROXY",
	"no_proxy",
	"ALL_PROXY",
	"all_proxy",
};

static bool is_proxy(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(proxy_names); i++)
		if (strcmp(name, proxy_names[i]) == 0)
			return true;
	return false;
}

static BuildArg *find_given(const BuildArgs *a, const char *name)
{
	vec_foreach (&a->given, g)
		if (strcmp(g->name, name) == 0)
			return g;
	return NULL;
}

int build_args_init(BuildArgs *a, const StrVec *given, char escape, Err **err)
{
	a->escape = escape;
	for (size_t i = 0; i < given->len; i++) {
		Str value = str_of(given->items[i]), name = {0};
		str_cut(&value, '=', &name);
		if (name.len == 0)
			return err_set(
				err, ERR_USAGE, "build argument '%s' has no name", given->items[i]);
		_cleanup_free_ char *key = str_dup(name);
		const char *text = value.ptr ? value.ptr : getenv(key);
		if (!text)
			continue;
		BuildArg *g = find_given(a, key);
		if (!g) {
			g = vec_add(&a->given);
			g->name = TAKE_PTR(key);
			g->used = is_proxy(g->name) || cstr_starts(g->name, "BUILDKIT_") ||
				strcmp(g->name, "SOURCE_DATE_EPOCH") == 0;
		}
		free(g->value);
		g->value = xstrdup(text);
	}
	return 0;
}

const char *build_args_get(BuildArgs *a, const char *name)
{
	BuildArg *g = find_given(a, name);
	if (!g)
		return NULL;
	__atomic_store_n(&g->used, true, __ATOMIC_RELAXED);
	return g->value;
}

static void set_global(BuildArgs *a, const char *name, const char *value)
{
	const char *given = build_args_get(a, name);
	strvec_env_set(&a->globals, name, given ? given : value);
}

static void set_platform(BuildArgs *a, const char *prefix, const Platform *p)
{
	_cleanup_free_ char *whole = platform_format(p);
	const char *const parts[][2] = {
		{"PLATFORM", whole},
		{"OS", p->os},
		{"ARCH", p->arch},
		{"VARIANT", p->variant ? p->variant : ""},
		{"OSVERSION", ""},
	};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		_cleanup_free_ char *name = xasprintf("%s%s", prefix, parts[i][0]);
		set_global(a, name, parts[i][1]);
	}
}

void build_args_platform(
	BuildArgs *a, const Platform *build, const Platform *target, const char *target_stage)
{
	set_platform(a, "BUILD", build);
	set_platform(a, "TARGET", target);
	set_global(a, "TARGETSTAGE", target_stage ? target_stage : "default");
}

static const char *lookup_env(void *arg, const char *name)
{
	return strvec_env_get(arg, name);
}

Expander build_args_expander(const BuildArgs *a)
{
	union {
		const StrVec *in;
		void *out;
	} env = {.in = &a->globals};
	return (Expander){.lookup = lookup_env, .arg = env.out, .escape = a->escape};
}

int build_args_global(BuildArgs *a, const Instr *arg, Err **err)
{
	Expander x = build_args_expander(a);
	vec_foreach (&arg->pairs, p) {
		const char *given = build_args_get(a, p->key);
		_cleanup_free_ char *value = NULL;
		if (!given && p->value) {
			int r = expand_word(&x, str_of(p->value), &value, err);
			if (r < 0)
				return r;
			given = value;
		}
		if (given)
			strvec_env_set(&a->globals, p->key, given);
	}
	return 0;
}

void build_args_unused(const BuildArgs *a, StrVec *ret)
{
	vec_foreach (&a->given, g)
		if (!g->used)
			strvec_push(ret, g->name);
}

void build_args_done(BuildArgs *a)
{
	vec_foreach (&a->given, g) {
		free(g->name);
		free(g->value);
	}
	vec_done(&a->given);
	strvec_done(&a->globals);
}

void vars_init(Vars *v, const StrVec *image_env, char escape)
{
	*v = (Vars){.escape = escape};
	strvec_copy(&v->env, image_env);
}

void vars_copy(const Vars *src, Vars *ret)
{
	*ret = (Vars){.escape = src->escape};
	strvec_copy(&ret->env, &src->env);
	strvec_copy(&ret->args, &src->args);
}

void vars_done(Vars *v)
{
	strvec_done(&v->env);
	strvec_done(&v->args);
}

void vars_set(Vars *v, const char *name, const char *value)
{
	strvec_env_set(&v->env, name, value);
}

int vars_declare(Vars *v, BuildArgs *a, const Instr *arg, StrVec *ret_shown, Err **err)
{
	Expander x = vars_expander(v);
	_cleanup_strvec_ StrVec new_values = {0};
	vec_foreach (&arg->pairs, p) {
		_cleanup_free_ char *name = NULL, *expanded = NULL;
		int r = expand_word(&x, str_of(p->key), &name, err);
		if (r == 0 && p->value)
			r = expand_word(&x, str_of(p->value), &expanded, err);
		if (r < 0)
			return r;
		const char *value = build_args_get(a, name);
		if (!value)
			value = expanded ? expanded : strvec_env_get(&a->globals, name);
		if (!strvec_has(&v->args, name))
			strvec_push(&v->args, name);
		strvec_pushf(ret_shown, "%s%s%s", name, value ? "=" : "", value ? value : "");
		if (value)
			strvec_env_set(&new_values, name, value);
	}
	/* one instruction sees the values from before it */
	for (size_t i = 0; i < new_values.len; i++) {
		char *eq = strchr(new_values.items[i], '=');
		_cleanup_free_ char *name =
			xstrndup(new_values.items[i], (size_t)(eq - new_values.items[i]));
		strvec_env_set(&v->env, name, eq + 1);
	}
	return 0;
}

Expander vars_expander(const Vars *v)
{
	union {
		const StrVec *in;
		void *out;
	} env = {.in = &v->env};
	return (Expander){.lookup = lookup_env, .arg = env.out, .escape = v->escape};
}

char *vars_history_prefix(const Vars *v)
{
	if (v->args.len == 0)
		return xstrdup("");
	Buf text = BUF_INIT(SIZE_MAX);
	buf_printf(&text, "|%zu ", v->args.len);
	for (size_t i = 0; i < v->args.len; i++) {
		const char *value = strvec_env_get(&v->env, v->args.items[i]);
		buf_printf(&text, "%s=%s ", v->args.items[i], value ? value : "");
	}
	return buf_steal(&text);
}

void vars_add_proxies(const Vars *v, BuildArgs *a, StrVec *env)
{
	for (size_t i = 0; i < ARRAY_SIZE(proxy_names); i++) {
		const char *name = proxy_names[i], *value = build_args_get(a, name);
		if (value && !strvec_has(&v->args, name) && !strvec_env_get(env, name))
			strvec_env_set(env, name, value);
	}
}
