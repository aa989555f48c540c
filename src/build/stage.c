/* One stage of a build: where it starts, and its instructions in order. */
#include "base/cancel.h"
#include "build/build_int.h"
#include "build/exec_config.h"
#include "build/history.h"
#include "build/keys.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* "[build 2/5] RUN make"; owned. */
static char *step_name(StageRun *s, const char *source)
{
	const char *label = s->plan->label;
	Str line = str_of(source);
	ssize_t end = str_find(line, '\n');
	if (end >= 0)
		line.len = (size_t)end;
	return xasprintf("[%s%s%u/%u] " STR_FMT, label ? label : "", label ? " " : "", ++s->step,
		s->plan->layers, STR_ARG(line));
}

/* Every entry has a time afterwards: those without one are new, and get theirs when the image is known. */
static void mend_history(ImageConfig *c)
{
	config_fix_history(c);
	vec_foreach (&c->history, h)
		if (!h->created)
			h->created = xstrdup(c->created ? c->created : "1970-01-01T00:00:00Z");
}

static int base_stage(StageRun *s, Err **err)
{
	Build *b = s->build;
	const StageRun *parent;
	int r = build_parent(b, s->plan->base.stage, &parent, err);
	if (r < 0)
		return r;
	config_copy(&parent->config, &s->config);
	vars_done(&s->vars);
	vars_copy(&parent->vars, &s->vars);
	s->lineage = parent->lineage;
	layer_stack_done(&s->stack);
	return layer_stack_copy(&parent->stack, b->store, &s->stack, err);
}

static int base_image(StageRun *s, Err **err)
{
	config_copy(&s->plan->image.config, &s->config);
	mend_history(&s->config);
	if (!strvec_env_get(&s->config.env, "PATH"))
		strvec_env_set(&s->config.env, "PATH", DEFAULT_PATH);
	vars_init(&s->vars, &s->config.env, s->build->dockerfile->escape);
	int r = layer_stack_push_image(&s->stack, s->build->store, &s->plan->image, err);
	vec_foreach (&s->stack.layers, layer)
		build_push_layer(s, layer);
	return r;
}

static void first_lineage(StageRun *s)
{
	Digest chain;
	layer_stack_chain(&s->stack, s->stack.diff_ids.len, &chain);
	Sha256 *h = key_begin("base");
	key_digest(h, &chain);
	key_end(h, &s->lineage);
}

static int stage_base(StageRun *s, Err **err)
{
	Build *b = s->build;
	const PlanStage *p = s->plan;
	_cleanup_free_ char *source = xasprintf("FROM %s", p->base_name);
	_cleanup_free_ char *name = step_name(s, source);
	unsigned id = progress_next_id();
	int r = 0;
	if (p->base.kind == SOURCE_STAGE) {
		r = base_stage(s, err);
	} else if (p->base.kind == SOURCE_SCRATCH) {
		config_init_scratch(&s->config, &p->platform);
		vars_init(&s->vars, &s->config.env, b->dockerfile->escape);
	} else {
		r = base_image(s, err);
	}
	if (r < 0)
		return r;
	if (p->base.kind != SOURCE_STAGE)
		first_lineage(s);
	strvec_clear(&s->config.on_build);
	progress_state(b->progress, id, name, PROGRESS_CACHED, NULL);
	__atomic_add_fetch(&b->result->steps, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&b->result->cached, 1, __ATOMIC_RELAXED);
	return 0;
}

/* created is filled in when the whole image is known. */
static void add_empty_history(StageRun *s, const char *created_by)
{
	config_add_history(&s->config, NULL, created_by, HISTORY_COMMENT, true);
}

static int stage_arg(StageRun *s, const Instr *i, Err **err)
{
	_cleanup_strvec_ StrVec shown = {0};
	int r = vars_declare(&s->vars, &s->build->args, i, &shown, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *created_by = history_words("ARG", &shown);
	add_empty_history(s, created_by);
	return 0;
}

static int stage_config(StageRun *s, const Instr *i, Err **err)
{
	Expander x = vars_expander(&s->vars);
	ConfigChange c = {.config = &s->config, .expander = &x, .cmd_set = &s->cmd_set};
	int r = config_instr(i, &c, err);
	for (size_t n = 0; r == 0 && i->kind == INSTR_ENV && n < c.pairs.len; n++) {
		char *eq = strchr(c.pairs.items[n], '=');
		*eq = '\0';
		vars_set(&s->vars, c.pairs.items[n], eq + 1);
	}
	if (r == 0)
		add_empty_history(s, c.history);
	free(c.history);
	strvec_done(&c.pairs);
	return r;
}

static int stage_layer(StageRun *s, const Instr *i, Err **err)
{
	Build *b = s->build;
	_cleanup_free_ char *name = step_name(s, i->source);
	Step t = {
		.stage = s,
		.instr = i,
		.what = name,
		.progress = progress_next_id(),
		.lock_fd = -1,
	};
	_cleanup_err_ Err *e = NULL;
	__atomic_add_fetch(&b->result->steps, 1, __ATOMIC_RELAXED);
	int r = i->kind == INSTR_RUN       ? exec_run(&t, &e)
		: i->kind == INSTR_WORKDIR ? exec_workdir(&t, &e)
					   : exec_copy(&t, &e);
	if (r < 0 && !t.started)
		step_started(&t);
	if (t.started && !t.settled)
		progress_state(b->progress, t.progress, t.what,
			r == 0                        ? PROGRESS_DONE
				: r == -ERR_CANCELLED ? PROGRESS_CANCELLED
						      : PROGRESS_FAILED,
			e);
	step_done(&t);
	return err_move(err, &e);
}

static int stage_step(StageRun *s, const Instr *i, Err **err)
{
	if (plan_makes_layer(i))
		return stage_layer(s, i, err);
	if (i->kind == INSTR_ARG)
		return stage_arg(s, i, err);
	return stage_config(s, i, err);
}

/* Where in the Dockerfile it went wrong; a trigger has no place there but FROM. */
static void locate(StageRun *s, const Instr *i, Err **err)
{
	const Dockerfile *d = s->build->dockerfile;
	const PlanStage *p = s->plan;
	if (!*err || (*err)->code == ERR_CANCELLED)
		return;
	if (i && p->triggers.len && i >= p->triggers.items &&
		i < p->triggers.items + p->triggers.len) {
		err_prefix(err, "ONBUILD trigger '%s' of '%s'", i->source, p->base_name);
		i = NULL;
	}
	if (!i)
		i = &p->stage->from;
	if ((*err)->file && strcmp((*err)->file, d->path) != 0)
		return;
	err_at(err, d->path, i->line);
	_cleanup_free_ char *output = TAKE_PTR((*err)->excerpt);
	_cleanup_free_ char *lines = dockerfile_excerpt(str_of(d->text), i->line, i->end_line);
	(*err)->excerpt = xasprintf("%s%s", lines ? lines : "", output ? output : "");
}

static int stage_steps(StageRun *s, Err **err)
{
	int r = stage_base(s, err);
	if (r < 0) {
		locate(s, NULL, err);
		return r;
	}
	vec_foreach (&s->plan->steps, i) {
		r = cancel_check(err);
		if (r == 0 && build_failed(s->build))
			r = err_set(err, ERR_CANCELLED, "another stage failed");
		if (r == 0)
			r = stage_step(s, *i, err);
		if (r < 0) {
			locate(s, *i, err);
			return r;
		}
	}
	return run_queue_drain(s, err);
}

int stage_run(void *arg, Err **err _unused_)
{
	StageRun *s = arg;
	Build *b = s->build;
	Err *e = NULL;
	if (stage_steps(s, &e) < 0) {
		build_fail(b, &e);
		return 0;
	}
	pthread_mutex_lock(&b->lock);
	s->done = true;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	return 0;
}

int stage_temp_dir(StageRun *s, const char *what, char **ret_name, Err **err)
{
	int r = s->temp ? 0 : store_temp_new(s->build->store, &s->temp, err);
	if (r < 0)
		return r;
	*ret_name = xasprintf("%s-%u", what, s->runs++);
	return mkdir_p(store_temp_fd(s->temp), *ret_name, 0755, err);
}

void stage_done(StageRun *s)
{
	s->queue = run_queue_free(s);
	s->temp = store_temp_free(s->temp);
	strvec_done(&s->lowers);
	vars_done(&s->vars);
	config_done(&s->config);
	layer_stack_done(&s->stack);
}
