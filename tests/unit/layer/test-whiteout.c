#include "layer_test.h"

#include "layer/whiteout.h"

typedef struct WhiteoutCase {
	const char *path;
	WhiteoutKind kind;
	const char *target; /* NULL: ERR_CORRUPT */
} WhiteoutCase;

static const WhiteoutCase cases[] = {
	{"", WHITEOUT_NOT, ""},
	{"a/b", WHITEOUT_NOT, ""},
	{"a.wh.b", WHITEOUT_NOT, ""},
	{"wh.b", WHITEOUT_NOT, ""},
	{".wh.a", WHITEOUT_PATH, "a"},
	{"d/.wh.a", WHITEOUT_PATH, "d/a"},
	{"d/.wh..a", WHITEOUT_PATH, "d/.a"},
	{"d/.wh.a.wh.", WHITEOUT_PATH, "d/a.wh."},
	{".wh..wh..opq", WHITEOUT_DIR, ""},
	{"d/e/.wh..wh..opq", WHITEOUT_DIR, "d/e"},
	{".wh..wh.plnk", WHITEOUT_IGNORED, NULL},
	{".wh..wh.plnk/123.456", WHITEOUT_IGNORED, NULL},
	{".wh..wh.orph", WHITEOUT_IGNORED, NULL},
	{".wh..wh.aufs", WHITEOUT_IGNORED, NULL},
	{".wh..wh..opq/x", WHITEOUT_IGNORED, NULL},
	{".wh.", WHITEOUT_NOT, NULL},
	{"d/.wh.", WHITEOUT_NOT, NULL},
	{".wh..", WHITEOUT_NOT, NULL},
	{".wh...", WHITEOUT_NOT, NULL},
	{"d/.wh...", WHITEOUT_NOT, NULL},
	{"d/.wh....", WHITEOUT_PATH, "d/..."},
	{".wh.a/b", WHITEOUT_NOT, NULL},
	{".wh.a/.wh.b", WHITEOUT_NOT, NULL},
	{".wh.a/.wh..wh..opq", WHITEOUT_IGNORED, NULL},
};

static void test_parse(_unused_ void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const WhiteoutCase *c = &cases[i];
		_cleanup_buf_ Buf target = BUF_INIT(4096);
		buf_cstr(&target, "left over");
		WhiteoutKind kind = WHITEOUT_NOT;
		_cleanup_err_ Err *error = NULL;
		int r = whiteout_parse(str_of(c->path), &kind, &target, &error);
		bool corrupt = !c->target && c->kind == WHITEOUT_NOT;
		if (r != (corrupt ? -ERR_CORRUPT : 0))
			fail_msg("'%s': %d", c->path, r);
		if (r == 0)
			assert_int_equal(kind, c->kind);
		if (r == 0 && (kind == WHITEOUT_PATH || kind == WHITEOUT_DIR))
			assert_string_equal(target.ptr ? target.ptr : "", c->target);
	}
}

static void test_limit(_unused_ void **state)
{
	_cleanup_buf_ Buf target = BUF_INIT(8);
	WhiteoutKind kind;
	fails(ERR_LIMIT, whiteout_parse(STR("directory/.wh.name"), &kind, &target, err));
}

static void test_name_in(_unused_ void **state)
{
	assert_true(whiteout_name_in(STR(".wh.a")));
	assert_true(whiteout_name_in(STR("a/.wh.b/c")));
	assert_false(whiteout_name_in(STR("a/x.wh.b")));
	assert_false(whiteout_name_in(STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_name_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
