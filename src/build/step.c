#include "build/build_int.h"
#include "build/history.h"
#include "build/keys.h"

void step_done(Step *t)
{
	closep(&t->lock_fd);
	free(t->created_by);
}

void step_started(Step *t)
{
	if (!t->started)
		progress_state(
			t->stage->build->progress, t->progress, t->what, PROGRESS_STARTED, NULL);
	t->started = true;
}

void step_key(const Step *t, const LayerStack *below, Digest *ret)
{
	Digest chain = {0};
	if (!t->off_chain)
		layer_stack_chain(below, below->diff_ids.len, &chain);
	key_on_chain(&t->op, &chain, ret);
}

void step_history(Step *t, const char *created)
{
	config_add_history(&t->stage->config, created, t->created_by, HISTORY_COMMENT, false);
	key_lineage(&t->stage->lineage, &t->op);
}

/* A record made with another compression: the layer is the same, its blob is made anew. */
static int convert(Step *t, const Digest *key, Record *r, Err **err)
{
	Build *b = t->stage->build;
	Descriptor blob = {0};
	int ret = layer_convert(b->store, &r->layer, b->options->compression,
		b->options->compression_level, build_pool(b), &blob, err);
	if (ret < 0)
		return ret;
	descriptor_done(&r->layer);
	r->layer = blob;
	return record_write(b->store, key, &t->op, r, b->options->compression_level, err);
}

int step_cached(Step *t, Err **err)
{
	StageRun *s = t->stage;
	Build *b = s->build;
	if (s->no_cache)
		return 0;
	Digest key;
	Record r = {0};
	step_key(t, &s->stack, &key);
	if (!record_find(
		    b->store, &key, b->options->compression, b->options->compression_level, &r))
		return 0;
	int ret = 0;
	if (r.converted) {
		step_started(t);
		ret = convert(t, &key, &r, err);
	}
	if (ret == 0)
		ret = layer_stack_push(&s->stack, b->store, &r.layer, &r.diff_id, err);
	if (ret == 0) {
		s->has_lowers = false;
		build_push_layer(s, &r.layer);
		step_history(t, r.created);
		progress_state(b->progress, t->progress, t->what, PROGRESS_CACHED, NULL);
		t->settled = true;
		__atomic_add_fetch(&b->result->cached, 1, __ATOMIC_RELAXED);
		ret = 1;
	}
	record_done(&r);
	return ret;
}

int stage_lock(StageRun *s, const char *path, LockMode mode, int *ret_fd, Err **err)
{
	unsigned turn = 0;
	int r = 0;
	while (r == 0) {
		int taken = lock_try(store_fd(s->build->store), path, mode, ret_fd, err);
		if (taken != 0)
			return MIN(taken, 0);
		r = lock_wait(&turn, err);
		if (r == 0 && build_failed(s->build))
			r = err_set(err, ERR_CANCELLED, "another stage failed");
	}
	return r;
}

int step_lock(Step *t, const Digest *name, bool *ret_waited, Err **err)
{
	StageRun *s = t->stage;
	*ret_waited = false;
	if (s->no_cache || t->lock_fd >= 0)
		return 0;
	Digest id = s->lineage;
	key_lineage(&id, name);
	int dir = store_fd(s->build->store);
	_cleanup_free_ char *path = xasprintf("locks/step-%s", digest_hex(&id).s);
	int r = lock_try(dir, path, LOCK_EXCLUSIVE, &t->lock_fd, err);
	if (r != 0)
		return r < 0 ? r : 0;
	step_started(t);
	*ret_waited = true;
	return stage_lock(s, path, LOCK_EXCLUSIVE, &t->lock_fd, err);
}

int step_finish(Step *t, const Descriptor *layer, const Digest *diff_id, Err **err)
{
	StageRun *s = t->stage;
	Build *b = s->build;
	Digest key;
	step_key(t, &s->stack, &key);
	_cleanup_free_ char *created = epoch_created(&b->epoch);
	Record r = {.diff_id = *diff_id, .layer = *layer, .created = created}; /* borrows */
	int ret = layer_stack_push(&s->stack, b->store, layer, diff_id, err);
	if (ret == 0)
		ret = record_write(b->store, &key, &t->op, &r, b->options->compression_level, err);
	if (ret < 0)
		return ret;
	s->has_lowers = false;
	build_push_layer(s, layer);
	step_history(t, created);
	return 0;
}
