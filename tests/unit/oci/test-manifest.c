#include "oci/manifest.h"

#include "../check.h"
#include "base/limits.h"

#define DIGEST "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ENTRY  "{\"digest\":\"" DIGEST "\",\"mediaType\":\"m\",\"size\":1}"

static void manifest(void **state _unused_)
{
	static const char *const texts[] = {
		"{\"annotations\":{\"a\":\"b\"},\"config\":" ENTRY ",\"layers\":[" ENTRY "," ENTRY
		"],\"mediaType\":\"" MT_OCI_MANIFEST "\",\"schemaVersion\":2}",
		"{\"config\":" ENTRY ",\"layers\":[],\"mediaType\":\"" MT_DOCKER_MANIFEST
		"\",\"schemaVersion\":2}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(manifest_done) Manifest m = {0};
		ok(manifest_parse(str_of(texts[i]), "x", &m, err));
		assert_int_equal(m.layers.len, i == 0 ? 2 : 0);
		assert_text(manifest_text(&m), texts[i]);
	}
	_cleanup_(manifest_done) Manifest bare = {0};
	ok(manifest_parse(STR("{\"schemaVersion\":2,\"config\":" ENTRY ",\"layers\":null}"), "x",
		&bare, err));
	assert_string_equal(bare.media_type, MT_OCI_MANIFEST);
	assert_int_equal(bare.layers.len, 0);
}

static void malformed(void **state _unused_)
{
	static const struct {
		const char *text, *words;
		ErrCode code;
		bool index;
	} cases[] = {
		{"{", "x: malformed JSON", ERR_CORRUPT, false},
		{"[]", "x: is not an object", ERR_CORRUPT, false},
		{"{\"config\":" ENTRY "}", "x.schemaVersion: is missing", ERR_CORRUPT, false},
		{"{\"schemaVersion\":1,\"config\":" ENTRY "}", "schema 1", ERR_UNSUPPORTED, false},
		{"{\"schemaVersion\":3,\"config\":" ENTRY "}", "schemaVersion is not 2",
			ERR_CORRUPT, false},
		{"{\"schemaVersion\":\"2\",\"config\":" ENTRY "}", "x.schemaVersion", ERR_CORRUPT,
			false},
		{"{\"schemaVersion\":2}", "x.config: is missing", ERR_CORRUPT, false},
		{"{\"schemaVersion\":2,\"config\":[]}", "x.config: is not an object", ERR_CORRUPT,
			false},
		{"{\"schemaVersion\":2,\"config\":{}}", "x.config.digest: is missing", ERR_CORRUPT,
			false},
		{"{\"schemaVersion\":2,\"config\":" ENTRY ",\"layers\":{}}",
			"x.layers: is not an array", ERR_CORRUPT, false},
		{"{\"schemaVersion\":2,\"config\":" ENTRY ",\"layers\":[" ENTRY ",3]}",
			"x.layers[1]: is not an object", ERR_CORRUPT, false},
		{"{\"schemaVersion\":2,\"config\":" ENTRY ",\"layers\":[" ENTRY "," ENTRY
		 ",{\"digest\":\"" DIGEST "\"}]}",
			"x.layers[2].size: is missing", ERR_CORRUPT, false},
		{"{\"schemaVersion\":2,\"config\":" ENTRY ",\"mediaType\":\"" MT_OCI_INDEX "\"}",
			"'" MT_OCI_INDEX "'", ERR_CORRUPT, false},
		{"{\"schemaVersion\":2,\"config\":" ENTRY ",\"mediaType\":\"\"}", "media type ''",
			ERR_CORRUPT, false},
		/* CVE-2021-41190 */
		{"{\"schemaVersion\":2,\"config\":" ENTRY ",\"manifests\":[]}",
			"x.manifests: may not be there", ERR_CORRUPT, false},
		{"{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}",
			"x.layers: may not be there", ERR_CORRUPT, true},
		{"{\"schemaVersion\":2,\"manifests\":[],\"mediaType\":\"" MT_DOCKER_MANIFEST "\"}",
			"media type", ERR_CORRUPT, true},
		{"{\"schemaVersion\":1,\"manifests\":[]}", "schema 1", ERR_UNSUPPORTED, true},
		{"{\"schemaVersion\":2,\"manifests\":[" ENTRY ",{}]}",
			"x.manifests[1].digest: is missing", ERR_CORRUPT, true},
		{"{\"schemaVersion\":2,\"schemaVersion\":2,\"manifests\":[]}", "duplicate",
			ERR_CORRUPT, true},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Manifest m = {0};
		ImageIndex index = {0};
		if (cases[i].index)
			fails(cases[i].code, cases[i].words,
				image_index_parse(str_of(cases[i].text), "x", &index, err));
		else
			fails(cases[i].code, cases[i].words,
				manifest_parse(str_of(cases[i].text), "x", &m, err));
		assert_true(!m.media_type && !m.layers.items && !index.media_type &&
			!index.manifests.items);
	}
}

static char *with_entries(const char *before, size_t n)
{
	Buf b = BUF_INIT(8 << 20);
	buf_cstr(&b, before);
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s" ENTRY, i ? "," : "");
	buf_cstr(&b, "]}");
	return buf_steal(&b);
}

static void bounds(void **state _unused_)
{
	for (size_t extra = 0; extra < 2; extra++) {
		_cleanup_(manifest_done) Manifest m = {0};
		_cleanup_(image_index_done) ImageIndex i = {0};
		_cleanup_free_ char *layers =
			with_entries("{\"schemaVersion\":2,\"config\":" ENTRY ",\"layers\":[",
				LIMIT_LAYERS + extra);
		_cleanup_free_ char *entries = with_entries(
			"{\"schemaVersion\":2,\"manifests\":[", LIMIT_INDEX_MANIFESTS + extra);
		if (extra) {
			fails(ERR_LIMIT, "x.layers: 4097",
				manifest_parse(str_of(layers), "x", &m, err));
			fails(ERR_LIMIT, "x.manifests: 16385",
				image_index_parse(str_of(entries), "x", &i, err));
			continue;
		}
		ok(manifest_parse(str_of(layers), "x", &m, err));
		assert_int_equal(m.layers.len, LIMIT_LAYERS);
		ok(image_index_parse(str_of(entries), "x", &i, err));
		assert_int_equal(i.manifests.len, LIMIT_INDEX_MANIFESTS);
	}
	_cleanup_free_ char *blank = xcalloc(1, LIMIT_MANIFEST_SIZE + 2);
	memset(blank, ' ', LIMIT_MANIFEST_SIZE + 1);
	Manifest m;
	ImageIndex i;
	fails(ERR_LIMIT, "x: JSON is longer", manifest_parse(str_of(blank), "x", &m, err));
	fails(ERR_LIMIT, "x: JSON is longer", image_index_parse(str_of(blank), "x", &i, err));
}

static void index_survival(void **state _unused_)
{
	static const char text[] =
		"{\"annotations\":{\"a\":\"b\"},\"artifactType\":\"t\",\"future\":[{}],\"manifests\":[" ENTRY
		"],\"mediaType\":\"" MT_DOCKER_LIST "\",\"schemaVersion\":2,\"subject\":" ENTRY "}";
	_cleanup_(image_index_done) ImageIndex i = {0}, fresh = {0};
	ok(image_index_parse(STR(text), "x", &i, err));
	assert_text(image_index_text(&i), text);
	descriptor_done(&i.manifests.items[0]);
	i.manifests.len = 0;
	strvec_clear(&i.annotations);
	assert_text(image_index_text(&i),
		"{\"artifactType\":\"t\",\"future\":[{}],\"manifests\":[],\"mediaType\":\"" MT_DOCKER_LIST
		"\",\"schemaVersion\":2,\"subject\":" ENTRY "}");
	assert_text(image_index_text(&fresh),
		"{\"manifests\":[],\"mediaType\":\"" MT_OCI_INDEX "\",\"schemaVersion\":2}");
}

/* have: platforms of the entries; "-": none; "@…": an attestation for it. */
static void selecting(void **state _unused_)
{
	static const struct {
		const char *want, *have;
		int at;
	} cases[] = {
		{"linux/amd64", "linux/arm64 linux/amd64", 1},
		{"linux/amd64", "linux/amd64 linux/amd64", 0},
		{"linux/amd64", "linux/386 linux/amd64", 1},
		{"linux/amd64", "linux/386 linux/arm64", 0},
		{"linux/amd64", "linux/arm64 windows/amd64", -1},
		{"linux/arm/v7", "linux/arm/v5 linux/arm/v6 linux/arm64", 1},
		{"linux/amd64", "", -1},
		{"linux/amd64", "-", 0},
		{"linux/amd64", "- -", -1},
		{"linux/amd64", "- linux/amd64", 1},
		{"linux/amd64", "- linux/arm64", -1},
		{"linux/amd64", "linux/arm64", -1},
		{"linux/amd64", "@linux/amd64 linux/amd64", 1},
		{"linux/amd64", "@linux/amd64", -1},
		{"linux/amd64", "unknown/unknown -",
			1}, /* of what is no attestation, the only one */
		{"linux/amd64", "@- -", 1},
		{"linux/amd64", "linux/amd64 unknown/unknown", 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(image_index_done) ImageIndex index = {0};
		_cleanup_(platform_done) Platform want = {0};
		Str rest = str_of(cases[i].have), part;
		while (*cases[i].have && str_cut(&rest, ' ', &part)) {
			Descriptor *d = vec_add(&index.manifests);
			if (str_starts(part, "@")) {
				part = str_slice(part, 1, part.len);
				strvec_push(&d->annotations,
					"vnd.docker.reference.type=attestation-manifest");
			}
			d->has_platform = !str_eq_cstr(part, "-");
			if (d->has_platform)
				ok(platform_parse(part, &d->platform, err));
		}
		ok(platform_parse(str_of(cases[i].want), &want, err));
		const Descriptor *d = image_index_select(&index, &want);
		if ((d ? d - index.manifests.items : -1) != cases[i].at)
			fail_msg("%s of '%s'", cases[i].want, cases[i].have);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manifest),
		cmocka_unit_test(malformed),
		cmocka_unit_test(bounds),
		cmocka_unit_test(index_survival),
		cmocka_unit_test(selecting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
