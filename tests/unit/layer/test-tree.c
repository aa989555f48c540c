#include "layer_test.h"

/* Stack of layers made from tars by hand. */
typedef struct Stack {
	Tree *tree;
	Index *indexes[8];
	size_t n;
} Stack;

static void stack_push(Stack *s, Buf tar)
{
	if (!s->tree)
		s->tree = tree_new();
	s->indexes[s->n] = index_of_tar(&tar);
	tree_push(s->tree, s->indexes[s->n++]);
	buf_done(&tar);
}

static void stack_done(Stack *s)
{
	tree_free(s->tree);
	while (s->n)
		index_free(s->indexes[--s->n]);
}
#define _cleanup_stack_ _cleanup_(stack_done)

static int add_line(void *arg, const TreeNode *node, _unused_ Err **err)
{
	Buf *out = arg;
	buf_printf(out, STR_FMT "=%zu ", STR_ARG(node->entry.path), node->layer);
	return 0;
}

/* "path=layer " of everything below path. */
static void assert_walk(const Tree *t, const char *path, const char *expected)
{
	_cleanup_buf_ Buf out = BUF_INIT(1u << 20);
	ok(tree_walk(t, str_of(path), add_line, &out, err));
	assert_string_equal(out.ptr ? out.ptr : "", expected);
	/* Look-up must agree with the walk. */
	Str rest = buf_view(&out), item;
	while (rest.len && str_cut(&rest, ' ', &item) && item.len) {
		TreeNode node;
		Str found = str_slice(item, 0, (size_t)str_rfind(item, '='));
		assert_true(tree_lookup(t, found, &node));
		assert_int_equal(node.layer, item.ptr[item.len - 1] - '0');
	}
}

static void assert_absent(const Tree *t, const char *path)
{
	TreeNode node;
	if (tree_lookup(t, str_of(path), &node))
		fail_msg("'%s' is in layer %zu", path, node.layer);
	assert_walk(t, path, "");
}

static void test_bare(_unused_ void **state)
{
	_cleanup_(tree_freep) Tree *t = tree_new();
	TreeNode node;
	assert_true(tree_lookup(t, STR(""), &node));
	assert_int_equal(node.entry.type, TAR_DIR);
	assert_int_equal(node.entry.mode, 0755);
	assert_absent(t, "a");
	assert_walk(t, "", "=0 ");
}

static void test_merge(_unused_ void **state)
{
	_cleanup_stack_ Stack s = {0};
	stack_push(
		&s, RAW_TAR({"", '5'}, {"d", '5', .mode = 0700}, {"d/a"}, {"d/b"}, {"f"}, {"g/x"}));
	stack_push(&s, RAW_TAR({"d/b"}, {"d/c"}, {".wh.f"}));
	assert_walk(s.tree, "", "=0 d=0 d/a=0 d/b=1 d/c=1 g=0 g/x=0 ");
	assert_walk(s.tree, "d", "d=0 d/a=0 d/b=1 d/c=1 ");
	assert_absent(s.tree, "f");
	TreeNode node;
	assert_true(tree_lookup(s.tree, STR("d"), &node));
	assert_int_equal(node.entry.mode, 0700); /* implied above: the lower one's */
	stack_push(&s, RAW_TAR({"d", '5', .mode = 0711}));
	assert_true(tree_lookup(s.tree, STR("d"), &node));
	assert_int_equal(node.entry.mode, 0711);
	assert_walk(s.tree, "d", "d=2 d/a=0 d/b=1 d/c=1 ");
}

static void test_hiding(_unused_ void **state)
{
	_cleanup_stack_ Stack s = {0};
	stack_push(&s, RAW_TAR({"d/x/y"}, {"d/z"}, {"e/f"}, {"h/i"}, {"l", '2', .link = "d"}));
	/* d removed, e opaque with something new, h becomes a file, l becomes a directory */
	stack_push(&s, RAW_TAR({".wh.d"}, {"e/.wh..wh..opq"}, {"e/n"}, {"h"}, {"l/m"}));
	assert_walk(s.tree, "", "=1 e=1 e/n=1 h=1 l=1 l/m=1 ");
	assert_absent(s.tree, "d");
	assert_absent(s.tree, "d/x");
	assert_absent(s.tree, "d/x/y");
	assert_absent(s.tree, "e/f");
	assert_absent(s.tree, "h/i");
	/* d comes back in a third layer: nothing of the first shows through */
	stack_push(&s, RAW_TAR({"d/x/new"}));
	assert_walk(s.tree, "d", "d=2 d/x=2 d/x/new=2 ");
	assert_absent(s.tree, "d/z");
	assert_absent(s.tree, "d/x/y");
	/* an implied directory over the file h */
	stack_push(&s, RAW_TAR({"h/again"}));
	assert_walk(s.tree, "h", "h=3 h/again=3 ");
	assert_absent(s.tree, "h/i");
}

static void test_opaque_parent_of_implied(_unused_ void **state)
{
	_cleanup_stack_ Stack s = {0};
	stack_push(&s, RAW_TAR({"a", '5', .mode = 0700}, {"a/b", '5', .mode = 0700}, {"a/b/old"}));
	stack_push(&s, RAW_TAR({"a", '5'}, {"a/.wh..wh..opq"}, {"a/b/new"}));
	assert_walk(s.tree, "a", "a=1 a/b=1 a/b/new=1 ");
	TreeNode node;
	assert_true(tree_lookup(s.tree, STR("a/b"), &node));
	assert_int_equal(node.entry.mode, 0755);
}

static int skip_d(void *arg, const TreeNode *node, _unused_ Err **err)
{
	(void)add_line(arg, node, err);
	if (str_eq(node->entry.path, STR("stop")))
		return err_set(err, ERR_CANCELLED, "enough");
	return str_eq(node->entry.path, STR("d"));
}

static void test_walk_control(_unused_ void **state)
{
	_cleanup_stack_ Stack s = {0};
	stack_push(&s, RAW_TAR({"d/a/b"}, {"d.x"}, {"e"}));
	stack_push(&s, RAW_TAR({"d/a/c"}, {"stop"}, {"zzz"}));
	_cleanup_buf_ Buf out = BUF_INIT(1000);
	fails(ERR_CANCELLED, tree_walk(s.tree, STR(""), skip_d, &out, err));
	assert_string_equal(out.ptr, "=1 d=1 d.x=0 e=0 stop=1 ");
}

typedef struct ResolveCase {
	const char *path;
	bool follow, missing_ok;
	int code;
	bool found;
	const char *expected;
} ResolveCase;

static void test_resolve(_unused_ void **state)
{
	_cleanup_stack_ Stack s = {0};
	stack_push(&s,
		RAW_TAR({"usr/bin/sh"}, {"bin", '2', .link = "usr/bin"},
			{"abs", '2', .link = "/usr/bin"}, {"up", '2', .link = "../../../usr"},
			{"loop", '2', .link = "loop2"}, {"loop2", '2', .link = "loop"},
			{"dangling", '2', .link = "no/where"}, {"gone", '2', .link = "usr/gone"},
			{"usr/bin/back", '2', .link = "../../bin/sh"}, {"self", '2', .link = "."}));
	static const ResolveCase table[] = {
		{"usr/bin/sh", true, false, 0, true, "usr/bin/sh"},
		{"/usr//bin/./sh", true, false, 0, true, "usr/bin/sh"},
		{"", true, false, 0, true, ""},
		{"/", true, false, 0, true, ""},
		{"../..", true, false, 0, true, ""},
		{"bin/sh", true, false, 0, true, "usr/bin/sh"},
		{"abs/sh", false, false, 0, true, "usr/bin/sh"},
		{"up/bin", true, false, 0, true, "usr/bin"},
		{"bin", false, false, 0, true, "bin"},
		{"bin", true, false, 0, true, "usr/bin"},
		{"bin/..", true, false, 0, true, "usr"},
		{"bin/../../../bin/sh", true, false, 0, true, "usr/bin/sh"},
		{"bin/back", true, false, 0, true, "usr/bin/sh"},
		{"self/self/self/usr", true, false, 0, true, "usr"},
		{"usr/none", true, false, 0, false, "usr/none"},
		{"gone", true, false, 0, false, "usr/gone"},
		{"gone", false, false, 0, true, "gone"},
		{"loop", true, false, ERR_PARSE, false, NULL},
		{"loop/x", true, true, ERR_PARSE, false, NULL},
		{"loop", false, false, 0, true, "loop"},
		{"no/where", true, false, ERR_NOT_FOUND, false, NULL},
		{"no/where", true, true, 0, false, "no/where"},
		{"no/./where/../here", true, true, 0, false, "no/here"},
		{"no/../usr", true, true, 0, true, "usr"},
		{"dangling/x", true, true, 0, false, "no/where/x"},
		{"dangling", true, false, ERR_NOT_FOUND, false, NULL},
		{"usr/bin/sh/x", true, false, ERR_NOT_FOUND, false, NULL},
		{"usr/bin/sh/x", true, true, ERR_NOT_FOUND, false, NULL},
		{"usr/bin/sh/..", true, true, ERR_NOT_FOUND, false, NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const ResolveCase *c = &table[i];
		_cleanup_free_ char *path = NULL;
		_cleanup_err_ Err *error = NULL;
		bool found = false;
		TreeNode node;
		int r = tree_resolve(s.tree, str_of(c->path), c->follow, c->missing_ok, &path,
			&found, &node, &error);
		if (r != -c->code ||
			(r == 0 && (found != c->found || strcmp(path, c->expected) != 0)))
			fail_msg("'%s': %d '%s' %d %s", c->path, r, path ? path : "", found,
				error ? error->message : "");
		if (r == 0 && found)
			assert_true(str_eq_cstr(node.entry.path, c->expected));
	}
}

static void test_resolve_limits(_unused_ void **state)
{
	/* 39 links one after the other are fine, and links that grow the path end in an error. */
	_cleanup_stack_ Stack s = {0};
	Buf tar = BUF_INIT(1u << 20);
	for (int i = 0; i < 60; i++) {
		char name[16], link[16];
		snprintf(name, sizeof(name), "l%d", i);
		snprintf(link, sizeof(link), "l%d", i + 1);
		raw_add(&tar, &(Raw){.name = name, .type = '2', .link = link});
	}
	raw_add(&tar,
		&(Raw){.name = "grow", .type = '2', .link = "self/self/self/self/grow/x/x/x/x"});
	buf_append(&tar, (char[1024]){0}, 1024);
	stack_push(&s, tar);
	bool found;
	ok(tree_resolve(s.tree, STR("l20"), true, false, NULL, &found, NULL, err));
	assert_false(found);
	fails(ERR_PARSE, tree_resolve(s.tree, STR("l19"), true, false, NULL, &found, NULL, err));
	_cleanup_free_ char *longest = xcalloc(1, 600000);
	memset(longest, 'a', 599999);
	fails(ERR_LIMIT,
		tree_resolve(s.tree, str_of(longest), true, true, NULL, &found, NULL, err));
	longest[5000] = '\0';
	fails(ERR_LIMIT,
		tree_resolve(s.tree, str_of(longest), true, true, NULL, &found, NULL, err));
}

static void test_hardlinks(_unused_ void **state)
{
	_cleanup_stack_ Stack s = {0};
	stack_push(&s, RAW_TAR({"old", .body = "lower"}, {"a", .body = "1"}));
	stack_push(&s,
		RAW_TAR({"a", .body = "22"}, {"b", '1', .link = "a"}, {"c", '1', .link = "b"},
			{"d", '1', .link = "old"}, {"e", '1', .link = "none"},
			{"f", '1', .link = "f"}, {"g", '1', .link = "dir"}, {"dir", '5'}));
	stack_push(&s, RAW_TAR({"a", .body = "333"}, {".wh.old"}));
	static const struct {
		const char *path;
		bool found;
		size_t layer, size;
	} table[] = {{"b", true, 1, 2}, {"c", true, 1, 2}, {"d", true, 0, 5}, {"e", false, 0, 0},
		{"f", false, 0, 0}, {"g", false, 0, 0}};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		TreeNode link, file;
		assert_true(tree_lookup(s.tree, str_of(table[i].path), &link));
		assert_int_equal(link.entry.type, TAR_HARDLINK);
		assert_int_equal(tree_hardlink_target(s.tree, &link, &file), table[i].found);
		if (table[i].found) {
			assert_int_equal(file.layer, table[i].layer);
			assert_int_equal(file.entry.size, table[i].size);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_hiding),
		cmocka_unit_test(test_opaque_parent_of_implied),
		cmocka_unit_test(test_walk_control),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_resolve_limits),
		cmocka_unit_test(test_hardlinks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
