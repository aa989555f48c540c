#include "build/fetch.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>

#include "base/cancel.h"
#include "base/library.h"

#define CONNECT_SECONDS 30L
#define STALL_SECONDS   60L /* without a byte */
#define MAX_REDIRECTS   10L

typedef struct Libcurl {
	__typeof__(&curl_easy_init) easy_init;
	__typeof__(&curl_easy_setopt) easy_setopt;
	__typeof__(&curl_easy_perform) easy_perform;
	__typeof__(&curl_easy_getinfo) easy_getinfo;
	__typeof__(&curl_easy_cleanup) easy_cleanup;
	__typeof__(&curl_easy_strerror) easy_strerror;
	__typeof__(&curl_easy_unescape) easy_unescape;
	__typeof__(&curl_free) free;
	__typeof__(&curl_global_init) global_init;
} Libcurl;
static Libcurl curl;
static int curl_result;
static Err *curl_error; /* of the only attempt */

typedef struct Transfer {
	int fd;
	Sha256 *hash;
	uint64_t size;
	int write_errno;
	Progress *progress;
	unsigned progress_id;
	CURL *curl;
} Transfer;

static size_t on_body(char *data, size_t one _unused_, size_t len, void *arg)
{
	Transfer *t = arg;
	size_t done = 0;
	while (done < len) {
		ssize_t n = write(t->fd, data + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			t->write_errno = errno;
			return 0;
		}
		done += (size_t)n;
	}
	sha256_update(t->hash, data, len);
	t->size += len;
	return len;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total _unused_,
	curl_off_t up_now _unused_)
{
	Transfer *t = arg;
	if (now > 0)
		progress_bytes(t->progress, t->progress_id, "download", (uint64_t)now,
			total > 0 ? (uint64_t)total : 0);
	return cancel_requested();
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
	int len = 0;
	char *decoded = curl.easy_unescape(NULL, name.ptr, (int)name.len, &len);
	bool usable = decoded && len > 0 && !memchr(decoded, '/', (size_t)len) &&
		!memchr(decoded, 0, (size_t)len);
	char *ret = usable ? xstrdup(decoded) : str_dup(name);
	curl.free(decoded);
	return ret;
}

static int set_up(Transfer *t, const char *url, char *error_text)
{
	CURL *c = t->curl;
	return curl.easy_setopt(c, CURLOPT_URL, url) ||
		curl.easy_setopt(c, CURLOPT_ERRORBUFFER, error_text) ||
		curl.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) ||
		curl.easy_setopt(c, CURLOPT_MAXREDIRS, MAX_REDIRECTS) ||
		curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") ||
		curl.easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") ||
		curl.easy_setopt(c, CURLOPT_FILETIME, 1L) ||
		curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L) ||
		curl.easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS) ||
		curl.easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L) ||
		curl.easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS) ||
		curl.easy_setopt(c, CURLOPT_USERAGENT, "cruet/" CRUET_VERSION) ||
		curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) ||
		curl.easy_setopt(c, CURLOPT_WRITEDATA, t) ||
		curl.easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) ||
		curl.easy_setopt(c, CURLOPT_XFERINFODATA, t) ||
		curl.easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
}

static int perform(Transfer *t, const char *url, Err **err)
{
	char error_text[CURL_ERROR_SIZE] = "";
	long status = 0;
	if (set_up(t, url, error_text) != 0)
		return err_set(err, ERR_NET, "libcurl refuses its options");
	CURLcode rc = curl.easy_perform(t->curl);
	curl.easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (rc == CURLE_ABORTED_BY_CALLBACK)
		return err_set(err, ERR_CANCELLED, "interrupted");
	if (t->write_errno)
		return err_sys_num(err, t->write_errno, "write the download");
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return err_set(
			err, ERR_TIMEOUT, "%s", *error_text ? error_text : curl.easy_strerror(rc));
	if (rc != CURLE_OK)
		return err_set(
			err, ERR_NET, "%s", *error_text ? error_text : curl.easy_strerror(rc));
	if (status == 404 || status == 410)
		return err_set(err, ERR_NOT_FOUND, "the server answers %ld", status);
	if (status != 200)
		return err_set(err, ERR_NET, "the server answers %ld", status);
	return 0;
}

static void load_libcurl(void)
{
#define SYMBOL(name)                                                                               \
	{                                                                                          \
		"curl_" #name, offsetof(Libcurl, name)                                             \
	}
	static const LibrarySymbol symbols[] = {
		SYMBOL(easy_init),
		SYMBOL(easy_setopt),
		SYMBOL(easy_perform),
		SYMBOL(easy_getinfo),
		SYMBOL(easy_cleanup),
		SYMBOL(easy_strerror),
		SYMBOL(easy_unescape),
		SYMBOL(free),
		SYMBOL(global_init),
	};
#undef SYMBOL
	curl_result = library_load(
		"libcurl.so.4", "libcurl4", symbols, ARRAY_SIZE(symbols), &curl, &curl_error);
	if (curl_result == 0)
		curl.global_init(CURL_GLOBAL_DEFAULT);
}

int fetch_url(const char *url, const char *checksum, int dirfd, Progress *progress,
	unsigned progress_id, Fetched *ret, Err **err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static unsigned counter;
	ERR_SCOPE(err, "Fetching '%s'", url);
	Digest wanted = {0};
	int r = checksum ? digest_parse(str_of(checksum), &wanted, err) : 0;
	if (r < 0)
		return r;
	pthread_once(&once, load_libcurl);
	if (curl_result < 0)
		return err_set(err, ERR_UNSUPPORTED, "%s", curl_error->message);
	_cleanup_free_ char *file =
		xasprintf("download-%u", __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED));
	_cleanup_close_ int fd = openat(dirfd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, "create the download");
	_cleanup_(sha256_freep) Sha256 *hash = sha256_new();
	Transfer t = {.fd = fd,
		.hash = hash,
		.progress = progress,
		.progress_id = progress_id,
		.curl = curl.easy_init()};
	if (!t.curl)
		return err_set(err, ERR_NET, "libcurl does not start");
	r = perform(&t, url, err);
	curl_off_t modified = -1;
	curl.easy_getinfo(t.curl, CURLINFO_FILETIME_T, &modified);
	curl.easy_cleanup(t.curl);
	if (r < 0)
		return r;
	Fetched got = {.size = t.size, .last_modified = modified};
	sha256_final(hash, &got.digest);
	if (checksum && !digest_eq(&wanted, &got.digest))
		return err_set(err, ERR_DIGEST, "the content is %s, but --checksum says %s",
			digest_str(&got.digest).s, checksum);
	got.file = TAKE_PTR(file);
	got.name = url_name(url);
	*ret = got;
	return 0;
}
