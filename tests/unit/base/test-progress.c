#include "base/progress.h"

#include <pthread.h>
#include <stdio.h>

#include "../check.h"
#include "base/str.h"

typedef struct Sink {
	Progress p;
	Buf events;
} Sink;

static void plan(Progress *p, unsigned total)
{
	buf_printf(&((Sink *)p)->events, "plan %u\n", total);
}

static void node_state(
	Progress *p, unsigned id, const char *name, ProgressState state, const Err *err)
{
	buf_printf(&((Sink *)p)->events, "state %u %s %d %s\n", id, name ? name : "-", (int)state,
		err ? err->message : "-");
}

static void output(Progress *p, unsigned id, int stream, const char *text, size_t len)
{
	buf_printf(&((Sink *)p)->events, "log %u %d %.*s\n", id, stream, (int)len, text);
}

static void bytes(Progress *p, unsigned id, const char *what, uint64_t done, uint64_t total)
{
	buf_printf(&((Sink *)p)->events, "bytes %u %s %llu/%llu\n", id, what,
		(unsigned long long)done, (unsigned long long)total);
}

static void warn(Progress *p, const char *file, int line, const char *text)
{
	buf_printf(&((Sink *)p)->events, "warn %s:%d %s\n", file ? file : "-", line, text);
}

static void everything(Progress *p)
{
	_cleanup_err_ Err *err = NULL;
	err_set(&err, ERR_NET, "gone");
	progress_plan(p, 3);
	progress_state(p, 1, "one", PROGRESS_STARTED, NULL);
	progress_log(p, 1, 2, "textual", 4);
	progress_log(p, 1, 1, "", 0); /* nothing is no event */
	progress_bytes(p, 1, "layer", UINT64_MAX, 0);
	progress_warn(p, NULL, 0, "%s %d", "beware", 100);
	progress_warn(p, "Dockerfile", 7, "50%%");
	progress_state(p, 1, NULL, PROGRESS_FAILED, err);
}

static void events(void **state _unused_)
{
	static const ProgressOps all = {plan, node_state, output, bytes, warn};
	static const ProgressOps none = {0};
	Sink sink = {.p = {&all}, .events = BUF_INIT(4096)};
	everything(NULL);
	everything(&(Progress){&none});
	everything(&sink.p);
	assert_text(buf_steal(&sink.events),
		"plan 3\nstate 1 one 0 -\nlog 1 2 text\nbytes 1 layer 18446744073709551615/0\n"
		"warn -:0 beware 100\nwarn Dockerfile:7 50%\nstate 1 - 3 gone\n");
}

enum { THREADS = 4, IDS = 1000 };

static void *take_ids(void *at)
{
	for (unsigned i = 0; i < IDS; i++)
		((unsigned *)at)[i] = progress_next_id();
	return NULL;
}

static void ids(void **state _unused_)
{
	pthread_t threads[THREADS];
	static unsigned taken[THREADS][IDS];
	static bool seen[THREADS * IDS + 2];
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_ids, taken[i]), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < (size_t)THREADS * IDS; i++) {
		unsigned id = taken[i / IDS][i % IDS];
		assert_true(id > 0 && id < ARRAY_SIZE(seen) && !seen[id]);
		seen[id] = true;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events),
		cmocka_unit_test(ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
