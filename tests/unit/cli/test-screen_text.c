#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/screen_text.h"

static void check(
	const char *text, size_t columns, unsigned flags, const char *wanted, size_t width)
{
	_cleanup_buf_ Buf out = BUF_INIT(1 << 16);
	buf_cstr(&out, "<");
	size_t used = screen_text(&out, str_of(text), columns, flags);
	buf_cstr(&out, ">");
	_cleanup_free_ char *whole = xasprintf("<%s>", wanted);
	assert_string_equal(out.ptr, whole);
	assert_int_equal(used, width);
}

static void widths(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("äöü…"), 4);
	assert_int_equal(text_width("日本"), 4);
	assert_int_equal(text_width("e\xcc\x81"), 1); /* e and a combining accent */
	assert_int_equal(text_width("a\033[31mb\033[0m"), 2);
	assert_int_equal(text_width("😀"), 2);
}

static void cutting(void **state)
{
	(void)state;
	check("abcdef", 6, 0, "abcdef", 6);
	check("abcdef", 5, 0, "abcd…", 5);
	check("abcdef", 1, 0, "…", 1);
	check("abcdef", 0, 0, "", 0);
	check("", 0, 0, "", 0);
	check("", 5, 0, "", 0);
	/* a wide character that fits by half is left out */
	check("日本語", 6, 0, "日本語", 6);
	check("日本語", 5, 0, "日本…", 5);
	check("日本語", 4, 0, "日…", 3);
	check("日本語", 2, 0, "…", 1);
	/* an accent belongs to what it stands on */
	check("abe\xcc\x81", 3, 0, "abe\xcc\x81", 3);
	check("e\xcc\x81"
	      "bc",
		2, 0, "e\xcc\x81…", 2);
	check("abcdef", ALL_COLUMNS, 0, "abcdef", 6);
}

static void sequences_go(void **state)
{
	(void)state;
	check("a\033[2J\033[Hb", 9, 0, "ab", 2);
	check("a\033[31mred\033[0m", 9, 0, "ared", 4);
	check("\033]0;title\ax", 9, 0, "x", 1);
	check("\033]8;;http://e\033\\link\033]8;;\033\\!", 9, 0, "link!", 5);
	check("\033Pq#0\033\\x", 9, 0, "x", 1);
	check("\033(0lqk\033(B", 9, 0, "lqk", 3);
	check("\0337x\0338\033cy\033=", 9, 0, "xy", 2);
	/* cut off in the middle: nothing of it shows */
	check("x\033", 9, 0, "x", 1);
	check("x\033[", 9, 0, "x", 1);
	check("x\033[31", 9, 0, "x", 1);
	check("x\033]0;never ends", 9, 0, "x", 1);
	check("x\033]0;a\033[31mb", 9, 0, "xb", 2);
}

static void control_characters(void **state)
{
	(void)state;
	check("a\ab\bc\x7f\x0e", 9, 0, "abc", 3);
	check("a\nb\rc", 9, 0, "a b c", 5);
	check("a\tb", 20, 0, "a       b", 9);
	check("12345678\t|", 20, 0, "12345678        |", 17);
	check("a\xc2\x9b"
	      "2Jb",
		9, 0, "a2Jb", 4); /* CSI in one character */
	check("a\xe2\x80\xae"
	      "b\xe2\x81\xa6"
	      "c",
		9, 0, "abc", 3);                                  /* turn the direction */
	check("a\xff\xc3", 9, 0, "a\xef\xbf\xbd\xef\xbf\xbd", 3); /* not UTF-8 */
}

static void colors_stay_if_asked(void **state)
{
	(void)state;
	check("a\033[1;31mb\033[Kc", 9, SCREEN_TEXT_COLORS, "a\033[1;31mbc\033[0m", 3);
	check("\033[38:5:1mabcd", 3, SCREEN_TEXT_COLORS, "\033[38:5:1mab…\033[0m", 3);
	check("\033[?25lm\033[>4;1mx", 9, SCREEN_TEXT_COLORS, "mx", 2);
	check("plain", 9, SCREEN_TEXT_COLORS, "plain", 5);
}

static void lines(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"", ""},
		{"abc", "abc"},
		{"abc\r", "abc"},
		{"10%\r20%\r30%", "30%"},
		{"10%\r20%\r\r", "20%"},
		{"\r\r", ""},
		{"\rx", "x"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_true(str_eq_cstr(screen_line(str_of(cases[i][0])), cases[i][1]));
}

static void wrapping(void **state)
{
	(void)state;
	_cleanup_buf_ Buf out = BUF_INIT(1 << 16);
	wrap_text(&out, STR("one two\nthree  four"), 70, 4);
	assert_string_equal(out.ptr, "one two\n    three four\n");
	buf_clear(&out);
	wrap_text(&out, STR("ends at the edge"), 64, 2);
	assert_string_equal(out.ptr, "ends at the edge\n");
	buf_clear(&out);
	wrap_text(&out, STR("ends at the edge…"), 64, 2); /* one column more, not three bytes */
	assert_string_equal(out.ptr, "ends at the\n  edge…\n");
	buf_clear(&out);
	wrap_text(&out, STR(""), 0, 0);
	assert_string_equal(out.ptr, "\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(widths),
		cmocka_unit_test(cutting),
		cmocka_unit_test(sequences_go),
		cmocka_unit_test(control_characters),
		cmocka_unit_test(colors_stay_if_asked),
		cmocka_unit_test(lines),
		cmocka_unit_test(wrapping),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
