/* COPY and ADD: gathers the operands, then lets copy.h select, hash and write. */
#include "base/glob.h"
#include "build/build_int.h"
#include "build/copy_int.h"
#include "build/keys.h"

static int expand_flag(const Expander *x, const Instr *i, const char *name, char **ret, Err **err)
{
	const char *value = instr_flag(i, name);
	if (!value)
		return 0;
	int r = expand_word(x, str_of(value), ret, err);
	if (r < 0)
		err_prefix(err, "--%s", name);
	return r;
}

static int expand_flags(const Expander *x, const Instr *i, CopyOp *op, Err **err)
{
	int r = expand_flag(x, i, "chown", &op->chown, err);
	if (r == 0)
		r = expand_flag(x, i, "chmod", &op->chmod, err);
	if (r == 0)
		r = expand_flag(x, i, "checksum", &op->checksum, err);
	vec_foreach (&i->flags, f) {
		char *pattern = NULL;
		if (r < 0 || strcmp(f->name, "exclude") != 0)
			continue;
		r = expand_word(x, str_of(f->value), &pattern, err);
		if (r == 0)
			strvec_take(&op->excludes, pattern);
	}
	const char *link = instr_flag(i, "link"), *parents = instr_flag(i, "parents"),
		   *unpack = instr_flag(i, "unpack");
	op->link = link && strcmp(link, "true") == 0;
	op->parents = parents && strcmp(parents, "true") == 0;
	op->unpack = unpack ? strcmp(unpack, "true") == 0 : -1;
	if (r == 0 && instr_flag(i, "keep-git-dir"))
		r = err_set(err, ERR_UNSUPPORTED, "--keep-git-dir: ADD of git repositories");
	return r;
}

/* Bodies of heredocs: variables are replaced, quotes stay. */
static int expand_heredocs(const Expander *x, const Instr *i, CopyOp *op, Err **err)
{
	Expander body = *x;
	body.raw_quotes = true;
	vec_foreach (&i->heredocs, h) {
		char *text = NULL;
		int r = 0;
		if (h->expand)
			r = expand_word(&body, str_of(h->content), &text, err);
		else
			text = xstrdup(h->content);
		if (r < 0) {
			err_prefix(err, "heredoc '%s'", h->name);
			return r;
		}
		strvec_take(&op->heredoc_contents, text);
	}
	return 0;
}

/* The last word; relative to WORKDIR. A trailing '/' or "/." says that it is a directory. */
static char *destination(const char *working_dir, const char *word)
{
	size_t len = strlen(word);
	bool dir = len == 0 || word[len - 1] == '/' || strcmp(word, ".") == 0 ||
		(len > 1 && strcmp(word + len - 2, "/.") == 0);
	_cleanup_free_ char *path =
		path_join(str_of(working_dir && *working_dir ? working_dir : "/"), str_of(word));
	return xasprintf("%s%s", path, dir && strcmp(path, "/") != 0 ? "/" : "");
}

static bool is_heredoc(const Instr *i, const char *word)
{
	return i->heredocs.len > 0 && cstr_starts(word, "<<");
}

static int expand_operands(
	StageRun *s, const Expander *x, const Instr *i, CopyOp *op, StrVec *shown, Err **err)
{
	StrVec heredocs = {0};
	if (i->args.len < 2)
		return err_set(
			err, ERR_PARSE, "%s requires at least two arguments", instr_name(i->kind));
	for (size_t n = 0; n < i->args.len; n++) {
		const char *arg = i->args.items[n];
		bool last = n + 1 == i->args.len;
		if (!last && is_heredoc(i, arg)) {
			strvec_push(&op->sources, arg);
			strvec_push(&heredocs, arg);
			continue;
		}
		char *word = NULL;
		int r = expand_word(x, str_of(arg), &word, err);
		if (r < 0) {
			strvec_done(&heredocs);
			return r;
		}
		if (last)
			strvec_copy(shown, &heredocs);
		strvec_push(shown, word);
		if (last)
			op->dest = destination(s->config.working_dir, word);
		else
			strvec_push(&op->sources, word);
		free(word);
	}
	strvec_done(&heredocs);
	return 0;
}

static int find_source(StageRun *s, const Instr *i, CopyOp *op, Err **err)
{
	Build *b = s->build;
	const char *from = i->kind == INSTR_COPY ? instr_flag(i, "from") : NULL;
	SourceRef ref = {.kind = SOURCE_CONTEXT};
	ContextSlot *slot = NULL;
	int r = 0;
	op->from_name = from;
	if (from)
		r = plan_source(&b->plan, s->plan->number, from, &ref, err);
	if (r == 0 && (ref.kind == SOURCE_STAGE || ref.kind == SOURCE_IMAGE))
		return build_source(b, &ref, &s->plan->platform, &op->from, err);
	if (r == 0)
		r = build_context(b, ref.kind == SOURCE_DIR ? ref.name : NULL, &slot, err);
	if (r == 0)
		op->context = slot->context;
	return r;
}

static int make_op(Step *t, CopyOp *op, Err **err)
{
	StageRun *s = t->stage;
	Build *b = s->build;
	const Instr *i = t->instr;
	Expander x = vars_expander(&s->vars);
	_cleanup_strvec_ StrVec shown = {0};
	*op = (CopyOp){
		.add = i->kind == INSTR_ADD,
		.instr = i,
		.unpack = -1,
		.clamp = b->epoch.given,
		.epoch = b->epoch.seconds,
		.file = b->dockerfile->path,
	};
	int r = expand_flags(&x, i, op, err);
	if (r == 0)
		r = expand_heredocs(&x, i, op, err);
	if (r == 0)
		r = expand_operands(s, &x, i, op, &shown, err);
	if (r == 0)
		r = find_source(s, i, op, err);
	if (r < 0)
		return r;
	Buf text = BUF_INIT(SIZE_MAX);
	buf_cstr(&text, instr_name(i->kind));
	if (op->parents)
		buf_cstr(&text, " --parents");
	if (op->chown)
		buf_printf(&text, " --chown=%s", op->chown);
	if (op->chmod)
		buf_printf(&text, " --chmod=%s", op->chmod);
	for (size_t n = 0; n < shown.len; n++)
		buf_printf(&text, " %s", shown.items[n]);
	buf_cstr(&text, " # buildkit");
	t->created_by = buf_steal(&text);
	return 0;
}

/*
 * What is known without reading any file: names, types, sizes, owners. A record can exist only if something of
 * this shape was copied before, by whatever build in whatever directory.
 */
static void shape(const Step *t, const CopyPlan *plan, Digest *ret)
{
	const Epoch *e = &t->stage->build->epoch;
	Sha256 *h = key_begin(plan->op->add ? "add shape" : "copy shape");
	sha256_field_u64(h, plan->op->link);
	sha256_field_u64(h, e->given);
	sha256_field_u64(h, (uint64_t)e->seconds);
	vec_foreach (&plan->entries, c) {
		uint64_t numbers[] = {c->type, c->mode, c->uid, c->gid, c->size};
		key_cstr(h, c->path);
		key_cstr(h, c->link);
		sha256_field(h, (Str){(const char *)numbers, sizeof(numbers)});
	}
	vec_foreach (&plan->archives, a) {
		key_cstr(h, a->dest);
		sha256_field_u64(h, a->source.size);
	}
	key_end(h, ret);
}

/* The op with its contents. */
static int full_key(Step *t, const CopyOp *op, CopyPlan *plan, Err **err)
{
	const Epoch *e = &t->stage->build->epoch;
	Digest content;
	int r = copy_digest(plan, &content, err);
	if (r < 0)
		return r;
	Sha256 *h = key_begin(op->add ? "add content" : "copy content");
	key_digest(h, &content);
	sha256_field_u64(h, op->link);
	sha256_field_u64(h, e->given);
	sha256_field_u64(h, (uint64_t)e->seconds);
	key_end(h, &t->op);
	t->off_chain = op->link;
	return 0;
}

static int execute(Step *t, const CopyOp *op, CopyPlan *plan, const Digest *marker, Err **err)
{
	Build *b = t->stage->build;
	const BuildOptions *o = b->options;
	_cleanup_(new_layer_freep) NewLayer *layer = NULL;
	Descriptor blob = {0};
	Digest diff_id;
	step_started(t);
	int r = new_layer_begin(
		b->store, o->compression, o->compression_level, build_pool(b), &layer, err);
	if (r == 0)
		r = copy_execute(plan, new_layer_writer(layer), err);
	if (r == 0)
		r = new_layer_commit(layer, &blob, &diff_id, err);
	if (r == 0)
		r = full_key(t, op, plan, err);
	if (r == 0)
		r = step_finish(t, &blob, &diff_id, err);
	if (r == 0)
		r = record_op_mark(b->store, marker, err);
	descriptor_done(&blob);
	return r;
}

/* --link looks at nothing in the stage but, for names of owners, its passwd. */
static bool needs_stage(const CopyOp *op)
{
	return !op->link || (op->chown && op->chown[strspn(op->chown, "0123456789:")]);
}

/*
 * Where a record may exist the contents are hashed first (cheap when the hash cache knows them) and looked
 * up. Where none can exist that would read every file twice: the layer is made at once, and its key is taken
 * from the digests that fell off on the way.
 */
static int copy_step(Step *t, const CopyOp *op, Err **err)
{
	StageRun *s = t->stage;
	Build *b = s->build;
	_cleanup_(copy_plan_freep) CopyPlan *plan = NULL;
	Digest marker;
	bool waited = false;
	int r = run_queue_drain(s, err);
	if (r == 0 && needs_stage(op))
		r = layer_stack_load(&s->stack, b->store, err);
	if (r == 0)
		r = copy_plan(op, &s->stack, b->store, build_pool(b), b->progress, t->progress,
			&plan, err);
	if (r < 0)
		return r;
	shape(t, plan, &marker);
	r = step_lock(t, &marker, &waited, err);
	if (r < 0)
		return r;
	if (!s->no_cache && record_op_seen(b->store, &marker)) {
		r = full_key(t, op, plan, err);
		if (r == 0)
			r = step_cached(t, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return execute(t, op, plan, &marker, err);
}

int exec_copy(Step *t, Err **err)
{
	StageRun *s = t->stage;
	CopyOp op = {0};
	const char *link = instr_flag(t->instr, "link");
	/* a base that has to come does so while the stage that is copied from is still built */
	bool early = !s->queue && !(link && strcmp(link, "true") == 0);
	int r = early ? layer_stack_load(&s->stack, s->build->store, err) : 0;
	if (r == 0)
		r = make_op(t, &op, err);
	if (r == 0)
		r = copy_step(t, &op, err);
	copy_op_done(&op);
	return r;
}
