#include "image/combine.h"

#include "base/limits.h"
#include "image/transport_copy.h"
#include "sys/lock.h"

#define OF_TARGET SIZE_MAX /* instead of a number: the target has it already */

typedef struct Member {
	Descriptor descriptor;
	size_t image; /* which of the images it is of */
} Member;

typedef struct Combine {
	const TransportContext *context;
	const CombineOptions *options;
	const StrVec *images;
	VEC(Transport *) sources; /* of the images */
	VEC(Member) members;
	bool *found;      /* of the platforms wanted */
	ImageIndex index; /* its manifests: shallow copies of the members', at the end */
} Combine;

static void combine_done(Combine *c)
{
	vec_foreach (&c->sources, t)
		transport_free(*t);
	vec_done(&c->sources);
	vec_foreach (&c->members, m)
		descriptor_done(&m->descriptor);
	vec_done(&c->members);
	free(c->found);
	vec_done(&c->index.manifests);
	image_index_done(&c->index);
}

/* ---- platforms ---- */

static const char *os_version(const Descriptor *d)
{
	return json_string_value(
		json_object_get(json_object_get(d->raw, "platform"), "os.version"));
}

static bool same_platform(const Descriptor *a, const Descriptor *b)
{
	return a->has_platform && b->has_platform && platform_same(&a->platform, &b->platform) &&
		cstr_eq(os_version(a), os_version(b));
}

static int read_config(Transport *t, const Descriptor *d, ImageConfig *ret, Err **err)
{
	_cleanup_(reader_freep) Reader *in = NULL;
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
	Digest real;
	int r = transport_blob(t, d, 0, &in, err);
	if (r == 0)
		r = reader_read_all(in, &text, err);
	if (r < 0)
		return r;
	digest_of(text.ptr, text.len, &real);
	if (!digest_eq(&real, &d->digest))
		return err_set(err, ERR_DIGEST, "config %s has the digest %s",
			digest_str(&d->digest).s, digest_str(&real).s);
	return config_parse(buf_view(&text), "config", ret, err);
}

/* What the config says beyond system, architecture and variant (Windows). */
static void take_os_members(const ImageConfig *config, Descriptor *d)
{
	static const char *const names[] = {"os.version", "os.features"};
	json_t *platform = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_t *value = json_object_get(config->raw, names[i]);
		if (value)
			json_set(platform, names[i], json_incref(value));
	}
	if (!d->raw)
		d->raw = json_object();
	json_set(d->raw, "platform", platform);
}

/* The platform that the image's config says; 1: it is no image. */
static int find_platform(Transport *t, Descriptor *d, Str bytes, Err **err)
{
	_cleanup_(manifest_done) Manifest m = {0};
	_cleanup_(config_done) ImageConfig config = {0};
	int r = manifest_parse(bytes, "manifest", &m, err);
	if (r < 0)
		return r;
	if (!store_config_is_image(&m.config))
		return 1;
	r = read_config(t, &m.config, &config, err);
	if (r < 0)
		return r;
	if (!config.platform.os || !*config.platform.os || !config.platform.arch ||
		!*config.platform.arch)
		return err_set(err, ERR_CORRUPT, "config %s does not say for which platform it is",
			digest_str(&m.config.digest).s);
	platform_done(&d->platform);
	platform_copy(&config.platform, &d->platform);
	d->has_platform = true;
	take_os_members(&config, d);
	return 0;
}

/* ---- members ---- */

static bool is_wanted(Combine *c, const Descriptor *d)
{
	const Platforms *wanted = c->options->platforms;
	/* these go with what they are about */
	bool found = !wanted || wanted->len == 0 || descriptor_is_attestation(d);
	for (size_t i = 0; !found && d->has_platform && i < wanted->len; i++) {
		found = platform_same(&wanted->items[i], &d->platform);
		if (found)
			c->found[i] = true;
	}
	return found;
}

static void remove_member(Combine *c, size_t i)
{
	descriptor_done(&c->members.items[i].descriptor);
	memmove(&c->members.items[i], &c->members.items[i + 1],
		(--c->members.len - i) * sizeof(Member));
}

static int conflict(
	const Combine *c, const Member *old, const Descriptor *d, size_t image, Err **err)
{
	_cleanup_free_ char *platform = platform_format(&d->platform);
	int r = err_set(err, ERR_USAGE, "'%s' and '%s' are both for %s",
		c->images->items[old->image], c->images->items[image], platform);
	err_hint(err, "--platform picks out of images that have several");
	return r;
}

/* Takes d, whatever happens. One image may have several for a platform, compressed in several ways. */
static int add_member(Combine *c, Descriptor *d, size_t image, Err **err)
{
	_cleanup_(descriptor_done) Descriptor own = *d;
	size_t place = c->members.len;
	bool comparable = !descriptor_is_attestation(&own);
	*d = (Descriptor){0};
	for (size_t i = c->members.len; i-- > 0;) {
		const Member *old = &c->members.items[i];
		bool same = comparable && same_platform(&old->descriptor, &own);
		if (digest_eq(&old->descriptor.digest, &own.digest) &&
			(same || !old->descriptor.has_platform || !own.has_platform))
			return 0;
		if (!same || old->image == image)
			continue;
		if (old->image != OF_TARGET)
			return conflict(c, old, &own, image, err);
		remove_member(c, i);
		place = i;
	}
	(void)vec_add(&c->members);
	memmove(&c->members.items[place + 1], &c->members.items[place],
		(c->members.len - 1 - place) * sizeof(Member));
	c->members.items[place] = (Member){own, image};
	own = (Descriptor){0};
	return 0;
}

static int add_index(Combine *c, Transport *t, Str bytes, size_t image, Err **err)
{
	_cleanup_(image_index_done) ImageIndex index = {0};
	int r = image_index_parse(bytes, "index", &index, err);
	for (size_t i = 0; r == 0 && i < index.manifests.len; i++) {
		Descriptor *d = &index.manifests.items[i];
		if (!d->has_platform && media_type_is_manifest(d->media_type)) {
			_cleanup_buf_ Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
			_cleanup_(descriptor_done) Descriptor got = {0};
			r = transport_manifest(t, digest_str(&d->digest).s, &got, &text, err);
			if (r == 0)
				r = find_platform(t, d, buf_view(&text), err);
		}
		if (r >= 0 && is_wanted(c, d))
			r = add_member(c, d, image, err);
		r = MIN(r, 0);
	}
	return r;
}

/* What the name stands for: all of an index, or the one image. */
static int add_image(
	Combine *c, Transport *t, const Descriptor *top, Str bytes, size_t image, Err **err)
{
	Descriptor d = {0};
	if (media_type_is_index(top->media_type))
		return add_index(c, t, bytes, image, err);
	descriptor_copy(top, &d);
	int r = find_platform(t, &d, bytes, err);
	if (r > 0)
		r = err_set(err, ERR_UNSUPPORTED, "it is no image, but an artifact");
	if (r == 0 && is_wanted(c, &d))
		return add_member(c, &d, image, err);
	descriptor_done(&d);
	return r;
}

static int add_operand(Combine *c, const char *text, Err **err)
{
	_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
	_cleanup_(descriptor_done) Descriptor top = {0};
	Transport *t = NULL;
	ERR_SCOPE(err, "Image '%s'", text);
	int r = transport_open(c->context, text, TRANSPORT_SOURCE, &t, err);
	if (r < 0)
		return r;
	vec_push(&c->sources, t);
	r = transport_manifest(t, transport_target(t), &top, &bytes, err);
	return r < 0 ? r : add_image(c, t, &top, buf_view(&bytes), c->sources.len - 1, err);
}

/* What is there is not looked at anew, but for the platform of a single image. */
static int read_target(Combine *c, const char *target, Err **err)
{
	_cleanup_buf_ Buf bytes = BUF_INIT(LIMIT_MANIFEST_SIZE);
	_cleanup_(descriptor_done) Descriptor top = {0};
	_cleanup_(transport_freep) Transport *t = NULL;
	int r = transport_open(c->context, target, TRANSPORT_SOURCE, &t, err);
	if (r == 0)
		r = transport_manifest(t, transport_target(t), &top, &bytes, err);
	if (r == -ERR_NOT_FOUND)
		err_hint(err, "'cruet index create' makes a new one");
	if (r < 0)
		return r;
	if (!media_type_is_index(top.media_type))
		return add_image(c, t, &top, buf_view(&bytes), OF_TARGET, err);
	r = image_index_parse(buf_view(&bytes), "index", &c->index, err);
	vec_foreach (&c->index.manifests, d)
		vec_push(&c->members, ((Member){*d, OF_TARGET}));
	vec_clear(&c->index.manifests);
	return r;
}

static bool names(const Combine *c, const char *digest)
{
	vec_foreach (&c->members, m)
		if (strcmp(digest_str(&m->descriptor.digest).s, digest) == 0)
			return true;
	return false;
}

/* Attestations of images that were replaced or not wanted. */
static void remove_orphans(Combine *c)
{
	for (size_t i = c->members.len; i-- > 0;) {
		const Descriptor *d = &c->members.items[i].descriptor;
		const char *about = strvec_env_get(&d->annotations, "vnd.docker.reference.digest");
		if (descriptor_is_attestation(d) && about && !names(c, about))
			remove_member(c, i);
	}
}

static int check_members(const Combine *c, Err **err)
{
	const Platforms *wanted = c->options->platforms;
	if (c->members.len > LIMIT_INDEX_MANIFESTS)
		return err_set(err, ERR_LIMIT, "%zu images are more than %u", c->members.len,
			LIMIT_INDEX_MANIFESTS);
	for (size_t i = 0; wanted && i < wanted->len; i++) {
		_cleanup_free_ char *text = platform_format(&wanted->items[i]);
		if (!c->found[i])
			return err_set(err, ERR_NOT_FOUND, "none of the images is for %s", text);
	}
	return c->members.len ? 0 : err_set(err, ERR_NOT_FOUND, "there are no images in them");
}

/* ---- the index ---- */

static int make_text(Combine *c, Descriptor *ret, char **ret_text, Err **err)
{
	const CombineOptions *o = c->options;
	ImageIndex *index = &c->index;
	if (o->media_type || !index->media_type) {
		free(index->media_type);
		index->media_type = xstrdup(o->media_type ? o->media_type : MT_OCI_INDEX);
	}
	for (size_t i = 0; o->annotations && i < o->annotations->len; i++) {
		Str value = str_of(o->annotations->items[i]), key;
		(void)str_cut(&value, '=', &key);
		_cleanup_free_ char *name = str_dup(key);
		strvec_env_set(&index->annotations, name, value.ptr);
	}
	if (index->annotations.len && cstr_eq(index->media_type, MT_DOCKER_LIST))
		return err_set(err, ERR_USAGE, "Docker's manifest list has no annotations");
	vec_foreach (&c->members, m)
		vec_push(&index->manifests, m->descriptor);
	_cleanup_free_ char *text = image_index_text(index);
	vec_clear(&index->manifests);
	size_t size = strlen(text);
	if (size > LIMIT_MANIFEST_SIZE)
		return err_set(err, ERR_LIMIT, "an index of %zu bytes is longer than %u", size,
			LIMIT_MANIFEST_SIZE);
	*ret = (Descriptor){.media_type = xstrdup(index->media_type), .size = size};
	digest_of(text, size, &ret->digest);
	*ret_text = TAKE_PTR(text);
	return 0;
}

static int copy_members(const Combine *c, Transport *target, Err **err)
{
	CopyOptions options = {.part = true};
	vec_foreach (&c->members, m) {
		_cleanup_(descriptor_done) Descriptor there = {0};
		if (m->image == OF_TARGET)
			continue;
		ERR_SCOPE(err, "Image '%s'", c->images->items[m->image]);
		int r = image_copy(c->context, c->sources.items[m->image],
			digest_str(&m->descriptor.digest).s, target, NULL, &options, &there, err);
		if (r == -ERR_NOT_FOUND)
			err_hint(err,
				"not all platforms of the index are there: --platform picks some");
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_index(
	const Combine *c, const char *text, const Descriptor *d, const char *json, Err **err)
{
	_cleanup_(transport_freep) Transport *target = NULL;
	DigestStr digest = digest_str(&d->digest);
	int r = transport_open(c->context, text, TRANSPORT_TARGET, &target, err);
	if (r == 0)
		r = copy_members(c, target, err);
	if (r < 0)
		return r;
	const char *name = transport_target(target);
	r = transport_put_manifest(target, name ? name : digest.s, d, str_of(json), err);
	return r < 0 ? r : transport_finish(target, err);
}

/* Two that append at once would each write the index that they read, and theirs. */
static int lock_target(Store *s, const char *target, int *ret, Err **err)
{
	Digest name;
	digest_of(target, strlen(target), &name);
	_cleanup_free_ char *path = xasprintf("locks/index-%s", digest_hex(&name).s);
	return lock_take(store_fd(s), path, LOCK_EXCLUSIVE, ret, err);
}

int image_combine(const TransportContext *context, const char *target, const StrVec *images,
	const CombineOptions *options, Descriptor *ret, char **ret_text, Err **err)
{
	_cleanup_(combine_done)
		Combine c = {.context = context, .options = options, .images = images};
	_cleanup_(descriptor_done) Descriptor d = {0};
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int lock = -1;
	if ((transport_is_registry(target) || transport_is_store(target)) && strchr(target, '@'))
		return err_set(
			err, ERR_USAGE, "'%s' is a digest: an index is made under a tag", target);
	if (options->platforms && options->platforms->len)
		c.found = xcalloc(options->platforms->len, sizeof(bool));
	int r = options->append ? lock_target(context->store, target, &lock, err) : 0;
	if (r == 0 && options->append)
		r = read_target(&c, target, err);
	for (size_t i = 0; r == 0 && i < images->len; i++)
		r = add_operand(&c, images->items[i], err);
	if (r == 0) {
		remove_orphans(&c);
		r = check_members(&c, err);
	}
	if (r == 0)
		r = make_text(&c, &d, &text, err);
	if (r == 0 && !options->dry_run)
		r = write_index(&c, target, &d, text, err);
	if (r < 0)
		return r;
	*ret = d;
	d = (Descriptor){0};
	*ret_text = TAKE_PTR(text);
	return 0;
}
