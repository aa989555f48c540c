#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cancel.h"
#include "store/kept.h"
#include "store/reach.h"
#include "store/store_int.h"
#include "sys/lock.h"

#define WAIT_SECONDS 30
#define WAIT_STEP_MS 20
#define GATE_MS      500

void gc_report_done(GcReport *r)
{
	strvec_done(&r->problems);
}

/*
 * Turns the shared lock that every process holds into the only one. For half of the time the gate is closed, so that a
 * server that stays busy ends its turns and begins none; for the other half it is open, so that a server does not wait
 * for as long as a build does.
 */
static int lock_alone(Store *s, int *ret_gate, Err **err)
{
	_cleanup_close_ int gate = -1;
	int r = 0;
	for (unsigned waited = 0; r >= 0 && waited < WAIT_SECONDS * 1000; waited += WAIT_STEP_MS) {
		bool closed = waited / GATE_MS % 2 == 0;
		if (!closed)
			closep(&gate);
		else if (gate < 0)
			r = lock_try(s->fd, STORE_GATE, LOCK_EXCLUSIVE, &gate, err);
		if (r >= 0 && flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0) {
			*ret_gate = TAKE_FD(gate);
			return 0;
		}
		if (r >= 0 && errno != EWOULDBLOCK && errno != EINTR)
			r = err_sys(err, "lock the store");
		if (r >= 0)
			r = cancel_check(err);
		struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
		nanosleep(&step, NULL);
	}
	/* the failed attempt took the shared lock away */
	(void)flock(s->lock_fd, LOCK_SH);
	if (r < 0)
		return r;
	r = err_set(err, ERR_TIMEOUT, "other cruet processes are at work in the store");
	err_hint(err, "try again when their builds have ended");
	return r;
}

typedef struct Sweep {
	Store *store;
	const GcOptions *options;
	GcReport *report;
	const Map *live; /* names that stay */
	uint64_t *count; /* what removals count as */
} Sweep;

/* Bytes on disk of a file or tree. */
static uint64_t disk_bytes(Store *s, const char *path);

static int sum_entry(void *arg, const char *dir, const char *name, Err **err _unused_)
{
	struct {
		Store *store;
		uint64_t sum;
	} *x = arg;
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	x->sum += disk_bytes(x->store, path);
	return 0;
}

static uint64_t disk_bytes(Store *s, const char *path)
{
	struct stat st;
	struct {
		Store *store;
		uint64_t sum;
	} x = {s, 0};
	if (fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	x.sum = (uint64_t)st.st_blocks * 512 /
		(S_ISDIR(st.st_mode) || st.st_nlink == 0 ? 1 : st.st_nlink);
	if (S_ISDIR(st.st_mode))
		(void)!store_each(s, path, sum_entry, &x, NULL);
	return x.sum;
}

static int discard(Sweep *w, const char *path, Err **err)
{
	w->report->bytes_freed += disk_bytes(w->store, path);
	(*w->count)++;
	return w->options->dry_run ? 0 : remove_tree(w->store->fd, path, err);
}

static int sweep_entry(void *arg, const char *dir, const char *name, Err **err)
{
	Sweep *w = arg;
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	if (cstr_starts(name, ".tmp-")) {
		Sweep temp = *w;
		temp.count = &w->report->temps_removed;
		return discard(&temp, path, err);
	}
	if (w->live && map_has(w->live, str_of(name)))
		return 0;
	return discard(w, path, err);
}

static int sweep(Sweep *w, const char *dir, const Map *live, uint64_t *count, Err **err)
{
	w->live = live;
	w->count = count;
	return store_each(w->store, dir, sweep_entry, w, err);
}

static int sweep_temp_entry(void *arg, const char *dir, const char *name, Err **err)
{
	return cstr_starts(name, ".tmp-") ? sweep_entry(arg, dir, name, err) : 0;
}

/* Files that a killed atomic_write left beside their targets. */
static int sweep_temps(Sweep *w, const char *dir, Err **err)
{
	w->live = NULL;
	w->count = &w->report->temps_removed;
	return store_each(w->store, dir, sweep_temp_entry, w, err);
}

/* For directories of directories: those that were swept as a whole are counted already. */
static int sweep_nested_temps(void *arg, const char *dir, const char *name, Err **err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	struct stat st;
	Sweep *w = arg;
	const Map *live = w->live;
	if ((live && !map_has(live, str_of(name))) ||
		fstatat(w->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	int r = sweep_temps(w, path, err);
	w->live = live;
	return r;
}

/* ---- locks and logs ---- */

static int sweep_lock(void *arg, const char *dir, const char *name, Err **err)
{
	/* "KIND-OBJECT", one for every object there ever was; those of the store itself are single words */
	Sweep *w = arg;
	if (!strchr(name, '-'))
		return 0;
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	int r = w->options->dry_run ? 1 : lock_remove(w->store->fd, path, err);
	if (r == 1)
		w->report->locks_removed++;
	return MIN(r, 0);
}

typedef struct Log {
	char *path;
	struct timespec changed;
} Log;
typedef struct Logs {
	Store *store;
	VEC(Log) found;
} Logs;

static int add_log(void *arg, const char *dir, const char *name, Err **err _unused_)
{
	Logs *all = arg;
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	struct stat st;
	if (fstatat(all->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	vec_push(&all->found, ((Log){.path = TAKE_PTR(path), .changed = st.st_mtim}));
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const Log *x = a, *y = b;
	int64_t age = x->changed.tv_sec != y->changed.tv_sec
		? (int64_t)y->changed.tv_sec - x->changed.tv_sec
		: (int64_t)y->changed.tv_nsec - x->changed.tv_nsec;
	return age < 0 ? -1 : age > 0 ? 1 : strcmp(x->path, y->path);
}

static int sweep_logs(Sweep *w, Err **err)
{
	Logs all = {.store = w->store};
	int64_t oldest = (int64_t)time(NULL) - GC_KEEP_LOG_DAYS * INT64_C(86400);
	int r = store_each(w->store, "logs", add_log, &all, err);
	if (all.found.len)
		qsort(all.found.items, all.found.len, sizeof(Log), newest_first);
	w->count = &w->report->logs_removed;
	for (size_t i = 0; i < all.found.len; i++) {
		Log *l = &all.found.items[i];
		bool stays =
			w->options->keep_logs && i < GC_KEEP_LOGS && l->changed.tv_sec >= oldest;
		if (r == 0 && !stays)
			r = discard(w, l->path, err);
		free(l->path);
	}
	vec_done(&all.found);
	return r;
}

/* ---- what a registry is at (store/kept.h) ---- */

static bool is_old(Store *s, const char *path)
{
	struct stat st;
	return fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		st.st_mtime < time(NULL) - STORE_PENDING_SECONDS;
}

typedef struct Pending {
	Sweep *sweep;
	Reach *reach;
} Pending;

static int sweep_pending(void *arg, const char *dir, const char *name, Err **err)
{
	Pending *p = arg;
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	Digest d;
	if (!is_old(p->sweep->store, path) && digest_parse_hex(str_of(name), &d)) {
		reach_mark(p->reach, &d);
		return 0;
	}
	p->sweep->count = &p->sweep->report->temps_removed;
	return discard(p->sweep, path, err);
}

static int sweep_upload(void *arg, const char *dir, const char *name, Err **err)
{
	Sweep *w = arg;
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_close_ int lock = -1;
	if (!is_old(w->store, path) ||
		lock_try(w->store->fd, path, LOCK_EXCLUSIVE, &lock, NULL) != 1)
		return 0;
	w->count = &w->report->temps_removed;
	return discard(w, path, err);
}

/* Kept manifests that nothing but themselves keeps go with the untagged images; what hides a manifest goes with it. */
static int sweep_kept(void *arg, const char *dir, const char *name, Err **err)
{
	Pending *p = arg;
	const char *dash = strchr(name, '-');
	if (dash && map_has(&p->reach->blobs, str_of(dash + 1)))
		return 0;
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	p->sweep->count = strcmp(dir, STORE_KEPT) == 0 ? &p->sweep->report->images_removed
						       : &p->sweep->report->temps_removed;
	return discard(p->sweep, path, err);
}

static int sweep_registry(Sweep *w, Reach *reach, Err **err)
{
	Pending p = {w, reach};
	int r = 0;
	if (w->options->untagged)
		r = store_each(w->store, STORE_KEPT, sweep_kept, &p, err);
	if (r == 0)
		r = sweep_temps(w, STORE_KEPT, err);
	if (r == 0)
		r = store_each(w->store, STORE_HIDDEN, sweep_kept, &p, err);
	if (r == 0)
		r = store_each(w->store, STORE_PENDING, sweep_pending, &p, err);
	return r < 0 ? r : store_each(w->store, STORE_UPLOADS, sweep_upload, w, err);
}

/* ---- all of it ---- */

static int sweep_cache(Sweep *w, Reach *reach, Err **err)
{
	_cleanup_strvec_ StrVec dead = {0};
	if (!w->options->keep_cache)
		return sweep(w, "cache", NULL, &w->report->records_removed, err);
	int r = reach_records(w->store, reach, &dead, err);
	w->count = &w->report->records_removed;
	for (size_t i = 0; r == 0 && i < dead.len; i++)
		r = discard(w, dead.items[i], err);
	static const char *const places[] = {"cache", "cache/context", "cache/records"};
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(places); i++)
		r = sweep_temps(w, places[i], err);
	w->live = NULL;
	if (r == 0)
		r = store_each(w->store, "cache/records", sweep_nested_temps, w, err);
	return r < 0 ? r : store_each(w->store, "cache/created", sweep_nested_temps, w, err);
}

static int collect(Store *s, const GcOptions *o, Reach *reach, GcReport *report, Err **err)
{
	Sweep w = {.store = s, .options = o, .report = report};
	int r = sweep_cache(&w, reach, err);
	if (r == 0)
		r = sweep_registry(&w, reach, err);
	if (r == 0)
		r = sweep(&w, "blobs/sha256", &reach->blobs, &report->blobs_removed, err);
	if (r == 0)
		r = sweep(&w, "layers", &reach->layers, &report->layers_removed, err);
	if (r == 0)
		r = store_each(s, "layers", sweep_nested_temps, &w, err);
	if (r == 0)
		r = sweep(&w, "trees", &reach->trees, &report->layers_removed, err);
	if (r == 0)
		r = sweep(&w, "tmp", NULL, &report->temps_removed, err);
	if (r == 0)
		r = sweep_temps(&w, ".", err);
	if (r == 0)
		r = sweep_logs(&w, err);
	return r < 0 ? r : store_each(s, "locks", sweep_lock, &w, err);
}

/* ---- check ---- */

static int check_blob(Store *s, const Digest *d, StrVec *problems, Err **err)
{
	_cleanup_err_ Err *e = NULL;
	Digest real;
	int r = store_blob_verify(s, d, &real, &e);
	if (r < 0 && err_is(e, ERR_NOT_FOUND))
		return 0; /* reach said so already, or it is another platform's */
	if (r < 0)
		return err_move(err, &e);
	if (!digest_eq(&real, d))
		strvec_pushf(problems, "%s: the blob's content has the digest %s", digest_str(d).s,
			digest_str(&real).s);
	return 0;
}

static int check(Store *s, Reach *reach, GcReport *report, Err **err)
{
	StrVec dead = {0};
	int r = reach_names(s, reach, false, err);
	if (r == 0)
		r = reach_records(s, reach, &dead, err);
	strvec_done(&dead); /* a record without its blobs is a miss, no damage */
	map_foreach (&reach->blobs, it) {
		Digest d;
		if (r == 0 && digest_parse_hex((Str){it->key, it->key_len}, &d))
			r = check_blob(s, &d, &reach->problems, err);
	}
	for (size_t i = 0; i < reach->problems.len; i++)
		strvec_push(&report->problems, reach->problems.items[i]);
	return r;
}

/* With the store for itself, unless it only counts. */
static int collect_named(Store *s, const GcOptions *o, Reach *reach, GcReport *report, Err **err)
{
	int r = reach_names(s, reach, o->untagged, err);
	if (r < 0)
		return r;
	if (reach->problems.len) {
		/* what a damaged manifest named is unknown, and must not be taken for garbage */
		r = err_set(err, ERR_CORRUPT, "the store is damaged: %s", reach->problems.items[0]);
		err_hint(err,
			"'cruet gc --check' lists all damage; 'cruet rmi' the images it names, then try again");
		return r;
	}
	if (o->untagged) /* first, so that no name ever leads to what is gone */
		r = names_forget_untagged(s, o->dry_run, &report->images_removed, err);
	return r < 0 ? r : collect(s, o, reach, report, err);
}

int store_gc(Store *s, const GcOptions *o, GcReport *ret, Err **err)
{
	Reach reach;
	GcReport report = {0};
	_cleanup_close_ int gate = -1;
	int r = o->check ? 0 : lock_alone(s, &gate, err);
	if (r < 0)
		return r;
	reach_init(&reach);
	r = o->check ? check(s, &reach, &report, err) : collect_named(s, o, &reach, &report, err);
	reach_done(&reach);
	if (!o->check)
		(void)flock(s->lock_fd, LOCK_SH);
	if (r < 0)
		gc_report_done(&report);
	else
		*ret = report;
	return r;
}

/* ---- df ---- */

static int count_entry(void *arg, const char *dir _unused_, const char *name, Err **err _unused_)
{
	*(uint64_t *)arg += !cstr_starts(name, ".tmp-");
	return 0;
}

int store_usage(Store *s, StoreUsage *ret, Err **err)
{
	StoreUsage u = {0};
	Reach reach;
	GcReport report = {0};
	GcOptions dry = {.dry_run = true, .keep_cache = true, .keep_logs = true};
	reach_init(&reach);
	int r = reach_names(s, &reach, false, err);
	u.images = reach.images;
	if (r == 0)
		r = store_each(s, "blobs/sha256", count_entry, &u.blobs, err);
	if (r == 0)
		r = store_each(s, "trees", count_entry, &u.layer_trees, err);
	if (r == 0)
		r = store_each(s, "logs", count_entry, &u.logs, err);
	if (r == 0)
		r = collect(s, &dry, &reach, &report, err);
	reach_done(&reach);
	gc_report_done(&report);
	if (r < 0)
		return r;
	u.blob_bytes = disk_bytes(s, "blobs");
	u.layer_tree_bytes = disk_bytes(s, "trees");
	u.index_bytes = disk_bytes(s, "layers");
	u.cache_bytes = disk_bytes(s, "cache");
	u.mount_bytes = disk_bytes(s, "mounts");
	u.log_bytes = disk_bytes(s, "logs");
	u.reclaimable_bytes = report.bytes_freed;
	u.total_bytes = disk_bytes(s, ".");
	*ret = u;
	return 0;
}
