#include "serve/faults.h"

#include <time.h>

#include "base/vec.h"

#define SLICE_MS 20

struct Faults {
	VEC(Fault) all;
	uint64_t limit_rate;
	unsigned delay_ms;
};

static const char *const words[] = {[FAULT_STATUS] = "status",
	[FAULT_CUT] = "cut",
	[FAULT_STALL] = "stall",
	[FAULT_CORRUPT] = "corrupt"};

static int parse_what(Str word, Str value, bool has_value, Fault *f, Err **err)
{
	for (unsigned i = FAULT_STATUS; i < ARRAY_SIZE(words); i++)
		if (str_eq_cstr(word, words[i]))
			f->kind = (FaultKind)i;
	if (f->kind == FAULT_NONE)
		return err_set(err, ERR_USAGE,
			"--fail knows status, cut, stall and corrupt, not '" STR_FMT "'",
			STR_ARG(word));
	f->value = UINT64_MAX;
	if (f->kind == FAULT_STATUS) {
		int r = str_to_u64(value, 599, &f->value, NULL);
		if (r < 0 || f->value < 200)
			return err_set(err, ERR_USAGE, "--fail status needs a number: status=503");
		return 0;
	}
	return has_value ? str_to_u64(value, UINT64_MAX - 1, &f->value, err) : 0;
}

static int parse_where(Str word, Str value, Fault *f, Err **err)
{
	_cleanup_free_ char *text = str_dup(value);
	if (str_eq_cstr(word, "every"))
		return str_to_u64(value, UINT64_MAX, &f->every, err);
	if (str_eq_cstr(word, "count"))
		return str_to_u64(value, UINT64_MAX, &f->count, err);
	if (str_eq_cstr(word, "method")) {
		f->method = method_of(text);
		return f->method ? 0 : err_set(err, ERR_USAGE, "--fail: '%s' is no method", text);
	}
	if (str_eq_cstr(word, "on")) {
		for (unsigned k = ROUTE_PING; k < _ROUTE_MAX; k++)
			if (strcmp(route_name((RouteKind)k), text) == 0)
				f->on = (RouteKind)k;
		return f->on ? 0 : err_set(err, ERR_USAGE, "--fail: on '%s' is no place", text);
	}
	return err_set(err, ERR_USAGE, "--fail has no '" STR_FMT "'", STR_ARG(word));
}

int fault_parse(const char *text, Fault *ret, Err **err)
{
	Fault f = {.every = 1, .count = UINT64_MAX};
	Str rest = str_of(text), part;
	int r = 0;
	for (bool first = true; r == 0 && str_cut(&rest, ',', &part); first = false) {
		ssize_t equals = str_find(part, '=');
		Str word = equals < 0 ? part : str_slice(part, 0, (size_t)equals);
		Str value = equals < 0 ? STR("") : str_slice(part, (size_t)equals + 1, part.len);
		r = first ? parse_what(word, value, equals >= 0, &f, err)
			  : parse_where(word, value, &f, err);
	}
	if (r < 0) {
		err_hint(err,
			"for example: --fail status=503,on=blob,every=3 or --fail cut=1000,count=1");
		return r;
	}
	f.every = MAX(f.every, UINT64_C(1));
	*ret = f;
	return 0;
}

int faults_new(const StrVec *fail, uint64_t limit_rate, unsigned delay_ms, Faults **ret, Err **err)
{
	*ret = NULL;
	if ((!fail || fail->len == 0) && !limit_rate && !delay_ms)
		return 0;
	Faults *f = xnew(Faults);
	f->limit_rate = limit_rate;
	f->delay_ms = delay_ms;
	for (size_t i = 0; fail && i < fail->len; i++) {
		int r = fault_parse(fail->items[i], vec_add(&f->all), err);
		if (r < 0) {
			faults_free(f);
			return r;
		}
	}
	*ret = f;
	return 0;
}

Faults *faults_free(Faults *f)
{
	if (f) {
		vec_done(&f->all);
		free(f);
	}
	return NULL;
}

Fault faults_pick(Faults *f, const Route *route, Method method)
{
	if (f) {
		vec_foreach (&f->all, it) {
			if ((it->on && it->on != route->kind) ||
				(it->method && !(it->method & method)))
				continue;
			uint64_t n = __atomic_add_fetch(&it->seen, 1, __ATOMIC_RELAXED);
			if (n % it->every == 0 &&
				__atomic_add_fetch(&it->hit, 1, __ATOMIC_RELAXED) <= it->count)
				return *it;
		}
	}
	return (Fault){0};
}

static void wait_ms(uint64_t ms, const bool *stopping)
{
	while (ms > 0 && !__atomic_load_n(stopping, __ATOMIC_RELAXED)) {
		uint64_t slice = MIN(ms, (uint64_t)SLICE_MS);
		struct timespec t = {.tv_nsec = (long)slice * 1000000};
		nanosleep(&t, NULL);
		ms -= slice;
	}
}

void faults_delay(const Faults *f, const bool *stopping)
{
	if (f)
		wait_ms(f->delay_ms, stopping);
}

/* ---- a body that is shaped ---- */

typedef struct Shaped {
	BodySource source;
	Response inner; /* what would have been sent */
	FaultKind kind;
	uint64_t at, rate;
	const bool *stopping;
	struct timespec began;
} Shaped;

static ssize_t inner_read(Shaped *s, uint64_t offset, void *buf, size_t len)
{
	len = (size_t)MIN((uint64_t)len, s->inner.size - offset);
	if (s->inner.source)
		return s->inner.source->read(s->inner.source, offset, buf, len);
	if (s->inner.fd >= 0)
		return pread(s->inner.fd, buf, len, (off_t)(s->inner.offset + offset));
	memcpy(buf, s->inner.body + offset, len);
	return (ssize_t)len;
}

static uint64_t elapsed_ms(const struct timespec *since)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - since->tv_sec) * 1000 +
		(now.tv_nsec - since->tv_nsec) / 1000000);
}

static ssize_t shaped_read(BodySource *source, uint64_t offset, void *buf, size_t len)
{
	Shaped *s = (Shaped *)source;
	bool ends = s->kind == FAULT_CUT || s->kind == FAULT_STALL;
	if (ends && offset >= s->at) {
		if (s->kind == FAULT_STALL)
			wait_ms(UINT64_MAX, s->stopping);
		return 0;
	}
	if (ends)
		len = (size_t)MIN((uint64_t)len, s->at - offset);
	if (s->rate) {
		len = (size_t)MIN((uint64_t)len, MAX(s->rate / 50, UINT64_C(1)));
		uint64_t due = (offset + len) * 1000 / s->rate, now = elapsed_ms(&s->began);
		if (due > now)
			wait_ms(due - now, s->stopping);
	}
	ssize_t n = inner_read(s, offset, buf, len);
	if (n > 0 && s->kind == FAULT_CORRUPT && s->at >= offset && s->at < offset + (uint64_t)n)
		((uint8_t *)buf)[s->at - offset] ^= 0xff;
	return n;
}

static void shaped_free(BodySource *source)
{
	Shaped *s = (Shaped *)source;
	response_done(&s->inner);
	free(s);
}

void faults_apply(Faults *f, const Fault *fault, const bool *stopping, Response *reply)
{
	if (!f)
		return;
	if (fault->kind == FAULT_STATUS) {
		response_error(
			reply, (unsigned)fault->value, "UNKNOWN", "a fault that --fail asked for");
		if (fault->value == 429 || fault->value == 503)
			response_header(reply, "Retry-After", "1");
		return;
	}
	if ((fault->kind == FAULT_NONE && !f->limit_rate) || reply->size == 0)
		return;
	Shaped *s = xnew(Shaped);
	s->source = (BodySource){shaped_read, shaped_free};
	s->inner = *reply;
	s->inner.headers = (StrVec){0};
	s->kind = fault->kind;
	s->at = fault->value == UINT64_MAX ? reply->size / 2 : fault->value;
	s->rate = f->limit_rate;
	s->stopping = stopping;
	clock_gettime(CLOCK_MONOTONIC, &s->began);
	reply->body = NULL;
	reply->fd = -1;
	reply->source = &s->source;
	reply->offset = 0;
}
