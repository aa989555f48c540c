#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/help.h"
#include "cli/screen_text.h"

static void paragraphs(void **state)
{
	(void)state;
	Str rest = STR("one\ntwo\n\n\n  as it is\n\nlast\n"), p;
	assert_true(help_paragraph(&rest, &p) && str_eq_cstr(p, "one\ntwo"));
	assert_true(help_paragraph(&rest, &p) && str_eq_cstr(p, "  as it is"));
	assert_true(help_paragraph(&rest, &p) && str_eq_cstr(p, "last"));
	assert_false(help_paragraph(&rest, &p));
	rest = str_of(NULL);
	assert_false(help_paragraph(&rest, &p));
}

static void a_command(void **state)
{
	(void)state;
	static const Option rows[] = {{'q', "quiet", OPTION_FLAG, 0, NULL, "say nothing"}};
	static const Command c = {.name = "zip",
		.operands = "FILE…",
		.summary = "Make it small",
		.description = "Words that go on\nhere.\n\n  cruet zip <x\n",
		.options = rows,
		.n_options = 1};
	_cleanup_buf_ Buf out = BUF_INIT(1 << 16);
	help_command(&c, &out);
	static const char wanted[] = "Usage: cruet zip [OPTIONS] FILE…\n\nMake it small.\n\n"
				     "Words that go on here.\n\n  cruet zip <x\n\n"
				     "Options:\n  -q, --quiet                 say nothing\n\n"
				     "Global options:\n      --root DIR ";
	assert_true(str_starts(buf_view(&out), wanted));
}

/* What every row of every verb must keep to, for the help, the manual and the completion made of it. */
static void all_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_commands; i++) {
		const Command *c = commands[i];
		bool letters[256] = {['h'] = true};
		assert_ptr_equal(command_find(c->name), c);
		assert_true(i == 0 || strcmp(commands[i - 1]->name, c->name) < 0);
		assert_false(str_ends(str_of(c->summary), "."));
		assert_true(text_width(c->summary) <= 80 - 15);
		for (size_t k = 0; k < c->n_options; k++) {
			const Option *o = &c->options[k];
			if (o->type == OPTION_GROUP)
				continue;
			assert_true((o->metavar != NULL) == !option_is_flag(o));
			/* NULL: taken, but told nowhere */
			assert_true(!o->help || (o->help[0] && !str_ends(str_of(o->help), ".")));
			assert_false(o->letter && letters[(unsigned char)o->letter]);
			letters[(unsigned char)o->letter] = true;
			assert_true(o->offset < c->options_size);
			for (size_t n = 0; n < k; n++)
				assert_string_not_equal(c->options[n].name, o->name);
		}
	}
}

static void overview(void **state)
{
	(void)state;
	_cleanup_buf_ Buf out = BUF_INIT(1 << 16);
	help_overview(&out);
	for (size_t i = 0; i < n_commands; i++) {
		_cleanup_free_ char *row =
			xasprintf("\n  %-12s %s\n", commands[i]->name, commands[i]->summary);
		assert_non_null(strstr(out.ptr, row));
	}
	Str rest = buf_view(&out), line;
	while (str_cut(&rest, '\n', &line)) {
		_cleanup_free_ char *text = str_dup(line);
		assert_true(text_width(text) <= 82);
	}
}

/* No text of the table begins a line with a request of roff, nor ends one in a lone backslash. */
static void manual(void **state)
{
	(void)state;
	static const char *const requests[] = {
		".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".I", ".BR", ".nf", ".fi", ".\\\""};
	_cleanup_buf_ Buf out = BUF_INIT(1 << 20);
	help_manual(&out);
	assert_false(out.overflow);
	Str rest = buf_view(&out), line;
	while (str_cut(&rest, '\n', &line)) {
		bool known = line.len == 0 || line.ptr[0] != '.';
		for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
			known = known || str_starts(line, requests[i]);
		assert_true(known);
		assert_false(line.len && line.ptr[0] == '\'');
	}
	assert_non_null(strstr(out.ptr, ".B \\-t, \\-\\-tag\\fR NAME\n"));
	assert_non_null(strstr(out.ptr, "\n.SS cruet build "));
}

static void suggestions(void **state)
{
	(void)state;
	_cleanup_err_ Err *e = NULL, *far = NULL;
	assert_int_equal(command_unknown("biuld", &e), -ERR_USAGE);
	assert_string_equal(e->hint, "did you mean 'cruet build'?");
	assert_int_equal(command_unknown("frobnicate", &far), -ERR_USAGE);
	assert_string_equal(far->hint, "'cruet help' lists the commands");
	assert_null(command_find("Build"));
}

static void statuses(void **state)
{
	(void)state;
	bool seen[256] = {0};
	for (int i = 0; i < _ERR_MAX; i++) {
		int s = exit_status_of((ErrCode)i);
		assert_in_range(s, i ? 1 : 0, 255);
		assert_false(seen[s]);
		seen[s] = true;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paragraphs),
		cmocka_unit_test(a_command),
		cmocka_unit_test(all_rows),
		cmocka_unit_test(overview),
		cmocka_unit_test(manual),
		cmocka_unit_test(suggestions),
		cmocka_unit_test(statuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
