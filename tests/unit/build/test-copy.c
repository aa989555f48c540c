#include "build/copy.h"

#include "../image/image_test.h"

static LayerStack onto;
static Context *context;

static int begin(void **state)
{
	if (store_begin(state) < 0 || mkdir("dir", 0755) < 0 || mkdir("dir/sub", 0755) < 0)
		return -1;
	put("dir/a", "alpha");
	put("dir/b", "beta");
	put("dir/sub/c", "gamma");
	layer_stack_init(&onto);
	return context_open("dir", NULL, store, NULL, &context, NULL);
}

static int end(void **state)
{
	layer_stack_done(&onto);
	context = context_free(context);
	return store_end(state);
}

static CopyOp op_of(const char *sources, const char *dest)
{
	CopyOp op = {.context = context, .dest = xstrdup(dest), .unpack = -1, .file = "Dockerfile"};
	Str rest = str_of(sources), word;
	while (str_cut(&rest, ' ', &word))
		strvec_push_str(&op.sources, word);
	return op;
}

/* Plans the op, writes its layer and pushes it over `onto`; its digest. */
static Digest run(CopyOp *op, bool digest_first)
{
	_cleanup_(copy_plan_freep) CopyPlan *p = NULL;
	_cleanup_(new_layer_freep) NewLayer *n = NULL;
	Digest before = {0}, after, diff_id;
	Descriptor d = {0};
	ok(copy_plan(op, &onto, store, NULL, NULL, 0, &p, err));
	if (digest_first)
		ok(copy_digest(p, &before, err));
	ok(new_layer_begin(store, COMPRESSION_GZIP, -1, NULL, &n, err));
	ok(copy_execute(p, new_layer_writer(n), err));
	ok(copy_digest(p, &after, err));
	assert_true(!digest_first || digest_eq(&before, &after));
	ok(new_layer_commit(n, &d, &diff_id, err));
	ok(layer_stack_push(&onto, store, &d, &diff_id, err));
	descriptor_done(&d);
	copy_op_done(op);
	return after;
}

static void placing(void **state _unused_)
{
	static const struct {
		const char *sources, *dest, *path, *content;
	} cases[] = {
		{"a", "/x", "x", "alpha"},
		{"a", "/y/", "y/a", "alpha"},
		{"a b", "/z/", "z/b", "beta"},
		{"sub", "/t", "t/c", "gamma"},
		{"[ab]", "/w/", "w/a", "alpha"},
		{".", "/all", "all/sub/c", "gamma"},
		{"b", "/x", "x", "beta"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CopyOp op = op_of(cases[i].sources, cases[i].dest);
		(void)run(&op, i % 2);
		assert_text(stack_text(&onto, cases[i].path), cases[i].content);
	}
}

static void metadata(void **state _unused_)
{
	TreeNode node;
	CopyOp op = op_of("a", "/new/x");
	op.chown = xstrdup("7:8");
	op.chmod = xstrdup("u=rw,go=");
	(void)run(&op, true);
	assert_true(tree_lookup(onto.tree, STR("new/x"), &node));
	assert_int_equal(node.entry.uid, 7);
	assert_int_equal(node.entry.gid, 8);
	assert_int_equal(node.entry.mode, 0600);
	assert_true(tree_lookup(onto.tree, STR("new"), &node));
	assert_int_equal(node.entry.type, TAR_DIR);
}

static Digest digest_now(const char *dest, const char *chmod)
{
	_cleanup_(copy_plan_freep) CopyPlan *p = NULL;
	CopyOp op = op_of("a", dest);
	Digest d;
	op.chmod = xstrdup(chmod);
	ok(copy_plan(&op, &onto, store, NULL, NULL, 0, &p, err));
	ok(copy_digest(p, &d, err));
	p = copy_plan_free(p);
	copy_op_done(&op);
	return d;
}

/* The digest is made of what the layer will hold, and of nothing else. */
static void digests(void **state _unused_)
{
	static const struct timespec other[2] = {{.tv_sec = 5}, {.tv_sec = 5}};
	Digest first = digest_now("/x", NULL), d;
	assert_int_equal(utimensat(AT_FDCWD, "dir/a", other, 0), 0);
	d = digest_now("/x", NULL);
	assert_true(digest_eq(&d, &first));
	d = digest_now("/y", NULL);
	assert_false(digest_eq(&d, &first));
	d = digest_now("/x", "600");
	assert_false(digest_eq(&d, &first));
	put("dir/b", "of no account");
	put("dir/a", "ALPHA");
	d = digest_now("/x", NULL);
	assert_false(digest_eq(&d, &first));
	put("dir/a", "alpha");
	assert_int_equal(chmod("dir/a", 0755), 0);
	d = digest_now("/x", NULL);
	assert_false(digest_eq(&d, &first));
}

/* All errors of arguments appear in the plan. */
static void refused(void **state _unused_)
{
	static const struct {
		const char *sources, *dest, *chown, *chmod;
		ErrCode code;
		const char *words;
	} cases[] = {
		{"none", "/x", NULL, NULL, ERR_NOT_FOUND, "'none'"},
		{"../dir/none", "/x", NULL, NULL, ERR_NOT_FOUND, "none"},
		{"a", "/x", "nobody", NULL, ERR_NOT_FOUND, "nobody"},
		{"a", "/x", NULL, "rwx", ERR_PARSE, "--chmod 'rwx'"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CopyPlan *p = NULL;
		CopyOp op = op_of(cases[i].sources, cases[i].dest);
		op.chown = xstrdup(cases[i].chown);
		op.chmod = xstrdup(cases[i].chmod);
		fails(cases[i].code, cases[i].words,
			copy_plan(&op, &onto, store, NULL, NULL, 0, &p, err));
		assert_null(p);
		copy_op_done(&op);
	}
	assert_null(copy_plan_free(NULL));
}

static void changing(void **state _unused_)
{
	for (int known = 0; known < 2; known++) {
		_cleanup_(copy_plan_freep) CopyPlan *p = NULL;
		_cleanup_(new_layer_freep) NewLayer *n = NULL;
		CopyOp op = op_of("a", "/x");
		Digest d;
		put("dir/a", "alpha");
		ok(copy_plan(&op, &onto, store, NULL, NULL, 0, &p, err));
		if (known)
			ok(copy_digest(p, &d, err));
		put("dir/a", "longer than it was");
		ok(new_layer_begin(store, COMPRESSION_GZIP, -1, NULL, &n, err));
		fails(ERR_SYS, "changed while it was read",
			copy_execute(p, new_layer_writer(n), err));
		p = copy_plan_free(p);
		copy_op_done(&op);
	}
}

/* From a stage: its files, whoever's they are, by their index alone. */
static void from_stage(void **state _unused_)
{
	static const TestFile files[] = {{"etc", NULL}, {"etc/name", "value"}};
	_cleanup_stack_ LayerStack from;
	layer_stack_init(&from);
	push_layer(&from, files, ARRAY_SIZE(files), COMPRESSION_ZSTD);
	CopyOp op = op_of("/etc", "/copy");
	op.context = NULL;
	op.from = &from;
	op.from_name = "stage";
	(void)run(&op, true);
	assert_text(stack_text(&onto, "copy/name"), "value");
	CopyPlan *p = NULL;
	op = op_of("/none", "/copy");
	op.context = NULL;
	op.from = &from;
	op.from_name = "stage";
	fails(ERR_NOT_FOUND, "none", copy_plan(&op, &onto, store, NULL, NULL, 0, &p, err));
	copy_op_done(&op);
}

#define copy_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		copy_test(placing),
		copy_test(metadata),
		copy_test(digests),
		copy_test(refused),
		copy_test(changing),
		copy_test(from_stage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
