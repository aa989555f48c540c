#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "build/plan.h"

static char *root;
static Store *store;

/* An image without layers named "base", with one ONBUILD trigger. */
static void add_base(void)
{
	ImageConfig c = {0};
	LayerStack k;
	StrVec names = {0};
	Platform host;
	Descriptor manifest = {0};
	Digest id;
	static const StrVec none;
	platform_host(&host);
	config_init_scratch(&c, &host);
	strvec_push(&c.on_build, "COPY --from=first /a /b");
	layer_stack_init(&k);
	strvec_push(&names, "docker.io/library/base:latest");
	assert_int_equal(image_commit(store, &c, &k, &none, &names, &manifest, &id, NULL), 0);
	descriptor_done(&manifest);
	strvec_done(&names);
	layer_stack_done(&k);
	config_done(&c);
	platform_done(&host);
}

static int setup(void **state _unused_)
{
	const char *tmp = getenv("TMPDIR");
	root = xasprintf("%s/cruet-plan-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(root));
	assert_int_equal(store_open(root, &store, NULL), 0);
	add_base();
	return 0;
}

static int teardown(void **state _unused_)
{
	store = store_close(store);
	assert_int_equal(remove_tree(AT_FDCWD, root, NULL), 0);
	free(root);
	return 0;
}

typedef struct Case {
	Dockerfile *dockerfile;
	BuildArgs args;
	BuildOptions options;
	Plan plan;
} Case;

static int make(Case *c, const char *text, const char *target, Err **err)
{
	StrVec none = {0};
	Platform host;
	*c = (Case){.options.pull = PULL_NEVER};
	assert_int_equal(dockerfile_parse(str_of(text), "Dockerfile", &c->dockerfile, NULL), 0);
	assert_int_equal(build_args_init(&c->args, &none, '\\', NULL), 0);
	c->plan = (Plan){.store = store,
		.dockerfile = c->dockerfile,
		.options = &c->options,
		.args = &c->args};
	platform_host(&host);
	int r = plan_target(c->dockerfile, target, &c->plan.target, err);
	vec_foreach (&c->dockerfile->global_args, i) {
		if (r == 0)
			r = build_args_global(&c->args, i, err);
	}
	if (r == 0)
		r = plan_make(&c->plan, &host, err);
	platform_done(&host);
	return r;
}

static void done(Case *c)
{
	plan_done(&c->plan);
	build_args_done(&c->args);
	dockerfile_free(c->dockerfile);
}

static void test_reachable(void **state _unused_)
{
	static const char text[] = "FROM scratch AS a\n"
				   "FROM nowhere AS unused\n"
				   "FROM scratch AS b\nCOPY --from=a /x /x\n"
				   "FROM scratch\nCOPY --from=b /x /y\n";
	static const struct {
		const char *target;
		bool reachable[4];
	} cases[] = {
		{NULL, {true, false, true, true}},
		{"b", {true, false, true, false}},
		{"A", {true, false, false, false}},
		{"2", {true, false, true, false}},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Case c;
		assert_int_equal(make(&c, text, cases[i].target, NULL), 0);
		for (size_t n = 0; n < 4; n++)
			assert_int_equal(c.plan.stages.items[n].reachable, cases[i].reachable[n]);
		done(&c);
	}
}

static void test_mount_from(void **state _unused_)
{
	Case c;
	assert_int_equal(make(&c,
				 "FROM scratch AS a\nFROM scratch\n"
				 "RUN --mount=type=bind,from=a,target=/x true\n",
				 NULL, NULL),
		0);
	assert_true(c.plan.stages.items[0].reachable);
	assert_int_equal(c.plan.stages.items[1].needs.len, 1);
	done(&c);
}

static void test_onbuild(void **state _unused_)
{
	Case c;
	assert_int_equal(make(&c, "FROM scratch AS first\nFROM base\nENV a=b\n", NULL, NULL), 0);
	PlanStage *s = &c.plan.stages.items[1];
	assert_int_equal(s->triggers.len, 1);
	assert_int_equal(s->steps.len, 2);
	assert_int_equal(s->steps.items[0]->kind, INSTR_COPY);
	assert_true(c.plan.stages.items[0].reachable);
	done(&c);
	/* triggers of a stage run in its child, not in the grandchild (90) */
	assert_int_equal(
		make(&c, "FROM scratch AS a\nONBUILD ENV x=y\nFROM a AS b\nFROM b\n", NULL, NULL),
		0);
	assert_int_equal(c.plan.stages.items[1].triggers.len, 1);
	assert_int_equal(c.plan.stages.items[2].triggers.len, 0);
	done(&c);
}

static void test_global_args(void **state _unused_)
{
	Case c;
	assert_int_equal(make(&c, "ARG B=scr\nARG C=${B}atch\nFROM ${C}\n", NULL, NULL), 0);
	assert_int_equal(c.plan.stages.items[0].base.kind, SOURCE_SCRATCH);
	done(&c);
}

static void test_errors(void **state _unused_)
{
	static const struct {
		const char *text, *target;
		ErrCode code;
		const char *message, *hint;
	} cases[] = {
		{"FROM $nothing\n", NULL, ERR_PARSE, "should not be blank", NULL},
		{"FROM nowhere\n", NULL, ERR_NOT_FOUND, "nowhere", "cruet load"},
		{"FROM scratch AS build\nFROM scratch\nCOPY --from=buil /a /b\n", NULL,
			ERR_NOT_FOUND, "buil", "stage 'build'"},
		{"FROM scratch\nCOPY --from=later /a /b\nFROM scratch AS later\n", "0", ERR_PARSE,
			"later", NULL},
		{"FROM scratch AS me\nCOPY --from=me /a /b\n", NULL, ERR_PARSE, "this stage", NULL},
		{"FROM scratch\nCOPY --from=7 /a /b\n", NULL, ERR_NOT_FOUND, "7", NULL},
		{"FROM scratch AS build\n", "buil", ERR_NOT_FOUND, "buil", "'build'"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Case c;
		Err *err = NULL;
		assert_int_equal(
			make(&c, cases[i].text, cases[i].target, &err), -(int)cases[i].code);
		if (!strstr(err->message, cases[i].message))
			fail_msg("%s", err->message);
		if (cases[i].hint && (!err->hint || !strstr(err->hint, cases[i].hint)))
			fail_msg("hint: %s", err->hint ? err->hint : "none");
		err_free(err);
		done(&c);
	}
}

static void test_too_many_stages(void **state _unused_)
{
	Case c;
	Buf text = BUF_INIT(1 << 20);
	for (unsigned i = 0; i <= LIMIT_STAGES; i++)
		buf_cstr(&text, "FROM scratch\n");
	assert_int_equal(make(&c, text.ptr, NULL, NULL), -ERR_LIMIT);
	done(&c);
	text.len -= strlen("FROM scratch\n");
	text.ptr[text.len] = '\0';
	assert_int_equal(make(&c, text.ptr, NULL, NULL), 0);
	done(&c);
	buf_done(&text);
}

static void test_named_context_wins(void **state _unused_)
{
	Case c;
	assert_int_equal(make(&c, "FROM scratch AS a\nFROM scratch\n", NULL, NULL), 0);
	*vec_add(&c.options.contexts) =
		(BuildContext){.name = (char[]){"A"}, .value = (char[]){"/dir"}};
	SourceRef ref;
	assert_int_equal(plan_source(&c.plan, 1, "a", &ref, NULL), 0);
	assert_int_equal(ref.kind, SOURCE_DIR);
	vec_done(&c.options.contexts);
	assert_int_equal(plan_source(&c.plan, 1, "a", &ref, NULL), 0);
	assert_int_equal(ref.kind, SOURCE_STAGE);
	done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reachable),
		cmocka_unit_test(test_mount_from),
		cmocka_unit_test(test_onbuild),
		cmocka_unit_test(test_global_args),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_too_many_stages),
		cmocka_unit_test(test_named_context_wins),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
