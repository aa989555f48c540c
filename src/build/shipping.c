/*
 * build --push: layers go to their registry as soon as a step has made them, and the manifest when the image is whole.
 * A base that lies on the same host is mounted there and never comes here.
 */
#include "build/build_int.h"

static int open_push(Build *b, Registry *registry, const Reference *name, Err **err)
{
	vec_foreach (&b->pushes, p)
		if (push_goes_to(p->push, name)) {
			strvec_push(&p->tags, name->tag);
			return 0;
		}
	BuildPush push = {0};
	int r = push_open(b->store, registry, name, b->remote, b->progress, &push.push, err);
	if (r < 0)
		return r;
	strvec_push(&push.tags, name->tag);
	vec_push(&b->pushes, push);
	return 0;
}

int build_pushes_open(Build *b, Err **err)
{
	Registry *registry = NULL;
	if (!b->options->push)
		return 0;
	if (b->names.len == 0) {
		int r = err_set(err, ERR_USAGE, "there is no name to push to");
		err_hint(err, "name the image with --tag HOST/REPOSITORY:TAG");
		return r;
	}
	int r = remote_layers_registry(b->remote, &registry, err);
	for (size_t i = 0; r == 0 && i < b->names.len; i++) {
		Reference name = {0};
		r = reference_parse(str_of(b->names.items[i]), &name, err);
		if (r == 0)
			r = open_push(b, registry, &name, err);
		reference_done(&name);
	}
	return r;
}

void build_push_layer(StageRun *s, const Descriptor *layer)
{
	if (s->in_target)
		vec_foreach (&s->build->pushes, p)
			push_blob(p->push, layer);
}

int build_pushes_finish(Build *b, Err **err)
{
	int r = 0;
	vec_foreach (&b->pushes, p) {
		if (r == 0)
			r = push_image(p->push, &b->result->manifest, &p->tags, err);
	}
	return r;
}

void build_pushes_done(Build *b)
{
	vec_foreach (&b->pushes, p) {
		push_free(p->push);
		strvec_done(&p->tags);
	}
	vec_done(&b->pushes);
}
