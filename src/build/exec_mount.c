/*
 * Where the mounts of a RUN come from:
 *
 *	bind	of a stage or image: an overlay of its unpacked layers, so that writes go nowhere (57); of the
 *		context: the directory itself, or a copy when an ignore file hides some of it
 *	cache	mounts/<sha256 of the id>/<slot>; a slot is locked as `sharing` says, a private mount takes the
 *		first slot that nobody uses (56)
 *	secret	a file in memory (/dev/shm), never below the store, removed as soon as the program is gone
 */
#include "build/exec_mount.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/glob.h"
#include "base/limits.h"
#include "base/timefmt.h"
#include "build/copy.h"
#include "build/keys.h"
#include "image/transfer.h"

#define TMPFS_MAGIC_NUMBER 0x01021994
#define SECRET_PREFIX      ".cruet-secret-"
#define SECRET_GRACE       60   /* seconds */
#define CACHE_SLOTS        1024 /* private cache mounts of one id in use at once */

static int by_target(const void *a, const void *b)
{
	const RunMount *x = a, *y = b;
	return strcmp(x->target ? x->target : "", y->target ? y->target : "");
}

int mount_set_parse(Step *t, MountSet *m, Err **err)
{
	StageRun *s = t->stage;
	Expander x = vars_expander(&s->vars);
	const char *dir = s->config.working_dir;
	vec_foreach (&t->instr->flags, f) {
		if (strcmp(f->name, "mount") != 0)
			continue;
		RunMount parsed;
		int r = run_mount_parse(f->value, &x, dir && *dir ? dir : "/", &parsed, err);
		if (r < 0)
			return r;
		vec_push(&m->mounts, parsed);
		if (parsed.type == MOUNT_SSH) {
			r = err_set(err, ERR_UNSUPPORTED,
				"mount '%s': ssh agents are not supported", f->value);
			err_hint(err,
				"give the key as a secret: --secret id=key,src=FILE and "
				"RUN --mount=type=secret,id=key");
			return r;
		}
	}
	if (m->mounts.len)
		qsort(m->mounts.items, m->mounts.len, sizeof(*m->mounts.items), by_target);
	return 0;
}

/* ---- sources ---- */

typedef struct MountSource {
	SourceRef ref;
	const LayerStack *stack; /* stage or image, or … */
	ContextSlot *slot;       /* … a directory */
	char *path;              /* inside, links followed, no leading '/'; "" = its root */
} MountSource;

static int resolve_path(const MountSource *src, const char *path, char **ret, Err **err)
{
	if (src->slot)
		return context_resolve(src->slot->context, path, ret, err);
	bool found = false;
	TreeNode node;
	int r = tree_resolve(src->stack->tree, str_of(path), true, false, ret, &found, &node, err);
	if (r == 0 && !found)
		r = err_set(err, ERR_NOT_FOUND, "'%s' does not exist there", path);
	return r;
}

static int find_source(Step *t, const RunMount *m, MountSource *ret, Err **err)
{
	StageRun *s = t->stage;
	Build *b = s->build;
	MountSource src = {.ref = {.kind = SOURCE_CONTEXT}};
	int r = 0;
	if (m->from)
		r = plan_source(&b->plan, s->plan->number, m->from, &src.ref, err);
	if (r == 0 && (src.ref.kind == SOURCE_STAGE || src.ref.kind == SOURCE_IMAGE))
		r = build_source(b, &src.ref, &s->plan->platform, &src.stack, err);
	else if (r == 0)
		r = build_context(
			b, src.ref.kind == SOURCE_DIR ? src.ref.name : NULL, &src.slot, err);
	_cleanup_free_ char *clean = path_join(STR("/"), str_of(m->source ? m->source : "/"));
	if (r == 0)
		r = resolve_path(&src, clean + 1, &src.path, err);
	if (r < 0) {
		free(src.path);
		err_prefix(err, "Mount of '%s'", m->source ? m->source : "/");
		return r;
	}
	*ret = src;
	return 0;
}

/* The source as if it were copied to "/": gives its digest, or a layer that holds it. */
static int source_plan(Step *t, const MountSource *src, const LayerStack *empty, CopyOp *op,
	CopyPlan **ret, Err **err)
{
	Build *b = t->stage->build;
	*op = (CopyOp){
		.context = src->slot ? src->slot->context : NULL,
		.from = src->stack,
		.from_name = src->ref.name,
		.instr = t->instr,
		.unpack = -1,
		.file = b->dockerfile->path,
		.dest = xstrdup("/"),
	};
	strvec_push(&op->sources, *src->path ? src->path : ".");
	return copy_plan(op, empty, b->store, build_pool(b), NULL, 0, ret, err);
}

static int source_digest(Step *t, const MountSource *src, Digest *ret, Err **err)
{
	if (src->stack && !*src->path) {
		layer_stack_chain(src->stack, src->stack->diff_ids.len, ret);
		return 0;
	}
	LayerStack empty;
	CopyOp op;
	CopyPlan *plan = NULL;
	layer_stack_init(&empty);
	int r = source_plan(t, src, &empty, &op, &plan, err);
	if (r == 0)
		r = copy_digest(plan, ret, err);
	copy_plan_free(plan);
	copy_op_done(&op);
	layer_stack_done(&empty);
	return r;
}

int mount_set_key(Step *t, const MountSet *set, Sha256 *h, Err **err)
{
	sha256_field_u64(h, set->mounts.len);
	vec_foreach (&set->mounts, m) {
		sha256_field_u64(h, m->type);
		key_cstr(h, m->target);
		sha256_field_u64(h, m->read_only);
		key_cstr(h, m->type == MOUNT_SECRET ? m->id : NULL);
		key_cstr(h, m->env);
		const uint64_t numbers[] = {m->mode, m->uid, m->gid, m->size};
		sha256_field(h, (Str){(const char *)numbers, sizeof(numbers)});
		if (m->type != MOUNT_BIND && !m->from)
			continue;
		MountSource src;
		Digest content;
		int r = find_source(t, m, &src, err);
		if (r < 0)
			return r;
		r = source_digest(t, &src, &content, err);
		key_cstr(h, src.path);
		free(src.path);
		if (r < 0)
			return r;
		key_digest(h, &content);
	}
	return 0;
}

/* ---- directories ---- */

/* A copy of the source below the stage's temp directory: *ret is its absolute path. */
static int unpack_copy(Step *t, const MountSource *src, char **ret, Err **err)
{
	StageRun *s = t->stage;
	Store *store = s->build->store;
	_cleanup_(new_layer_freep) NewLayer *layer = NULL;
	_cleanup_free_ char *name = NULL;
	LayerStack stack;
	CopyOp op;
	CopyPlan *plan = NULL;
	Descriptor blob = {0};
	Digest diff_id;
	layer_stack_init(&stack);
	int r = source_plan(t, src, &stack, &op, &plan, err);
	if (r == 0)
		r = new_layer_begin(store, COMPRESSION_NONE, 0, NULL, &layer, err);
	if (r == 0)
		r = copy_execute(plan, new_layer_writer(layer), err);
	if (r == 0)
		r = new_layer_commit(layer, &blob, &diff_id, err);
	if (r == 0)
		r = layer_stack_push(&stack, store, &blob, &diff_id, err);
	if (r == 0)
		r = stage_temp_dir(s, "copy", &name, err);
	if (r == 0) {
		_cleanup_close_ int fd = openat(store_temp_fd(s->temp), name,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		r = fd < 0 ? err_sys(err, "open '%s'", name)
			   : layer_stack_unpack(&stack, store, fd, 0, NULL, err);
	}
	if (r == 0)
		*ret = xasprintf("%s/%s", store_temp_path(s->temp), name);
	descriptor_done(&blob);
	copy_plan_free(plan);
	copy_op_done(&op);
	layer_stack_done(&stack);
	return r;
}

static int bind_stack(Step *t, const MountSource *src, SandboxMount *out, Err **err)
{
	StageRun *s = t->stage;
	Build *b = s->build;
	int r = layer_stack_trees(
		src->stack, b->store, build_pool(b), b->progress, &out->lowers, err);
	if (r == 0 && out->lowers.len == 0) {
		_cleanup_free_ char *name = NULL;
		r = stage_temp_dir(s, "empty", &name, err);
		if (r == 0)
			strvec_pushf(&out->lowers, "%s/%s", store_temp_path(s->temp), name);
	}
	out->type = SANDBOX_OVERLAY;
	out->subpath = *src->path ? xstrdup(src->path) : NULL;
	return r;
}

static int bind_context(Step *t, const MountSource *src, SandboxMount *out, Err **err)
{
	Context *c = src->slot->context;
	struct stat st;
	_cleanup_free_ char *dir = realpath(context_dir(c), NULL);
	if (!dir)
		return err_sys(err, "context '%s'", context_dir(c));
	if (fstatat(context_fd(c), *src->path ? src->path : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "stat '%s'", src->path);
	out->type = SANDBOX_BIND;
	if (src->slot->patterns.len == 0 && out->read_only) {
		out->source = xasprintf("%s%s%s", dir, *src->path ? "/" : "", src->path);
		return 0;
	}
	if (src->slot->patterns.len == 0 && S_ISDIR(st.st_mode)) {
		out->type = SANDBOX_OVERLAY;
		strvec_push(&out->lowers, dir);
		out->subpath = *src->path ? xstrdup(src->path) : NULL;
		return 0;
	}
	_cleanup_free_ char *copy = NULL;
	int r = unpack_copy(t, src, &copy, err);
	if (r < 0)
		return r;
	const char *name = strrchr(src->path, '/');
	out->source = S_ISDIR(st.st_mode) ? TAKE_PTR(copy)
					  : xasprintf("%s/%s", copy, name ? name + 1 : src->path);
	return 0;
}

static int prepare_bind(Step *t, const RunMount *m, SandboxMount *out, Err **err)
{
	MountSource src;
	int r = find_source(t, m, &src, err);
	if (r < 0)
		return r;
	out->read_only = m->read_only;
	r = src.stack ? bind_stack(t, &src, out, err) : bind_context(t, &src, out, err);
	free(src.path);
	return r;
}

/* ---- caches ---- */

/* Appears whole: made under a temporary name with its first content, owner and mode, then renamed. */
static int make_cache(Step *t, const RunMount *m, const char *path, Err **err)
{
	StageRun *s = t->stage;
	int store = store_fd(s->build->store);
	_cleanup_free_ char *made = NULL;
	int r = 0;
	if (m->from) {
		MountSource src;
		r = find_source(t, m, &src, err);
		if (r < 0)
			return r;
		r = unpack_copy(t, &src, &made, err);
		free(src.path);
	} else {
		_cleanup_free_ char *name = NULL;
		r = stage_temp_dir(s, "cache", &name, err);
		if (r == 0)
			made = xasprintf("%s/%s", store_temp_path(s->temp), name);
	}
	if (r < 0)
		return r;
	if (chown(made, m->uid, m->gid) < 0 || chmod(made, m->mode) < 0)
		return err_sys(err, "owner of cache mount '%s'", m->id);
	if (renameat2(AT_FDCWD, made, store, path, RENAME_NOREPLACE) < 0 && errno != EEXIST)
		return err_sys(err, "create cache mount '%s'", m->id);
	return 0;
}

static int take_slot(StageRun *s, CacheLock *l, Err **err)
{
	for (l->slot = 0; l->slot < CACHE_SLOTS; l->slot++) {
		_cleanup_free_ char *path = xasprintf("locks/mount-%s-%u", l->id.s, l->slot);
		if (l->sharing != MOUNT_PRIVATE)
			return stage_lock(s, path,
				l->sharing == MOUNT_SHARED ? LOCK_SHARED : LOCK_EXCLUSIVE, &l->fd,
				err);
		int r = lock_try(store_fd(s->build->store), path, LOCK_EXCLUSIVE, &l->fd, err);
		if (r != 0)
			return MIN(r, 0);
	}
	return err_set(
		err, ERR_LIMIT, "a private cache mount is in use more than %u times", CACHE_SLOTS);
}

static CacheLock *find_lock(const MountSet *set, const RunMount *m, DigestHex *ret_id)
{
	Digest id;
	digest_of(m->id, strlen(m->id), &id);
	*ret_id = digest_hex(&id);
	vec_foreach (&set->locks, l)
		if (strcmp(l->id.s, ret_id->s) == 0)
			return l;
	return NULL;
}

static int by_id(const void *a, const void *b)
{
	const CacheLock *x = a, *y = b;
	return strcmp(x->id.s, y->id.s);
}

/* Each id is locked once, in the order of ids: neither another RUN nor this one itself can be in the way for ever. */
static int lock_caches(StageRun *s, MountSet *set, Err **err)
{
	int r = 0;
	vec_foreach (&set->mounts, m) {
		DigestHex id;
		if (m->type != MOUNT_CACHE)
			continue;
		CacheLock *l = find_lock(set, m, &id);
		if (l)
			l->sharing = MAX(l->sharing, m->sharing);
		else
			vec_push(&set->locks, ((CacheLock){id, m->sharing, 0, -1}));
	}
	if (set->locks.len)
		qsort(set->locks.items, set->locks.len, sizeof(*set->locks.items), by_id);
	for (size_t i = 0; r == 0 && i < set->locks.len; i++)
		r = take_slot(s, &set->locks.items[i], err);
	return r;
}

static int prepare_cache(
	Step *t, const MountSet *set, const RunMount *m, SandboxMount *out, Err **err)
{
	Store *s = t->stage->build->store;
	DigestHex id;
	const CacheLock *l = find_lock(set, m, &id);
	_cleanup_free_ char *dir = xasprintf("mounts/%s", id.s);
	_cleanup_free_ char *path = xasprintf("%s/%u", dir, l->slot);
	int r = mkdir_p(store_fd(s), dir, 0755, err);
	if (r == 0 && faccessat(store_fd(s), path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		r = make_cache(t, m, path, err);
	out->type = SANDBOX_BIND;
	out->read_only = m->read_only;
	out->source = xasprintf("%s/%s", store_path(s), path);
	return r;
}

/* ---- secrets ---- */

static const BuildSecret *find_secret(const BuildOptions *o, const char *id)
{
	vec_foreach (&o->secrets, s)
		if (strcmp(s->id, id) == 0)
			return s;
	return NULL;
}

/* A variable that is not set makes an empty secret, as scripts for BuildKit expect, but not a required one. */
static int secret_unset(Step *t, const BuildSecret *s, bool required, Err **err)
{
	if (required)
		return err_set(err, ERR_NOT_FOUND, "variable '%s' of secret '%s' is not set",
			s->env, s->id);
	progress_warn(t->stage->build->progress, t->stage->build->dockerfile->path, t->instr->line,
		"variable '%s' of secret '%s' is not set: the secret is empty", s->env, s->id);
	return 0;
}

/* Without src and env the id itself names a variable, else a file. */
static int secret_value(Step *t, const BuildSecret *s, bool required, Buf *ret, Err **err)
{
	const char *variable = s->env ? s->env : s->src ? NULL : s->id;
	const char *text = variable ? getenv(variable) : NULL;
	if (text) {
		buf_cstr(ret, text);
		return 0;
	}
	if (s->env)
		return secret_unset(t, s, required, err);
	int r = file_read(AT_FDCWD, s->src ? s->src : s->id, LIMIT_SECRET_SIZE, ret, err);
	if (r < 0)
		err_prefix(err, "Secret '%s'", s->id);
	return r;
}

/* Removes what a killed build has left: directories of this user that nobody holds. */
static void sweep_secrets(int shm)
{
	DIR *dir = fdopendir(fcntl(shm, F_DUPFD_CLOEXEC, 0));
	const struct dirent *e;
	while (dir && (e = readdir(dir))) {
		struct stat st;
		if (!cstr_starts(e->d_name, SECRET_PREFIX))
			continue;
		_cleanup_close_ int fd =
			openat(shm, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		/* one that was made just now may not be held yet */
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
			st.st_mtime + SECRET_GRACE < time_now() &&
			flock(fd, LOCK_EX | LOCK_NB) == 0)
			(void)!remove_tree(shm, e->d_name, NULL);
	}
	if (dir)
		closedir(dir);
}

/* A private directory in memory where there is one, else below the stage's temp directory. */
static int secret_dir(StageRun *s, MountSet *set, Err **err)
{
	struct statfs fs;
	char *name = NULL;
	if (set->secrets)
		return 0;
	_cleanup_close_ int shm = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (shm >= 0 && fstatfs(shm, &fs) == 0 && fs.f_type == TMPFS_MAGIC_NUMBER &&
		temp_dir(shm, SECRET_PREFIX, 0700, &name, NULL) == 0) {
		set->secrets = xasprintf("/dev/shm/%s", name);
		set->secrets_fd = openat(shm, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (set->secrets_fd >= 0)
			(void)flock(set->secrets_fd, LOCK_SH);
		sweep_secrets(shm);
		free(name);
		return 0;
	}
	int r = stage_temp_dir(s, "secret", &name, err);
	if (r == 0)
		set->secrets = xasprintf("%s/%s", store_temp_path(s->temp), name);
	set->secrets_fd = -1;
	free(name);
	return r;
}

static int secret_file(
	Step *t, MountSet *set, const RunMount *m, const Buf *value, SandboxMount *out, Err **err)
{
	int r = secret_dir(t->stage, set, err);
	if (r < 0)
		return r;
	out->type = SANDBOX_BIND;
	out->read_only = true;
	out->source = xasprintf("%s/%zu", set->secrets, (size_t)(m - set->mounts.items));
	_cleanup_close_ int fd =
		open(out->source, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, value->ptr ? value->ptr : "", value->len) != (ssize_t)value->len ||
		fchown(fd, m->uid, m->gid) < 0 || fchmod(fd, m->mode) < 0)
		return err_sys(err, "file for secret '%s'", m->id);
	return 0;
}

/* Fills *out or leaves its target NULL when there is nothing to mount. */
static int prepare_secret(
	Step *t, MountSet *set, const RunMount *m, SandboxSpec *spec, SandboxMount *out, Err **err)
{
	const BuildSecret *s = find_secret(t->stage->build->options, m->id);
	if (!s && m->required) {
		int r = err_set(err, ERR_NOT_FOUND, "secret '%s' is required", m->id);
		err_hint(err, "give it with --secret id=%s,src=FILE or --secret id=%s,env=NAME",
			m->id, m->id);
		return r;
	}
	if (!s)
		return 0;
	Buf value = BUF_INIT(LIMIT_SECRET_SIZE);
	int r = secret_value(t, s, m->required, &value, err);
	if (r == 0 && m->env)
		strvec_env_set(&spec->env, m->env, value.ptr ? value.ptr : "");
	if (r == 0 && m->target) {
		out->target = xstrdup(m->target);
		r = secret_file(t, set, m, &value, out, err);
	}
	if (value.ptr)
		explicit_bzero(value.ptr, value.len);
	buf_done(&value);
	return r;
}

static void free_mount(SandboxMount *m)
{
	free(m->source);
	free(m->subpath);
	free(m->target);
	strvec_done(&m->lowers);
}

int mount_set_prepare(Step *t, MountSet *set, SandboxSpec *spec, Err **err)
{
	int r = lock_caches(t->stage, set, err);
	if (r < 0)
		return r;
	vec_foreach (&set->mounts, m) {
		SandboxMount out = {0};
		if (m->type != MOUNT_SECRET)
			out.target = xstrdup(m->target);
		if (m->type == MOUNT_SECRET) {
			r = prepare_secret(t, set, m, spec, &out, err);
		} else if (m->type == MOUNT_CACHE) {
			r = prepare_cache(t, set, m, &out, err);
		} else if (m->type == MOUNT_BIND) {
			r = prepare_bind(t, m, &out, err);
		} else {
			out.type = SANDBOX_TMPFS;
			out.tmpfs_size = m->size;
		}
		if (r < 0 || !out.target) {
			free_mount(&out);
			if (r < 0)
				return r;
			continue;
		}
		vec_push(&spec->mounts, out);
	}
	return 0;
}

void mount_set_done(MountSet *m)
{
	vec_foreach (&m->locks, l)
		closep(&l->fd);
	vec_done(&m->locks);
	if (m->secrets) {
		(void)!remove_tree(AT_FDCWD, m->secrets, NULL);
		closep(&m->secrets_fd);
	}
	free(m->secrets);
	vec_foreach (&m->mounts, it)
		run_mount_done(it);
	vec_done(&m->mounts);
	*m = (MountSet){0};
}
