/*
 * WORKDIR: the directory, made where it is missing, owned by the USER of the moment. It is a layer of its own
 * (an empty one if the directory is there), unless it is "/" (spec: build.md 2, 44).
 */
#include "base/timefmt.h"
#include "build/build_int.h"
#include "build/exec_config.h"
#include "build/keys.h"
#include "build/owner.h"

typedef struct Workdir {
	char *path;      /* in the layer, links followed; no leading '/' */
	size_t existing; /* bytes of path that are there */
	Owner owner;
} Workdir;

static int resolve(StageRun *s, Workdir *w, Err **err)
{
	const char *dir = s->config.working_dir;
	bool found = false;
	TreeNode node;
	int r = tree_resolve(s->stack.tree, str_of(dir), true, true, &w->path, &found, &node, err);
	if (r < 0)
		return r;
	if (found && node.entry.type != TAR_DIR)
		return err_set(err, ERR_EXISTS, "WORKDIR '%s' is there, and no directory", dir);
	size_t len = strlen(w->path);
	w->existing = len;
	while (!found && w->existing > 0) {
		while (w->existing > 0 && w->path[w->existing - 1] != '/')
			w->existing--;
		if (w->existing > 0)
			w->existing--;
		if (w->existing > 0)
			found = tree_lookup(s->stack.tree, (Str){w->path, w->existing}, &node);
	}
	return 0;
}

static int write_layer(StageRun *s, const Workdir *w, LayerWriter *out, Err **err)
{
	const Epoch *e = &s->build->epoch;
	size_t len = strlen(w->path);
	for (size_t end = w->existing; end < len;) {
		end += end > 0 || w->path[0] == '/';
		while (end < len && w->path[end] != '/')
			end++;
		_cleanup_free_ char *path = xstrndup(w->path, end);
		TarEntry dir = {
			.path = path,
			.type = TAR_DIR,
			.mode = 0755,
			.uid = w->owner.has_uid ? w->owner.uid : 0,
			.gid = w->owner.has_gid ? w->owner.gid : 0,
			.mtime = e->given ? e->seconds : time_now(),
		};
		int r = layer_writer_add(out, &dir, NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int execute(Step *t, const Workdir *w, Err **err)
{
	StageRun *s = t->stage;
	const BuildOptions *o = s->build->options;
	Store *store = s->build->store;
	_cleanup_(new_layer_freep) NewLayer *layer = NULL;
	Descriptor blob = {0};
	Digest diff_id;
	int r = 0;
	step_started(t);
	if (w->existing == strlen(w->path)) {
		r = layers_empty(store, o->compression, o->compression_level, &blob, &diff_id, err);
	} else {
		r = new_layer_begin(store, o->compression, o->compression_level, NULL, &layer, err);
		if (r == 0)
			r = write_layer(s, w, new_layer_writer(layer), err);
		if (r == 0)
			r = new_layer_commit(layer, &blob, &diff_id, err);
	}
	if (r == 0)
		r = step_finish(t, &blob, &diff_id, err);
	descriptor_done(&blob);
	return r;
}

static void make_key(Step *t, const Workdir *w)
{
	const Epoch *e = &t->stage->build->epoch;
	Sha256 *h = key_begin("workdir");
	key_cstr(h, w->path);
	sha256_field_u64(h, w->owner.uid);
	sha256_field_u64(h, w->owner.gid);
	sha256_field_u64(h, e->given);
	sha256_field_u64(h, (uint64_t)e->seconds);
	key_end(h, &t->op);
}

static int make_directory(Step *t, Err **err)
{
	StageRun *s = t->stage;
	_cleanup_free_ char *path = NULL;
	Workdir w = {0};
	const char *user = s->config.user;
	bool waited = false;
	int r = run_queue_drain(s, err);
	if (r == 0)
		r = layer_stack_load(&s->stack, s->build->store, err);
	if (r == 0)
		r = resolve(s, &w, err);
	path = w.path;
	if (r == 0 && user && *user)
		r = owner_parse("USER", user, &s->stack, s->build->store, &w.owner, err);
	if (r < 0)
		return r;
	make_key(t, &w);
	r = step_cached(t, err);
	if (r == 0)
		r = step_lock(t, &t->op, &waited, err);
	if (r == 0 && waited)
		r = step_cached(t, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return execute(t, &w, err);
}

int exec_workdir(Step *t, Err **err)
{
	StageRun *s = t->stage;
	Expander x = vars_expander(&s->vars);
	ConfigChange c = {.config = &s->config, .expander = &x, .cmd_set = &s->cmd_set};
	int r = config_instr(t->instr, &c, err);
	t->created_by = c.history;
	if (r < 0)
		return r;
	if (strcmp(s->config.working_dir, "/") != 0)
		return make_directory(t, err);
	config_add_history(&s->config, NULL, t->created_by, "buildkit.dockerfile.v0", true);
	return 0;
}
