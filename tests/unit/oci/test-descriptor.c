#include "oci/descriptor.h"

#include "../check.h"
#include "base/limits.h"

#define DIGEST "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define OTHER  "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static int read_text(const char *text, Descriptor *ret, Err **err)
{
	_cleanup_json_ json_t *j = NULL;
	int r = json_parse(str_of(text), LIMIT_MANIFEST_SIZE, "x", &j, err);
	return r < 0 ? r : descriptor_read(j, "x.layers[3]", ret, err);
}

static char *text_of(const Descriptor *d)
{
	_cleanup_json_ json_t *j = descriptor_json(d);
	return json_text(j);
}

static void reading(void **state _unused_)
{
	_cleanup_(descriptor_done) Descriptor d = {0}, bare = {0};
	ok(read_text("{\"mediaType\":\"" MT_OCI_LAYER "\",\"digest\":\"" DIGEST
		     "\",\"size\":9223372036854775807,"
		     "\"annotations\":{\"b\":\"2\",\"a\":\"1\"},"
		     "\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v6\"}}",
		&d, err));
	assert_string_equal(d.media_type, MT_OCI_LAYER);
	assert_string_equal(digest_str(&d.digest).s, DIGEST);
	assert_int_equal(d.size, INT64_MAX);
	assert_text(strvec_join(&d.annotations, "|"), "a=1|b=2");
	assert_true(d.has_platform);
	assert_text(platform_format(&d.platform), "linux/arm/v6");
	ok(read_text("{\"digest\":\"" DIGEST "\",\"size\":0}", &bare, err));
	assert_string_equal(bare.media_type, "");
	assert_false(bare.has_platform);
	assert_text(text_of(&bare), "{\"digest\":\"" DIGEST "\",\"size\":0}");
}

static void malformed(void **state _unused_)
{
	static const struct {
		const char *text, *words;
		ErrCode code;
	} cases[] = {
		{"[]", "x.layers[3]: is not an object", ERR_CORRUPT},
		{"{\"size\":1}", "x.layers[3].digest: is missing", ERR_CORRUPT},
		{"{\"digest\":\"" DIGEST "\"}", "x.layers[3].size: is missing", ERR_CORRUPT},
		{"{\"digest\":\"" DIGEST "\",\"size\":-1}", "x.layers[3].size", ERR_CORRUPT},
		{"{\"digest\":\"" DIGEST "\",\"size\":1.5}", "x.layers[3].size", ERR_CORRUPT},
		{"{\"digest\":\"sha256:0\",\"size\":1}", "x.layers[3].digest", ERR_CORRUPT},
		{"{\"digest\":\"" DIGEST "\",\"size\":1,\"mediaType\":7}", "mediaType",
			ERR_CORRUPT},
		{"{\"digest\":\"" DIGEST "\",\"size\":1,\"annotations\":{\"a\":1}}", "'a'",
			ERR_CORRUPT},
		{"{\"digest\":\"" DIGEST "\",\"size\":1,\"mediaType\":\"a\",\"platform\":[]}",
			"x.layers[3].platform: is not an object", ERR_CORRUPT},
		{"{\"digest\":\"" DIGEST
		 "\",\"size\":1,\"mediaType\":\"a\",\"annotations\":{\"a\":\"b\"},"
		 "\"platform\":{\"os\":\"linux\",\"architecture\":3}}",
			"x.layers[3].platform.architecture: is not a string", ERR_CORRUPT},
		{"{\"digest\":\"sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
		 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\"size\":1}",
			"x.layers[3].digest: ", ERR_UNSUPPORTED},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Descriptor d = {.size = 42};
		fails(cases[i].code, cases[i].words, read_text(cases[i].text, &d, err));
		assert_true(d.size == 42 && !d.media_type && !d.raw);
	}
}

/* What cruet does not know comes out as it went in; what it knows and changed comes out changed. */
static void survival(void **state _unused_)
{
	static const char *const texts[] = {
		"{\"artifactType\":\"a/b\",\"data\":\"e30=\",\"digest\":\"" DIGEST
		"\",\"future\":{\"x\":[1,null]},\"mediaType\":\"m\",\"platform\":{\"architecture\":\"amd64\",\"features\":["
		"\"sse\"],\"os\":\"windows\",\"os.version\":\"10.0\"},\"size\":7,\"urls\":[\"http://a\"]}",
		"{\"annotations\":{\"a\":\"1\",\"k=v\":\"x\"},\"digest\":\"" DIGEST
		"\",\"size\":7}",
		"{\"digest\":\"" DIGEST "\",\"platform\":{},\"size\":7}",
		"{\"digest\":\"" DIGEST
		"\",\"platform\":{\"architecture\":\"\",\"os\":\"\"},\"size\":7}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(descriptor_done) Descriptor d = {0}, copy = {0};
		ok(read_text(texts[i], &d, err));
		assert_text(text_of(&d), texts[i]);
		assert_int_equal(d.has_platform, i == 0);
		descriptor_copy(&d, &copy);
		descriptor_done(&d);
		assert_text(text_of(&copy), texts[i]);
		ok(digest_parse(STR(OTHER), &copy.digest, err));
		copy.size = 8;
		strvec_clear(&copy.annotations);
		strvec_push(&copy.annotations, "new=1");
		_cleanup_free_ char *changed = text_of(&copy);
		assert_non_null(strstr(changed, OTHER));
		assert_non_null(strstr(changed, "\"size\":8"));
		assert_non_null(strstr(changed, "\"annotations\":{\"new\":\"1\"}"));
		assert_int_equal(strstr(changed, "os.version") != NULL, i == 0);
	}
	Descriptor fresh = {.media_type = xstrdup(MT_OCI_CONFIG),
		.size = 1,
		.has_platform = true,
		.platform = {xstrdup("linux"), xstrdup("arm64"), NULL}};
	assert_text(text_of(&fresh),
		"{\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\",\"mediaType\":"
		"\"" MT_OCI_CONFIG
		"\",\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\"},\"size\":1}");
	descriptor_done(&fresh);
	assert_true(!fresh.media_type && !fresh.platform.os && fresh.size == 0);
}

static void media_types(void **state _unused_)
{
	static const struct {
		const char *type;
		bool manifest, index, layer;
	} cases[] = {
		{MT_OCI_MANIFEST, true, false, false},
		{MT_DOCKER_MANIFEST, true, false, false},
		{MT_OCI_INDEX, false, true, false},
		{MT_DOCKER_LIST, false, true, false},
		{MT_OCI_CONFIG, false, false, false},
		{MT_DOCKER_CONFIG, false, false, false},
		{MT_OCI_LAYER, false, false, true},
		{MT_OCI_LAYER_GZIP, false, false, true},
		{MT_OCI_LAYER_ZSTD, false, false, true},
		{MT_DOCKER_LAYER, false, false, true},
		{MT_DOCKER_LAYER_TAR, false, false, true},
		{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", false, false,
			true},
		{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", false, false, true},
		{"application/vnd.in-toto+json", false, false, false},
		{"application/vnd.docker.distribution.manifest.v1+prettyjws", false, false, false},
		{"", false, false, false},
		{NULL, false, false, false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(media_type_is_manifest(cases[i].type), cases[i].manifest);
		assert_int_equal(media_type_is_index(cases[i].type), cases[i].index);
		assert_int_equal(media_type_is_layer(cases[i].type), cases[i].layer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading),
		cmocka_unit_test(malformed),
		cmocka_unit_test(survival),
		cmocka_unit_test(media_types),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
