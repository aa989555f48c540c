#include "build/owner.h"

#include "../image/image_test.h"

static const TestFile files[] = {
	{"etc", NULL},
	{"etc/group", "root:x:0:\nstaff:x:50:alice\nodd:x:many:\n"},
	{"etc/passwd",
		"root:x:0:0::/:/bin/sh\nalice:x:1000:1001::/:\nodd:x:x:1::/:\nshort:\nshort\n"
		"big:x:4294967295:0::/:"},
};

static void owners(void **state _unused_)
{
	static const struct {
		const char *text;
		Owner owner; /* given, uid?, gid?, uid, gid */
	} cases[] = {
		{NULL, {false, false, false, 0, 0}},
		{"0", {true, true, true, 0, 0}},
		{"7", {true, true, true, 7, 7}},
		{"7:8", {true, true, true, 7, 8}},
		{"4294967294", {true, true, true, 4294967294u, 4294967294u}},
		{"alice", {true, true, true, 1000, 1001}},
		{"alice:staff", {true, true, true, 1000, 50}},
		{"alice:0", {true, true, true, 1000, 0}},
		{"7:staff", {true, true, true, 7, 50}},
		{":staff", {true, false, true, 0, 50}},
		{":9", {true, false, true, 0, 9}},
	};
	_cleanup_stack_ LayerStack k;
	layer_stack_init(&k);
	push_layer(&k, files, ARRAY_SIZE(files), COMPRESSION_GZIP);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Owner o;
		ok(owner_parse("--chown", cases[i].text, &k, store, &o, err));
		const Owner *want = &cases[i].owner;
		if (o.given != want->given || o.has_uid != want->has_uid ||
			o.has_gid != want->has_gid || o.uid != want->uid || o.gid != want->gid)
			fail_msg("'%s': %u:%u", cases[i].text, o.uid, o.gid);
	}
}

static void no_owners(void **state _unused_)
{
	static const struct {
		const char *text;
		ErrCode code;
		const char *words;
	} cases[] = {
		{":", ERR_PARSE, "USER[:GROUP]"},
		{"a:b:c", ERR_PARSE, "--chown 'a:b:c'"},
		{"nobody", ERR_NOT_FOUND, "'nobody' is not in the stage's /etc/passwd"},
		{"root:nogroup", ERR_NOT_FOUND, "'nogroup' is not in the stage's /etc/group"},
		{"ali", ERR_NOT_FOUND, "'ali'"},
		{"4294967295", ERR_NOT_FOUND, "'4294967295'"},
		{"-1", ERR_NOT_FOUND, "'-1'"},
		{"odd", ERR_CORRUPT, "no numbers"},
		{"short", ERR_CORRUPT, "no numbers"},
		{"big", ERR_CORRUPT, "no numbers"},
		{":odd", ERR_CORRUPT, "no number"},
	};
	_cleanup_stack_ LayerStack k, none;
	layer_stack_init(&k);
	layer_stack_init(&none);
	push_layer(&k, files, ARRAY_SIZE(files), COMPRESSION_GZIP);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Owner o = {.uid = 77};
		fails(cases[i].code, cases[i].words,
			owner_parse("--chown", cases[i].text, &k, store, &o, err));
		assert_int_equal(o.uid, 77);
	}
	/* nothing to look up in; numbers need nothing */
	Owner o;
	fails(ERR_NOT_FOUND, "/etc/passwd", owner_parse("--chown", "root", &none, store, &o, err));
	ok(owner_parse("--chown", "1:2", &none, store, &o, err));
}

static void modes(void **state _unused_)
{
	static const struct {
		const char *text;
		uint32_t before;
		bool is_dir;
		uint32_t after;
	} cases[] = {
		{NULL, 0640, false, 0640},
		{"755", 0600, false, 0755},
		{"0", 0777, false, 0},
		{"7777", 0, true, 07777},
		{"u+x", 0644, false, 0744},
		{"+x", 0644, false, 0755},
		{"a-w", 0666, false, 0444},
		{"go=", 0777, false, 0700},
		{"u=rwX,go=rX", 0600, false, 0644},
		{"u=rwX,go=rX", 0700, false, 0755},
		{"u=rwX,go=rX", 0600, true, 0755},
		{"g=u", 0750, false, 0770},
		{"o=g-w", 0764, false, 0764},
		{"u+s,g+s", 0755, false, 06755},
		{"+t", 0777, true, 01777},
		{"u=rwx", 04644, false, 0744},
		{"u+r-w", 0200, false, 0400},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(mode_freep) ModeChange *m = NULL;
		ok(mode_parse(cases[i].text, &m, err));
		uint32_t got = mode_apply(m, cases[i].before, cases[i].is_dir);
		if (got != cases[i].after)
			fail_msg("%s of %o: %o", cases[i].text, cases[i].before, got);
		uint32_t octal = 1;
		bool is_octal = cases[i].text && strspn(cases[i].text, "01234567");
		assert_int_equal(mode_octal(m, &octal), is_octal);
		assert_int_equal(octal, is_octal ? cases[i].after : 1);
	}
	static const char *const bad[] = {"10000", "8", "u", "u+q", "u+x,", ",u+x", "x", "rwx",
		"u=rw go=r", "99999999999999999999", "-1", "0x7"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ModeChange *m = NULL;
		fails(ERR_PARSE, bad[i], mode_parse(bad[i], &m, err));
		assert_null(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(owners),
		store_test(no_owners),
		cmocka_unit_test(modes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
