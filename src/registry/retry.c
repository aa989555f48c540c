#include "registry/retry.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#include "base/cancel.h"
#include "base/str.h"

#define FIRST_DELAY_MS 250
#define MAX_DELAY_MS   60000
#define SLEEP_SLICE_MS 100 /* how soon an interruption is noticed */

struct Backoff {
	pthread_mutex_t mutex;
	int64_t not_before; /* milliseconds of the monotonic clock */
};

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

Backoff *backoff_new(void)
{
	Backoff *b = xnew(Backoff);
	pthread_mutex_init(&b->mutex, NULL);
	return b;
}

Backoff *backoff_free(Backoff *b)
{
	if (b) {
		pthread_mutex_destroy(&b->mutex);
		free(b);
	}
	return NULL;
}

int http_date_parse(const char *value, int64_t *ret)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"};
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct tm tm = {0};
		const char *end = strptime(value, forms[i], &tm);
		if (!end || *end)
			continue;
		*ret = (int64_t)timegm(&tm);
		return 0;
	}
	return -ERR_PARSE;
}

int retry_after_seconds(const char *value, int64_t now)
{
	uint64_t seconds = 0;
	int64_t date = 0;
	if (str_to_u64(str_of(value), UINT64_MAX, &seconds, NULL) == 0)
		return (int)MIN(seconds, (uint64_t)MAX_DELAY_MS / 1000);
	if (http_date_parse(value, &date) < 0)
		return -1;
	return date < now ? 0 : (int)MIN(date - now, (int64_t)MAX_DELAY_MS / 1000);
}

bool retry_status(long status)
{
	static const long known[] = {408, 429, 499, 500, 502, 503, 504, 522};
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i] == status)
			return true;
	return false;
}

void backoff_failed(Backoff *b, unsigned try, int retry_after)
{
	uint16_t noise = 0;
	(void)!getrandom(&noise, sizeof(noise), GRND_NONBLOCK);
	int64_t delay = retry_after >= 0 ? (int64_t)retry_after * 1000
					 : (int64_t)FIRST_DELAY_MS << MIN(try, 8u);
	/* ± 25 %, but never before the time the server named */
	delay += retry_after >= 0 ? delay * noise / (10 * UINT16_MAX)
				  : delay * (noise - UINT16_MAX / 2) / (2 * UINT16_MAX);
	delay = MIN(delay, (int64_t)MAX_DELAY_MS);
	pthread_mutex_lock(&b->mutex);
	b->not_before = MAX(b->not_before, now_ms() + delay);
	pthread_mutex_unlock(&b->mutex);
}

int backoff_wait(Backoff *b, Err **err)
{
	for (;;) {
		int r = cancel_check(err);
		if (r < 0)
			return r;
		pthread_mutex_lock(&b->mutex);
		int64_t left = b->not_before - now_ms();
		pthread_mutex_unlock(&b->mutex);
		if (left <= 0)
			return 0;
		left = MIN(left, (int64_t)SLEEP_SLICE_MS);
		nanosleep(&(struct timespec){.tv_nsec = left * 1000000}, NULL);
	}
}
