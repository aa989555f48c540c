#include "serve/faults.h"

#include "../check.h"

static void parsing(void **state _unused_)
{
	Fault f;
	ok(fault_parse("status=503,on=blob,method=GET,every=3,count=2", &f, err));
	assert_int_equal(f.kind, FAULT_STATUS);
	assert_int_equal(f.value, 503);
	assert_int_equal(f.on, ROUTE_BLOB);
	assert_int_equal(f.method, METHOD_GET);
	assert_int_equal(f.every, 3);
	assert_int_equal(f.count, 2);
	ok(fault_parse("cut", &f, err));
	assert_true(f.value == UINT64_MAX);
	ok(fault_parse("corrupt=0", &f, err));
	assert_true(f.kind == FAULT_CORRUPT && f.value == 0);
	static const char *const bad[] = {"", "x", "status", "status=9", "status=abc", "cut=x",
		"stall,on=nowhere", "stall,method=get", "stall,every=x", "stall,foo=1"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(fault_parse(bad[i], &f, NULL) < 0);
}

static void picking(void **state _unused_)
{
	_cleanup_strvec_ StrVec fail = {0};
	strvec_push(&fail, "status=500,on=blob,every=2,count=2");
	Faults *f = NULL;
	ok(faults_new(&fail, 0, 0, &f, err));
	Route blob = {.kind = ROUTE_BLOB}, ping = {.kind = ROUTE_PING};
	unsigned hit = 0;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(faults_pick(f, &ping, METHOD_GET).kind, FAULT_NONE);
		bool is = faults_pick(f, &blob, METHOD_GET).kind == FAULT_STATUS;
		assert_int_equal(is, i == 1 || i == 3);
		hit += is;
	}
	assert_int_equal(hit, 2);
	faults_free(f);
	ok(faults_new(NULL, 0, 0, &f, err));
	assert_null(f);
}

/* The whole body as a client gets it; *ret_cut: it ended early. */
static char *drain(Response *r, bool *ret_cut)
{
	Buf b = BUF_INIT(1 << 20);
	*ret_cut = false;
	while (b.len < r->size && !*ret_cut) {
		char chunk[7];
		ssize_t n = r->source->read(r->source, b.len, chunk, sizeof(chunk));
		*ret_cut = n <= 0;
		buf_append(&b, chunk, n > 0 ? (size_t)n : 0);
	}
	return b.ptr ? buf_steal(&b) : xstrdup("");
}

static void bodies(void **state _unused_)
{
	static const struct {
		const char *fail, *want;
		bool cut;
	} cases[] = {
		{"cut=4", "0123", true},
		{"cut", "01234", true},
		{"stall=4", "0123", true},
		{"corrupt=9", "012345678\xC6", false},
		{"cut=100", "0123456789", false},
	};
	bool stopping = true; /* nothing waits */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strvec_ StrVec fail = {0};
		Faults *f = NULL;
		Response r = RESPONSE_INIT;
		Route route = {.kind = ROUTE_BLOB};
		bool cut;
		strvec_push(&fail, cases[i].fail);
		ok(faults_new(&fail, 0, 0, &f, err));
		response_text(&r, 200, "text/plain", xstrdup("0123456789"));
		Fault fault = faults_pick(f, &route, METHOD_GET);
		faults_apply(f, &fault, &stopping, &r);
		assert_int_equal(r.size, 10);
		assert_text(drain(&r, &cut), cases[i].want);
		assert_int_equal(cut, cases[i].cut);
		response_done(&r);
		faults_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing),
		cmocka_unit_test(picking),
		cmocka_unit_test(bodies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
