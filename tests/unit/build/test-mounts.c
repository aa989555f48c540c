#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build/mounts.h"

static const char *lookup(void *arg _unused_, const char *name)
{
	return strcmp(name, "DIR") == 0 ? "/data" : NULL;
}

static const Expander expander = {.lookup = lookup, .escape = '\\'};

static void test_good(void **state _unused_)
{
	const struct {
		const char *text;
		RunMount want;
	} cases[] = {
		{"target=/x", {.type = MOUNT_BIND, .target = (char[]){"/x"}, .read_only = true}},
		{"type=bind,dst=sub,rw", {.type = MOUNT_BIND, .target = (char[]){"/w/sub"}}},
		{"type=bind", {.type = MOUNT_BIND, .target = (char[]){"/w"}, .read_only = true}},
		{"type=bind,from=a,source=/b,destination=/c",
			{.type = MOUNT_BIND,
				.from = (char[]){"a"},
				.source = (char[]){"/b"},
				.target = (char[]){"/c"},
				.read_only = true}},
		{"type=bind,from=$DIR,target=/c",
			{.type = MOUNT_BIND,
				.from = (char[]){"$DIR"},
				.target = (char[]){"/c"},
				.read_only = true}},
		{"type=cache,target=$DIR/../x/",
			{.type = MOUNT_CACHE,
				.target = (char[]){"/x"},
				.id = (char[]){"/x"},
				.mode = 0755}},
		{"type=cache,id=go,target=/c,sharing=locked,mode=0700,uid=5,gid=6,ro",
			{.type = MOUNT_CACHE,
				.target = (char[]){"/c"},
				.id = (char[]){"go"},
				.sharing = MOUNT_LOCKED,
				.mode = 0700,
				.uid = 5,
				.gid = 6,
				.read_only = true}},
		{"type=tmpfs,target=/t,size=64m",
			{.type = MOUNT_TMPFS, .target = (char[]){"/t"}, .size = 64 << 20}},
		{"type=secret,id=key",
			{.type = MOUNT_SECRET,
				.id = (char[]){"key"},
				.target = (char[]){"/run/secrets/key"},
				.mode = 0400}},
		{"type=secret,id=key,env=KEY,required",
			{.type = MOUNT_SECRET,
				.id = (char[]){"key"},
				.env = (char[]){"KEY"},
				.required = true,
				.mode = 0400}},
		{"type=secret,target=/root/.netrc",
			{.type = MOUNT_SECRET,
				.id = (char[]){".netrc"},
				.target = (char[]){"/root/.netrc"},
				.mode = 0400}},
		{"type=bind,\"target=/a,b\",readonly=true",
			{.type = MOUNT_BIND, .target = (char[]){"/a,b"}, .read_only = true}},
		{"TYPE=Tmpfs,Target=/t", {.type = MOUNT_TMPFS, .target = (char[]){"/t"}}},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const RunMount *w = &cases[i].want;
		RunMount m = {0};
		Err *err = NULL;
		int r = run_mount_parse(cases[i].text, &expander, "/w", &m, &err);
		if (r < 0)
			print_error("%s: %s\n", cases[i].text, err->message);
		assert_int_equal(r, 0);
		assert_int_equal(m.type, w->type);
		assert_true(cstr_eq(m.from, w->from));
		assert_true(cstr_eq(m.source, w->source));
		assert_true(cstr_eq(m.target, w->target));
		assert_true(cstr_eq(m.id, w->id));
		assert_true(cstr_eq(m.env, w->env));
		assert_int_equal(m.read_only, w->read_only);
		assert_int_equal(m.required, w->required);
		assert_int_equal(m.sharing, w->sharing);
		assert_int_equal(m.uid, w->uid);
		assert_int_equal(m.gid, w->gid);
		assert_int_equal(m.size, w->size);
		if (w->mode)
			assert_int_equal(m.mode, w->mode);
		run_mount_done(&m);
	}
}

static void test_bad(void **state _unused_)
{
	static const char *const cases[] = {
		"type=nfs,target=/x",
		"target=/",
		"type=cache,target=..",
		"type=tmpfs,target=/t,size=0",
		"type=tmpfs,target=/t,size=lots",
		"type=cache,target=/c,sharing=some",
		"type=cache,target=/c,mode=9",
		"type=cache,target=/c,uid=-1",
		"type=bind,target=/x,sharing=locked",
		"type=tmpfs,from=a,target=/x",
		"type=secret",
		"type=bind,targat=/x",
		"type=bind,\"target=/x",
		"type=bind,ro=maybe,target=/x",
		"type=bind,target=",
		"type",
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		RunMount m = {0};
		Err *err = NULL;
		if (run_mount_parse(cases[i], &expander, "/", &m, &err) != -ERR_PARSE)
			fail_msg("accepted: %s", cases[i]);
		assert_int_equal(err->code, ERR_PARSE);
		err_free(err);
	}
}

static void test_did_you_mean(void **state _unused_)
{
	RunMount m = {0};
	Err *err = NULL;
	assert_int_equal(
		run_mount_parse("type=bind,targat=/x", &expander, "/", &m, &err), -ERR_PARSE);
	assert_non_null(err->hint);
	assert_non_null(strstr(err->hint, "target"));
	err_free(err);
}

static void test_from(void **state _unused_)
{
	char *from = NULL;
	assert_int_equal(run_mount_from("type=cache,target=/x", &from, NULL), 0);
	assert_null(from);
	assert_int_equal(run_mount_from("from=build,target=/x", &from, NULL), 0);
	assert_string_equal(from, "build");
	free(from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_did_you_mean),
		cmocka_unit_test(test_from),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
