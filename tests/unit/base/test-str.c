#include "base/str.h"

#include "../check.h"

static void comparing(void **state _unused_)
{
	const Str none = {NULL, 0};
	assert_true(str_eq(none, STR("")));
	assert_true(str_eq(str_of(NULL), none));
	assert_false(str_eq(STR("a"), STR("ab")));
	assert_false(str_eq(STR("a\0b"), STR("a\0c")));
	assert_false(str_eq_cstr(STR("a\0b"), "a"));
	assert_true(str_eq_nocase(STR("From"), "fROM"));
	assert_false(str_eq_nocase(STR("\xC3\x89"), "\xC3\xA9")); /* É and é: not ASCII */
	assert_true(str_eq_nocase(none, ""));
	assert_true(str_starts(STR("ab"), "ab") && !str_starts(STR("a"), "ab"));
	assert_true(
		str_ends(STR("ab"), "b") && str_ends(STR("ab"), "") && !str_ends(STR("b"), "ab"));
	assert_int_equal(str_find(STR("a:b:c"), ':'), 1);
	assert_int_equal(str_rfind(STR("a:b:c"), ':'), 3);
	assert_int_equal(str_find(none, 'a'), -1);
	assert_int_equal(str_rfind(none, 'a'), -1);
	assert_true(cstr_eq(NULL, NULL) && !cstr_eq("", NULL) && !cstr_eq(NULL, "") &&
		cstr_eq("a", "a"));
}

static void cutting(void **state _unused_)
{
	static const struct {
		const char *text, *parts; /* joined with '|' */
	} cases[] = {
		{"a,,b", "a||b"},
		{"", ""},
		{",", "|"},
		{"a", "a"},
		{"a,", "a|"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strvec_ StrVec parts = {0};
		Str rest = str_of(cases[i].text), part;
		while (str_cut(&rest, ',', &part))
			strvec_push_str(&parts, part);
		assert_true(parts.len > 0);
		assert_text(strvec_join(&parts, "|"), cases[i].parts);
	}
	Str nothing = {NULL, 0}, part;
	assert_false(str_cut(&nothing, ',', &part));
	assert_true(str_eq_cstr(str_trim(STR(" \t\r\n\v\f a b\0 ")), "") == false);
	assert_true(str_eq_cstr(str_trim(STR(" \t\r\n\v\fa b \n")), "a b"));
	assert_int_equal(str_trim(STR(" \n ")).len, 0);
	assert_true(str_eq_cstr(str_slice(STR("abc"), 1, 99), "bc"));
	assert_int_equal(str_slice(STR("abc"), 2, 1).len, 0);
	assert_int_equal(str_slice(STR("abc"), 9, 99).len, 0);
	char *copy = str_dup(STR("a\0b"));
	assert_memory_equal(copy, "a\0b", 4);
	free(copy);
}

static void utf8(void **state _unused_)
{
	static const struct {
		Str text;
		size_t len;
	} cases[] = {
		{STR(""), 0},
		{STR("a"), 1},
		{STR("\0"), 1},
		{STR("\x7F"), 1},
		{STR("\x80"), 0},
		{STR("\xC1\xBF"), 0}, /* too long a form */
		{STR("\xC2\x80"), 2},
		{STR("\xC2"), 0},
		{STR("\xC2\x41"), 0},
		{STR("\xE0\x9F\xBF"), 0},
		{STR("\xE0\xA0\x80"), 3},
		{STR("\xED\x9F\xBF"), 3},
		{STR("\xED\xA0\x80"), 0}, /* a surrogate */
		{STR("\xEF\xBF\xBFx"), 3},
		{STR("\xF0\x8F\xBF\xBF"), 0},
		{STR("\xF0\x90\x80\x80"), 4},
		{STR("\xF4\x8F\xBF\xBF"), 4},
		{STR("\xF4\x90\x80\x80"), 0}, /* past U+10FFFF */
		{STR("\xF5\x80\x80\x80"), 0},
		{STR("\xF0\x90\x80"), 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (str_utf8(cases[i].text) != cases[i].len)
			fail_msg("case %zu: %zu", i, str_utf8(cases[i].text));
}

static void numbers(void **state _unused_)
{
	static const struct {
		const char *text;
		bool octal;
		uint64_t max, value;
		const char *problem;
	} cases[] = {
		{"0", false, 0, 0, NULL},
		{"007", false, 9, 7, NULL},
		{"18446744073709551615", false, UINT64_MAX, UINT64_MAX, NULL},
		{"18446744073709551616", false, UINT64_MAX, 0, "too large"},
		{"99999999999999999999999", false, UINT64_MAX, 0, "too large"},
		{"10", false, 9, 0, "'10' is too large"},
		{"9", false, 3, 0, "'9' is too large"},
		{"65535", false, 65535, 65535, NULL},
		{"65536", false, 65535, 0, "too large"},
		{"", false, 9, 0, "missing"},
		{"-1", false, 9, 0, "'-1' is not a number"},
		{"+1", false, 9, 0, "not a number"},
		{" 1", false, 9, 0, "not a number"},
		{"1 ", false, 9, 0, "not a number"},
		{"0x1", false, 99, 0, "not a number"},
		{"1e3", false, 9999, 0, "not a number"},
		{"\xB2", false, 9, 0, "not a number"},
		{"0755", true, 07777, 0755, NULL},
		{"1777777777777777777777", true, UINT64_MAX, UINT64_MAX, NULL},
		{"2000000000000000000000", true, UINT64_MAX, 0, "too large"},
		{"8", true, 07777, 0, "not an octal number"},
		{"", true, 07777, 0, "missing"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 42;
		int (*parse)(Str, uint64_t, uint64_t *, Err **) =
			cases[i].octal ? str_to_octal : str_to_u64;
		if (cases[i].problem) {
			fails(ERR_PARSE, cases[i].problem,
				parse(str_of(cases[i].text), cases[i].max, &value, err));
			assert_int_equal(value, 42);
		} else {
			ok(parse(str_of(cases[i].text), cases[i].max, &value, err));
			assert_int_equal(value, cases[i].value);
		}
	}
}

static void buffer(void **state _unused_)
{
	_cleanup_buf_ Buf b = BUF_INIT(300);
	char *text = NULL;
	assert_string_equal(buf_view(&b).ptr, "");
	ok(buf_take(&b, &text, err));
	assert_text(text, "");
	for (int i = 0; i < 99; i++) {
		buf_char(&b, 'x');
		buf_printf(&b, "%02d", i);
		assert_int_equal(strlen(b.ptr), b.len);
	}
	buf_str(&b, (Str){NULL, 0});
	buf_cstr(&b, "end"); /* up to the bound, and not a byte more */
	assert_int_equal(buf_view(&b).len, 300);
	assert_memory_equal(b.ptr + 294, "x98end", 7);
	ok(buf_take(&b, &text, err));
	assert_int_equal(strlen(text), 300);
	free(text);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.max, 300);
}

static void overflow(void **state _unused_)
{
	static const struct {
		size_t first, second;
	} cases[] = {{0, 11}, {10, 1}, {1, SIZE_MAX}, {11, 0}, {5, 6}};
	char data[16] = "0123456789abcde";
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ Buf b = BUF_INIT(10);
		char *text = NULL;
		buf_append(&b, data, cases[i].first);
		buf_append(&b, data, cases[i].second);
		buf_char(&b, 'y'); /* sticks: what would fit again is ignored too */
		buf_printf(&b, "%d", 1);
		assert_true(b.overflow);
		assert_int_equal(buf_view(&b).len, 0);
		fails(ERR_LIMIT, "10 bytes", buf_take(&b, &text, err));
		assert_null(text);
		buf_clear(&b);
		buf_cstr(&b, "again");
		assert_text(buf_steal(&b), "again");
	}
	_cleanup_buf_ Buf b = BUF_INIT(3);
	buf_printf(&b, "%d", 1234);
	assert_true(b.overflow);
	buf_done(&b);
	assert_false(b.overflow);
	buf_printf(&b, "%d", 123);
	assert_string_equal(b.ptr, "123");
}

static void vectors(void **state _unused_)
{
	_cleanup_strvec_ StrVec v = {0}, copy = {0};
	assert_text(strvec_join(&v, ","), "");
	assert_false(strvec_has(&v, ""));
	strvec_clear(&v);
	for (int i = 0; i < 20; i++) {
		strvec_pushf(&v, "%d", i);
		assert_null(v.items[v.len]);
	}
	char word[] = "word";
	strvec_push(&v, word);
	strvec_push_str(&v, (Str){word, 2});
	strvec_take(&v, xstrdup("taken"));
	word[0] = 'W';
	assert_string_equal(v.items[20], "word");
	assert_string_equal(v.items[21], "wo");
	assert_true(strvec_has(&v, "19") && strvec_has(&v, "taken") && !strvec_has(&v, "20"));
	strvec_push(&copy, "first");
	strvec_copy(&copy, &v);
	assert_int_equal(copy.len, 24);
	assert_string_equal(copy.items[23], "taken");
	assert_ptr_not_equal(copy.items[23], v.items[22]);
	assert_null(copy.items[24]);
	strvec_clear(&v);
	assert_int_equal(v.len, 0);
	assert_null(v.items[0]);
	strvec_push(&v, "a");
	strvec_push(&v, "b");
	assert_text(strvec_join(&v, ", "), "a, b");
}

static void environment(void **state _unused_)
{
	_cleanup_strvec_ StrVec env = {0};
	strvec_env_set(&env, "PATH", "/bin");
	strvec_env_set(&env, "A", "1=2");
	strvec_env_set(&env, "AB", "");
	strvec_env_set(&env, "PATH", "/sbin");
	assert_text(strvec_join(&env, "|"), "PATH=/sbin|A=1=2|AB=");
	assert_string_equal(strvec_env_get(&env, "A"), "1=2");
	assert_string_equal(strvec_env_get(&env, "AB"), "");
	assert_null(strvec_env_get(&env, "B"));
	assert_null(strvec_env_get(&env, "PAT"));
	strvec_env_unset(&env, "PAT");
	strvec_env_unset(&env, "A");
	assert_text(strvec_join(&env, "|"), "PATH=/sbin|AB=");
	assert_null(env.items[2]);
	strvec_env_unset(&env, "AB");
	strvec_env_unset(&env, "PATH");
	assert_int_equal(env.len, 0);
	assert_null(env.items[0]);
	/* bases have been seen with a name twice: none of it may be left */
	strvec_push(&env, "X=1");
	strvec_push(&env, "Y=1");
	strvec_push(&env, "X=2");
	strvec_env_unset(&env, "X");
	assert_text(strvec_join(&env, "|"), "Y=1");
}

static void printable(void **state)
{
	(void)state;
	assert_text(str_printable(str_of("Grüße, 日本")), "Grüße, 日本");
	assert_text(str_printable(str_of("a\033[2J\n\tb\x7f")), "a\\x1b[2J\\x0a\\x09b\\x7f");
	assert_text(str_printable(str_of("\xc2\x9b"
					 "1m \xff")),
		"\\xc2\\x9b1m \\xff");
	assert_text(str_printable((Str){"a\0b", 3}), "a\\x00b");
	assert_text(str_printable((Str){NULL, 0}), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comparing),
		cmocka_unit_test(cutting),
		cmocka_unit_test(utf8),
		cmocka_unit_test(numbers),
		cmocka_unit_test(buffer),
		cmocka_unit_test(overflow),
		cmocka_unit_test(vectors),
		cmocka_unit_test(environment),
		cmocka_unit_test(printable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
