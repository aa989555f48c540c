/*
 * What a RUN changed lies in its upper directory, which nobody writes to any more once the program and all
 * it started are gone. The next RUN mounts it as a lower directory and starts at once; meanwhile one thread a
 * stage walks the frozen directories in order and makes layers of them: tar, digest, compression, record.
 *
 * While the queue is busy the stage's stack belongs to its thread. The stage's own thread waits with
 * run_queue_wait before it needs the stack (a cache look-up that may succeed) and run_queue_drain before it
 * needs the directories under their final names: COPY, WORKDIR, the end. A directory keeps its temporary name as long as a mount may be made from it, i.e. until the next drain.
 */
#include <fcntl.h>

#include "build/build_int.h"
#include "build/keys.h"
#include "layer/diff.h"
#include "sys/userns.h"

struct RunQueue {
	StageRun *stage;
	Job *job;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	VEC(FrozenRun *) runs;
	size_t next; /* first that is not a layer yet */
	bool closing;
	Err *error;
};

static void frozen_free(FrozenRun *f)
{
	if (!f)
		return;
	closep(&f->lock_fd);
	free(f->dir);
	free(f->created);
	strvec_done(&f->made);
	free(f);
}

static int diff(StageRun *s, const FrozenRun *f, LayerWriter *out, Err **err)
{
	_cleanup_free_ char *path = xasprintf("%s/upper", f->dir);
	_cleanup_close_ int fd = openat(
		store_temp_fd(s->temp), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(err, "open '%s'", path);
	DiffOptions options = {
		.userxattr = userns_inside(),
		.clamp = s->build->epoch.given,
		.epoch = s->build->epoch.seconds,
		.skip = &f->made,
	};
	return diff_upper(fd, s->stack.tree, &options, out, err);
}

static int commit(StageRun *s, FrozenRun *f, Err **err)
{
	Build *b = s->build;
	const BuildOptions *o = b->options;
	_cleanup_(new_layer_freep) NewLayer *layer = NULL;
	Record record = {.created = f->created};
	Digest chain, key;
	layer_stack_chain(&s->stack, s->stack.diff_ids.len, &chain);
	key_on_chain(&f->op, &chain, &key);
	int r = new_layer_begin(
		b->store, o->compression, o->compression_level, build_pool(b), &layer, err);
	if (r == 0)
		r = diff(s, f, new_layer_writer(layer), err);
	if (r == 0)
		r = new_layer_commit(layer, &record.layer, &record.diff_id, err);
	if (r == 0) {
		f->layer = s->stack.layers.len;
		r = layer_stack_push(&s->stack, b->store, &record.layer, &record.diff_id, err);
	}
	if (r == 0) {
		build_push_layer(s, &record.layer);
		r = record_write(b->store, &key, &f->op, &record, o->compression_level, err);
	}
	descriptor_done(&record.layer);
	closep(&f->lock_fd);
	return r;
}

static int queue_thread(void *arg, Err **err _unused_)
{
	RunQueue *q = arg;
	pthread_mutex_lock(&q->lock);
	while (!q->error) {
		if (q->next == q->runs.len) {
			if (q->closing)
				break;
			pthread_cond_wait(&q->changed, &q->lock);
			continue;
		}
		FrozenRun *f = q->runs.items[q->next];
		Err *e = NULL;
		pthread_mutex_unlock(&q->lock);
		int r = commit(q->stage, f, &e);
		pthread_mutex_lock(&q->lock);
		if (r < 0)
			q->error = e;
		else
			q->next++;
		pthread_cond_broadcast(&q->changed);
	}
	pthread_mutex_unlock(&q->lock);
	return 0;
}

void run_queue_push(StageRun *s, FrozenRun *f)
{
	if (!s->queue) {
		RunQueue *q = xnew(RunQueue);
		q->stage = s;
		pthread_mutex_init(&q->lock, NULL);
		pthread_cond_init(&q->changed, NULL);
		s->queue = q;
		q->job = thread_start("layers", queue_thread, q);
	}
	RunQueue *q = s->queue;
	pthread_mutex_lock(&q->lock);
	vec_push(&q->runs, xmemdup(f, sizeof(*f)));
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
	*f = (FrozenRun){.lock_fd = -1};
}

int run_queue_wait(StageRun *s, Err **err)
{
	RunQueue *q = s->queue;
	if (!q)
		return 0;
	pthread_mutex_lock(&q->lock);
	while (!q->error && q->next < q->runs.len)
		pthread_cond_wait(&q->changed, &q->lock);
	Err *e = TAKE_PTR(q->error);
	pthread_mutex_unlock(&q->lock);
	return e ? err_move(err, &e) : 0;
}

/* Gives the directories of finished layers their final names. A stack is pushed again from the bottom, for a
 * directory is named after the chain up to its own layer. */
static int adopt(StageRun *s, Err **err)
{
	RunQueue *q = s->queue;
	Store *store = s->build->store;
	LayerStack below;
	size_t first = 0, layers = 0;
	int r = 0;
	while (first < q->next && q->runs.items[first]->adopted)
		first++;
	if (first == q->next)
		return 0;
	layer_stack_init(&below);
	for (size_t n = first; r == 0 && n < q->next; n++) {
		FrozenRun *f = q->runs.items[n];
		for (; r == 0 && layers <= f->layer; layers++)
			r = layer_stack_push(&below, store, &s->stack.layers.items[layers],
				&s->stack.diff_ids.items[layers], err);
		_cleanup_free_ char *path = xasprintf("%s/upper", f->dir);
		if (r == 0)
			r = layer_stack_adopt_tree(
				&below, store, store_temp_fd(s->temp), path, err);
		f->adopted = true;
	}
	layer_stack_done(&below);
	strvec_clear(&s->lowers);
	s->has_lowers = false;
	return r;
}

int run_queue_drain(StageRun *s, Err **err)
{
	int r = run_queue_wait(s, err);
	return r < 0 || !s->queue ? r : adopt(s, err);
}

RunQueue *run_queue_free(StageRun *s)
{
	RunQueue *q = s->queue;
	if (!q)
		return NULL;
	pthread_mutex_lock(&q->lock);
	q->closing = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
	(void)!job_wait(q->job, NULL);
	(void)!adopt(s, NULL);
	vec_foreach (&q->runs, f)
		frozen_free(*f);
	vec_done(&q->runs);
	err_free(q->error);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
	return NULL;
}
