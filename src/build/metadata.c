/* --iidfile and --metadata-file: written last, whole, and only when everything else worked (96). */
#include <fcntl.h>

#include "base/json.h"
#include "build/build_int.h"

static int write_iid(const Build *b, Err **err)
{
	DigestStr id = digest_str(&b->result->config);
	return atomic_write(AT_FDCWD, b->options->iidfile, str_of(id.s), 0644, false, err);
}

/* The keys of docker buildx. */
static int write_metadata(const Build *b, Err **err)
{
	const Descriptor *m = &b->result->manifest;
	_cleanup_free_ char *names = strvec_join(&b->names, ",");
	_cleanup_json_ json_t *value = json_pack("{s:s, s:s, s:{s:s, s:s, s:I}}",
		"containerimage.config.digest", digest_str(&b->result->config).s,
		"containerimage.digest", digest_str(&m->digest).s, "containerimage.descriptor",
		"mediaType", m->media_type, "digest", digest_str(&m->digest).s, "size",
		(json_int_t)m->size);
	if (*names)
		json_object_set_new(value, "image.name", json_string(names));
	_cleanup_free_ char *text = json_text_pretty(value);
	return atomic_write(AT_FDCWD, b->options->metadata_file, str_of(text), 0644, false, err);
}

int build_files(Build *b, Err **err)
{
	int r = b->options->iidfile ? write_iid(b, err) : 0;
	if (r == 0 && b->options->metadata_file)
		r = write_metadata(b, err);
	return r;
}
