#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "sandbox/sandbox_int.h"

static void fill(SandboxSpec *s)
{
	*s = SANDBOX_SPEC_INIT;
	strvec_push(&s->lowers, "/a");
	strvec_push(&s->lowers, "/b:,\\");
	s->upper = xstrdup("/u");
	s->work = xstrdup("/w");
	strvec_push(&s->argv, "sh");
	strvec_push(&s->argv, "");
	strvec_push(&s->env, "A=\n\xff");
	s->cwd = xstrdup("");
	s->user = xstrdup("ann:staff");
	s->rootfs_read_only = s->tty = true;
	strvec_push(&s->extra_hosts, "h:::1");
	SandboxMount *m = vec_add(&s->mounts);
	m->type = SANDBOX_OVERLAY;
	strvec_push(&m->lowers, "/l");
	m->subpath = xstrdup("x/y");
	m->target = xstrdup("/t");
	m->read_only = true;
	m->tmpfs_size = UINT64_MAX;
	m->mode = 01777;
	m = vec_add(&s->mounts);
	m->type = SANDBOX_BIND;
	m->source = xstrdup("/s");
	m->target = xstrdup("/d");
}

static void spec_round_trip(void **state)
{
	(void)state;
	SandboxSpec s, back;
	fill(&s);
	Buf one = BUF_INIT(1 << 20), two = BUF_INIT(1 << 20);
	s.shm_size = 1 << 20;
	vec_push(&s.limits, ((SandboxLimit){7, 5, UINT64_MAX}));
	spec_pack(&s, &one);
	assert_int_equal(spec_unpack(buf_view(&one), &back, NULL), 0);
	spec_pack(&back, &two);
	assert_true(str_eq(buf_view(&one), buf_view(&two)));
	assert_string_equal(back.lowers.items[1], "/b:,\\");
	assert_string_equal(back.env.items[0], "A=\n\xff");
	assert_null(back.rootfs);
	assert_string_equal(back.cwd, "");
	assert_true(back.tty && back.rootfs_read_only && !back.privileged && !back.network_none);
	assert_int_equal(back.mounts.len, 2);
	assert_int_equal(back.mounts.items[0].mode, 01777);
	assert_string_equal(back.mounts.items[1].source, "/s");
	sandbox_spec_done(&back);
	/* cut off anywhere: an error, and nothing leaks */
	for (size_t n = 0; n < one.len; n++)
		assert_int_equal(spec_unpack((Str){one.ptr, n}, &back, NULL), -ERR_CORRUPT);
	buf_char(&one, 'x');
	assert_int_equal(spec_unpack(buf_view(&one), &back, NULL), -ERR_CORRUPT);
	sandbox_spec_done(&s);
	buf_done(&one);
	buf_done(&two);
}

static void read_all(int fd, Buf *b)
{
	char part[4096];
	for (ssize_t n; (n = read(fd, part, sizeof(part))) > 0;)
		buf_append(b, part, (size_t)n);
}

static void records(void **state)
{
	(void)state;
	int fds[2];
	Reply reply;
	_cleanup_buf_ Buf b = BUF_INIT(1 << 20);
	_cleanup_err_ Err *e = NULL;
	assert_int_equal(pipe(fds), 0);
	err_set(&e, ERR_DENIED, "no");
	err_hint(&e, "try %s", "harder");
	e->errnum = 126;
	record_text(fds[1], RECORD_MADE, "etc/resolv.conf");
	record_text(fds[1], RECORD_MADE, "run");
	record_error(fds[1], e);
	record_number(fds[1], RECORD_EXIT, 42);
	close(fds[1]);
	read_all(fds[0], &b);
	close(fds[0]);
	reply_parse(buf_view(&b), &reply);
	assert_true(reply.has_status);
	assert_int_equal(reply.result.exit_status, 42);
	assert_int_equal(reply.result.made.len, 2);
	assert_string_equal(reply.result.made.items[0], "etc/resolv.conf");
	assert_int_equal(reply.error->code, ERR_DENIED);
	assert_int_equal(reply.error->errnum, 126);
	assert_string_equal(reply.error->message, "no");
	assert_string_equal(reply.error->hint, "try harder");
	reply_done(&reply);
	/* what is cut off is not there; nothing is read beyond */
	for (size_t n = 0; n < b.len; n++) {
		char *part = xmemdup(b.ptr, n + 1);
		reply_parse((Str){part, n}, &reply);
		assert_false(reply.has_status);
		reply_done(&reply);
		free(part);
	}
}

static void strange_records(void **state)
{
	(void)state;
	static const uint32_t heads[][3] = {
		{RECORD_EXIT, 4, 0xffffffff}, /* clipped to a status */
		{RECORD_SIGNAL, 4, 0xffffffff},
		{99, 4, 0},
		{RECORD_ERROR, 4, 7},
		{RECORD_MADE, 0xffffffff, 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		Reply reply;
		reply_parse((Str){(const char *)heads[i], sizeof(heads[i])}, &reply);
		assert_in_range(reply.result.exit_status, 0, 255);
		assert_in_range(reply.result.signal, 0, 127);
		assert_null(reply.error);
		assert_int_equal(reply.result.made.len, 0);
		reply_done(&reply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spec_round_trip),
		cmocka_unit_test(records),
		cmocka_unit_test(strange_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
