#include "base/json.h"

#include "../check.h"
#include "base/limits.h"

static char *repeated(const char *word, size_t n, const char *end)
{
	Buf b = BUF_INIT(16 << 20);
	for (size_t i = 0; i < n; i++)
		buf_cstr(&b, word);
	buf_cstr(&b, end);
	return buf_steal(&b);
}

static void strictness(void **state _unused_)
{
	static const struct {
		Str text;
		const char *words; /* NULL: good */
	} cases[] = {
		{STR("{}"), NULL},
		{STR(" [1, {\"a\": \"\\u00e9\\ud83d\\ude00\"}] \n"), NULL},
		{STR("{\"a\": 1, \"b\": {\"a\": 2}}"), NULL},
		{STR("{\"a\": 1, \"a\": 2}"), "duplicate"},
		{STR("{\"a\": {\"b\": 1, \"c\": 2, \"b\": 1}}"), "duplicate"},
		{STR("{\"a\": 1, \"\\u0061\": 2}"), "duplicate"},
		{STR(""), "line 1, column 0"},
		{{NULL, 0}, "malformed"},
		{STR("{}{}"), "end of file expected"},
		{STR("{} x"), "end of file expected"},
		{STR("{}\0"), "malformed"},
		{STR("\n{\"a\" 1}"), "line 2"},
		{STR("{\"a\": 1,}"), "malformed"},
		{STR("[1,]"), "malformed"},
		{STR("{'a': 1}"), "malformed"},
		{STR("// c\n{}"), "malformed"},
		{STR("\xEF\xBB\xBF{}"), "malformed"},
		{STR("[\"\xFF\"]"), "malformed"},
		{STR("[\"\xC0\x80\"]"), "malformed"},
		{STR("[\"\xED\xA0\x80\"]"), "malformed"},
		{STR("{\"\xFF\": 1}"), "malformed"},
		{STR("[\"\\ud800\"]"), "malformed"},
		{STR("[\"a\\u0000b\"]"), "malformed"},
		{STR("{\"a\\u0000b\": 1}"), "malformed"},
		{STR("[\"a\nb\"]"), "malformed"},
		{STR("[\"a"), "malformed"},
		{STR("[\"\\"), "malformed"},
		{STR("[9223372036854775807]"), NULL},
		{STR("[9223372036854775808]"), "too big"},
		{STR("[-9223372036854775808]"), NULL},
		{STR("[-9223372036854775809]"), "too big"},
		{STR("[1e999]"), "overflow"},
		{STR("[01]"), "malformed"},
		{STR("[NaN]"), "malformed"},
		{STR("\"text\""), "malformed"},
		{STR("[1"), "malformed"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ json_t *j = NULL;
		if (cases[i].words) {
			fails(ERR_CORRUPT, "manifest x: ",
				json_parse(cases[i].text, 100, "manifest x", &j, err));
			fails(ERR_CORRUPT, cases[i].words,
				json_parse(cases[i].text, 100, "x", &j, err));
			assert_null(j);
		} else {
			ok(json_parse(cases[i].text, 100, "x", &j, err));
			assert_non_null(j);
		}
	}
	_cleanup_json_ json_t *j = NULL;
	ok(json_parse_nul(STR("[\"a\\u0000b\"]"), 100, "x", &j, err));
	assert_int_equal(json_string_length(json_array_get(j, 0)), 3);
	json_t *none = NULL;
	fails(ERR_CORRUPT, "duplicate",
		json_parse_nul(STR("{\"a\":1,\"a\":1}"), 99, "x", &none, err));
}

static void bounds(void **state _unused_)
{
	static const struct {
		const char *open, *close;
	} kinds[] = {{"[", "]"}, {"{\"[[{{\":", "}"}};
	json_t *j = NULL;
	ok(json_parse(STR("[1]"), 3, "x", &j, err));
	json_decref(j);
	j = NULL;
	fails(ERR_LIMIT, "x: JSON is longer than 3 bytes",
		json_parse(STR("[1 ]"), 3, "x", &j, err));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (size_t extra = 0; extra < 2; extra++) {
			size_t depth = LIMIT_JSON_DEPTH + extra - 1;
			_cleanup_free_ char *close = repeated(kinds[i].close, depth, "");
			_cleanup_free_ char *open = repeated(kinds[i].open, depth, "[]");
			_cleanup_free_ char *text = xasprintf("%s%s", open, close);
			if (extra) {
				fails(ERR_LIMIT, "64 levels",
					json_parse(str_of(text), 1 << 20, "x", &j, err));
				continue;
			}
			ok(json_parse(str_of(text), 1 << 20, "x", &j, err));
			json_decref(j);
			j = NULL;
		}
	}
	/* far past the bound, and nothing of it closed */
	_cleanup_free_ char *deep = repeated("[", 1 << 20, "");
	fails(ERR_LIMIT, "64 levels", json_parse(str_of(deep), SIZE_MAX, "x", &j, err));
	_cleanup_free_ char *many = repeated("{},", LIMIT_JSON_VALUES / 2, "{}]");
	many[0] = '[';
	many[1] = ' ';
	fails(ERR_LIMIT, "values", json_parse(str_of(many), SIZE_MAX, "x", &j, err));
	assert_null(j);
	/* brackets and commas in strings count for nothing */
	_cleanup_free_ char *quoted = repeated("[{,\\\"", LIMIT_JSON_VALUES, "\"]");
	_cleanup_free_ char *text = xasprintf("[\"%s", quoted);
	ok(json_parse(str_of(text), SIZE_MAX, "x", &j, err));
	json_decref(j);
}

typedef struct Record {
	char *s;
	uint64_t u;
	int64_t i;
	bool b;
	Digest d;
	StrVec list, keys, pairs;
	json_t *object, *array;
} Record;

#define FIELD(name, type)                                                                          \
	{                                                                                          \
#name, JSON_FIELD_##type, offsetof(Record, name), false                            \
	}
static const JsonField record_fields[] = {
	FIELD(s, STRING),
	FIELD(u, U64),
	FIELD(i, I64),
	FIELD(b, BOOL),
	FIELD(d, DIGEST),
	FIELD(list, STRINGS),
	FIELD(keys, KEYS),
	FIELD(pairs, PAIRS),
	FIELD(object, OBJECT),
	FIELD(array, ARRAY),
};

static int read_record(const char *text, Record *r, Err **err)
{
	_cleanup_json_ json_t *j = NULL;
	*r = (Record){0};
	int rc = json_parse(str_of(text), 4096, "x", &j, err);
	if (rc < 0)
		return rc;
	return json_read_object(j, "doc", record_fields, ARRAY_SIZE(record_fields), r, err);
}

static void record_done(Record *r)
{
	free(r->s);
	strvec_done(&r->list);
	strvec_done(&r->keys);
	strvec_done(&r->pairs);
	json_decref(r->object);
	json_decref(r->array);
}

#define ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void reading(void **state _unused_)
{
	_cleanup_(record_done) Record r;
	ok(read_record(
		"{\"s\":\"é\",\"u\":9223372036854775807,\"i\":-9223372036854775808,\"b\":true,\"d\":\"" ABC
		"\",\"list\":[\"b\",\"\",\"a\"],\"keys\":{\"b\":{},\"a\":1,\"B\":null},"
		"\"pairs\":{\"z\":\"1\",\"a\":\"x=y\",\"n\":null,\"e\":\"\"},"
		"\"object\":{\"k\":1},\"array\":[1,[]],\"unknown\":{\"s\":1}}",
		&r, err));
	assert_string_equal(r.s, "é");
	assert_int_equal(r.u, INT64_MAX);
	assert_int_equal(r.i, INT64_MIN);
	assert_true(r.b);
	assert_string_equal(digest_str(&r.d).s, ABC);
	assert_text(strvec_join(&r.list, "|"), "b||a");
	assert_text(strvec_join(&r.keys, "|"), "B|a|b");
	assert_text(strvec_join(&r.pairs, "|"), "a=x=y|e=|z=1");
	/* the references outlive the document */
	assert_int_equal(json_integer_value(json_object_get(r.object, "k")), 1);
	assert_int_equal(json_array_size(r.array), 2);
	Record empty;
	ok(read_record(
		"{\"s\":null,\"u\":null,\"d\":null,\"list\":null,\"keys\":{},\"pairs\":null,\"array\":null}",
		&empty, err));
	assert_memory_equal(&empty, &(Record){0}, sizeof(empty));
}

static void wrong_types(void **state _unused_)
{
	static const struct {
		const char *member, *words;
		ErrCode code;
	} cases[] = {
		{"\"s\":1", "doc.s: is not a string", ERR_CORRUPT},
		{"\"s\":[]", "doc.s: is not a string", ERR_CORRUPT},
		{"\"u\":-1", "doc.u: is not a whole number, zero or more", ERR_CORRUPT},
		{"\"u\":1.0", "doc.u", ERR_CORRUPT},
		{"\"u\":\"1\"", "doc.u", ERR_CORRUPT},
		{"\"i\":1e3", "doc.i: is not a whole number", ERR_CORRUPT},
		{"\"b\":0", "doc.b: is not true or false", ERR_CORRUPT},
		{"\"b\":\"true\"", "doc.b", ERR_CORRUPT},
		{"\"d\":\"sha256:abc\"", "doc.d: 'sha256:abc' is not a digest", ERR_CORRUPT},
		{"\"d\":7", "doc.d: is not a digest", ERR_CORRUPT},
		{"\"list\":\"a\"", "doc.list: is not an array of strings", ERR_CORRUPT},
		{"\"list\":[\"a\",\"b\",null]", "doc.list[2]: is not a string", ERR_CORRUPT},
		{"\"keys\":[\"a\"]", "doc.keys: is not an object", ERR_CORRUPT},
		{"\"pairs\":{\"a\":\"b\",\"k\":1}", "doc.pairs: the value of 'k' is not a string",
			ERR_CORRUPT},
		{"\"object\":[]", "doc.object: is not an object", ERR_CORRUPT},
		{"\"array\":{}", "doc.array: is not an array", ERR_CORRUPT},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* what was read before must not stay behind */
		_cleanup_free_ char *text =
			xasprintf("{%s,\"%s\":\"kept\",\"%s\":[\"kept\"],\"%s\":{\"kept\":\"1\"},"
				  "\"%s\":{\"kept\":1}}",
				cases[i].member, strstr(cases[i].member, "\"s\"") ? "x" : "s",
				strstr(cases[i].member, "\"list\"") ? "x1" : "list",
				strstr(cases[i].member, "\"pairs\"") ? "x2" : "pairs",
				strstr(cases[i].member, "\"object\"") ? "x3" : "object");
		Record r;
		fails(cases[i].code, cases[i].words, read_record(text, &r, err));
		assert_null(r.s);
		assert_true(!r.list.items && !r.keys.items && !r.pairs.items);
		assert_true(!r.object && !r.array);
	}
	static const JsonField needed[] = {{"u", JSON_FIELD_U64, 0, true}};
	static const char *const without[] = {"{}", "{\"u\":null}"};
	for (size_t i = 0; i < ARRAY_SIZE(without); i++) {
		_cleanup_json_ json_t *j = NULL;
		uint64_t u = 0;
		ok(json_parse(str_of(without[i]), 99, "x", &j, err));
		fails(ERR_CORRUPT, "a.b.u: is missing",
			json_read_object(j, "a.b", needed, 1, &u, err));
	}
	_cleanup_json_ json_t *array = json_array();
	uint64_t u = 0;
	fails(ERR_CORRUPT, "a.b: is not an object",
		json_read_object(array, "a.b", needed, 1, &u, err));
	fails(ERR_CORRUPT, "is not an object", json_read_object(NULL, "a", needed, 1, &u, err));
}

static void writing(void **state _unused_)
{
	_cleanup_json_ json_t *j = json_object();
	json_set_text(j, "z", "<&>/é\x01\"");
	json_set_text(j, "bad", "a\xFF\xC3(\xE2\x82");
	json_set_text(j, "k\xFF", "1");
	json_set(j, "list", json_array());
	json_set_text(j, "z2", "old");
	json_set_text(j, "z2", "new");
	assert_text(json_text(j),
		"{\"bad\":\"a\uFFFD\uFFFD(\uFFFD\uFFFD\",\"k\uFFFD\":\"1\",\"list\":[],"
		"\"z\":\"<&>/é\\u0001\\\"\",\"z2\":\"new\"}");
	_cleanup_json_ json_t *small = json_object();
	json_set(small, "b", json_integer(1));
	json_set(small, "a", json_true());
	assert_text(json_text_pretty(small), "{\n  \"b\": 1,\n  \"a\": true\n}\n");
	_cleanup_json_ json_t *text = json_from_text("\xFF");
	assert_text(json_text(text), "\"\uFFFD\"");
}

/* Keys with '=' in them come through reading and writing, as long as they came out of a document. */
static void pairs(void **state _unused_)
{
	static const char *const texts[] = {
		"{\"pairs\":{\"a\":\"1\",\"b\":\"\"}}",
		"{\"pairs\":{\"a=b\":\"c\",\"x\":\"y=z\"}}",
		"{\"pairs\":{\"a\":\"b=c\",\"a=b\":\"c\"}}",
		"{\"pairs\":{\"=\":\"=\"}}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_json_ json_t *j = NULL;
		_cleanup_(record_done) Record r = {0};
		ok(json_parse(str_of(texts[i]), 999, "x", &j, err));
		ok(json_read_object(j, "x", record_fields, ARRAY_SIZE(record_fields), &r, err));
		json_set_pairs(j, "pairs", &r.pairs);
		assert_text(json_text(j), texts[i]);
		strvec_clear(&r.pairs);
		strvec_push(&r.pairs, "new=1=2");
		strvec_push(&r.pairs, "bare");
		json_set_pairs(j, "pairs", &r.pairs);
		assert_text(json_text(j), "{\"pairs\":{\"bare\":\"\",\"new\":\"1=2\"}}");
		strvec_clear(&r.pairs);
		json_set_pairs(j, "pairs", &r.pairs);
		assert_text(json_text(j), "{}");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strictness),
		cmocka_unit_test(bounds),
		cmocka_unit_test(reading),
		cmocka_unit_test(wrong_types),
		cmocka_unit_test(writing),
		cmocka_unit_test(pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
