/*
 * Any bytes as a manifest, an index and a config: what parses is written, and reading that gives what writes the
 * same bytes.
 */
#include <assert.h>

#include "base/limits.h"
#include "oci/config.h"
#include "oci/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const Err *err)
{
	assert(err && err->message[0] && !strchr(err->message, '\n'));
}

static void check_manifest(Str text)
{
	Manifest m, n;
	_cleanup_err_ Err *err = NULL;
	if (manifest_parse(text, "manifest", &m, &err) < 0) {
		check_error(err);
		return;
	}
	_cleanup_free_ char *one = manifest_text(&m);
	int r = strlen(one) > LIMIT_MANIFEST_SIZE ? 1
						  : manifest_parse(str_of(one), "again", &n, NULL);
	assert(r >= 0);
	if (r == 0) {
		_cleanup_free_ char *two = manifest_text(&n);
		assert(strcmp(one, two) == 0);
		assert(m.layers.len == n.layers.len);
		manifest_done(&n);
	}
	manifest_done(&m);
}

static void check_index(Str text)
{
	ImageIndex i, k;
	_cleanup_err_ Err *err = NULL;
	if (image_index_parse(text, "index", &i, &err) < 0) {
		check_error(err);
		return;
	}
	Platform host;
	platform_host(&host);
	const Descriptor *best = image_index_select(&i, &host);
	assert(!best || (best >= i.manifests.items && best < i.manifests.items + i.manifests.len));
	platform_done(&host);
	_cleanup_free_ char *one = image_index_text(&i);
	int r = strlen(one) > LIMIT_MANIFEST_SIZE
		? 1
		: image_index_parse(str_of(one), "again", &k, NULL);
	assert(r >= 0);
	if (r == 0) {
		_cleanup_free_ char *two = image_index_text(&k);
		assert(strcmp(one, two) == 0);
		assert(i.manifests.len == k.manifests.len);
		image_index_done(&k);
	}
	image_index_done(&i);
}

static void check_config(Str text)
{
	ImageConfig c, d, copy;
	_cleanup_err_ Err *err = NULL;
	if (config_parse(text, "config", &c, &err) < 0) {
		check_error(err);
		return;
	}
	_cleanup_free_ char *one = config_text(&c);
	config_copy(&c, &copy);
	_cleanup_free_ char *same = config_text(&copy);
	assert(strcmp(one, same) == 0);
	int r = strlen(one) > LIMIT_MANIFEST_SIZE ? 1
						  : config_parse(str_of(one), "again", &d, NULL);
	assert(r >= 0);
	if (r == 0) {
		_cleanup_free_ char *two = config_text(&d);
		assert(strcmp(one, two) == 0);
		config_done(&d);
	}
	config_fix_history(&copy);
	size_t with_layer = 0;
	vec_foreach (&copy.history, h)
		with_layer += !h->empty_layer;
	assert(with_layer == copy.diff_ids.len);
	config_done(&copy);
	config_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Str text = {(const char *)data, size};
	check_manifest(text);
	check_index(text);
	check_config(text);
	return 0;
}
