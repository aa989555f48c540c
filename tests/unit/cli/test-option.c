#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/option.h"

typedef struct Values {
	bool on, other;
	char *name;
	StrVec list;
	unsigned count;
	int level;
	char *mode;
} Values;

static const Option rows[] = {
	{'o', "on", OPTION_FLAG, offsetof(Values, on), NULL, "switch it on"},
	{'x', "other", OPTION_FLAG, offsetof(Values, other), NULL, "another"},
	{0, "More", OPTION_GROUP, 0, NULL, NULL},
	{'n', "name", OPTION_STRING, offsetof(Values, name), "NAME", "a name"},
	{'l', "list", OPTION_STRINGS, offsetof(Values, list), "ITEM", "several"},
	{0, "count", OPTION_COUNT, offsetof(Values, count), "N", "a number"},
	{0, "level", OPTION_LEVEL, offsetof(Values, level), "N", "a level"},
	{0, "mode", OPTION_STRING, offsetof(Values, mode), "fast|slow", "one of two"},
};

typedef struct Parsed {
	Values values;
	StrVec operands;
	Err *err;
	int r;
} Parsed;

static Parsed parse(bool stop, int argc, const char *const *argv)
{
	Parsed p = {0};
	OptionSet set = {rows, ARRAY_SIZE(rows), &p.values};
	_cleanup_strvec_ StrVec copy = {0};
	for (int i = 0; i < argc; i++)
		strvec_push(&copy, argv[i]);
	p.r = options_parse(&set, 1, argc, copy.items, stop, &p.operands, &p.err);
	return p;
}

#define PARSE(...)                                                                                 \
	parse(false, ARRAY_SIZE(((const char *const[]){__VA_ARGS__})),                             \
		(const char *const[]){__VA_ARGS__})

static void done(Parsed *p)
{
	OptionSet set = {rows, ARRAY_SIZE(rows), &p->values};
	options_done(&set);
	strvec_done(&p->operands);
	p->err = err_free(p->err);
}

static void secrets_are_struck_out(void **state)
{
	(void)state;
	static const Option secret[] = {{'p', "password", OPTION_SECRET, 0, "PASSWORD", "it"}};
	static const char *const forms[][3] = {{"--password", "hush", "xxxx"},
		{"--password=hush", "op", "op"}, {"-phush", "op", "op"}, {"-p", "hush", "xxxx"}};
	static const char *const left[] = {"--password", "--password=xxxx", "-pxxxx", "-p"};
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		_cleanup_strvec_ StrVec argv = {0}, operands = {0};
		char *value = NULL;
		OptionSet set = {secret, 1, &value};
		strvec_push(&argv, forms[i][0]);
		strvec_push(&argv, forms[i][1]);
		assert_int_equal(options_parse(&set, 1, 2, argv.items, false, &operands, NULL), 0);
		assert_string_equal(value, "hush");
		assert_string_equal(argv.items[0], left[i]);
		assert_string_equal(argv.items[1], forms[i][2]);
		options_done(&set);
	}
}

static void values(void **state)
{
	(void)state;
	Parsed p = PARSE("--on", "--name", "a", "--name=b=c", "--list=1", "-l", "2", "-l3", "-l=4",
		"--count", "7", "--level=-3", "--mode", "slow");
	assert_int_equal(p.r, 0);
	assert_true(p.values.on);
	assert_false(p.values.other);
	assert_string_equal(p.values.name, "b=c");
	assert_int_equal(p.values.list.len, 4);
	assert_string_equal(p.values.list.items[2], "3");
	assert_string_equal(p.values.list.items[3], "4");
	assert_int_equal(p.values.count, 7);
	assert_int_equal(p.values.level, -3);
	assert_string_equal(p.values.mode, "slow");
	assert_int_equal(p.operands.len, 0);
	done(&p);
}

static void switches(void **state)
{
	(void)state;
	Parsed p = PARSE("-ox");
	assert_true(p.r == 0 && p.values.on && p.values.other);
	done(&p);
	p = PARSE("-oxn", "name");
	assert_true(p.r == 0 && p.values.on && p.values.other);
	assert_string_equal(p.values.name, "name");
	done(&p);
	p = PARSE("--on", "--on=false");
	assert_true(p.r == 0 && !p.values.on);
	done(&p);
	p = PARSE("--on=maybe");
	assert_int_equal(p.r, -ERR_USAGE);
	done(&p);
}

static void operands(void **state)
{
	(void)state;
	Parsed p = PARSE("a", "--on", "-", "b", "--", "--other", "-x");
	assert_int_equal(p.r, 0);
	assert_true(p.values.on && !p.values.other);
	_cleanup_free_ char *all = strvec_join(&p.operands, " ");
	assert_string_equal(all, "a - b --other -x");
	done(&p);
	static const char *const tail[] = {"-o", "image", "-x", "--no-such", "--"};
	p = parse(true, ARRAY_SIZE(tail), tail);
	assert_int_equal(p.r, 0);
	assert_true(p.values.on && !p.values.other);
	assert_int_equal(p.operands.len, 4);
	done(&p);
}

static void mistake(Parsed p, const char *message, const char *hint)
{
	assert_int_equal(p.r, -ERR_USAGE);
	assert_string_equal(p.err->message, message);
	if (hint)
		assert_string_equal(p.err->hint, hint);
	else
		assert_null(p.err->hint);
	done(&p);
}

static void mistakes(void **state)
{
	(void)state;
	mistake(PARSE("--nmae=x"), "unknown flag '--nmae'", "did you mean '--name'?");
	mistake(PARSE("--frobnicate"), "unknown flag '--frobnicate'", NULL);
	mistake(PARSE("--More"), "unknown flag '--More'", NULL); /* a heading is no flag */
	mistake(PARSE("-z"), "unknown flag '-z'", NULL);
	mistake(PARSE("--name"), "flag '--name' needs a value: NAME", NULL);
	mistake(PARSE("-on"), "flag '-n' needs a value: NAME", NULL);
	mistake(PARSE("--count=-1"), "flag '--count' takes a number, not '-1'", NULL);
	mistake(PARSE("--count=4294967296"), "flag '--count' takes a number, not '4294967296'",
		NULL);
	mistake(PARSE("--level", "x"), "flag '--level' takes a number, not 'x'", NULL);
	mistake(PARSE("--mode=slo"), "flag '--mode' takes fast|slow, not 'slo'", NULL);
	mistake(PARSE("--mode=fast|slow"), "flag '--mode' takes fast|slow, not 'fast|slow'", NULL);
}

static void help(void **state)
{
	(void)state;
	_cleanup_buf_ Buf out = BUF_INIT(1 << 16);
	options_help(rows, 4, &out);
	assert_string_equal(out.ptr,
		"  -o, --on                    switch it on\n"
		"  -x, --other                 another\n"
		"\nMore:\n"
		"  -n, --name NAME             a name\n");
	static const Option wide[] = {{0, "a-very-long-name", OPTION_STRING, 0, "LONG-VALUE",
		"help that does not fit behind it, nor on one line by itself"}};
	buf_clear(&out);
	options_help(wide, 1, &out);
	assert_string_equal(out.ptr,
		"      --a-very-long-name LONG-VALUE\n"
		"                              help that does not fit behind it, nor on one line\n"
		"                              by itself\n");
}

static int collect(void *arg, Str key, Str value, Err **err)
{
	strvec_pushf(arg, STR_FMT ":" STR_FMT, STR_ARG(key), STR_ARG(value));
	return str_eq_cstr(key, "bad") ? err_set(err, ERR_USAGE, "bad") : 0;
}

static void fields(void **state)
{
	(void)state;
	_cleanup_strvec_ StrVec got = {0};
	_cleanup_err_ Err *e = NULL;
	assert_int_equal(csv_fields("id=x,src=a=b,ro,,e=", collect, &got, NULL), 0);
	_cleanup_free_ char *all = strvec_join(&got, " ");
	assert_string_equal(all, "id:x src:a=b ro: : e:");
	assert_int_equal(csv_fields("bad,never", collect, &got, &e), -ERR_USAGE);
	assert_string_equal(got.items[got.len - 1], "bad:");
	/* quotes keep commas; one that is not closed is an ordinary letter */
	strvec_clear(&got);
	assert_int_equal(csv_fields("a=1,\"n=x,y\",\"z=\",\"q,r=\"s", collect, &got, NULL), 0);
	_cleanup_free_ char *quoted = strvec_join(&got, " ");
	assert_string_equal(quoted, "a:1 n:x,y z: \"q: r:\"s");
}

static void optional_value(void **state)
{
	(void)state;
	static const Option pull[] = {{'p', "pull", OPTION_OPTIONAL, 0, "POLICY", NULL}};
	_cleanup_strvec_ StrVec operands = {0};
	_cleanup_buf_ Buf out = BUF_INIT(1 << 10);
	char *value = NULL;
	OptionSet set = {pull, 1, &value};
	assert_int_equal(options_parse(&set, 1, 2, (char *[]){(char[]){"--pull"}, (char[]){"x"}},
				 false, &operands, NULL),
		0);
	assert_string_equal(value, "true");
	assert_string_equal(operands.items[0], "x");
	assert_int_equal(
		options_parse(&set, 1, 2, (char *[]){(char[]){"-p"}, (char[]){"--pull=never"}},
			false, &operands, NULL),
		0);
	assert_string_equal(value, "never");
	options_done(&set);
	assert_null(value);
	/* without a help text it is told nowhere */
	options_help(pull, 1, &out);
	assert_int_equal(out.len, 0);
}

static void choices(void **state)
{
	(void)state;
	assert_true(option_has_choices(&rows[7]));
	assert_false(option_has_choices(&rows[3]));
	assert_false(option_has_choices(&(Option){.metavar = "id=ID[,src=FILE|,env=VAR]"}));
	assert_false(option_has_choices(&rows[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_struck_out),
		cmocka_unit_test(values),
		cmocka_unit_test(switches),
		cmocka_unit_test(operands),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(help),
		cmocka_unit_test(fields),
		cmocka_unit_test(choices),
		cmocka_unit_test(optional_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
