#include "image/ingest.h"
#include "image/transfer.h"

static int apply_changes(const ImportOptions *o, ImageConfig *c, Err **err)
{
	for (size_t i = 0; o->changes && i < o->changes->len; i++) {
		int r = o->apply(o->arg, o->changes->items[i], c, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int image_import(Store *s, Reader *source, const ImportOptions *o, const StrVec *names, Pool *pool,
	Descriptor *ret, Err **err)
{
	_cleanup_(reader_freep) Reader *plain = NULL;
	_cleanup_(config_done) ImageConfig config;
	LayerStack stack;
	Descriptor layer = {0};
	Digest diff_id;
	layer_stack_init(&stack);
	config_init_scratch(&config, &o->platform);
	free(config.working_dir); /* docker import sets none */
	config.working_dir = NULL;
	_cleanup_free_ char *now = epoch_created(&o->epoch);
	/* a bad --change is known before the tar is read */
	int r = apply_changes(o, &config, err);
	if (r < 0)
		reader_free(source);
	else
		r = decompress_reader_auto(source, NULL, NULL, &plain, err);
	if (r == 0)
		r = ingest_tar(
			s, plain, o->compression, o->level, pool, NULL, &layer, &diff_id, err);
	if (r == 0)
		r = layer_stack_push(&stack, s, &layer, &diff_id, err);
	if (r == 0) {
		config.created = xstrdup(now);
		config_add_history(&config, now, "/bin/sh -c #(nop) IMPORT",
			o->message ? o->message : "Imported from -", false);
		r = image_commit(s, &config, &stack, NULL, names, ret, NULL, err);
	}
	descriptor_done(&layer);
	layer_stack_done(&stack);
	return r;
}
