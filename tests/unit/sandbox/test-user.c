#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sandbox/sandbox_int.h"

static const char passwd[] = "# a comment: with: colons\n"
			     "root:x:0:0:root:/root:/bin/sh\n"
			     "broken:x:abc:5:::\n"
			     "short:x:7\n"
			     "ann:x:1000:1001:Ann:/home/ann:/bin/sh\n"
			     "ann:x:2000:2001:twice:/elsewhere:/bin/sh\n"
			     "nohome:x:3000:3000:::\n"
			     "1234:x:500:500::/home/digits:\n"
			     "+nis::::::\n"
			     "last:x:9:9::/last:/bin/sh";
static const char group[] = "root:x:0:root\n"
			    "bad:x:notanumber:ann\n"
			    "staff:x:50:ann,bob\n"
			    "users:x:100: bob , ann\n"
			    "again:x:50:ann\n"
			    "annex:x:60:annette\n"
			    "77:x:88:\n"
			    "wheel:x:10:root";

static const struct {
	const char *user;
	int r;
	uint32_t uid, gid;
	const char *home, *groups;
} rows[] = {
	{"", 0, 0, 0, "/root", "0 10"},
	{NULL, 0, 0, 0, "/root", "0 10"},
	{"root", 0, 0, 0, "/root", "0 10"},
	{"0", 0, 0, 0, "/root", "0 10"},
	{"ann", 0, 1000, 1001, "/home/ann", "1001 50 100"},
	{"1000", 0, 1000, 1001, "/home/ann", "1001 50 100"},
	{"ann:staff", 0, 1000, 50, "/home/ann", "50"},
	{"ann:4242", 0, 1000, 4242, "/home/ann", "4242"},
	{"ann:", 0, 1000, 1001, "/home/ann", "1001 50 100"},
	{":staff", 0, 0, 50, "/root", "50"},
	{"4711", 0, 4711, 0, "/", "0"},
	{"4711:4712", 0, 4711, 4712, "/", "4712"},
	{"4711:staff", 0, 4711, 50, "/", "50"},
	{"1234", 0, 500, 500, "/home/digits", "500"},
	{"root:77", 0, 0, 88, "/root", "88"},
	{"nohome", 0, 3000, 3000, "/", "3000"},
	{"last", 0, 9, 9, "/last", "9"},
	{"nobody", -ERR_NOT_FOUND, 0, 0, NULL, NULL},
	{"broken", -ERR_NOT_FOUND, 0, 0, NULL, NULL},
	{"short", -ERR_NOT_FOUND, 0, 0, NULL, NULL},
	{"ann:nogroup", -ERR_NOT_FOUND, 0, 0, NULL, NULL},
	{"ann:bad", -ERR_NOT_FOUND, 0, 0, NULL, NULL},
	{"-1", -ERR_NOT_FOUND, 0, 0, NULL, NULL},
	{"4294967295", -ERR_NOT_FOUND, 0, 0, NULL, NULL},
	{"0:4294967295", -ERR_NOT_FOUND, 0, 0, NULL, NULL},
	{"4294967294", 0, 4294967294u, 0, "/", "0"},
	{"99999999999999999999", -ERR_NOT_FOUND, 0, 0, NULL, NULL},
};

static void lookup(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		SandboxUser u = {0};
		Err *err = NULL;
		int r = sandbox_user_lookup(STR(passwd), STR(group), rows[i].user, &u, &err);
		if (r != rows[i].r)
			fail_msg("'%s': %d, not %d", rows[i].user, r, rows[i].r);
		if (r == 0) {
			Buf groups = BUF_INIT(4096);
			vec_foreach (&u.groups, g)
				buf_printf(&groups, "%s%u", g == u.groups.items ? "" : " ", *g);
			assert_int_equal(u.uid, rows[i].uid);
			assert_int_equal(u.gid, rows[i].gid);
			assert_string_equal(u.home, rows[i].home);
			assert_string_equal(groups.ptr, rows[i].groups);
			buf_done(&groups);
		} else {
			assert_non_null(strstr(err->message, "of the image"));
		}
		sandbox_user_done(&u);
		err_freep(&err);
	}
}

static void empty_files(void **state)
{
	(void)state;
	SandboxUser u = {0};
	assert_int_equal(sandbox_user_lookup(STR(""), STR(""), "", &u, NULL), 0);
	assert_int_equal(u.uid, 0);
	assert_string_equal(u.home, "/");
	sandbox_user_done(&u);
	assert_int_equal(sandbox_user_lookup(STR(""), STR(""), "root", &u, NULL), -ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lookup), cmocka_unit_test(empty_files)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
