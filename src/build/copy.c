#include "build/copy_int.h"

#include <fcntl.h>

#include "base/timefmt.h"

void copy_op_done(CopyOp *op)
{
	strvec_done(&op->sources);
	strvec_done(&op->heredoc_contents);
	strvec_done(&op->excludes);
	free(op->dest);
	free(op->chown);
	free(op->chmod);
	free(op->checksum);
}

CopyEntry *copy_add(CopyPlan *p, Str dest, Str below, TarType type)
{
	CopyEntry *e = vec_add(&p->entries);
	e->path = arena_path(&p->arena, dest, below);
	e->type = type;
	e->order = (unsigned)p->entries.len;
	return e;
}

int copy_plan(const CopyOp *op, const LayerStack *onto, Store *s, Pool *pool, Progress *progress,
	unsigned progress_id, CopyPlan **ret, Err **err)
{
	_cleanup_(copy_plan_freep) CopyPlan *p = xnew(CopyPlan);
	p->op = op;
	p->onto = onto;
	p->store = s;
	p->pool = pool;
	p->now = time_now();
	int r = owner_parse("--chown", op->chown, onto, s, &p->owner, err);
	if (r == 0)
		r = mode_parse(op->chmod, &p->mode, err);
	if (r == 0)
		r = globset_new(&op->excludes, &p->excludes, err);
	if (r == 0)
		r = copy_place(p, progress, progress_id, err);
	if (r == 0)
		*ret = TAKE_PTR(p);
	return r;
}

CopyPlan *copy_plan_free(CopyPlan *p)
{
	if (!p)
		return NULL;
	vec_foreach (&p->walks, w) {
		context_entries_done(*w);
		free(*w);
	}
	vec_done(&p->entries);
	vec_done(&p->archives);
	vec_done(&p->walks);
	arena_done(&p->arena);
	store_temp_free(p->temp);
	globset_free(p->excludes);
	mode_free(p->mode);
	free(p);
	return NULL;
}

int copy_open_body(CopyPlan *p, const CopyEntry *e, Reader **ret, Err **err)
{
	int fd = -1, r = 0;
	switch (e->body) {
	case BODY_CONTEXT:
		r = context_open_file(p->op->context, e->context, &fd, err);
		if (r == 0)
			*ret = fd_reader_new(fd, true, e->context->path);
		return r;
	case BODY_STACK:
		return layer_stack_open(p->op->from, p->store, e->node, ret, err);
	case BODY_BYTES:
		*ret = mem_reader_new(e->bytes.ptr, e->bytes.len);
		return 0;
	case BODY_FILE:
		fd = openat(store_temp_fd(p->temp), e->file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(err, "open the download");
		*ret = fd_reader_new(fd, true, e->path);
		return 0;
	case BODY_NONE:
		break;
	}
	*ret = mem_reader_new("", 0);
	return 0;
}
