#include "build/plan.h"

#include "base/limits.h"
#include "build/mounts.h"

bool plan_makes_layer(const Instr *i)
{
	return i->kind == INSTR_RUN || i->kind == INSTR_COPY || i->kind == INSTR_ADD ||
		i->kind == INSTR_WORKDIR;
}

/* Nearest stage name, or NULL. */
static const char *near_stage(const Dockerfile *d, const char *name)
{
	_cleanup_free_ const char **names = xnew_n(const char *, d->stages.len);
	size_t n = 0;
	vec_foreach (&d->stages, s)
		if (s->name)
			names[n++] = s->name;
	return did_you_mean(name, names, n);
}

int plan_target(const Dockerfile *d, const char *target, size_t *ret, Err **err)
{
	if (d->stages.len == 0)
		return err_set(err, ERR_PARSE, "the Dockerfile has no FROM");
	*ret = d->stages.len - 1;
	if (!target || !*target)
		return 0;
	ssize_t n = dockerfile_stage(d, target, d->stages.len);
	if (n < 0) {
		int r = err_set(
			err, ERR_NOT_FOUND, "target stage '%s' is not in the Dockerfile", target);
		const char *near = near_stage(d, target);
		if (near)
			err_hint(err, "did you mean '%s'?", near);
		return r;
	}
	*ret = (size_t)n;
	return 0;
}

static const BuildContext *named_context(const Plan *p, const char *name)
{
	vec_foreach (&p->options->contexts, c)
		if (strcasecmp(c->name, name) == 0)
			return c;
	return NULL;
}

static int context_source(const BuildContext *c, SourceRef *ret, Err **err)
{
	const char *image = "docker-image://";
	if (cstr_starts(c->value, image)) {
		*ret = (SourceRef){.kind = SOURCE_IMAGE, .name = c->value + strlen(image)};
		return 0;
	}
	if (strstr(c->value, "://")) {
		int r = err_set(err, ERR_UNSUPPORTED, "build context '%s=%s'", c->name, c->value);
		err_hint(err,
			"a build context is a directory or docker-image://NAME; an image on "
			"disk comes in with 'cruet load'");
		return r;
	}
	*ret = (SourceRef){.kind = SOURCE_DIR, .name = c->value};
	return 0;
}

static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

int plan_source(const Plan *p, size_t stage, const char *name, SourceRef *ret, Err **err)
{
	const BuildContext *c = named_context(p, name);
	if (c)
		return context_source(c, ret, err);
	if (strchr(name, '$')) {
		int r = err_set(err, ERR_PARSE, "variables are not expanded in --from=%s", name);
		err_hint(err, "name a stage: 'FROM %s AS files', then --from=files", name);
		return r;
	}
	ssize_t n = dockerfile_stage(p->dockerfile, name, stage);
	if (n >= 0) {
		*ret = (SourceRef){.kind = SOURCE_STAGE, .stage = (size_t)n};
		return 0;
	}
	ssize_t later = dockerfile_stage(p->dockerfile, name, p->dockerfile->stages.len);
	if (later >= 0)
		return err_set(err, ERR_PARSE,
			"cannot copy from stage '%s': it is %s, and must stand before this one",
			name, (size_t)later == stage ? "this stage" : "defined later");
	if (is_number(name))
		return err_set(err, ERR_NOT_FOUND, "there is no stage number %s", name);
	if (strcmp(name, "scratch") == 0)
		return err_set(err, ERR_PARSE, "'scratch' has nothing to copy from");
	*ret = (SourceRef){.kind = SOURCE_IMAGE, .name = name};
	return 0;
}

/* At its registry, when it has a name and may be asked for. *err says already that it is not in the store. */
static int registry_image(
	const Plan *p, const char *name, const Platform *platform, StoreImage *ret, Err **err)
{
	_cleanup_err_ Err *e = NULL;
	Reference ref = {0};
	bool named = reference_parse(str_of(name), &ref, &e) == 0;
	if (*err && (p->options->pull == PULL_NEVER || !named)) {
		reference_done(&ref);
		return -(int)(*err)->code;
	}
	if (!named)
		return err_move(err, &e);
	int r = remote_layers_image(p->remote, &ref, platform, ret, &e);
	reference_done(&ref);
	if (r == 0) {
		*err = err_free(*err);
		return 0;
	}
	if (*err)
		err_prefix(&e, "'%s' is not in the store", name);
	err_free(*err);
	*err = TAKE_PTR(e);
	return r;
}

static int find_image(
	const Plan *p, const char *name, const Platform *platform, StoreImage *ret, Err **err)
{
	_cleanup_err_ Err *e = NULL;
	int r = -ERR_NOT_FOUND;
	if (p->options->pull != PULL_ALWAYS)
		r = store_image(p->store, name, platform, ret, &e);
	if (r == -ERR_NOT_FOUND)
		r = registry_image(p, name, platform, ret, &e);
	if (r == 0)
		return 0;
	const char *near = near_stage(p->dockerfile, name);
	_cleanup_free_ char *hint = xstrdup(e->hint);
	if (near)
		err_hint(&e, "did you mean stage '%s'?%s%s", near, hint ? " Else: " : "",
			hint ? hint : "");
	return err_move(err, &e);
}

int plan_image(Plan *p, const char *name, const Platform *platform, StoreImage *ret, Err **err)
{
	_cleanup_free_ char *text = platform_format(platform);
	_cleanup_free_ char *key = xasprintf("%s %s", text, name);
	const Descriptor *known = map_get(&p->images, str_of(key));
	if (known)
		return store_image_at(p->store, known, platform, ret, err);
	int r = find_image(p, name, platform, ret, err);
	if (r < 0)
		return r;
	Descriptor *found = xnew(Descriptor);
	*found = (Descriptor){0};
	descriptor_copy(&ret->descriptor, found);
	map_put(&p->images, str_of(key), found);
	return 0;
}

static void need(PlanStage *s, size_t other)
{
	vec_foreach (&s->needs, n)
		if (*n == other)
			return;
	vec_push(&s->needs, other);
}

static int visit(Plan *p, size_t n, Err **err);

/* Stages and images that one instruction takes files from. */
static int visit_from(Plan *p, PlanStage *s, const char *from, Err **err)
{
	SourceRef ref;
	int r = plan_source(p, s->number, from, &ref, err);
	if (r < 0)
		return r;
	if (ref.kind == SOURCE_STAGE) {
		need(s, ref.stage);
		return visit(p, ref.stage, err);
	}
	if (ref.kind == SOURCE_IMAGE) { /* fail before anything runs */
		StoreImage image = {0};
		r = plan_image(p, ref.name, &s->platform, &image, err);
		store_image_done(&image);
	}
	return r;
}

static int visit_instr(Plan *p, PlanStage *s, const Instr *i, Err **err)
{
	int r = 0;
	if (i->kind == INSTR_COPY && instr_flag(i, "from"))
		return visit_from(p, s, instr_flag(i, "from"), err);
	if (i->kind != INSTR_RUN)
		return 0;
	vec_foreach (&i->flags, f) {
		_cleanup_free_ char *from = NULL;
		if (strcmp(f->name, "mount") != 0)
			continue;
		r = run_mount_from(f->value, &from, err);
		if (r == 0 && from)
			r = visit_from(p, s, from, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_trigger(Plan *p, PlanStage *s, const char *text, Err **err)
{
	int r = dockerfile_parse_instr(str_of(text), p->dockerfile->path, p->dockerfile->escape,
		vec_add(&s->triggers), err);
	if (r < 0) {
		s->triggers.len--;
		err_prefix(err, "ONBUILD trigger of '%s'", s->base_name);
	}
	return r;
}

static int add_triggers(Plan *p, PlanStage *s, Err **err)
{
	int r = 0;
	if (s->base.kind == SOURCE_IMAGE) {
		const StrVec *triggers = &s->image.config.on_build;
		for (size_t i = 0; r == 0 && i < triggers->len; i++)
			r = add_trigger(p, s, triggers->items[i], err);
	} else if (s->base.kind == SOURCE_STAGE) {
		vec_foreach (&p->dockerfile->stages.items[s->base.stage].instrs, i) {
			if (r == 0 && i->kind == INSTR_ONBUILD && i->args.len)
				r = add_trigger(p, s, i->args.items[0], err);
		}
	}
	return r;
}

static int base_image(Plan *p, PlanStage *s, Err **err)
{
	int r = plan_image(p, s->base.name, &s->platform, &s->image, err);
	if (r < 0)
		return r;
	const Platform *have = &s->image.config.platform;
	if (platform_match(&s->platform, have) == 0) {
		_cleanup_free_ char *is = platform_format(have),
				    *want = platform_format(&s->platform);
		progress_warn(p->progress, p->dockerfile->path, s->stage->from.line,
			"base image '%s' is for %s, not %s", s->base_name, is, want);
	}
	return 0;
}

static int find_base(Plan *p, PlanStage *s, Err **err)
{
	Expander x = build_args_expander(p->args);
	const Instr *from = &s->stage->from;
	const char *platform = instr_flag(from, "platform");
	int r = expand_word(&x, str_of(from->args.items[0]), &s->base_name, err);
	if (r == 0 && !*s->base_name)
		r = err_set(
			err, ERR_PARSE, "base name (%s) should not be blank", from->args.items[0]);
	if (r == 0 && platform) {
		_cleanup_free_ char *text = NULL;
		r = expand_word(&x, str_of(platform), &text, err);
		platform_done(&s->platform);
		s->platform = (Platform){0};
		if (r == 0)
			r = platform_parse(str_of(text), &s->platform, err);
	}
	if (r < 0)
		return r;
	const BuildContext *c = named_context(p, s->base_name);
	ssize_t n = c || is_number(s->base_name)
		? -1
		: dockerfile_stage(p->dockerfile, s->base_name, s->number);
	if (c)
		r = context_source(c, &s->base, err);
	else if (n >= 0)
		s->base = (SourceRef){.kind = SOURCE_STAGE, .stage = (size_t)n};
	else if (strcmp(s->base_name, "scratch") == 0)
		s->base = (SourceRef){.kind = SOURCE_SCRATCH};
	else
		s->base = (SourceRef){.kind = SOURCE_IMAGE, .name = s->base_name};
	if (r == 0 && s->base.kind == SOURCE_DIR)
		return err_set(err, ERR_UNSUPPORTED,
			"build context '%s' is a directory: COPY --from can use it, FROM cannot",
			s->base_name);
	if (r == 0 && s->base.kind == SOURCE_IMAGE)
		r = base_image(p, s, err);
	return r;
}

static int visit_steps(Plan *p, PlanStage *s, Err **err)
{
	s->layers = 1;
	vec_foreach (&s->triggers, t)
		vec_push(&s->steps, t);
	vec_foreach (&s->stage->instrs, i)
		vec_push(&s->steps, i);
	vec_foreach (&s->steps, i) {
		bool trigger = *i >= s->triggers.items && *i < s->triggers.items + s->triggers.len;
		s->layers += plan_makes_layer(*i);
		int r = visit_instr(p, s, *i, err);
		if (r < 0) {
			err_at(err, p->dockerfile->path,
				trigger ? s->stage->from.line : (*i)->line);
			return r;
		}
	}
	return 0;
}

static int visit(Plan *p, size_t n, Err **err)
{
	PlanStage *s = &p->stages.items[n];
	if (s->reachable)
		return 0;
	s->reachable = true;
	int r = find_base(p, s, err);
	if (r == 0 && s->base.kind == SOURCE_STAGE) {
		need(s, s->base.stage);
		r = visit(p, s->base.stage, err);
	}
	if (r == 0)
		r = add_triggers(p, s, err);
	if (r < 0) {
		err_at(err, p->dockerfile->path, s->stage->from.line);
		return r;
	}
	return visit_steps(p, s, err);
}

static void free_descriptor(void *p)
{
	descriptor_done(p);
	free(p);
}

int plan_make(Plan *p, const Platform *platform, Err **err)
{
	const Dockerfile *d = p->dockerfile;
	p->images = MAP_INIT(free_descriptor);
	if (d->stages.len > LIMIT_STAGES)
		return err_set(
			err, ERR_LIMIT, "'%s' has more than %u stages", d->path, LIMIT_STAGES);
	vec_foreach (&d->stages, stage) {
		PlanStage *s = vec_add(&p->stages);
		s->stage = stage;
		s->number = p->stages.len - 1;
		platform_copy(platform, &s->platform);
		if (stage->name)
			s->label = xstrdup(stage->name);
		else if (d->stages.len > 1)
			s->label = xasprintf("stage-%zu", s->number);
	}
	int r = visit(p, p->target, err);
	if (r < 0 && err && (*err)->file && !(*err)->excerpt)
		(*err)->excerpt = dockerfile_excerpt(str_of(d->text), (*err)->line, (*err)->line);
	return r;
}

void plan_done(Plan *p)
{
	map_done(&p->images);
	vec_foreach (&p->stages, s) {
		free(s->label);
		free(s->base_name);
		store_image_done(&s->image);
		platform_done(&s->platform);
		vec_foreach (&s->triggers, t)
			instr_done(t);
		vec_done(&s->triggers);
		vec_done(&s->steps);
		vec_done(&s->needs);
	}
	vec_done(&p->stages);
}
