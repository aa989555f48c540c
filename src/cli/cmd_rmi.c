#include <stdio.h>

#include "cli/format.h"

typedef struct RmiOptions {
	bool force;
} RmiOptions;

static const Option rows[] = {
	{'f', "force", OPTION_FLAG, offsetof(RmiOptions, force), NULL,
		"remove an image by its ID although it has several names; a missing one is no error"},
};

static unsigned count_names(const StoreNames *names, const Digest *digest)
{
	unsigned n = 0;
	vec_foreach (names, it)
		n += it->name && digest_eq(&it->descriptor.digest, digest);
	return n;
}

static bool is_name(const StoreNames *names, const char *full)
{
	vec_foreach (names, it)
		if (cstr_eq(it->name, full))
			return true;
	return false;
}

/* The entry of index.json with this very digest: one that cannot be read can still be removed. */
static bool find_entry(const StoreNames *names, const char *what, Digest *ret)
{
	Digest d;
	if (digest_parse(str_of(what), &d, NULL) < 0)
		return false;
	vec_foreach (names, it) {
		if (digest_eq(&it->descriptor.digest, &d)) {
			*ret = d;
			return true;
		}
	}
	return false;
}

static int remove_entry(
	Store *s, const StoreNames *names, const char *what, const Digest *d, bool force, Err **err)
{
	unsigned n = count_names(names, d);
	if (n > 1 && !force) {
		int r = err_set(err, ERR_EXISTS, "image '%s' has %u names", what, n);
		err_hint(err, "remove them by name, or add --force");
		return r;
	}
	int r = store_forget(s, d, err);
	if (r == 0)
		printf("removed %s\n", digest_str(d).s);
	return r;
}

static int remove_one(Store *s, const char *what, bool force, Err **err)
{
	StoreNames names = {0};
	StoreImage image = {0};
	_cleanup_free_ char *full = NULL;
	int r = store_names(s, &names, err);
	if (r < 0)
		return r;
	if (reference_argument(what, &full, NULL) == 0 && is_name(&names, full)) {
		r = store_untag(s, full, err);
		if (r == 0)
			printf("untagged %s\n", full);
		store_names_done(&names);
		return r;
	}
	Digest entry;
	if (!find_entry(&names, what, &entry)) {
		r = store_image(s, what, NULL, &image, err);
		if (r == 0)
			entry = digest_is_zero(&image.index_digest) ? image.descriptor.digest
								    : image.index_digest;
		store_image_done(&image);
	}
	if (r == 0)
		r = remove_entry(s, &names, what, &entry, force, err);
	store_names_done(&names);
	return r;
}

static int run_rmi(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	const RmiOptions *o = options;
	int failed = 0;
	/* one that cannot go does not keep the others; the last failure is the caller's to tell */
	for (size_t i = 0; i < operands->len; i++) {
		_cleanup_err_ Err *e = NULL;
		int r = remove_one(ctx->store, operands->items[i], o->force, &e);
		if (r == 0 || (o->force && err_is(e, ERR_NOT_FOUND)))
			continue;
		if (failed && err) {
			fprintf(stderr, "cruet: %s\n", (*err)->message);
			*err = err_free(*err);
		}
		failed = err_move(err, &e);
	}
	return failed;
}

const Command cmd_rmi = {
	.name = "rmi",
	.operands = "IMAGE…",
	.summary = "Remove names, or images by ID",
	.description =
		"Takes the name away; 'cruet gc' frees the space of what has no name any more.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(RmiOptions),
	.needs = NEEDS_STORE,
	.min_operands = 1,
	.max_operands = UINT32_MAX,
	.run = run_rmi,
};
