/*
 * Any bytes as JSON: an error says what is wrong in one line; what was read is written, compact and
 * pretty, so that reading it again gives the same value. Objects go through a table of fields, too.
 */
#include <assert.h>

#include "base/json.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_TEXT (16u << 20)

static void check_error(const Err *err)
{
	assert(err && err->message[0] && !strchr(err->message, '\n'));
}

static void check_text(const json_t *value, const char *text)
{
	_cleanup_json_ json_t *again = NULL;
	_cleanup_err_ Err *err = NULL;
	int r = json_parse_nul(str_of(text), MAX_TEXT, "again", &again, &err);
	assert(r == 0 && json_equal(value, again));
	_cleanup_free_ char *first = json_text(value);
	_cleanup_free_ char *second = json_text(again);
	assert(strcmp(first, second) == 0);
}

typedef struct Fields {
	char *string;
	uint64_t u64;
	int64_t i64;
	bool flag;
	Digest digest;
	StrVec strings, keys, pairs;
	json_t *object, *array;
} Fields;

static void fields_done(Fields *f)
{
	free(f->string);
	strvec_done(&f->strings);
	strvec_done(&f->keys);
	strvec_done(&f->pairs);
	json_decref(f->object);
	json_decref(f->array);
}

static const JsonField table[] = {
	{"s", JSON_FIELD_STRING, offsetof(Fields, string), false},
	{"u", JSON_FIELD_U64, offsetof(Fields, u64), false},
	{"i", JSON_FIELD_I64, offsetof(Fields, i64), false},
	{"b", JSON_FIELD_BOOL, offsetof(Fields, flag), false},
	{"d", JSON_FIELD_DIGEST, offsetof(Fields, digest), false},
	{"ss", JSON_FIELD_STRINGS, offsetof(Fields, strings), false},
	{"k", JSON_FIELD_KEYS, offsetof(Fields, keys), false},
	{"p", JSON_FIELD_PAIRS, offsetof(Fields, pairs), false},
	{"o", JSON_FIELD_OBJECT, offsetof(Fields, object), false},
	{"a", JSON_FIELD_ARRAY, offsetof(Fields, array), false},
};

static void check_fields(json_t *value)
{
	_cleanup_(fields_done) Fields f = {0};
	_cleanup_err_ Err *err = NULL;
	if (json_read_object(value, "x", table, ARRAY_SIZE(table), &f, &err) < 0) {
		check_error(err);
		return;
	}
	/* pairs written back are those that were read */
	_cleanup_json_ json_t *copy = json_copy(value);
	json_set_pairs(copy, "p", &f.pairs);
	_cleanup_(fields_done) Fields g = {0};
	int r = json_read_object(copy, "x", table, ARRAY_SIZE(table), &g, NULL);
	assert(r == 0 && f.pairs.len == g.pairs.len);
	for (size_t i = 0; i < f.pairs.len; i++)
		assert(strcmp(f.pairs.items[i], g.pairs.items[i]) == 0);
	for (size_t i = 1; i < f.keys.len; i++)
		assert(strcmp(f.keys.items[i - 1], f.keys.items[i]) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Str text = {(const char *)data, size};
	_cleanup_json_ json_t *strict = NULL, *value = NULL;
	_cleanup_err_ Err *err = NULL, *strict_err = NULL;
	int s = json_parse(text, LIMIT_MANIFEST_SIZE, "doc", &strict, &strict_err);
	int r = json_parse_nul(text, LIMIT_MANIFEST_SIZE, "doc", &value, &err);
	if (s < 0)
		check_error(strict_err);
	if (r < 0) {
		check_error(err);
		assert(s < 0);
		return 0;
	}
	assert(s < 0 || json_equal(strict, value));
	_cleanup_free_ char *compact = json_text(value);
	_cleanup_free_ char *pretty = json_text_pretty(value);
	check_text(value, compact);
	check_text(value, pretty);
	if (s == 0)
		check_fields(strict);
	return 0;
}
