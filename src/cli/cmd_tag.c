#include "cli/format.h"

static int run_tag(CmdCtx *ctx, void *options _unused_, const StrVec *operands, Err **err)
{
	StoreImage image = {0};
	_cleanup_strvec_ StrVec names = {0}, targets = {0};
	for (size_t i = 1; i < operands->len; i++)
		strvec_push(&targets, operands->items[i]);
	int r = reference_arguments(&targets, &names, err);
	if (r < 0)
		return r;
	r = store_image(ctx->store, operands->items[0], NULL, &image, err);
	if (r < 0)
		return r;
	/* an image reached through an index keeps its index: the name then covers every platform */
	StoreNames known = {0};
	Descriptor whole = {0};
	r = store_names(ctx->store, &known, err);
	vec_foreach (&known, n) {
		if (!whole.media_type && !digest_is_zero(&image.index_digest) &&
			digest_eq(&n->descriptor.digest, &image.index_digest))
			descriptor_copy(&n->descriptor, &whole);
	}
	if (r == 0)
		r = store_tag(
			ctx->store, &names, whole.media_type ? &whole : &image.descriptor, err);
	descriptor_done(&whole);
	store_names_done(&known);
	store_image_done(&image);
	return r;
}

const Command cmd_tag = {
	.name = "tag",
	.operands = "IMAGE NAME…",
	.summary = "Give an image more names",
	.needs = NEEDS_STORE,
	.min_operands = 2,
	.max_operands = UINT32_MAX,
	.run = run_tag,
};
