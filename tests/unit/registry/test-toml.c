#include "registry/toml.h"

#include "../check.h"

static json_t *parse(const char *text)
{
	json_t *j = NULL;
	ok(toml_parse(str_of(text), "f.toml", &j, err));
	return j;
}

static void fails_at(int line, ErrCode code, Str text)
{
	_cleanup_err_ Err *e = NULL;
	json_t *j = NULL;
	assert_int_equal(toml_parse(text, "f.toml", &j, &e), -(int)code);
	assert_string_equal(e->file, "f.toml");
	assert_int_equal(e->line, line);
	assert_null(j);
}

static void tree(void **state)
{
	(void)state;
	_cleanup_json_ json_t *j = parse("z = \"last of the alphabet\"\n"
					 "a = 1\n"
					 "list = [\"x\", 'y']\n"
					 "date = 1979-05-27\n"
					 "[host.\"https://b\"]\n"
					 "yes = true\n"
					 "[host.\"https://a\".header]\n"
					 "x = \"\"\"two\nlines\"\"\"\n"
					 "[[registry]]\n"
					 "[[registry.mirror]]\n"
					 "location = 'm'\n");
	_cleanup_strvec_ StrVec hosts = {0}, list = {0};
	const char *key, *text = NULL;
	json_t *value, *host = NULL, *tables = NULL;
	bool yes = false;
	ok(toml_string(j, "z", "f", &text, err));
	assert_string_equal(text, "last of the alphabet");
	assert_int_equal(json_integer_value(json_object_get(j, "a")), 1);
	assert_true(json_is_null(json_object_get(j, "date")));
	ok(toml_strings(j, "list", "f", &list, err));
	ok(toml_strings(j, "z", "f", &list, err));
	ok(toml_strings(j, "absent", "f", &list, err));
	assert_text(strvec_join(&list, ","), "x,y,last of the alphabet");
	ok(toml_table(j, "host", "f", &host, err));
	json_object_foreach(host, key, value) if (toml_is_key(key)) strvec_push(&hosts, key);
	assert_text(strvec_join(&hosts, " "), "https://b https://a");
	assert_int_equal(toml_line(j, "a"), 2);
	assert_int_equal(toml_line(host, "https://a"), 7);
	assert_int_equal(toml_line(host, "nothing"), 0);
	ok(toml_bool(json_object_get(host, "https://b"), "yes", "f", &yes, err));
	assert_true(yes);
	ok(toml_tables(j, "registry", "f", &tables, err));
	assert_int_equal(json_array_size(tables), 1);
	assert_int_equal(toml_line(json_array_get(tables, 0), NULL), 10);
	ok(toml_tables(j, "absent", "f", &tables, err));
	assert_null(tables);
}

static void wrong_types(void **state)
{
	(void)state;
	_cleanup_json_ json_t *j = parse("\nn = 1\nmixed = ['a', 1]\n");
	const char *text = NULL;
	bool flag;
	json_t *t;
	_cleanup_strvec_ StrVec list = {0};
	_cleanup_err_ Err *e = NULL;
	fails(ERR_PARSE, "'n' is not a text", toml_string(j, "n", "f", &text, err));
	fails(ERR_PARSE, "neither true", toml_bool(j, "n", "f", &flag, err));
	fails(ERR_PARSE, "not a list", toml_strings(j, "n", "f", &list, err));
	fails(ERR_PARSE, "not a list", toml_strings(j, "mixed", "f", &list, err));
	fails(ERR_PARSE, "not a table", toml_table(j, "n", "f", &t, err));
	fails(ERR_PARSE, "[[n]]", toml_tables(j, "n", "f", &t, err));
	fails(ERR_PARSE, "[[mixed]]", toml_tables(j, "mixed", "f", &t, err));
	assert_int_equal(toml_string(j, "n", "f", &text, &e), -ERR_PARSE);
	assert_int_equal(e->line, 2);
}

static void mistakes(void **state)
{
	(void)state;
	fails_at(1, ERR_PARSE, STR("x"));
	fails_at(3, ERR_PARSE, STR("a = 1\n\nb = \n"));
	fails_at(2, ERR_PARSE, STR("a = 1\na = 2\n"));
	fails_at(2, ERR_PARSE, STR("\nx = \"open\n"));
	fails_at(2, ERR_PARSE, STR("\n\"\\u0001lines\" = 1\n"));
	fails_at(1, ERR_PARSE, STR("x = \"a\\u0000b\""));
	fails_at(1, ERR_PARSE, STR("x = \"\xff\""));
	fails_at(1, ERR_PARSE, STR("\0"));
	fails_at(1, ERR_PARSE, STR("[\1]"));
	fails_at(2, ERR_PARSE, STR("\n[=x]"));
	fails_at(1, ERR_PARSE, STR("[[!"));
	fails_at(2, ERR_PARSE, STR("# \xca\x9a\nx\xca\x9a = 1"));
	json_decref(parse("\xef\xbb\xbfx = '\xca\x9a' # \xca\x9a\r\n"));
	_cleanup_json_ json_t *empty = parse("");
	assert_true(json_is_object(empty));
}

static char *repeated(const char *start, const char *part, size_t n, const char *end)
{
	_cleanup_buf_ Buf b = BUF_INIT(1 << 24);
	buf_cstr(&b, start);
	for (size_t i = 0; i < n; i++)
		buf_cstr(&b, part);
	buf_cstr(&b, end);
	return buf_steal(&b);
}

static void depth(void **state)
{
	(void)state;
	static const struct {
		const char *start, *part, *end;
		size_t fits, too_deep;
		ErrCode code;
	} cases[] = {
		{"x = ", "[", "", 0, 100000, ERR_PARSE},
		{"x = ", "{a=", "", 0, 100000, ERR_PARSE},
		{"\n[x", ".a", "]", 60, 100000, ERR_LIMIT},
		{"\nx", ".a", " = 1", 60, 100000, ERR_LIMIT},
		{"\nx = {a", ".a", " = 1}", 60, 100000, ERR_LIMIT},
		{"x = '''\n", "a.", "'''", 100, 0, ERR_NONE},
		{"x = \"\"\"a\"\"b\\\"", "a.", "\"\"\"\"\"", 100, 0, ERR_NONE},
		{"# ", ".", "", 100000, 0, ERR_NONE},
		{"x = '", "a.", "'", 100, 0, ERR_NONE},
		{"x = \"\\\"", "a.", "\"", 100, 0, ERR_NONE},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *small =
			repeated(cases[i].start, cases[i].part, cases[i].fits, cases[i].end);
		_cleanup_free_ char *big =
			repeated(cases[i].start, cases[i].part, cases[i].too_deep, cases[i].end);
		if (cases[i].fits)
			json_decref(parse(small));
		if (cases[i].too_deep)
			fails_at(1 + (cases[i].start[0] == '\n'), cases[i].code, str_of(big));
	}
	/* many keys that are deep one by one, and a deep table in a deep inline one */
	_cleanup_free_ char *inner = repeated("", "a.", 60, "x = {");
	_cleanup_free_ char *nested = repeated("", inner, 20, "");
	_cleanup_free_ char *ends = repeated("", "}", 20, "");
	_cleanup_free_ char *all = xasprintf("%s%s", nested, ends);
	fails_at(1, ERR_PARSE, str_of(all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree),
		cmocka_unit_test(wrong_types),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(depth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
