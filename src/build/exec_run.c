/* RUN: what is run, its key, the run itself. The layer is made behind its back (run_queue.c). */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "build/build_int.h"
#include "build/exec_config.h"
#include "build/exec_mount.h"
#include "build/keys.h"
#include "build/run_output.h"
#include "sys/userns.h"

#define PIPES "/dev/pipes"

typedef struct RunOp {
	StrVec argv, env;
	const char *cwd, *user;
	bool network_none;
	const Heredoc *script; /* starts with "#!": becomes a file below PIPES */
	MountSet mounts;
} RunOp;

static void run_op_done(RunOp *op)
{
	strvec_done(&op->argv);
	strvec_done(&op->env);
	mount_set_done(&op->mounts);
}

/* "<<EOF" and nothing else. */
static bool is_lone_heredoc(const Instr *i)
{
	if (i->heredocs.len != 1 || i->args.len != 1)
		return false;
	const char *p = i->args.items[0];
	p += strspn(p, "0123456789");
	if (!cstr_starts(p, "<<"))
		return false;
	p += 2;
	p += *p == '-';
	p += strspn(p, " \t");
	return *p && !p[strcspn(p, " \t<")];
}

/* The command line that the shell gets (1.4). Owned. */
static char *shell_text(const Instr *i, RunOp *op, Err **err)
{
	if (is_lone_heredoc(i)) {
		const Heredoc *h = &i->heredocs.items[0];
		if (!cstr_starts(h->content, "#!"))
			return xstrdup(h->content);
		if (strchr(h->name, '/')) {
			(void)err_set(
				err, ERR_PARSE, "heredoc '%s' cannot be a file name", h->name);
			return NULL;
		}
		op->script = h;
		return xasprintf(PIPES "/%s", h->name);
	}
	Buf text = BUF_INIT(SIZE_MAX);
	buf_cstr(&text, i->args.items[0]);
	vec_foreach (&i->heredocs, h)
		buf_printf(&text, "\n%s%s", h->content, h->name);
	return buf_steal(&text);
}

static int command(Step *t, RunOp *op, Err **err)
{
	const Instr *i = t->instr;
	if (i->args.len == 0)
		return err_set(err, ERR_PARSE, "RUN needs a command");
	if (i->json) {
		strvec_copy(&op->argv, &i->args);
		return 0;
	}
	_cleanup_free_ char *text = shell_text(i, op, err);
	if (!text)
		return -ERR_PARSE;
	config_shell_argv(&t->stage->config, text, &op->argv);
	return 0;
}

static int network(const Step *t, RunOp *op, Err **err)
{
	const char *whole = t->stage->build->options->network;
	const char *own = instr_flag(t->instr, "network");
	op->network_none = whole && strcmp(whole, "none") == 0;
	if (!own || strcmp(own, "default") == 0)
		return 0;
	if (strcmp(own, "none") == 0) {
		op->network_none = true;
		return 0;
	}
	if (strcmp(own, "host") != 0)
		return err_set(
			err, ERR_PARSE, "RUN --network is default, none or host, not '%s'", own);
	if (op->network_none)
		return err_set(err, ERR_DENIED,
			"RUN --network=host in a build that was started with --network none");
	return 0;
}

static int refuse_flags(const Instr *i, Err **err)
{
	const char *security = instr_flag(i, "security");
	int r = 0;
	if (instr_flag(i, "device")) {
		r = err_set(err, ERR_UNSUPPORTED, "RUN --device is not supported");
		err_hint(err, "builds have no devices of the host");
	} else if (security && strcmp(security, "sandbox") != 0) {
		r = err_set(err, ERR_UNSUPPORTED, "RUN --security=%s is not supported", security);
		err_hint(err,
			"cruet runs every RUN in its sandbox, with docker's default capabilities");
	}
	return r;
}

static int make_op(Step *t, RunOp *op, Err **err)
{
	StageRun *s = t->stage;
	int r = refuse_flags(t->instr, err);
	if (r == 0)
		r = network(t, op, err);
	if (r == 0)
		r = command(t, op, err);
	if (r == 0)
		r = mount_set_parse(t, &op->mounts, err);
	if (r < 0)
		return r;
	op->cwd = s->config.working_dir && *s->config.working_dir ? s->config.working_dir : "/";
	op->user = s->config.user ? s->config.user : "";
	strvec_copy(&op->env, &s->vars.env);
	_cleanup_free_ char *prefix = vars_history_prefix(&s->vars);
	_cleanup_free_ char *words = strvec_join(&op->argv, " ");
	t->created_by = xasprintf("RUN %s%s # buildkit", prefix, words);
	return 0;
}

static int make_key(Step *t, const RunOp *op, Err **err)
{
	const Epoch *e = &t->stage->build->epoch;
	Sha256 *h = key_begin("run");
	key_strvec(h, &op->argv);
	key_strvec(h, &op->env);
	key_cstr(h, op->cwd);
	key_cstr(h, op->user);
	sha256_field_u64(h, op->network_none);
	key_cstr(h, op->script ? op->script->content : NULL);
	/* with one id only, chown does nothing: who gets more later wants other layers */
	sha256_field_u64(h, userns_kind() == USERNS_SINGLE_ID);
	sha256_field_u64(h, e->given);
	sha256_field_u64(h, (uint64_t)e->seconds);
	int r = mount_set_key(t, &op->mounts, h, err);
	key_end(h, &t->op);
	return r;
}

/* A heredoc that names its interpreter is a program of its own. */
static int prepare_script(StageRun *s, const Heredoc *script, SandboxSpec *spec, Err **err)
{
	_cleanup_free_ char *dir = NULL;
	int r = stage_temp_dir(s, "pipes", &dir, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, script->name);
	r = atomic_write(store_temp_fd(s->temp), path, str_of(script->content), 0755, false, err);
	SandboxMount *m = vec_add(&spec->mounts);
	m->type = SANDBOX_BIND;
	m->source = xasprintf("%s/%s", store_temp_path(s->temp), dir);
	m->target = xstrdup(PIPES);
	m->read_only = true;
	return r;
}

/* All directories below the coming one, top first. */
static int prepare_lowers(StageRun *s, Err **err)
{
	Build *b = s->build;
	if (s->has_lowers)
		return 0;
	int r = run_queue_drain(s, err);
	strvec_clear(&s->lowers);
	if (r == 0)
		r = layer_stack_bring(&s->stack, true, err);
	if (r == 0)
		r = layer_stack_load(&s->stack, b->store, err);
	if (r == 0)
		r = layer_stack_trees(
			&s->stack, b->store, build_pool(b), b->progress, &s->lowers, err);
	if (r == 0 && s->lowers.len == 0) {
		_cleanup_free_ char *empty = NULL;
		r = stage_temp_dir(s, "empty", &empty, err);
		if (r == 0)
			strvec_pushf(&s->lowers, "%s/%s", store_temp_path(s->temp), empty);
	}
	s->has_lowers = r == 0;
	return r;
}

static int prepare_spec(Step *t, RunOp *op, const char *dir, SandboxSpec *spec, Err **err)
{
	StageRun *s = t->stage;
	Build *b = s->build;
	int fd = store_temp_fd(s->temp);
	_cleanup_free_ char *upper = xasprintf("%s/upper", dir), *work = xasprintf("%s/work", dir);
	if (mkdirat(fd, upper, 0755) < 0 || mkdirat(fd, work, 0755) < 0)
		return err_sys(err, "create '%s'", dir);
	strvec_copy(&spec->lowers, &s->lowers);
	spec->upper = xasprintf("%s/%s", store_temp_path(s->temp), upper);
	spec->work = xasprintf("%s/%s", store_temp_path(s->temp), work);
	strvec_copy(&spec->argv, &op->argv);
	strvec_copy(&spec->env, &op->env);
	vars_add_proxies(&s->vars, &b->args, &spec->env);
	spec->cwd = xstrdup(op->cwd);
	spec->user = xstrdup(op->user);
	spec->hostname = xstrdup("buildkitsandbox");
	spec->network_none = op->network_none;
	spec->runtime = xstrdup(b->options->runtime);
	strvec_copy(&spec->extra_hosts, &b->options->add_hosts);
	spec->shm_size = b->options->shm_size;
	vec_foreach (&b->options->limits, l)
		vec_push(&spec->limits, *l);
	int r = mount_set_prepare(t, &op->mounts, spec, err);
	if (r == 0 && op->script)
		r = prepare_script(s, op->script, spec, err);
	return r;
}

static int no_sandbox(const Build *b, Err **err)
{
	const Err *e = b->sandbox_error;
	int r = err_set(err, e ? e->code : ERR_DENIED, "RUN needs a sandbox%s%s", e ? ": " : "",
		e ? e->message : "");
	if (e && e->hint)
		err_hint(err, "%s", e->hint);
	return r;
}

/* The program is gone: its upper directory waits to become a layer, and is a lower one from now on. */
static void freeze(Step *t, const char *dir, SandboxSpec *spec, SandboxResult *result)
{
	StageRun *s = t->stage;
	FrozenRun f = {
		.dir = xstrdup(dir),
		.made = result->made,
		.op = t->op,
		.created = epoch_created(&s->build->epoch),
		.lock_fd = TAKE_FD(t->lock_fd),
	};
	result->made = (StrVec){0};
	step_history(t, f.created);
	strvec_push(&s->lowers, spec->upper);
	char *top = s->lowers.items[s->lowers.len - 1];
	memmove(s->lowers.items + 1, s->lowers.items, (s->lowers.len - 1) * sizeof(char *));
	s->lowers.items[0] = top;
	run_queue_push(s, &f);
}

static int execute(Step *t, RunOp *op, Err **err)
{
	StageRun *s = t->stage;
	Build *b = s->build;
	_cleanup_(sandbox_spec_done) SandboxSpec spec = SANDBOX_SPEC_INIT;
	_cleanup_(run_output_done) RunOutput output = {.fd = -1};
	_cleanup_free_ char *dir = NULL;
	SandboxResult result = {0};
	step_started(t);
	if (!b->sandbox)
		return no_sandbox(b, err);
	int r = prepare_lowers(s, err);
	if (r == 0)
		r = stage_temp_dir(s, "run", &dir, err);
	if (r == 0)
		r = prepare_spec(t, op, dir, &spec, err);
	if (r < 0)
		return r;
	run_output_init(&output, b->store, &t->op, b->progress, t->progress);
	r = sandbox_run(b->sandbox, &spec, run_output_write, &output, &result, err);
	mount_set_done(&op->mounts);
	if (r == 0)
		r = run_output_check(&output, &result, &op->argv, err);
	if (r == 0)
		freeze(t, dir, &spec, &result);
	sandbox_result_done(&result);
	return r;
}

/* A record can be looked up only when the layers below are finished. Where none can exist the step does not
 * wait for them. */
static int look_up(Step *t, Err **err)
{
	StageRun *s = t->stage;
	if (s->no_cache || !record_op_seen(s->build->store, &t->op))
		return 0;
	int r = run_queue_wait(s, err);
	return r < 0 ? r : step_cached(t, err);
}

static int run_step(Step *t, RunOp *op, Err **err)
{
	bool waited = false;
	int r = make_op(t, op, err);
	if (r == 0)
		r = make_key(t, op, err);
	if (r == 0)
		r = look_up(t, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = step_lock(t, &t->op, &waited, err);
	if (r == 0 && waited)
		r = look_up(t, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return execute(t, op, err);
}

int exec_run(Step *t, Err **err)
{
	RunOp op = {0};
	int r = run_step(t, &op, err);
	run_op_done(&op);
	return r;
}
