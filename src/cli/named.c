#include "cli/named.h"

#include "base/limits.h"

#define SCHEME "docker://"

const char *named_remote(const char *operand, bool *ret_remote)
{
	bool remote = cstr_starts(operand, SCHEME);
	if (ret_remote)
		*ret_remote = remote;
	return remote ? operand + strlen(SCHEME) : operand;
}

int named_repository(Registry *registry, const char *operand, bool push, Reference *ret_name,
	Repository **ret, Err **err)
{
	int r = reference_parse(str_of(named_remote(operand, NULL)), ret_name, err);
	if (r == 0)
		r = repository_open(registry, ret_name, push, ret, err);
	if (r < 0)
		reference_done(ret_name);
	return r;
}

const char *named_target(const Reference *name, DigestStr *text)
{
	*text = digest_str(&name->digest);
	return name->has_digest ? text->s : name->tag;
}

static int select_platform(
	const Descriptor *d, const Buf *bytes, const Platform *platform, Descriptor *ret, Err **err)
{
	_cleanup_(image_index_done) ImageIndex index = {0};
	int r = image_index_parse(buf_view(bytes), "index", &index, err);
	if (r < 0)
		return r;
	const Descriptor *chosen = image_index_select(&index, platform);
	if (!chosen) {
		_cleanup_free_ char *wanted = platform_format(platform);
		return err_set(err, ERR_NOT_FOUND, "index %s has no image for the platform %s",
			digest_str(&d->digest).s, wanted);
	}
	descriptor_copy(chosen, ret);
	return 0;
}

int named_remote_manifest(Registry *registry, const char *operand, const Platform *platform,
	Descriptor *ret, Buf *ret_bytes, Err **err)
{
	_cleanup_(repository_freep) Repository *repository = NULL;
	_cleanup_(reference_done) Reference name = {0};
	_cleanup_buf_ Buf own = BUF_INIT(LIMIT_MANIFEST_SIZE);
	Buf *bytes = ret_bytes ? ret_bytes : &own;
	Descriptor top = {0}, chosen = {0};
	DigestStr text;
	int r = named_repository(registry, operand, false, &name, &repository, err);
	if (r == 0)
		r = repository_manifest(repository, named_target(&name, &text), &top,
			ret_bytes || platform ? bytes : NULL, err);
	if (r < 0 || !platform || !media_type_is_index(top.media_type)) {
		*ret = top;
		return r;
	}
	r = select_platform(&top, bytes, platform, &chosen, err);
	descriptor_done(&top);
	if (r == 0 && ret_bytes) {
		buf_clear(ret_bytes);
		text = digest_str(&chosen.digest);
		descriptor_done(&chosen);
		return repository_manifest(repository, text.s, ret, ret_bytes, err);
	}
	*ret = chosen;
	return r;
}

static int local_manifest(Store *store, const char *operand, const Platform *platform,
	Descriptor *ret, Buf *ret_bytes, Err **err)
{
	_cleanup_(store_image_done) StoreImage image = {0};
	int r = platform ? store_image(store, operand, platform, &image, err)
			 : store_named(store, operand, ret, err);
	if (r == 0 && platform)
		descriptor_copy(&image.descriptor, ret);
	if (r == 0 && ret_bytes)
		r = store_blob_read(store, &ret->digest, LIMIT_MANIFEST_SIZE, ret_bytes, err);
	return r;
}

int named_manifest(Store *store, Registry *registry, const char *operand, const Platform *platform,
	Descriptor *ret, Buf *ret_bytes, Err **err)
{
	_cleanup_err_ Err *missing = NULL;
	bool remote = false;
	const char *name = named_remote(operand, &remote);
	if (!remote) {
		int r = local_manifest(store, name, platform, ret, ret_bytes, &missing);
		if (r != -ERR_NOT_FOUND)
			return r < 0 ? err_move(err, &missing) : 0;
	}
	return named_remote_manifest(registry, name, platform, ret, ret_bytes, err);
}
