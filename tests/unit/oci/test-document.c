#include "oci/document.h"

#include "../check.h"

#define HEX        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DESCRIPTOR "{\"mediaType\":\"a/b\",\"size\":3,\"digest\":\"sha256:" HEX "\"}"

static void kinds(void **state _unused_)
{
	static const struct {
		const char *text, *sent, *media_type, *artifact_type;
		bool index, subject;
		size_t below;
	} cases[] = {
		{"{\"schemaVersion\":2,\"config\":" DESCRIPTOR ",\"layers\":[" DESCRIPTOR "]}", "",
			MT_OCI_MANIFEST, "a/b", false, false, 1},
		{"{\"schemaVersion\":2,\"config\":" DESCRIPTOR "}",
			MT_OCI_MANIFEST "; charset=utf-8", MT_OCI_MANIFEST, "a/b", false, false, 0},
		{"{\"schemaVersion\":2,\"config\":" DESCRIPTOR
		 ",\"artifactType\":\"x/y\",\"subject\":" DESCRIPTOR "}",
			MT_OCI_MANIFEST, MT_OCI_MANIFEST, "x/y", false, true, 0},
		{"{\"schemaVersion\":2,\"config\":" DESCRIPTOR
		 ",\"layers\":[],\"artifactType\":\"\"}",
			MT_DOCKER_MANIFEST, MT_DOCKER_MANIFEST, "a/b", false, false, 0},
		{"{\"schemaVersion\":2,\"manifests\":[" DESCRIPTOR "," DESCRIPTOR "]}", "",
			MT_OCI_INDEX, NULL, true, false, 2},
		{"{\"schemaVersion\":2,\"mediaType\":\"" MT_DOCKER_LIST "\",\"manifests\":[]}",
			MT_DOCKER_LIST, MT_DOCKER_LIST, NULL, true, false, 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(oci_document_done) OciDocument d = {0};
		ok(oci_document_parse(str_of(cases[i].text), cases[i].sent, "document", &d, err));
		assert_string_equal(d.media_type, cases[i].media_type);
		assert_true(cstr_eq(d.artifact_type, cases[i].artifact_type));
		assert_int_equal(d.is_index, cases[i].index);
		assert_int_equal(d.has_subject, cases[i].subject);
		assert_int_equal(d.below.len, cases[i].below);
	}
}

static void refused(void **state _unused_)
{
	static const struct {
		const char *text, *sent;
		ErrCode code;
	} cases[] = {
		{"", "", ERR_CORRUPT},
		{"[]", "", ERR_CORRUPT},
		{"{\"schemaVersion\":2}", "", ERR_CORRUPT},
		{"{\"schemaVersion\":2,\"manifests\":[]}", MT_OCI_MANIFEST, ERR_CORRUPT},
		{"{\"schemaVersion\":2,\"mediaType\":\"" MT_OCI_INDEX "\",\"manifests\":[]}",
			MT_OCI_MANIFEST, ERR_CORRUPT},
		{"{\"schemaVersion\":2,\"manifests\":[]}", "text/plain", ERR_UNSUPPORTED},
		{"{\"schemaVersion\":2,\"config\":" DESCRIPTOR ",\"subject\":5}", "", ERR_CORRUPT},
		{"{\"schemaVersion\":2,\"config\":" DESCRIPTOR ",\"subject\":{}}", "", ERR_CORRUPT},
		{"{\"schemaVersion\":2,\"config\":" DESCRIPTOR ",\"manifests\":[]}",
			MT_OCI_MANIFEST, ERR_CORRUPT},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		OciDocument d = {0};
		int r = oci_document_parse(
			str_of(cases[i].text), cases[i].sent, "document", &d, NULL);
		if (r != -(int)cases[i].code)
			fail_msg("%s: %d", cases[i].text, r);
		assert_null(d.media_type);
	}
}

static void as_a_referrer(void **state _unused_)
{
	_cleanup_(oci_document_done) OciDocument d = {0};
	Digest digest;
	ok(oci_document_parse(STR("{\"schemaVersion\":2,\"config\":" DESCRIPTOR
				  ",\"annotations\":{\"k\":\"v\"}}"),
		"", "document", &d, err));
	assert_true(digest_parse_hex(STR(HEX), &digest));
	_cleanup_json_ json_t *j = oci_document_descriptor(&d, &digest, 7);
	assert_text(json_text(j),
		"{\"annotations\":{\"k\":\"v\"},\"artifactType\":\"a/b\",\"digest\":\"sha256:" HEX
		"\",\"mediaType\":\"" MT_OCI_MANIFEST "\",\"size\":7}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(refused),
		cmocka_unit_test(as_a_referrer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
