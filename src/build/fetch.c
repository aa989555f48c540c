#include "build/fetch.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/timefmt.h"
#include "registry/http.h"
#include "registry/retry.h"
#include "registry/url.h"

#define MAX_REDIRECTS 10
#define MAX_TRIES     3

/* The file, its digest and how far it is. */
typedef struct Download {
	Writer base;
	int fd;
	Sha256 *hash;
	uint64_t size, expected; /* expected 0: unknown */
	Progress *progress;
	unsigned progress_id;
} Download;

static int download_write(Writer *w, const void *buf, size_t len, Err **err)
{
	Download *d = (Download *)w;
	const char *data = buf;
	for (size_t done = 0; done < len;) {
		ssize_t n = write(d->fd, data + done, len - done);
		if (n < 0 && errno != EINTR)
			return err_sys(err, "write the download");
		done += n > 0 ? (size_t)n : 0;
	}
	sha256_update(d->hash, buf, len);
	d->size += len;
	progress_bytes(d->progress, d->progress_id, "download", d->size, d->expected);
	return 0;
}

static int download_begin(Download *d, Err **err)
{
	sha256_free(d->hash);
	d->hash = sha256_new();
	d->size = d->expected = 0;
	if (ftruncate(d->fd, 0) < 0 || lseek(d->fd, 0, SEEK_SET) < 0)
		return err_sys(err, "empty the download");
	return 0;
}

static int on_head(void *arg, long status, const StrVec *headers, Err **err _unused_)
{
	Download *d = arg;
	for (size_t i = 0; status == 200 && i < headers->len; i++)
		if (cstr_starts(headers->items[i], "content-length="))
			(void)!str_to_u64(str_of(strchr(headers->items[i], '=') + 1), UINT64_MAX,
				&d->expected, NULL);
	return 0;
}

/* Last component of the URL's path, without query and fragment. */
static char *url_name(const char *url)
{
	Str text = str_of(url);
	const char *scheme = strstr(url, "://");
	if (scheme)
		text = str_of(scheme + 3);
	text.len = strcspn(text.ptr, "?#");
	ssize_t first = str_find(text, '/'), last = str_rfind(text, '/');
	Str name = first < 0 ? STR("") : str_slice(text, (size_t)last + 1, text.len);
	if (name.len == 0 || str_eq_cstr(name, ".") || str_eq_cstr(name, ".."))
		return xstrdup("__unnamed__");
	_cleanup_free_ char *written = str_dup(name);
	char *decoded = url_unescape(written);
	if (decoded && *decoded && !strchr(decoded, '/'))
		return decoded;
	free(decoded);
	return str_dup(name);
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int answer_error(const HttpResponse *answer, Err **err)
{
	long status = answer->status;
	return err_set(err, status == 404 || status == 410 ? ERR_NOT_FOUND : ERR_NET,
		"the server answers %ld", status);
}

/* One body of a 200, through redirects and what passes by itself. */
static int download(
	Http *http, Backoff *backoff, const char *url, Download *d, HttpResponse *answer, Err **err)
{
	_cleanup_free_ char *at = xstrdup(url);
	unsigned redirects = 0, tries = 0;
	for (;;) {
		_cleanup_err_ Err *e = NULL;
		HttpRequest request = {
			.method = "GET", .url = at, .sink = &d->base, .on_head = on_head, .arg = d};
		http_response_done(answer);
		*answer = (HttpResponse){0};
		int r = backoff_wait(backoff, err);
		if (r == 0)
			r = download_begin(d, err);
		if (r < 0)
			return r;
		r = http_perform(http, &request, answer, &e);
		if (r == 0 && answer->status == 200)
			return 0;
		if (r == 0 && is_redirect(answer->status)) {
			const char *location = http_header(answer, "location");
			char *next = NULL;
			if (!location || ++redirects > MAX_REDIRECTS)
				return err_set(err, ERR_NET, "the server redirects %s",
					location ? "too often" : "to nowhere");
			r = url_resolve(at, location, &next, err);
			if (r < 0)
				return r;
			free(at);
			at = next;
			continue;
		}
		bool passes = r < 0 ? http_fault_passes(e) : retry_status(answer->status);
		if (!passes || ++tries == MAX_TRIES)
			return r < 0 ? err_move(err, &e) : answer_error(answer, err);
		const char *after = r == 0 ? http_header(answer, "retry-after") : NULL;
		backoff_failed(
			backoff, tries - 1, after ? retry_after_seconds(after, time_now()) : -1);
	}
}

int fetch_url(const char *url, const char *checksum, int dirfd, Progress *progress,
	unsigned progress_id, Fetched *ret, Err **err)
{
	static unsigned counter;
	static const WriterOps ops = {.write = download_write};
	ERR_SCOPE(err, "Fetching '%s'", url);
	Digest wanted = {0};
	_cleanup_(http_freep) Http *http = NULL;
	_cleanup_(http_response_done) HttpResponse answer = {0};
	int r = checksum ? digest_parse(str_of(checksum), &wanted, err) : 0;
	if (r == 0)
		r = http_new(&http, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *file =
		xasprintf("download-%u", __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED));
	_cleanup_close_ int fd = openat(dirfd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, "create the download");
	Download d = {.base = {&ops}, .fd = fd, .progress = progress, .progress_id = progress_id};
	Backoff *backoff = backoff_new();
	r = download(http, backoff, url, &d, &answer, err);
	backoff_free(backoff);
	_cleanup_(sha256_freep) Sha256 *hash = d.hash;
	if (r < 0)
		return r;
	Fetched got = {.size = d.size, .last_modified = -1};
	const char *modified = http_header(&answer, "last-modified");
	if (modified)
		(void)http_date_parse(modified, &got.last_modified);
	sha256_final(hash, &got.digest);
	if (checksum && !digest_eq(&wanted, &got.digest))
		return err_set(err, ERR_DIGEST, "the content is %s, but --checksum says %s",
			digest_str(&got.digest).s, checksum);
	got.file = TAKE_PTR(file);
	got.name = url_name(url);
	*ret = got;
	return 0;
}
