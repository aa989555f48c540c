/* What becomes of the target stage: the image in the store, and copies of it elsewhere. */
#include <fcntl.h>
#include <stdio.h>

#include "base/limits.h"
#include "build/build_int.h"
#include "build/keys.h"
#include "image/transfer.h"
#include "sys/lock.h"

/*
 * An image built again from the cache must be the same image, to the byte. Layers carry the time of their
 * record; the time of instructions that only change the config, and of the image, is recorded under the
 * digest of the config as it is without them.
 */
static int find_created(Build *b, StageRun *s, char **ret, Err **err)
{
	if (b->epoch.given) {
		*ret = epoch_created(&b->epoch);
		return 0;
	}
	_cleanup_free_ char *text = config_text(&s->config);
	Digest chain, key;
	layer_stack_chain(&s->stack, s->stack.diff_ids.len, &chain);
	Sha256 *h = key_begin("created");
	key_cstr(h, text);
	key_digest(h, &chain);
	key_end(h, &key);
	*ret = s->no_cache ? NULL : record_created_find(b->store, &key);
	if (*ret)
		return 0;
	/* of several builds at once the first decides */
	_cleanup_close_ int lock = -1;
	int r = lock_take(store_fd(b->store), "locks/created", LOCK_EXCLUSIVE, &lock, err);
	if (r < 0)
		return r;
	*ret = s->no_cache ? NULL : record_created_find(b->store, &key);
	if (*ret)
		return 0;
	*ret = epoch_created(&b->epoch);
	return record_created_write(b->store, &key, *ret, err);
}

static int set_times(Build *b, StageRun *s, Err **err)
{
	ImageConfig *c = &s->config;
	_cleanup_free_ char *created = NULL;
	int r = find_created(b, s, &created, err);
	if (r < 0)
		return r;
	/* an instruction without a layer has the time of the next one with a layer, as with BuildKit */
	const char *next = created;
	for (size_t i = c->history.len; i-- > 0;) {
		History *h = &c->history.items[i];
		if (!h->created)
			h->created = xstrdup(next);
		else
			next = h->created;
	}
	/* nothing new over the base: the base's own time stays */
	size_t base = s->plan->base.kind == SOURCE_IMAGE ? s->plan->image.config.history.len : 0;
	if (c->history.len > base || !c->created) {
		free(c->created);
		c->created = xstrdup(created);
	}
	if (c->history.len > base) { /* the last entry and the image have the same time (4) */
		History *last = vec_last(&c->history);
		free(last->created);
		last->created = xstrdup(created);
	}
	return 0;
}

static int commit(Build *b, StageRun *s, Err **err)
{
	const BuildOptions *o = b->options;
	unsigned id = progress_next_id();
	progress_state(b->progress, id, "exporting to image", PROGRESS_STARTED, NULL);
	for (size_t i = 0; i < o->labels.len; i++) {
		Str value = str_of(o->labels.items[i]), key;
		str_cut(&value, '=', &key);
		_cleanup_free_ char *name = str_dup(key);
		config_set_label(&s->config, name, value.ptr ? value.ptr : "");
	}
	if (s->stack.layers.len > LAYERS_OF_DOCKER)
		progress_warn(b->progress, NULL, 0,
			"the image has %zu layers: docker and podman refuse more than %u",
			s->stack.layers.len, LAYERS_OF_DOCKER);
	int r = set_times(b, s, err);
	if (r == 0 && (!o->push || o->outputs.len > 0))
		r = layer_stack_bring(&s->stack, false, err);
	/* what is only pushed leaves its base where it is, and no image with gaps gets a name here */
	b->result->stored = r == 0 && layer_stack_is_here(&s->stack, b->store);
	if (r == 0)
		r = image_commit(b->store, &s->config, &s->stack, &o->annotations,
			b->result->stored ? &b->names : NULL, &b->result->manifest,
			&b->result->config, err);
	progress_state(b->progress, id, "exporting to image",
		r == 0 ? PROGRESS_DONE : PROGRESS_FAILED, r < 0 && err ? *err : NULL);
	return r;
}

/* Writes through fn into a file that appears when it is whole, or to standard output. */
typedef int (*OutputFn)(Build *b, StageRun *s, const BuildOutput *o, Writer *out, Err **err);

static int to_stdout(Build *b, StageRun *s, const BuildOutput *o, OutputFn fn, Err **err)
{
	_cleanup_(writer_freep) Writer *out =
		fd_writer_new(STDOUT_FILENO, false, "standard output");
	int r = fn(b, s, o, out, err);
	return r < 0 ? r : writer_finish(out, err);
}

static int to_file(Build *b, StageRun *s, const BuildOutput *o, OutputFn fn, Err **err)
{
	_cleanup_(atomic_file_freep) AtomicFile *file = NULL;
	_cleanup_(writer_freep) Writer *out = NULL;
	if (strcmp(o->dest, "-") == 0)
		return to_stdout(b, s, o, fn, err);
	int r = atomic_file_open(AT_FDCWD, o->dest, 0644, &file, err);
	if (r < 0)
		return r;
	out = atomic_file_writer(file);
	r = fn(b, s, o, out, err);
	if (r == 0)
		r = writer_finish(out, err);
	return r < 0 ? r : atomic_file_commit(file, NULL, false, err);
}

/* Under its names, else none. Not looked up by them: another build may have taken them meanwhile. */
static int save(const Build *b, SaveFormat format, Writer *out, const char *dir, Err **err)
{
	NamedImages images = {0};
	for (size_t i = 0; i < MAX(b->names.len, (size_t)1); i++) {
		NamedImage *image = vec_add(&images);
		image->name = i < b->names.len ? xstrdup(b->names.items[i]) : NULL;
		store_name_descriptor(&b->result->manifest, image->name, &image->descriptor);
	}
	int r = image_save(b->store, &images, format, out, dir, b->progress, err);
	named_images_done(&images);
	return r;
}

static int write_archive(
	Build *b, StageRun *s _unused_, const BuildOutput *o, Writer *out, Err **err)
{
	return save(b, o->type == BUILD_OUTPUT_DOCKER ? SAVE_DOCKER : SAVE_OCI, out, NULL, err);
}

static int write_tree(Build *b, StageRun *s, const BuildOutput *o _unused_, Writer *out, Err **err)
{
	int r = layer_stack_load(&s->stack, b->store, err);
	return r < 0 ? r : layer_stack_export(&s->stack, b->store, out, err);
}

static int write_oci_directory(Build *b, const BuildOutput *o, Err **err)
{
	return save(b, SAVE_OCI_DIR, NULL, o->dest, err);
}

/* A tree for the calling user: files belong to him, device nodes are left out (93). */
static int write_local(Build *b, StageRun *s, const BuildOutput *o, Err **err)
{
	_cleanup_strvec_ StrVec warnings = {0};
	int r = mkdir_p(AT_FDCWD, o->dest, 0755, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = open(o->dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open '%s'", o->dest);
	r = layer_stack_load(&s->stack, b->store, err);
	if (r < 0)
		return r;
	r = layer_stack_unpack(
		&s->stack, b->store, fd, APPLY_KEEP_OWNER | APPLY_NO_DEVICES, &warnings, err);
	for (size_t i = 0; r == 0 && i < warnings.len; i++)
		progress_warn(b->progress, NULL, 0, "%s", warnings.items[i]);
	return r;
}

static int write_output(Build *b, StageRun *s, const BuildOutput *o, Err **err)
{
	switch (o->type) {
	case BUILD_OUTPUT_IMAGE:
		return 0;
	case BUILD_OUTPUT_OCI:
		if (o->as_dir)
			return write_oci_directory(b, o, err);
		return to_file(b, s, o, write_archive, err);
	case BUILD_OUTPUT_DOCKER:
		return to_file(b, s, o, write_archive, err);
	case BUILD_OUTPUT_LOCAL:
		return write_local(b, s, o, err);
	case BUILD_OUTPUT_TAR:
		return to_file(b, s, o, write_tree, err);
	}
	return err_set(err, ERR_USAGE, "unknown type of output");
}

int build_output(Build *b, StageRun *target, Err **err)
{
	int r = commit(b, target, err);
	vec_foreach (&b->options->outputs, o) {
		if (r < 0)
			break;
		r = write_output(b, target, o, err);
		if (r < 0)
			err_prefix(err, "Output to '%s'", o->dest ? o->dest : "image");
	}
	return r;
}
