#include "build/build_int.h"

#include <fcntl.h>

#include "base/limits.h"
#include "dockerfile/ignore.h"

static void free_slot(void *p)
{
	ContextSlot *slot = p;
	slot->context = context_free(slot->context);
	free(slot->dir);
	strvec_done(&slot->patterns);
}

static void free_named_slot(void *p)
{
	free_slot(p);
	free(p);
}

static void free_source_image(void *p)
{
	SourceImage *i = p;
	layer_stack_done(&i->stack);
	free(i);
}

static void build_done(Build *b)
{
	for (size_t i = 0; b->stages && i < b->plan.stages.len; i++)
		if (b->stages[i].build)
			stage_done(&b->stages[i]);
	free(b->stages);
	map_done(&b->images);
	map_done(&b->contexts);
	free_slot(&b->context);
	plan_done(&b->plan);
	dockerfile_free(b->dockerfile);
	store_temp_free(b->input);
	build_args_done(&b->args);
	platform_done(&b->platform);
	strvec_done(&b->names);
	build_pushes_done(b);
	pool_free(b->pool);
	remote_layers_free(b->remote);
	err_free(b->error);
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->loading);
	pthread_mutex_destroy(&b->lock);
}

Pool *build_pool(Build *b)
{
	pthread_mutex_lock(&b->lock);
	if (!b->pool)
		b->pool = pool_new(b->options->jobs);
	Pool *pool = b->pool;
	pthread_mutex_unlock(&b->lock);
	return pool;
}

void build_fail(Build *b, Err **err)
{
	Err *e = TAKE_PTR(*err);
	pthread_mutex_lock(&b->lock);
	bool first = !b->failed;
	b->failed = true;
	if (!b->error || (b->error->code == ERR_CANCELLED && e->code != ERR_CANCELLED)) {
		err_free(b->error);
		b->error = TAKE_PTR(e);
	}
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	err_free(e);
	if (first && b->sandbox)
		sandbox_cancel(b->sandbox);
}

bool build_failed(Build *b)
{
	pthread_mutex_lock(&b->lock);
	bool failed = b->failed;
	pthread_mutex_unlock(&b->lock);
	return failed;
}

/* The ignore file of a named context is its own (spec 1.5). */
static int named_patterns(ContextSlot *slot, Err **err)
{
	_cleanup_free_ char *path = xasprintf("%s/.dockerignore", slot->dir);
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_DOCKERFILE_SIZE);
	_cleanup_err_ Err *e = NULL;
	if (file_read(AT_FDCWD, path, text.max, &text, &e) < 0)
		return err_is(e, ERR_NOT_FOUND) ? 0 : err_move(err, &e);
	return ignore_parse(buf_view(&text), path, &slot->patterns, err);
}

static int find_slot(Build *b, const char *dir, ContextSlot **ret, Err **err)
{
	if (!dir) {
		*ret = &b->context;
		return 0;
	}
	*ret = map_get(&b->contexts, str_of(dir));
	if (*ret)
		return 0;
	ContextSlot *slot = xnew(ContextSlot);
	slot->dir = xstrdup(dir);
	int r = named_patterns(slot, err);
	if (r < 0) {
		free_named_slot(slot);
		return r;
	}
	map_put(&b->contexts, str_of(dir), slot);
	*ret = slot;
	return 0;
}

int build_context(Build *b, const char *dir, ContextSlot **ret, Err **err)
{
	Pool *pool = build_pool(b);
	ContextSlot *slot = NULL;
	pthread_mutex_lock(&b->lock);
	int r = find_slot(b, dir, &slot, err);
	if (r == 0 && !slot->context)
		r = context_open(slot->dir, &slot->patterns, b->store, pool, &slot->context, err);
	if (r == 0 && !dir && b->input)
		context_set_unpacked(slot->context);
	pthread_mutex_unlock(&b->lock);
	if (r == 0)
		*ret = slot;
	return r;
}

static int wait_stage(Build *b, size_t n, Err **err)
{
	StageRun *s = &b->stages[n];
	pthread_mutex_lock(&b->lock);
	while (!s->done && !b->failed)
		pthread_cond_wait(&b->changed, &b->lock);
	bool done = s->done;
	pthread_mutex_unlock(&b->lock);
	return done ? 0 : err_set(err, ERR_CANCELLED, "another stage failed");
}

static int load_image(
	Build *b, const char *name, const Platform *platform, SourceImage **ret, Err **err)
{
	StoreImage image = {0};
	int r = plan_image(&b->plan, name, platform, &image, err);
	if (r < 0)
		return r;
	SourceImage *i = xnew(SourceImage);
	layer_stack_init(&i->stack);
	i->stack.remote = b->remote;
	r = layer_stack_push_image(&i->stack, b->store, &image, err);
	store_image_done(&image);
	if (r < 0)
		free_source_image(i);
	else
		*ret = i;
	return r;
}

static int source_image(
	Build *b, const char *name, const Platform *platform, LayerStack **ret, Err **err)
{
	_cleanup_free_ char *text = platform_format(platform);
	_cleanup_free_ char *key = xasprintf("%s %s", text, name);
	int r = 0;
	pthread_mutex_lock(&b->lock);
	SourceImage *i = map_get(&b->images, str_of(key));
	if (!i) {
		r = load_image(b, name, platform, &i, err);
		if (r == 0)
			map_put(&b->images, str_of(key), i);
	}
	pthread_mutex_unlock(&b->lock);
	if (r == 0)
		*ret = &i->stack;
	return r;
}

int build_parent(Build *b, size_t stage, const StageRun **ret, Err **err)
{
	int r = wait_stage(b, stage, err);
	if (r == 0)
		*ret = &b->stages[stage];
	return r;
}

int build_source(
	Build *b, const SourceRef *ref, const Platform *platform, const LayerStack **ret, Err **err)
{
	LayerStack *stack = NULL;
	int r = ref->kind == SOURCE_IMAGE ? source_image(b, ref->name, platform, &stack, err)
					  : wait_stage(b, ref->stage, err);
	if (r < 0)
		return r;
	if (ref->kind != SOURCE_IMAGE)
		stack = &b->stages[ref->stage].stack;
	pthread_mutex_lock(&b->loading);
	r = layer_stack_load(stack, b->store, err);
	pthread_mutex_unlock(&b->loading);
	*ret = stack;
	return r;
}

/* Names may be in one value, with commas. */
static bool filtered(const StrVec *filter, const PlanStage *p)
{
	for (size_t i = 0; i < filter->len; i++) {
		Str rest = str_of(filter->items[i]), name;
		while (str_cut(&rest, ',', &name))
			if (p->label && strlen(p->label) == name.len &&
				strncasecmp(name.ptr, p->label, name.len) == 0)
				return true;
	}
	return false;
}

static void make_stages(Build *b)
{
	unsigned steps = 0;
	b->stages = xnew_n(StageRun, b->plan.stages.len);
	vec_foreach (&b->plan.stages, p) {
		if (!p->reachable)
			continue;
		StageRun *s = &b->stages[p->number];
		s->build = b;
		s->plan = p;
		s->no_cache = b->options->no_cache || filtered(&b->options->no_cache_filter, p);
		layer_stack_init(&s->stack);
		s->stack.remote = b->remote;
		steps += p->layers;
	}
	for (size_t n = b->plan.target;; n = b->plan.stages.items[n].base.stage) {
		b->stages[n].in_target = true;
		if (b->plan.stages.items[n].base.kind != SOURCE_STAGE)
			break;
	}
	progress_plan(b->progress, steps + 1); /* and the export */
}

/* Every stage but the target has a thread; it waits there for the stages it needs. */
static int run_stages(Build *b, Err **err)
{
	make_stages(b);
	for (size_t i = 0; i < b->plan.stages.len; i++)
		if (b->stages[i].build && i != b->plan.target)
			b->stages[i].job = thread_start("stage", stage_run, &b->stages[i]);
	int r = stage_run(&b->stages[b->plan.target], NULL);
	for (size_t i = 0; i < b->plan.stages.len; i++)
		if (b->stages[i].job)
			(void)!job_wait(b->stages[i].job, NULL);
	(void)r;
	if (b->failed)
		return err_move(err, &b->error);
	return 0;
}

static int make_plan(Build *b, Err **err)
{
	const Dockerfile *d = b->dockerfile;
	Platform host = {0};
	b->plan = (Plan){
		.store = b->store,
		.dockerfile = d,
		.options = b->options,
		.args = &b->args,
		.progress = b->progress,
		.remote = b->remote,
	};
	int r = plan_target(d, b->options->target, &b->plan.target, err);
	if (r < 0)
		return r;
	platform_host(&host);
	build_args_platform(&b->args, &host, &b->platform, d->stages.items[b->plan.target].name);
	platform_done(&host);
	vec_foreach (&d->global_args, i) {
		r = build_args_global(&b->args, i, err);
		if (r < 0) {
			err_at(err, d->path, i->line);
			return r;
		}
	}
	return plan_make(&b->plan, &b->platform, err);
}

static void warn_unused_args(Build *b)
{
	_cleanup_strvec_ StrVec unused = {0};
	build_args_unused(&b->args, &unused);
	if (unused.len == 0)
		return;
	_cleanup_free_ char *names = strvec_join(&unused, " ");
	progress_warn(b->progress, NULL, 0, "One or more build-args [%s] were not consumed", names);
}

static int build_all(Build *b, Err **err)
{
	int r = build_input(b, err);
	if (r < 0)
		return r;
	b->remote = remote_layers_new(b->store, b->options->registries, b->progress);
	r = make_plan(b, err);
	if (r < 0 || b->options->check)
		return r;
	r = build_pushes_open(b, err);
	if (r == 0)
		r = run_stages(b, err);
	if (r < 0)
		return r;
	warn_unused_args(b);
	r = build_output(b, &b->stages[b->plan.target], err);
	if (r == 0)
		r = build_pushes_finish(b, err);
	return r < 0 ? r : build_files(b, err);
}

int build(Store *s, Sandbox *sandbox, const Err *sandbox_error, const BuildOptions *options,
	Progress *progress, BuildResult *ret, Err **err)
{
	Build b = {
		.store = s,
		.sandbox = sandbox,
		.sandbox_error = sandbox_error,
		.options = options,
		.progress = progress,
		.result = ret,
		.images = MAP_INIT(free_source_image),
		.contexts = MAP_INIT(free_named_slot),
	};
	*ret = (BuildResult){0};
	pthread_mutex_init(&b.lock, NULL);
	pthread_mutex_init(&b.loading, NULL);
	pthread_cond_init(&b.changed, NULL);
	int r = build_all(&b, err);
	build_done(&b);
	if (r < 0)
		build_result_done(ret);
	return r;
}

void build_result_done(BuildResult *r)
{
	descriptor_done(&r->manifest);
	*r = (BuildResult){0};
}

void build_options_done(BuildOptions *o)
{
	StrVec *lists[] = {&o->tags, &o->build_args, &o->labels, &o->add_hosts, &o->no_cache_filter,
		&o->annotations};
	char *texts[] = {o->context, o->file, o->target, o->platform, o->network, o->runtime,
		o->iidfile, o->metadata_file};
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		strvec_done(lists[i]);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	vec_foreach (&o->secrets, s) {
		free(s->id);
		free(s->src);
		free(s->env);
	}
	vec_foreach (&o->outputs, out)
		free(out->dest);
	vec_foreach (&o->contexts, c) {
		free(c->name);
		free(c->value);
	}
	vec_done(&o->secrets);
	vec_done(&o->outputs);
	vec_done(&o->contexts);
	vec_done(&o->limits);
	*o = (BuildOptions){0};
}
